//! Prints the flow chart.

use std::process::ExitCode;

/// Print the flow chart of a broker that sleeps, as SVG: the transition table of the code, drawn.
///
/// Each box has an id, such as `state-sleeping`; one of class `lit` is lit.
///
/// Examples:
///   pehra flowchart > sleep.svg
///   pehra flowchart --lit sleeping > sleep.svg
///   pehra flowchart --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Light the box of this state: its id without `state-`
    #[arg(long)]
    lit: Option<String>,
    /// The rows of the table instead, one JSON object a line
    #[arg(long, conflicts_with = "lit")]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    use pehra_models::flow;

    let rows = flow::table()?;
    if args.json {
        for row in &rows {
            let from: Vec<String> = row.starts().iter().map(|place| place.id()).collect();
            let line = serde_json::json!({
                "from": from, "on": row.inputs, "if": row.guard, "to": row.next.id(), "does": row.effects,
            });
            println!("{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut svg = flow::svg(&rows);
    if let Some(name) = &args.lit {
        let ids: Vec<String> = flow::Place::ALL.iter().map(|place| place.id()).collect();
        let id = format!("state-{name}");
        if !ids.contains(&id) {
            let names: Vec<&str> = ids.iter().filter_map(|id| id.strip_prefix("state-")).collect();
            return Err(format!(
                "there is no state {name}; --lit takes one of: {}",
                names.join(", ")
            ));
        }
        let (dark, lit) = (
            format!("<g id=\"{id}\" class=\"state\""),
            format!("<g id=\"{id}\" class=\"state {}\"", flow::LIT),
        );
        svg = svg.replace(&dark, &lit);
    }
    print!("{svg}");
    Ok(ExitCode::SUCCESS)
}

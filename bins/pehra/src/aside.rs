//! Lists what an edge has set aside.

use std::path::PathBuf;
use std::process::ExitCode;

/// List what an edge has set aside.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The edge's database
    #[arg(long, default_value = "edge.db")]
    database: PathBuf,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let items = pehra_sqlite::list_set_aside(&args.database).map_err(|error| error.to_string())?;
    for item in &items {
        let (partition, position) = item.at;
        let raw = String::from_utf8_lossy(&item.raw);
        if args.json {
            let (household, time_ms, power_mw) = match &item.reading {
                Some((household, time_ms, power_mw)) => (Some(household), Some(time_ms), Some(power_mw)),
                None => (None, None, None),
            };
            let line = serde_json::json!({
                "why": item.why, "partition": partition, "position": position,
                "household": household, "time_ms": time_ms, "power_mw": power_mw, "raw": raw,
            });
            println!("{line}");
        } else {
            match &item.reading {
                Some((household, time_ms, power_mw)) => {
                    println!(
                        "{:<12} {partition}@{position:<10} {household} at {time_ms} ms: {power_mw} mW",
                        item.why
                    );
                }
                None => println!("{:<12} {partition}@{position:<10} {raw:?}", item.why),
            }
        }
    }
    if !args.json {
        println!("{} set aside", items.len());
    }
    Ok(ExitCode::SUCCESS)
}

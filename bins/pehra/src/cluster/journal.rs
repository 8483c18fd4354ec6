//! The journal that a cluster keeps over its log: append to it, read it.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use clap::Subcommand;
use pehra_asking::Asking;
use pehra_cluster::Cluster;
use pehra_cluster::ask::{Ask, Entries, Place, Reply};
use serde_json::json;

use super::{From, in_runtime};

/// Append texts to the journal that the nodes keep, or read it (needs [log] in the cluster's file)
///
/// What is appended is on the disks of a majority when the command says so, in one order for all.
///
/// Examples:
///   pehra journal append "the pump is on" --config examples/cluster.toml
///   seq 100 | pehra journal append --config examples/cluster.toml
///   pehra journal list --config examples/cluster.toml --from 90
///   pehra journal list --node 2 --config examples/cluster.toml --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Append a text; without one, each line of the input
    Append {
        #[command(flatten)]
        from: From,
        /// The text
        text: Option<String>,
    },
    /// Show the texts: the leader's, with a majority behind the answer, so that none is missing
    List {
        #[command(flatten)]
        from: From,
        /// From this place on
        #[arg(long = "from", default_value_t = 1)]
        first: u64,
        /// The copy of this node instead, which may lag
        #[arg(long)]
        node: Option<u16>,
    },
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let (What::Append { from, .. } | What::List { from, .. }) = &args.what;
    let cluster = from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        match &args.what {
            What::Append { from, text: Some(text) } => append(&asking, from, text).await?,
            What::Append { from, text: None } => append_lines(&asking, from).await?,
            What::List { from, first, node } => list(&cluster, &asking, from, (*first, *node)).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn append_lines(asking: &Asking, from: &From) -> Result<(), String> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("one text a line; Ctrl-D ends");
    }
    for (nth, line) in (1..).zip(input.lock().lines()) {
        let line = line.map_err(|error| format!("line {nth} cannot be read: {error}"))?;
        append(asking, from, &line)
            .await
            .map_err(|why| format!("line {nth}: {why}; the lines before it are appended"))?;
    }
    Ok(())
}

async fn append(asking: &Asking, from: &From, text: &str) -> Result<(), String> {
    let leader = asking
        .leader()
        .await
        .map_err(|why| format!("nothing was appended: {why}"))?;
    match asking.ask(leader.node, &Ask::Append { text: text.into() }).await? {
        Reply::Appended(Place { index, term }) => {
            from.say(&json!({ "index": index, "term": term }), &format!("{index}\t{text}"));
            Ok(())
        }
        other => Err(super::carried_out(other).err().unwrap_or_default()),
    }
}

async fn list(
    cluster: &Cluster,
    asking: &Asking,
    from: &From,
    (first, node): (u64, Option<u16>),
) -> Result<(), String> {
    let (node, confirmed) = match node {
        Some(node) if cluster.member(node).is_none() => {
            return Err(format!(
                "--node {node}: there is no such node in {}",
                from.config.display()
            ));
        }
        Some(node) => (node, false),
        None => (asking.leader().await?.node, true),
    };
    let mut next = first;
    loop {
        let part = match asking.ask(node, &Ask::Entries { from: next, confirmed }).await? {
            Reply::Entries(part) => part,
            other => return Err(super::carried_out(other).err().unwrap_or_default()),
        };
        if next < part.kept_from && next == first && !from.json {
            eprintln!("what stood before place {} is kept no longer", part.kept_from);
        }
        show(&part, from);
        // A part ends where the node's limit is, which may be before the end.
        match part.list.last().map(|entry| entry.place.index) {
            Some(last) if last < part.upto => next = last.saturating_add(1),
            _ => return Ok(()),
        }
    }
}

fn show(part: &Entries, from: &From) {
    for entry in &part.list {
        let Place { index, term } = entry.place;
        from.say(
            &json!({ "index": index, "term": term, "text": entry.text }),
            &format!("{index}\t{}", entry.text),
        );
    }
}

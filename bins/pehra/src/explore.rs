//! Serves a checked model to a browser.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

/// Walk through a checked model in a browser, step by step: the same code that the binaries run.
///
/// Click what shall happen next, and see the messages, writes and crashes so far as a picture. The address in the browser
/// names the walk, so it can be kept and shared. "Run to completion" walks the whole model, which takes its time.
///
/// Examples:
///   pehra explore delivery
///   pehra explore election
///   pehra explore replication
///   pehra explore sleep
///   pehra explore delivery --address 127.0.0.1:3001
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Which model
    #[arg(value_enum)]
    model: Model,
    /// Where to serve it
    #[arg(long, default_value = "127.0.0.1:3000")]
    address: SocketAddr,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Model {
    /// Rows from an edge to the cloud
    Delivery,
    /// Voters that elect a leader
    Election,
    /// A log over that election
    Replication,
    /// Brokers that sleep, and who watches over them
    Sleep,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    // The server panics if it cannot have the address; this says it in words.
    TcpListener::bind(args.address).map_err(|error| {
        format!(
            "cannot listen on {}: {error}; choose another with --address",
            args.address
        )
    })?;
    println!("open http://{} in a browser; Ctrl-C ends it", args.address);
    match args.model {
        Model::Delivery => pehra_models::delivery::explorer(args.address),
        Model::Election => pehra_models::election::explorer(args.address),
        Model::Replication => pehra_models::replication::explorer(args.address),
        Model::Sleep => pehra_models::sleep::explorer(args.address),
    }
    Ok(ExitCode::SUCCESS)
}

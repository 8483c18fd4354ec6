//! A node of a cluster: the checked election, alone, with a log over it, or with guard duty over that, between its peers, its disk, its
//! clients, and the Kafka broker beside it.

mod agent;
mod alone;
mod board;
mod config;
mod desk;
mod guarded;
mod hosted;
mod journal;
mod logged;
mod node;
mod order;
mod orders;
mod shell;
mod store;
mod trust;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pehra_core::election::Election;
use pehra_core::replication::Replication;
use pehra_core::sleep::Sleep;

use crate::config::{Args, Settings};

fn main() -> ExitCode {
    let settings = match Settings::resolve(Args::parse()) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("pehra-broker: {problem}");
            return ExitCode::from(2);
        }
    };
    for warning in &settings.cluster.warnings {
        eprintln!("pehra-broker: warning: {}", warning.in_file(&settings.cluster.path));
    }
    if settings.check_config {
        println!("{settings:#?}\nconfiguration is sound");
        return ExitCode::SUCCESS;
    }
    config::start_logging(settings.log_text);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pehra-broker: cannot start its threads: {error}");
            return ExitCode::from(1);
        }
    };
    let outcome = if settings.cluster.sleep.is_some() {
        runtime.block_on(node::run::<Sleep>(settings))
    } else if settings.cluster.journal.is_some() {
        runtime.block_on(node::run::<Replication<Vec<u8>>>(settings))
    } else {
        runtime.block_on(node::run::<Election<()>>(settings))
    };
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!(problem, "the node ends");
            eprintln!("pehra-broker: {problem}");
            ExitCode::from(1)
        }
    }
}

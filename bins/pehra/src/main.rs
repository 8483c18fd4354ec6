//! The operator's tool.

mod aside;
mod cluster;
mod demo;
mod energy;
mod explore;
mod flowchart;
mod plan;
mod prepare;
mod replay;
mod sim;
mod simulate;
mod stream;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Pehra: readings from an edge to the cloud with nothing lost, and a cluster that elects a leader.
///
/// Examples:
///   pehra demo                             watch it happen; Ctrl-C ends it
///   pehra demo --seconds 30 --chaos        kill edge and cloud all the time, and count at the end
///   pehra simulate --kafka localhost:9092  only the households
///   pehra set-aside --database edge.db     what the edge could not count, and why
///   pehra replay flight/*.rec              does this build say what was said?
///   pehra explore election                 a checked model, step by step in a browser
///   pehra sim                              three nodes that sleep when you type 0, and wake when you type 1
///   pehra flowchart > sleep.svg            how a broker falls asleep and wakes, as a picture
///   pehra plan --kafka localhost:9092      which brokers may sleep, and why others may not
///   pehra energy --brokers 9 --idle 80     what sleeping would save, simulated
///   pehra boot examples/cluster.toml       five voters on this machine, in a table
///   pehra status --config cluster.toml     the same for a running cluster; also: leader, transfer, drain, resign
///   pehra top --config cluster.toml         who watches and who sleeps; also: enable, disable, wake, maintenance, selfcheck
///   pehra journal append "…"                a text on the disks of a majority, in one order for all
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

// A comment on a variant would hide the examples that its arguments are documented with.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    /// Stream household readings to Kafka
    Simulate(simulate::Args),
    /// Turn raw GEM House CSV into the format that --households reads
    Prepare(prepare::Args),
    /// Walk through a checked model in a browser
    Explore(explore::Args),
    Flowchart(flowchart::Args),
    Sim(sim::Args),
    /// Play flight recordings again and compare
    Replay(replay::Args),
    /// List what an edge has set aside: repeated, late, unreadable readings
    SetAside(aside::Args),
    Plan(plan::Args),
    Energy(energy::Args),
    Boot(cluster::BootArgs),
    Status(cluster::StatusArgs),
    Leader(cluster::LeaderArgs),
    Transfer(cluster::TransferArgs),
    Drain(cluster::DrainArgs),
    Resign(cluster::ResignArgs),
    Journal(cluster::JournalArgs),
    Enable(cluster::EnableArgs),
    Disable(cluster::DisableArgs),
    Wake(cluster::WakeArgs),
    Maintenance(cluster::MaintenanceArgs),
    StayAwake(cluster::StayAwakeArgs),
    Selfcheck(cluster::SelfcheckArgs),
    Calibrate(cluster::CalibrateArgs),
    Top(cluster::TopArgs),
    AdminKey(cluster::AdminKeyArgs),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Demo(args) => demo::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Prepare(args) => prepare::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Flowchart(args) => flowchart::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::SetAside(args) => aside::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Energy(args) => energy::run(&args),
        Command::Boot(args) => cluster::boot(&args),
        Command::Status(args) => cluster::status(&args),
        Command::Leader(args) => cluster::leader(&args),
        Command::Transfer(args) => cluster::transfer(&args),
        Command::Drain(args) => cluster::drain(&args),
        Command::Resign(args) => cluster::resign(&args),
        Command::Journal(args) => cluster::journal(&args),
        Command::Enable(args) => cluster::enable(&args),
        Command::Disable(args) => cluster::disable(&args),
        Command::Wake(args) => cluster::wake(&args),
        Command::Maintenance(args) => cluster::maintenance(&args),
        Command::StayAwake(args) => cluster::stay_awake(&args),
        Command::Selfcheck(args) => cluster::selfcheck(&args),
        Command::Calibrate(args) => cluster::calibrate(&args),
        Command::Top(args) => cluster::top(&args),
        Command::AdminKey(args) => cluster::admin_key(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("pehra: {problem}");
            ExitCode::from(1)
        }
    }
}

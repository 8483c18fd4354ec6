//! How long nobody answers when a leader fails: Pehra beside etcd and ZooKeeper, three nodes each, on this machine, at equal
//! failure timeouts: `./run bench-failover`.
//!
//! For each system and timeout three nodes are started in a fresh folder. Then, for each fault and as often as asked: wait
//! until all three nodes answer; put a prober on every node that will survive; wait a random time, so that the fault falls
//! anywhere between two heartbeats; make sure that the victim still leads; fault it; watch until answers flow again. A
//! trial in which this program itself was held up for longer than [`prober::STALL`] says nothing and is made again.
//!
//! The prober (`prober.rs`) is the same for all: a connection of its own for every attempt, an attempt every 5 ms whatever
//! became of those before it, a short deadline. What it asks is in `question.rs`.

mod cluster;
mod etcd;
mod options;
mod pehra;
mod ports;
mod prober;
mod question;
mod report;
mod results;
mod stop;
mod system;
mod trial;
mod zookeeper;

use std::process::ExitCode;

use clap::Parser;
use rand::SeedableRng;
use rand::rngs::StdRng;

use cluster::Cluster;
use options::Options;
use report::{Machine, Row};
use stop::Stop;
use system::{Fault, Pace, System};
use trial::Outcome;

fn main() -> ExitCode {
    let options = Options::parse();
    stop::watch_for_signals();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Interrupted) => {
            eprintln!("interrupted; every process that was started has been ended");
            ExitCode::from(130)
        }
        Err(Stop::Failed(why)) => {
            eprintln!("failover: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Stop> {
    options.raise_priority()?;
    // What is missing is said now, not after the systems before it were measured.
    for name in &options.systems {
        options.system(
            *name,
            Pace {
                timeout_ms: options.timeouts[0],
            },
        )?;
    }
    let machine = Machine::look();
    eprintln!("{machine}");
    let mut random = StdRng::seed_from_u64(options.seed);
    eprintln!("seed {}: it draws the time before each fault", options.seed);
    let mut rows = Vec::new();
    for name in &options.systems {
        for &timeout_ms in &options.timeouts {
            let system = options.system(*name, Pace { timeout_ms })?;
            let faults = options.faults.iter().filter(|fault| system.bears(**fault));
            for &fault in faults {
                let row = measure(system.as_ref(), fault, options, &mut random)?;
                if options.json {
                    println!("{}", row.to_json());
                }
                if let Some(folder) = &options.results {
                    results::keep(folder, &machine, &row)?;
                }
                rows.push(row.to_json());
            }
        }
    }
    if !options.json {
        print!("{}", report::table(&rows));
    }
    Ok(())
}

/// All trials of one fault, on a cluster of their own.
fn measure(system: &dyn System, fault: Fault, options: &Options, random: &mut StdRng) -> Result<Row, Stop> {
    let mut row = Row::new(system, fault);
    let mut cluster = Cluster::start(system)?;
    row.version = cluster.version()?;
    while row.trials() < options.trials {
        match trial::run(&mut cluster, fault, random)? {
            Outcome::Measured(outage) => row.take(outage),
            Outcome::Lost { waited_ms } => {
                row.take_lost(waited_ms);
                cluster = Cluster::start(system)?;
            }
            Outcome::Again(why) => row.repeat(why, options.trials)?,
        }
        eprintln!("{}", row.progress(options.trials));
    }
    Ok(row)
}

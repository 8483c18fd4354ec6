//! What can be asked for.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::etcd::Etcd;
use crate::pehra::Pehra;
use crate::stop::Stop;
use crate::system::{Fault, INSTALL, Pace, System};
use crate::zookeeper::ZooKeeper;

/// How long nobody answers when a leader fails: three nodes of each system on this machine, at equal failure timeouts.
///
/// Prints medians and maxima in one table, the settings next to the numbers. Ctrl-C ends every process that it started.
#[derive(Debug, Parser)]
#[command(name = "failover", args_override_self = true, bin_name = "./run bench-failover", after_help = EXAMPLES)]
pub struct Options {
    /// Trials of each fault
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub trials: u32,

    /// What is measured, with commas between
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["pehra", "etcd", "zookeeper"])]
    pub systems: Vec<Name>,

    /// What happens to the leader, with commas between
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["kill", "stop", "term", "move"])]
    pub faults: Vec<Fault>,

    /// Failure timeouts T in ms, with commas between; a sign of life every tenth of it
    #[arg(long, value_delimiter = ',', default_values = ["1000", "300"],
        value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub timeouts: Vec<u32>,

    /// One JSON object a row instead of the table
    #[arg(long)]
    pub json: bool,

    /// Keep the rows in this folder, as failover.json, and write the table of all rows kept there as failover.md
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<PathBuf>,

    /// Draws the random times before the faults
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Priority of this program and of all nodes, from -20 (first) to 19 (last); below 0 needs root
    #[arg(long, default_value_t = 0, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub nice: i32,

    /// The program etcd
    #[arg(long, value_name = "FILE", default_value = "/usr/bin/etcd")]
    pub etcd: PathBuf,

    /// The program pehra-broker
    #[arg(long, value_name = "FILE", default_value = "target/release/pehra-broker")]
    pub broker: PathBuf,

    /// The folder with zookeeper.jar and the jars that it needs
    #[arg(long, value_name = "FOLDER", default_value = "/usr/share/java")]
    pub zookeeper: PathBuf,
}

const EXAMPLES: &str = "Faults:
  kill   SIGKILL: the leader's connections close
  stop   SIGSTOP: they stay open, as with a frozen host or a cut cable
  term   SIGTERM: the leader may hand over before it ends
  move   an order to hand over; ZooKeeper has none

Examples:
  ./run bench-failover                                         everything
  ./run bench-failover --trials 3 --systems etcd               a quick look
  ./run bench-failover --faults kill,stop --timeouts 300
  ./run bench-failover --json > rows.jsonl
  ./run bench-failover --results benches/results               renew the committed table";

/// A system by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// etcd, with pre-vote
    Etcd,
    /// Apache ZooKeeper
    Zookeeper,
    /// Pehra's own voters
    Pehra,
}

impl Options {
    /// One system at one pace, or what is missing for it.
    pub fn system(&self, name: Name, pace: Pace) -> Result<Box<dyn System>, Stop> {
        match name {
            Name::Etcd => {
                let program = self.etcd.clone();
                if !program.exists() {
                    return Err(missing("etcd", "--etcd FILE", &program));
                }
                Ok(Box::new(Etcd { pace, program }))
            }
            Name::Pehra => {
                let program = self.broker.clone();
                if !program.exists() {
                    return Err(Stop::failed(format!(
                        "pehra-broker is not at {}; build it with: cargo build --release -p pehra-broker",
                        program.display()
                    )));
                }
                Ok(Box::new(Pehra { pace, program }))
            }
            Name::Zookeeper => {
                let jars = self.zookeeper.clone();
                if !jars.join("zookeeper.jar").exists() {
                    return Err(missing("ZooKeeper", "--zookeeper FOLDER", &jars));
                }
                Ok(Box::new(ZooKeeper { pace, jars }))
            }
        }
    }

    /// Gives this program its priority, before it starts anything that inherits it.
    pub fn raise_priority(&self) -> Result<(), Stop> {
        if self.nice == 0 {
            return Ok(());
        }
        rustix::process::setpriority_process(None, self.nice).map_err(|error| {
            Stop::failed(format!(
                "--nice {}: {error}; without root it has to be 0 or more",
                self.nice
            ))
        })
    }
}

fn missing(what: &str, option: &str, path: &std::path::Path) -> Stop {
    Stop::failed(format!(
        "{what} is not at {}; {INSTALL} fetches it, and {option} says where else it is",
        path.display()
    ))
}

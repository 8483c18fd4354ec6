//! What is measured: a system of three nodes, behind the few things that the measurement needs to know of it.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;

use clap::ValueEnum;
use pehra_testbed::process::Process;

use crate::question::{Question, wait_for};
use crate::stop::Stop;

/// Nodes of each cluster.
pub const NODES: usize = 3;

/// The place of a node in its cluster, from 0.
pub type Place = usize;

/// How long a silent leader is borne, and all that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The failure timeout T, in ms.
    pub timeout_ms: u32,
}

impl Pace {
    /// Time between two signs of life: a tenth of T, for all systems.
    pub const fn heartbeat_ms(self) -> u32 {
        self.timeout_ms / 10
    }
}

/// What happens to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Fault {
    /// Killed by SIGKILL: its connections close.
    Kill,
    /// Stopped by SIGSTOP: its connections stay open, as with a frozen host or a cut cable.
    Stop,
    /// Asked to end by SIGTERM: it may hand over first.
    Term,
    /// Asked to hand over to another node, and lives on.
    Move,
}

impl Fault {
    /// Whether the leader goes on answering until it has handed over.
    pub const fn is_graceful(self) -> bool {
        matches!(self, Self::Term | Self::Move)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Term => "term",
            Self::Move => "move",
        })
    }
}

/// One of the systems that are compared, at one pace.
pub trait System {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// The pace that its settings follow from.
    fn pace(&self) -> Pace;
    /// The settings that govern the result, as its own documentation calls them.
    fn settings(&self) -> String;
    /// What an attempt is, in one line.
    fn asks(&self) -> &'static str;
    /// Faults that it has a counterpart of.
    fn bears(&self, fault: Fault) -> bool;
    /// Whether the number in each answer belongs to the leadership behind it, so that it must never fall.
    fn tells_fencing_numbers(&self) -> bool {
        false
    }
    /// Addresses that one node listens on.
    fn addresses_per_node(&self) -> usize;
    /// Starts one node of the cluster, fresh or again.
    fn start(&self, place: Place, cluster: &Layout, log: File) -> Result<Process, Stop>;
    /// What a prober asks this node.
    fn question(&self, place: Place, cluster: &Layout) -> Question;
    /// Whether this node takes part: it answers, or knows who does.
    fn takes_part(&self, place: Place, cluster: &Layout) -> bool {
        wait_for(self.question(place, cluster).ask()).is_ok()
    }
    /// Its version, as a running node tells it.
    fn version(&self, cluster: &Layout) -> Option<String>;
    /// The node that says of itself that it leads, if exactly one does.
    fn leader(&self, cluster: &Layout) -> Option<Place>;
    /// Has `from` hand its leadership to `to`; returns when it says that it did.
    fn hand_over(&self, from: Place, to: Place, cluster: &Layout) -> Result<(), String>;
}

/// Where the nodes of a cluster live.
#[derive(Debug)]
pub struct Layout {
    /// For each node the addresses it listens on; the first is the one that clients use.
    pub addresses: [Vec<SocketAddr>; NODES],
    /// The folder of the cluster.
    pub folder: std::path::PathBuf,
}

impl Layout {
    /// The folder of one node.
    pub fn folder_of(&self, place: Place) -> std::path::PathBuf {
        self.folder.join(place.to_string())
    }

    /// The address that clients of this node use.
    pub fn client(&self, place: Place) -> SocketAddr {
        self.addresses[place][0]
    }

    /// The only node of which `leads` holds.
    pub fn only(&self, leads: impl Fn(SocketAddr) -> bool) -> Option<Place> {
        let mut leaders = (0..NODES).filter(|place| leads(self.client(*place)));
        let leader = leaders.next();
        leaders.next().map_or(leader, |_| None)
    }
}

/// What brings the programs that are compared.
pub const INSTALL: &str = "./run bench-failover";

/// Starts a program in a process group of its own, so that a Ctrl-C on the terminal does not reach it: this program ends it.
pub fn start(command: &mut std::process::Command, log: File) -> Result<Process, Stop> {
    use std::os::unix::process::CommandExt;
    let also = log
        .try_clone()
        .map_err(|error| Stop::failed(format!("no log: {error}")))?;
    command
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(also)
        .stderr(log);
    Ok(Process::start(command, INSTALL))
}

//! Three nodes of one system in a temporary folder. Dropping it ends them all.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use pehra_testbed::process::Process;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::free_address;
use crate::question::Question;
use crate::stop::{Stop, pause};
use crate::system::{Layout, NODES, Place, System};

/// How long a cluster may take until all of it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster.
pub struct Cluster<'a> {
    pub system: &'a dyn System,
    // Before the folder, so that the nodes end before it goes.
    nodes: Vec<Process>,
    layout: Layout,
    _folder: TempDir,
}

impl<'a> Cluster<'a> {
    /// Starts three fresh nodes and waits until they answer.
    pub fn start(system: &'a dyn System) -> Result<Self, Stop> {
        let folder = tempfile::Builder::new()
            .prefix("failover-")
            .tempdir()
            .map_err(|error| Stop::failed(format!("no temporary folder: {error}")))?;
        let addresses = std::array::from_fn(|_| (0..system.addresses_per_node()).map(|_| free_address()).collect());
        let layout = Layout {
            addresses,
            folder: folder.path().to_owned(),
        };
        let mut cluster = Self {
            system,
            nodes: Vec::new(),
            layout,
            _folder: folder,
        };
        for place in 0..NODES {
            let node = cluster.start_node(place)?;
            cluster.nodes.push(node);
        }
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    fn start_node(&self, place: Place) -> Result<Process, Stop> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_of(place))
            .map_err(|error| Stop::failed(format!("no log: {error}")))?;
        self.system.start(place, &self.layout, log)
    }

    fn log_of(&self, place: Place) -> std::path::PathBuf {
        self.layout.folder.join(format!("{place}.log"))
    }

    /// Brings back what a fault took away, then waits until all three nodes answer and one leads.
    pub fn heal(&mut self) -> Result<(), Stop> {
        for place in 0..NODES {
            self.nodes[place].signal(Signal::CONT);
            if !self.nodes[place].is_running() {
                self.nodes[place] = self.start_node(place)?;
            }
        }
        self.wait_until_whole()
    }

    fn wait_until_whole(&mut self) -> Result<(), Stop> {
        let began = Instant::now();
        // Twice in a row, so that an election under way is over.
        let mut whole = 0;
        while whole < 2 {
            whole = if self.is_whole() { whole + 1 } else { 0 };
            if let Some(place) = (0..NODES).find(|place| !self.nodes[*place].is_running()) {
                return Err(self.broken(&format!("node {place} ended by itself")));
            }
            if began.elapsed() > PATIENCE {
                return Err(self.broken("not all nodes answered in a minute"));
            }
            pause(Duration::from_millis(50))?;
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        (0..NODES).all(|place| self.system.takes_part(place, &self.layout)) && self.leader().is_some()
    }

    /// What went wrong, with the last words of each node.
    fn broken(&self, what: &str) -> Stop {
        let mut message = format!("{}: {what}", self.system.name());
        for place in 0..NODES {
            let log = fs::read_to_string(self.log_of(place)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            message += &format!(
                "\nnode {place} wrote at last:\n{}",
                lines[lines.len().saturating_sub(5)..].join("\n")
            );
        }
        Stop::Failed(message)
    }

    /// The version that a node tells.
    pub fn version(&self) -> Result<String, Stop> {
        let version = self.system.version(&self.layout);
        version.ok_or_else(|| self.broken("does not tell its version"))
    }

    /// The node that leads, if exactly one says so.
    pub fn leader(&self) -> Option<Place> {
        self.system.leader(&self.layout)
    }

    /// What a prober asks this node.
    pub fn question(&self, place: Place) -> Question {
        self.system.question(place, &self.layout)
    }

    /// Has one node hand over to another.
    pub fn hand_over(&self, from: Place, to: Place) -> Result<(), String> {
        self.system.hand_over(from, to, &self.layout)
    }

    /// One of its processes.
    pub fn node(&mut self, place: Place) -> &mut Process {
        &mut self.nodes[place]
    }
}

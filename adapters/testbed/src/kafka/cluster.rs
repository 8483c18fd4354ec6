//! A real Kafka cluster: controllers and brokers in KRaft mode, each a process of its own, on loopback or on hosts of their own.
//!
//! Brokers have the ids 1, 2, 3 …, controllers 101, 102, 103 …; every node keeps its port and its data when it is stopped,
//! killed or frozen and started again.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub use pehra_kafka_local::{Host, Options as ClusterOptions};
use pehra_kafka_local::{INSTALL, Layout};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{Kafka, START_MAX, tail};
use crate::process::{Process, free_port, wait_until};

/// How long a node may take to end by itself.
const STOP_MAX: Duration = Duration::from_secs(30);

/// A running cluster; ends when dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    layout: Layout,
    /// Of those that run. They are killed first: a clean end takes seconds, and nobody needs the data.
    processes: BTreeMap<u16, Process>,
    _folder: TempDir,
}

impl KafkaCluster {
    /// Makes a cluster and waits until every broker serves.
    ///
    /// # Panics
    /// If Java or Maven is missing, with the line that installs them; if a node does not come up.
    #[must_use]
    pub fn start(options: &ClusterOptions) -> Self {
        let mut cluster = Self::start_controllers(options);
        cluster.start_wave(&cluster.brokers());
        cluster
    }

    /// The same, but nobody starts the brokers: [`Self::broker_command`] is for who does.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[must_use]
    pub fn start_controllers(options: &ClusterOptions) -> Self {
        let jars = Kafka::fetch();
        let folder = tempfile::Builder::new()
            .prefix("pehra-kafka-cluster-")
            .tempdir()
            .expect("a temporary folder");
        let layout = Layout::make(folder.path(), jars, options, || Ok(free_port()));
        let mut cluster = Self {
            layout: layout.unwrap_or_else(|error| panic!("{error}")),
            _folder: folder,
            processes: BTreeMap::new(),
        };
        cluster.start_wave(&cluster.controllers());
        cluster
    }

    /// Where all brokers listen, for a client.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.layout.bootstrap()
    }

    /// Where a node listens: the same after every restart.
    #[must_use]
    pub fn address(&self, id: u16) -> String {
        self.layout.address(id)
    }

    /// Where a broker listens for what stands in front of it, if it was given an advertised address.
    #[must_use]
    pub fn inner(&self, id: u16) -> String {
        self.layout.inner(id)
    }

    /// The brokers' ids.
    #[must_use]
    pub fn brokers(&self) -> Vec<u16> {
        self.layout.brokers()
    }

    /// The controllers' ids.
    #[must_use]
    pub fn controllers(&self) -> Vec<u16> {
        self.layout.controllers()
    }

    /// Whether its process runs.
    pub fn is_running(&mut self, id: u16) -> bool {
        self.processes.get_mut(&id).is_some_and(Process::is_running)
    }

    /// Asks a node to end and waits: for a broker that is Kafka's controlled shutdown. How long it took, or nothing if it had to
    /// be killed.
    pub fn stop(&mut self, id: u16) -> Option<Duration> {
        let began = Instant::now();
        let mut process = self.processes.remove(&id)?;
        process.stop(STOP_MAX).then(|| began.elapsed())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self, id: u16) {
        if let Some(mut process) = self.processes.remove(&id) {
            process.kill9();
        }
    }

    /// Makes a node stand still: connections stay open, nothing is answered.
    pub fn freeze(&self, id: u16) {
        if let Some(process) = self.processes.get(&id) {
            process.signal(Signal::STOP);
        }
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self, id: u16) {
        if let Some(process) = self.processes.get(&id) {
            process.signal(Signal::CONT);
        }
    }

    /// Starts a stopped or killed node on its data and port, and waits until it serves. How long it took. After `kill -9` it
    /// takes longest: a broker's old session has to run out first.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self, id: u16) -> Duration {
        self.stop(id);
        let began = Instant::now();
        self.spawn(id);
        self.wait_for(id);
        began.elapsed()
    }

    /// What starts a node on its data and port, for who starts it instead of us: stop ours first.
    #[must_use]
    pub fn broker_command(&self, id: u16) -> Command {
        self.layout.command(id)
    }

    /// Runs one of Kafka's own tools, such as `org.apache.kafka.tools.TopicCommand`.
    ///
    /// # Panics
    /// If Java cannot be started.
    #[must_use]
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Output {
        self.command(class, arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot start Java ({error}). Install it with: {INSTALL}"))
    }

    /// The same, ready to be started.
    #[must_use]
    pub fn command(&self, class: &str, arguments: &[&str]) -> Command {
        self.layout.tool(class, arguments)
    }

    /// The last lines of a node's log.
    #[must_use]
    pub fn log(&self, id: u16) -> String {
        tail(&self.layout.log(id))
    }

    /// Starts these at once, and waits for all of them.
    fn start_wave(&mut self, wave: &[u16]) {
        for id in wave {
            self.spawn(*id);
        }
        for id in wave {
            self.wait_for(*id);
        }
    }

    fn spawn(&mut self, id: u16) {
        assert!(!self.address(id).is_empty(), "there is no node {id} in this cluster");
        let log = File::create(self.layout.log_path(id)).expect("making a node's log");
        let mut command = self.broker_command(id);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle on a node's log"))
            .stdout(log);
        self.processes.insert(id, Process::start(&mut command, INSTALL));
    }

    /// Waits until a node says that it serves.
    fn wait_for(&mut self, id: u16) {
        wait_until(&format!("Kafka's node {id} serves"), START_MAX, || {
            assert!(
                self.is_running(id),
                "Kafka's node {id} ended while starting:\n{}",
                self.log(id)
            );
            self.layout.serves(id)
        });
    }
}

//! A real Kafka cluster: controllers and brokers in KRaft mode, each a process of its own, on loopback.
//!
//! Brokers have the ids 1, 2, 3 …, controllers 101, 102, 103 …; every node keeps its port and its data when it is stopped,
//! killed or frozen and started again.
//!
//! Only the first controller is formatted by Kafka's own tool (a second or more of Java for each node otherwise). Its folder
//! is what every node starts from, each with its own ids in `meta.properties`, as the tool would have written them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{INSTALL, Kafka, START_MAX, java, node, random_id, tail};
use crate::process::{Process, free_port, wait_until};

/// How long a node may take to end by itself.
const STOP_MAX: Duration = Duration::from_secs(30);

/// The id of the first controller.
const FIRST_CONTROLLER: u16 = 101;

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many controllers.
    pub controllers: u16,
    /// How many brokers.
    pub brokers: u16,
    /// `broker.rack` of each broker, in order; who has none here has none there.
    pub racks: Vec<String>,
    /// Where clients find each broker, in order, if something stands in front of it, at [`KafkaCluster::inner`]; who has none here
    /// is found at its own port. Brokers find each other at their own ports all the same.
    pub advertised: Vec<String>,
    /// More lines for every node's properties, such as `("num.partitions", "6")`; they win over ours.
    pub settings: Vec<(String, String)>,
}

impl Default for ClusterOptions {
    /// Three and three, without racks.
    fn default() -> Self {
        Self {
            controllers: 3,
            brokers: 3,
            racks: Vec::new(),
            advertised: Vec::new(),
            settings: Vec::new(),
        }
    }
}

/// One node: where it listens, and its process while it runs.
#[derive(Debug)]
struct Node {
    port: u16,
    /// For what stands in front of it.
    inner: u16,
    process: Option<Process>,
}

/// A running cluster; ends when dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    folder: TempDir,
    jars: PathBuf,
    nodes: BTreeMap<u16, Node>,
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
        let ids = (1..=options.brokers).chain((0..options.controllers).map(|at| FIRST_CONTROLLER + at));
        let nodes = ids.map(|id| {
            let node = Node {
                port: free_port(),
                inner: free_port(),
                process: None,
            };
            (id, node)
        });
        let mut cluster = Self {
            nodes: nodes.collect(),
            folder,
            jars,
        };
        cluster.format(options);
        // The controllers first: on a busy machine their elections fail while six nodes start at once, and a broker that finds no
        // controller waits longer each time.
        cluster.start_wave(&cluster.controllers());
        cluster
    }

    /// Where all brokers listen, for a client.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.brokers().into_iter().map(|id| self.address(id)).collect();
        addresses.join(",")
    }

    /// Where a node listens: the same after every restart.
    #[must_use]
    pub fn address(&self, id: u16) -> String {
        format!("127.0.0.1:{}", self.node(id).port)
    }

    /// Where a broker listens for what stands in front of it, if it was given an advertised address.
    #[must_use]
    pub fn inner(&self, id: u16) -> String {
        format!("127.0.0.1:{}", self.node(id).inner)
    }

    /// The brokers' ids.
    #[must_use]
    pub fn brokers(&self) -> Vec<u16> {
        self.nodes.keys().copied().filter(|id| !is_controller(*id)).collect()
    }

    /// The controllers' ids.
    #[must_use]
    pub fn controllers(&self) -> Vec<u16> {
        self.nodes.keys().copied().filter(|id| is_controller(*id)).collect()
    }

    /// Whether its process runs.
    pub fn is_running(&mut self, id: u16) -> bool {
        self.node_mut(id).process.as_mut().is_some_and(Process::is_running)
    }

    /// Asks a node to end and waits: for a broker that is Kafka's controlled shutdown. How long it took, or nothing if it had to
    /// be killed.
    pub fn stop(&mut self, id: u16) -> Option<Duration> {
        let began = Instant::now();
        let mut process = self.node_mut(id).process.take()?;
        process.stop(STOP_MAX).then(|| began.elapsed())
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self, id: u16) {
        if let Some(mut process) = self.node_mut(id).process.take() {
            process.kill9();
        }
    }

    /// Makes a node stand still: connections stay open, nothing is answered.
    pub fn freeze(&self, id: u16) {
        if let Some(process) = &self.node(id).process {
            process.signal(Signal::STOP);
        }
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self, id: u16) {
        if let Some(process) = &self.node(id).process {
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
        let mut command = node(&self.jars);
        command.arg("kafka.Kafka").arg(self.path(id, "properties"));
        command
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
        let mut command = java(&self.jars);
        // What it says on standard output is for its caller.
        command.arg("-Dlog4j2.level=OFF").arg(class).args(arguments);
        command
    }

    /// The last lines of a node's log.
    #[must_use]
    pub fn log(&self, id: u16) -> String {
        tail(&fs::read_to_string(self.path(id, "log")).unwrap_or_default())
    }

    fn node(&self, id: u16) -> &Node {
        self.nodes
            .get(&id)
            .unwrap_or_else(|| panic!("there is no node {id} in this cluster"))
    }

    fn node_mut(&mut self, id: u16) -> &mut Node {
        self.nodes
            .get_mut(&id)
            .unwrap_or_else(|| panic!("there is no node {id} in this cluster"))
    }

    fn path(&self, id: u16, what: &str) -> PathBuf {
        self.folder.path().join(format!("{id}.{what}"))
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
        let log = File::create(self.path(id, "log")).expect("making a node's log");
        let mut command = self.broker_command(id);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle on a node's log"))
            .stdout(log);
        self.node_mut(id).process = Some(Process::start(&mut command, INSTALL));
    }

    /// Waits until a node says that it serves. A broker says it only after the controllers let it in.
    fn wait_for(&mut self, id: u16) {
        let log = self.path(id, "log");
        let said = if is_controller(id) {
            "Kafka Server started"
        } else {
            "Transition from STARTING to STARTED"
        };
        wait_until(&format!("Kafka's node {id} serves"), START_MAX, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            assert!(
                self.is_running(id),
                "Kafka's node {id} ended while starting:\n{}",
                tail(&text)
            );
            text.contains(said)
        });
    }

    /// Makes every node's properties and data.
    fn format(&self, options: &ClusterOptions) {
        let (cluster, mut voters, mut bootstrap) = (random_id(), Vec::new(), Vec::new());
        let directories: BTreeMap<u16, String> = self.nodes.keys().map(|id| (*id, random_id())).collect();
        for id in self.controllers() {
            bootstrap.push(self.address(id));
            voters.push(format!("{id}@{}:{}", self.address(id), directories[&id]));
        }
        for id in self.nodes.keys() {
            let text = self.properties(*id, &bootstrap.join(","), options);
            fs::write(self.path(*id, "properties"), text).expect("writing a node's properties");
        }
        let output = self.tool(
            "kafka.tools.StorageTool",
            &[
                "format",
                "--cluster-id",
                &cluster,
                "--initial-controllers",
                &voters.join(","),
                "--config",
                &self.path(FIRST_CONTROLLER, "properties").display().to_string(),
            ],
        );
        assert!(
            output.status.success(),
            "formatting Kafka's storage failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let formatted = self.path(FIRST_CONTROLLER, "data");
        for (id, directory) in directories.iter().filter(|(id, _)| **id != FIRST_CONTROLLER) {
            let data = self.path(*id, "data");
            fs::create_dir(&data).expect("making a node's data folder");
            fs::copy(formatted.join(BOOTSTRAP), data.join(BOOTSTRAP)).expect("copying what a node begins with");
            if is_controller(*id) {
                copy_folder(&formatted.join(METADATA), &data.join(METADATA));
            }
            let text = format!("version=1\nnode.id={id}\ncluster.id={cluster}\ndirectory.id={directory}\n");
            fs::write(data.join("meta.properties"), text).expect("writing a node's identity");
        }
    }

    fn properties(&self, id: u16, controllers: &str, options: &ClusterOptions) -> String {
        let replication = options.brokers.clamp(1, 3);
        let in_sync = (replication - 1).max(1);
        let mut text = format!(
            "node.id={id}
controller.quorum.bootstrap.servers={controllers}
controller.listener.names=CONTROLLER
log.dirs={}
default.replication.factor={replication}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replication}
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr={in_sync}
{COMMON}",
            self.path(id, "data").display()
        );
        let port = self.node(id).port;
        let role = if is_controller(id) {
            format!("process.roles=controller\nlisteners=CONTROLLER://127.0.0.1:{port}\n")
        } else {
            format!(
                "process.roles=broker\nlisteners=PLAINTEXT://127.0.0.1:{port}\ninter.broker.listener.name=PLAINTEXT\n"
            )
        };
        text.push_str(&role);
        let advertised = (!is_controller(id)).then(|| options.advertised.get(usize::from(id) - 1));
        if let Some(advertised) = advertised.flatten() {
            let inner = self.inner(id);
            // Of two lines with one name the later one counts.
            write!(
                text,
                "listeners=PLAINTEXT://127.0.0.1:{port},CLIENT://{inner}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CLIENT://{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
"
            )
            .expect("writing to a text cannot fail");
        }
        if let Some(rack) = options.racks.get(usize::from(id) - 1) {
            writeln!(text, "broker.rack={rack}").expect("writing to a text cannot fail");
        }
        for (name, value) in &options.settings {
            writeln!(text, "{name}={value}").expect("writing to a text cannot fail");
        }
        text
    }
}

impl Drop for KafkaCluster {
    /// Kills all: a clean end takes seconds, and nobody needs the data.
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            node.process = None;
        }
    }
}

/// The same for every node.
const COMMON: &str = "offsets.topic.num.partitions=3
transaction.state.log.num.partitions=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.partitions=3
# A killed node may come back after this, not after nine seconds.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=500
num.network.threads=1
num.io.threads=2
# The default of 128 MiB does not fit into a small heap.
log.cleaner.dedupe.buffer.size=2097152
";

/// What every node begins with: the levels of the cluster's features.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// The controllers' log, which begins with who votes.
const METADATA: &str = "__cluster_metadata-0";

const fn is_controller(id: u16) -> bool {
    id >= FIRST_CONTROLLER
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("making a folder");
    for entry in fs::read_dir(from).expect("reading a folder") {
        let entry = entry.expect("an entry of a folder");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copying a file");
    }
}

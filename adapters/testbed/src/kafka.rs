//! Real Apache Kafka, as [`pehra_kafka_local`] has it: one node in KRaft mode, broker and controller in one; whole clusters are in
//! [`cluster`].

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pehra_kafka_local::{INSTALL, Jars, SERVES, random_id};
use rustix::process::Signal;
use tempfile::TempDir;

pub mod cluster;

use crate::process::{Process, free_port, wait_until};

/// How long a node may take to serve. After `kill -9` it takes longest: its old session has to run out first.
const START_MAX: Duration = Duration::from_secs(90);

/// A Kafka node with its data in a temporary folder; ends when dropped.
#[derive(Debug)]
pub struct Kafka {
    folder: TempDir,
    jars: Jars,
    port: u16,
    inner: Option<u16>,
    process: Option<Process>,
}

impl Kafka {
    /// Makes a node and waits until it serves.
    ///
    /// # Panics
    /// If Java or Maven is missing, with the line that installs them; if the node does not come up.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None, None)
    }

    /// Makes a node with one more listener, at [`Self::inner`], of which it tells clients that it is at `advertised`: where
    /// something stands in front of it. [`Self::brokers`] leads past that.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[must_use]
    pub fn start_behind(advertised: &str) -> Self {
        Self::start_with(Some(advertised), None)
    }

    /// The same with TLS on that listener. The file holds the broker's key and then its certificate, as PEM.
    ///
    /// # Panics
    /// As [`Self::start`] does.
    #[must_use]
    pub fn start_behind_tls(advertised: &str, keystore: &Path) -> Self {
        Self::start_with(Some(advertised), Some(keystore))
    }

    fn start_with(advertised: Option<&str>, keystore: Option<&Path>) -> Self {
        let jars = Self::fetch();
        let folder = tempfile::Builder::new()
            .prefix("pehra-kafka-")
            .tempdir()
            .expect("a temporary folder");
        let (port, controller) = (free_port(), free_port());
        let inner = advertised.map(|_| free_port());
        let mut text = properties(folder.path(), port, controller);
        if let (Some(inner), Some(advertised)) = (inner, advertised) {
            let protocol = if keystore.is_some() { "SSL" } else { "PLAINTEXT" };
            // Of two lines with one name the later one counts.
            text.push_str(&format!(
                "listeners=PLAINTEXT://127.0.0.1:{port},CLIENT://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CLIENT://{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:{protocol},CONTROLLER:PLAINTEXT
"
            ));
        }
        if let Some(keystore) = keystore {
            text.push_str(&format!(
                "listener.name.client.ssl.keystore.type=PEM
listener.name.client.ssl.keystore.location={}
",
                keystore.display()
            ));
        }
        fs::write(folder.path().join("node.properties"), text).expect("writing node.properties");
        let formatted = jars
            .java()
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                "-t",
                &random_id(),
                "-c",
            ])
            .arg(folder.path().join("node.properties"))
            .output();
        match formatted {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!(
                "formatting Kafka's storage failed:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => panic!("cannot start Java ({error}). Install it with: {INSTALL}"),
        }
        let mut kafka = Self {
            folder,
            jars,
            port,
            inner,
            process: None,
        };
        kafka.restart();
        kafka
    }

    /// Fetches the jars, unless that was done before.
    ///
    /// # Panics
    /// If Maven is missing, with the line that installs it; if it cannot fetch them.
    #[must_use]
    pub fn fetch() -> Jars {
        Jars::fetch().unwrap_or_else(|error| panic!("{error}"))
    }

    /// Where it listens: the same after every restart.
    #[must_use]
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens for what stands in front of it.
    ///
    /// # Panics
    /// If it was not started behind something.
    #[must_use]
    pub fn inner(&self) -> String {
        let inner = self.inner.expect("it was started behind something");
        format!("127.0.0.1:{inner}")
    }

    /// Makes it stand still: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::STOP);
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Asks it to end, and waits. Whether it ended by itself.
    pub fn stop(&mut self) -> bool {
        self.process
            .take()
            .is_none_or(|mut process| process.stop(Duration::from_secs(30)))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Starts it again on the same data and port, and waits until it serves.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        self.stop();
        let path = self.folder.path().join("node.log");
        let log = File::create(&path).expect("making node.log");
        let mut command = self.jars.node(&self.folder.path().join("node.properties"));
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle on node.log"))
            .stdout(log);
        let mut process = Process::start(&mut command, INSTALL);
        let text = || fs::read_to_string(&path).unwrap_or_default();
        wait_until("Kafka serves", START_MAX, || {
            assert!(process.is_running(), "Kafka ended while starting:\n{}", tail(&text()));
            text().contains(SERVES)
        });
        self.process = Some(process);
    }

    /// One of Kafka's own tools, such as `org.apache.kafka.tools.TopicCommand`, ready to be started.
    #[must_use]
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Command {
        self.jars.tool(class, arguments)
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log(&self) -> String {
        tail(&fs::read_to_string(self.folder.path().join("node.log")).unwrap_or_default())
    }
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={}/data
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Kafka's own default, stated: whoever asks for a topic in the wrong way makes it, with one partition.
auto.create.topics.enable=true
num.partitions=1
# A killed node may come back after this, not after nine seconds.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=1
num.io.threads=2
# The default of 128 MiB does not fit into a small heap.
log.cleaner.dedupe.buffer.size=2097152
",
        folder.display()
    )
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

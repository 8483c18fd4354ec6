//! A real Kafka cluster whose brokers are started, stopped and woken by real agents.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod client;
pub mod links;
pub mod machine;
mod turn;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pehra_kafka_admin::{Admin, Limits, TopicPartition};
use pehra_testbed::kafka::cluster::{ClusterOptions, Host, KafkaCluster};
use pehra_testbed::process::{Process, free_port};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::common::{ask, broker};
pub use client::Client;
use client::{Read, Sent, is_all_there};
use links::Links;
use turn::Turn;

/// How long anything may take that has to happen: brokers are started in it, on a machine that may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

const INSTALL: &str = "apt-get install -y default-jre-headless maven";

/// Three controllers, three brokers behind proxies, three agents: agent 1 looks after broker 1, and so on. More agents only watch.
pub struct Barn {
    pub kafka: KafkaCluster,
    folder: tempfile::TempDir,
    ports: Vec<u16>,
    proxies: Vec<u16>,
    by: By,
    agents: BTreeMap<u16, Process>,
    began: Instant,
    _turn: Turn,
}

/// How agents see their brokers' traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Clients come by proxies.
    Proxies,
    /// Clients come to the brokers themselves; the last of which is looked for at a port that nobody listens at.
    Sockets,
}

/// What an agent says of its guard duty.
#[derive(Clone, Debug)]
pub struct Stand {
    pub doing: String,
    pub role: String,
    pub on: bool,
    pub epoch: u64,
    pub all: Value,
}

impl Barn {
    /// The controllers, and all that the agents need. `more` stands behind `[sleep]`; so many agents have no broker.
    pub fn new(more: &str, watchers: u16) -> Self {
        Self::begun(By::Proxies, BTreeMap::new(), more, watchers)
    }

    /// The same with nothing in front of the brokers, or with proxies.
    pub fn seen(by: By, more: &str, watchers: u16) -> Self {
        Self::begun(by, BTreeMap::new(), more, watchers)
    }

    /// The same with hosts of their own for some of Kafka's nodes.
    pub fn on(hosts: BTreeMap<u16, Host>, more: &str, watchers: u16) -> Self {
        Self::begun(By::Proxies, hosts, more, watchers)
    }

    fn begun(by: By, hosts: BTreeMap<u16, Host>, more: &str, watchers: u16) -> Self {
        let turn = Turn::wait();
        let began = Instant::now();
        let proxies: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let kafka = KafkaCluster::start_controllers(&ClusterOptions {
            advertised: proxies.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
            hosts,
            ..ClusterOptions::default()
        });
        let barn = Self {
            kafka,
            folder: tempfile::tempdir().expect("a folder"),
            ports: (0..3 + watchers).map(|_| free_port()).collect(),
            proxies,
            by,
            agents: BTreeMap::new(),
            began,
            _turn: turn,
        };
        barn.configure(more);
        barn
    }

    /// The same with all agents and brokers up, and sleep allowed.
    pub fn enabled(more: &str, watchers: u16) -> Self {
        let mut barn = Self::new(more, watchers);
        barn.begin();
        barn
    }

    /// Starts all, and allows sleep.
    pub fn begin(&mut self) {
        for (id, _) in (1..).zip(self.ports.clone()) {
            self.start(id);
        }
        self.all_are_up();
        self.topic("readings");
        self.enable();
    }

    /// What its clients are told and what the agent looks at is the broker's own port.
    fn stand_at_the_advertised_port(&self, id: u16, port: u16) {
        let own = format!("/{id}.properties");
        let command = self.kafka.broker_command(id);
        let file = command.get_args().find(|word| word.to_string_lossy().ends_with(&own));
        let file = Path::new(file.expect("the broker's properties"));
        let text = fs::read_to_string(file).expect("they are there");
        let inner = format!("CLIENT://{}", self.kafka.inner(id));
        assert!(text.contains(&inner), "{text}");
        let text = text.replace(&inner, &format!("CLIENT://127.0.0.1:{port}"));
        fs::write(file, text).expect("they are written");
    }

    fn configure(&self, more: &str) {
        let command = self.kafka.broker_command(1);
        let quoted = |text: &std::ffi::OsStr| format!("{:?}", text.to_string_lossy());
        let words: Vec<String> = [command.get_program()]
            .into_iter()
            .chain(command.get_args())
            .map(|word| quoted(word).replace("/1.", "/{broker}."))
            .collect();
        let set = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
            value.map(|value| format!("{} = {}", name.to_string_lossy(), quoted(value)))
        };
        let environment: Vec<String> = command.get_envs().filter_map(set).collect();
        let mut text = format!(
            "[cluster]
name = \"barn\"
profile = \"wan\"
data = \"data\"
[sleep]
profile = \"test\"
voter-spare = 0
{more}
[power.process]
command = [{}]
environment = {{ {} }}
log = \"broker-{{broker}}.log\"
pid-file = \"broker-{{broker}}.pid\"
",
            words.join(", "),
            environment.join(", ")
        );
        // Three that only watch elect among themselves, and no sleeper is missed by them.
        let role = if self.ports.len() >= 6 { "observer" } else { "voter" };
        for (id, port) in (1_u16..).zip(&self.ports) {
            writeln!(text, "[[node]]\nid = {id}\naddress = \"127.0.0.1:{port}\"")
                .expect("writing to a text cannot fail");
            let Some(proxy) = self.proxies.get(usize::from(id) - 1) else {
                continue;
            };
            let seen = match self.by {
                By::Proxies => format!(
                    "listen = \"127.0.0.1:{proxy}\"\nupstream = \"{}\"",
                    self.kafka.inner(id)
                ),
                By::Sockets => {
                    self.stand_at_the_advertised_port(id, *proxy);
                    let looked_at = if id == 3 { free_port() } else { *proxy };
                    format!("sockets = {{ ports = [{looked_at}] }}")
                }
            };
            write!(
                text,
                "role = \"{role}\"\n[node.broker]\nid = {id}\naddress = \"{}\"\n{seen}\n",
                self.kafka.address(id)
            )
            .expect("writing to a text cannot fail");
        }
        fs::write(self.folder.path().join("cluster.toml"), text).expect("the configuration is written");
    }

    /// Puts links between all agents, of which none has been started.
    pub fn behind_links(&self) -> Links {
        let agents = (1..).zip(&self.ports).map(|(id, _)| (id, self.address(id)));
        let (links, told) = Links::between(&agents.collect());
        let text = fs::read_to_string(self.config_of(0)).expect("it was written");
        for (id, dials) in told {
            let own = dials.iter().fold(text.clone(), |text, (listens, dialled)| {
                text.replace(&format!("\"{listens}\""), &format!("\"{dialled}\""))
            });
            fs::write(self.folder.path().join(format!("cluster-{id}.toml")), own).expect("a file");
        }
        links
    }

    /// An agent's own file if it has one, else that of all.
    fn config_of(&self, id: u16) -> PathBuf {
        let own = self.folder.path().join(format!("cluster-{id}.toml"));
        let all = self.folder.path().join("cluster.toml");
        if own.exists() { own } else { all }
    }

    /// Prints what has happened, and when.
    pub fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    // --- agents -----------------------------------------------------------------------------------------------------------

    pub fn address(&self, id: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[usize::from(id) - 1]).into()
    }

    /// Starts an agent, and waits until it answers.
    pub fn start(&mut self, id: u16) {
        let log = self.folder.path().join(format!("agent-{id}.log"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = broker(&self.config_of(id), id.into());
        let agent = Process::start(
            command.arg("--log-text").env("NO_COLOR", "1").stderr(log),
            "cargo build -p pehra-broker",
        );
        self.agents.insert(id, agent);
        let until = Instant::now() + PATIENCE;
        while self.stand(id).is_none() {
            assert!(Instant::now() < until, "agent {id} does not answer\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number of an agent's process.
    pub fn agent_pid(&self, id: u16) -> u32 {
        self.agents[&id].pid()
    }

    pub fn kill9(&mut self, id: u16) {
        self.agents.remove(&id).expect("it runs").kill9();
        self.say(&format!("agent {id} is killed"));
    }

    /// Makes an agent stand still: its connections stay open, and it says nothing.
    pub fn freeze(&self, id: u16) {
        self.agents[&id].signal(Signal::STOP);
        self.say(&format!("agent {id} stands still"));
    }

    pub fn thaw(&self, id: u16) {
        self.agents[&id].signal(Signal::CONT);
        self.say(&format!("agent {id} goes on"));
    }

    /// `kill -9` for a broker, behind its agent's back.
    pub fn kill_broker(&self, id: u16) {
        kill_process(self.broker_pid(id).expect("it runs"), Signal::KILL).expect("it is killed");
        self.say(&format!("broker {id} is killed"));
    }

    /// SIGTERM, which must be enough.
    pub fn stop(&mut self, id: u16) {
        let stopped = self.agents.remove(&id).expect("it runs").stop(PATIENCE);
        assert!(stopped, "agent {id} did not end when it was asked to\n{}", self.logs());
        self.say(&format!("agent {id} has ended"));
    }

    pub fn ask(&self, id: u16, question: &str) -> Option<Value> {
        ask(self.address(id), question)
    }

    pub fn stand(&self, id: u16) -> Option<Stand> {
        let all = self.ask(id, r#"{"ask":"status"}"#)?["status"]["sleep"].clone();
        let text = |key: &str| all[key].as_str().unwrap_or_default().to_owned();
        Some(Stand {
            doing: text("doing"),
            role: text("role"),
            on: all["on"] == true,
            epoch: all["epoch"].as_u64()?,
            all,
        })
    }

    /// All agents that run, in order.
    pub fn stands(&self) -> Vec<(u16, Stand)> {
        let ids = self.agents.keys().copied();
        ids.filter_map(|id| Some((id, self.stand(id)?))).collect()
    }

    /// Those who sleep now.
    pub fn sleepers(&self) -> Vec<u16> {
        let stands = self.stands().into_iter();
        stands
            .filter(|(_, stand)| stand.doing == "asleep" || stand.doing == "ringing")
            .map(|(id, _)| id)
            .collect()
    }

    pub fn pehredar(&self) -> Option<u16> {
        let stands = self.stands().into_iter();
        stands
            .filter(|(_, stand)| stand.role == "pehredar")
            .map(|(id, _)| id)
            .next()
    }

    /// Waits until all agents that run stand like that.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&[Stand]) -> bool) {
        self.wait(what, || {
            let stands = self.stands();
            let stands: Vec<Stand> = stands.into_iter().map(|(_, stand)| stand).collect();
            stands.len() == self.agents.len() && is_so(&stands)
        });
    }

    /// Waits for a condition.
    #[track_caller]
    pub fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            if Instant::now() > until {
                for (id, stand) in self.stands() {
                    println!("{id}: {}", stand.all);
                }
                panic!("waited {PATIENCE:?} in vain: {what}\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for exactly one sleeper.
    #[track_caller]
    pub fn one_sleeps(&self) -> u16 {
        self.so_many_sleep(1)[0]
    }

    /// Waits for exactly so many sleepers.
    #[track_caller]
    pub fn so_many_sleep(&self, count: usize) -> Vec<u16> {
        let mut found = Vec::new();
        self.wait("they fall asleep", || {
            found = self.sleepers();
            assert!(
                found.len() <= count,
                "{found:?} sleep, and partitions have too few copies\n{}",
                self.logs()
            );
            found.len() == count
        });
        self.say(&format!("asleep: {found:?}"));
        found
    }

    /// Waits until all brokers whose agents run are up.
    #[track_caller]
    pub fn all_are_up(&self) {
        self.until("all are up", |all| {
            all.iter()
                .all(|stand| stand.doing == "active" || stand.all["broker"].is_null())
        });
        self.say("all are up");
    }

    /// Has the Pehredar let brokers sleep.
    pub fn enable(&self) {
        self.tell_pehredar(|stand| format!(r#"{{"ask":"enable","epoch":{}}}"#, stand.epoch + 1));
        self.until("all know that it is on", |all| all.iter().all(|stand| stand.on));
        self.say("sleep is allowed");
    }

    /// Asks the Pehredar until it is done.
    #[track_caller]
    pub fn tell_pehredar(&self, order: impl Fn(&Stand) -> String) {
        let mut last = Value::Null;
        self.wait("the Pehredar does as it is told", || {
            for (id, stand) in self.stands() {
                if stand.role == "pehredar" {
                    last = self.ask(id, &order(&stand)).unwrap_or_default();
                }
            }
            !last["done"].is_null()
        });
    }

    // --- Kafka ------------------------------------------------------------------------------------------------------------

    /// Where clients find the cluster: the proxies.
    pub fn clients(&self) -> String {
        let addresses: Vec<String> = self.proxies.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        addresses.join(",")
    }

    /// Makes a topic, as a client does, and waits until it is made.
    pub fn topic(&self, name: &str) {
        let create = ["--create", "--bootstrap-server", &self.clients(), "--topic", name];
        let made = self.kafka.tool("org.apache.kafka.tools.TopicCommand", &create);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// The number of the process of a broker, if it runs.
    pub fn broker_pid(&self, id: u16) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.path().join(format!("broker-{id}.pid"))).ok()?;
        let pid = text.trim().parse().ok().and_then(Pid::from_raw)?;
        let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
        // Its number may be another's by now.
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains(&format!("/{id}.properties")).then_some(pid)
    }

    /// Whether a broker takes requests itself.
    pub fn answers(&self, id: u16) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let address = self.kafka.address(id);
        let asked = Admin::connect(&address, Limits::default());
        runtime.expect("a runtime").block_on(asked).is_ok()
    }

    /// Where the logs of a topic's so many partitions end on those brokers that are up.
    pub fn ends(&self, topic: &str, partitions: i32) -> Vec<Option<i64>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let wanted: Vec<_> = (0..partitions)
            .map(|partition| TopicPartition::new(topic, partition))
            .collect();
        let up: Vec<String> = (1..=3)
            .filter(|id| self.broker_pid(*id).is_some())
            .map(|id| self.kafka.address(id))
            .collect();
        let asked = async {
            let mut admin = Admin::connect(&up.join(","), Limits::default()).await?;
            admin.log_ends(&wanted).await
        };
        let ends = runtime
            .expect("a runtime")
            .block_on(asked)
            .expect("the cluster answers");
        ends.into_iter().map(|end| end.end).collect()
    }

    /// One of Kafka's verifiable clients, whose lines are kept.
    pub fn client(&self, class: &str, arguments: &[&str]) -> Client {
        let clients = self.clients();
        let mut command = self
            .kafka
            .command(&format!("org.apache.kafka.tools.{class}"), arguments);
        Client::start(command.args(["--bootstrap-server", &clients]))
    }

    /// Writes 50 messages a second with `acks=all`, as Kafka's clients do by default: again and again until they are taken.
    pub fn producer(&self, topic: &str, more: &[&str]) -> Client {
        // The tool itself would not try again.
        let config = self.folder.path().join("producer.properties");
        fs::write(&config, "retries=2147483647\nenable.idempotence=true\n").expect("the file is written");
        let config = config.display().to_string();
        let usual = [
            "--topic",
            topic,
            "--throughput",
            "50",
            "--acks",
            "-1",
            "--producer.config",
            &config,
        ];
        self.client("VerifiableProducer", &[&usual, more].concat())
    }

    /// Produces so many messages, and waits until all have an answer. What was acknowledged.
    pub fn produce(&self, topic: &str, messages: u32) -> Vec<Sent> {
        let mut client = self.producer(topic, &["--max-messages", &messages.to_string()]);
        self.wait("the producer ends", || !client.process.is_running());
        client.sent()
    }

    /// Reads for ever, from the beginning.
    pub fn consumer(&self, topic: &str, group: &str, more: &[&str]) -> Client {
        let usual = [
            "--topic",
            topic,
            "--group-id",
            group,
            "--verbose",
            "--reset-policy",
            "earliest",
        ];
        self.client("VerifiableConsumer", &[&usual, more].concat())
    }

    /// Reads from the beginning until all of these are read, or nothing more comes.
    pub fn consume(&self, topic: &str, sent: &[Sent]) -> Vec<Read> {
        let mut client = self.consumer(topic, &format!("group-{}", free_port()), &[]);
        let (mut last, mut since) = (0, Instant::now());
        self.wait("all is read", || {
            let count = client.said("record_data");
            if count != last {
                (last, since) = (count, Instant::now());
            }
            let quiet = if count < sent.len() { 20 } else { 1 };
            since.elapsed() > Duration::from_secs(quiet)
        });
        client.end();
        client.read()
    }

    pub fn logs(&self) -> String {
        let mut all = String::new();
        for id in 1..=self.ports.len() {
            let text = fs::read_to_string(self.folder.path().join(format!("agent-{id}.log"))).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            let _ = write!(all, "--- agent {id}\n{tail}\n");
        }
        all
    }

    /// The lines of an agent's log with this in them.
    pub fn logged(&self, id: u16, what: &str) -> usize {
        let text = fs::read_to_string(self.folder.path().join(format!("agent-{id}.log"))).unwrap_or_default();
        text.lines().filter(|line| line.contains(what)).count()
    }

    /// The writer ends. All that was acknowledged to it can be read where it was put, and it gave nothing up.
    #[track_caller]
    pub fn nothing_is_lost(&self, topic: &str, mut writer: Client) {
        writer.end();
        let (sent, failed) = (writer.sent(), writer.failed());
        assert!(failed.is_empty(), "the producer gave up on these: {failed:?}");
        is_all_there(&sent, &self.consume(topic, &sent));
        println!("{} messages acknowledged, and read", sent.len());
    }
}

impl Drop for Barn {
    /// Brokers outlive their agents.
    fn drop(&mut self) {
        self.agents.clear();
        for id in 1..=3 {
            if let Some(pid) = self.broker_pid(id) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if let Some(kept) = std::env::var_os("PEHRA_KEEP_LOGS") {
            let _ = Command::new("cp").arg("-r").arg(self.folder.path()).arg(kept).status();
        }
    }
}

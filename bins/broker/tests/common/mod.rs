//! A cluster of real processes on loopback, and a client that is no member.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod network;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pehra_testbed::process::{Process, free_port};
use serde_json::Value;

/// How long anything may take that has to happen. The seed's course test asks for five seconds.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster, of which any nodes may be up.
pub struct Cluster {
    pub folder: tempfile::TempDir,
    pub ports: Vec<u16>,
    /// Where each node is; on loopback unless a test says otherwise.
    pub hosts: Vec<IpAddr>,
    /// What starts a node, with the node's own command as its arguments; none if it is started as it is.
    pub wrap: Option<Wrap>,
    nodes: Vec<Option<Process>>,
    /// The highest fencing number that anybody was told: the next one may not be lower.
    highest: u64,
}

/// Makes the command that starts the node of this id, with this folder for its state.
pub type Wrap = Box<dyn Fn(usize, &Path) -> Command>;

/// A confirmed leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    pub node: usize,
    pub fencing: u64,
}

impl Cluster {
    /// `count` voters of profile `lan`, none of them started.
    pub fn new(count: usize) -> Self {
        let cluster = Self {
            folder: tempfile::tempdir().expect("a folder"),
            ports: (0..count).map(|_| free_port()).collect(),
            hosts: vec![Ipv4Addr::LOCALHOST.into(); count],
            wrap: None,
            nodes: (0..count).map(|_| None).collect(),
            highest: 0,
        };
        cluster.write_config("cluster.toml", 1, &cluster.ports);
        cluster
    }

    /// Writes a configuration with these ports.
    pub fn write_config(&self, name: &str, number: u32, ports: &[u16]) -> PathBuf {
        let addresses = self.hosts.iter().zip(ports);
        let addresses: Vec<_> = addresses.map(|(host, port)| SocketAddr::new(*host, *port)).collect();
        self.write_addresses(name, number, &addresses, "")
    }

    /// Writes a configuration with these addresses, and this behind the cluster's own table.
    pub fn write_addresses(&self, name: &str, number: u32, addresses: &[SocketAddr], more: &str) -> PathBuf {
        let mut text = format!("[cluster]\nname = \"test\"\nnumber = {number}\ndata = \"data\"\n{more}");
        for (id, address) in addresses.iter().enumerate() {
            let _ = write!(text, "[[node]]\nid = {id}\naddress = \"{address}\"\n");
        }
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("the configuration is written");
        path
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }

    /// A node's own file if it has one, else that of all.
    pub fn config_of(&self, id: usize) -> PathBuf {
        let own = self.folder.path().join(format!("cluster-{id}.toml"));
        if own.exists() { own } else { self.config() }
    }

    pub fn address(&self, id: usize) -> SocketAddr {
        SocketAddr::new(self.hosts[id], self.ports[id])
    }

    pub fn data(&self, id: usize) -> PathBuf {
        self.folder.path().join(format!("data/node{id}"))
    }

    /// All that the node has logged, over all its lives.
    pub fn log(&self, id: usize) -> String {
        fs::read_to_string(self.folder.path().join(format!("{id}.log"))).unwrap_or_default()
    }

    pub fn start(&mut self, id: usize) {
        let log = self.folder.path().join(format!("{id}.log"));
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut command = broker(&self.config_of(id), id);
        if let Some(wrap) = &self.wrap {
            let mut wrapped = wrap(id, &self.data(id));
            wrapped.arg(command.get_program()).args(command.get_args());
            wrapped.stdin(Stdio::null()).stdout(Stdio::null());
            command = wrapped;
        }
        self.nodes[id] = Some(Process::start(command.stderr(log), "cargo build -p pehra-broker"));
        let until = Instant::now() + PATIENCE;
        while self.ask(id, r#"{"ask":"status"}"#).is_none() {
            assert!(Instant::now() < until, "node {id} does not answer\n{}", self.log(id));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn node(&mut self, id: usize) -> &mut Process {
        self.nodes[id].as_mut().expect("it was started")
    }

    pub fn kill9(&mut self, id: usize) {
        self.nodes[id].take().expect("it was started").kill9();
    }

    /// Ends it with SIGTERM, which must be enough.
    pub fn stop(&mut self, id: usize) {
        let stopped = self.nodes[id].take().expect("it was started").stop(PATIENCE);
        assert!(stopped, "node {id} did not stop when it was asked to\n{}", self.log(id));
    }

    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|id| self.nodes[*id].is_some()).collect()
    }

    pub fn ask(&self, id: usize, question: &str) -> Option<Value> {
        ask(self.address(id), question)
    }

    pub fn status(&self, id: usize) -> Value {
        self.ask(id, r#"{"ask":"status"}"#).expect("a status")["status"].clone()
    }

    /// Who says that it leads, with a majority behind it. Two at once must have different numbers, and only the higher
    /// one counts.
    pub fn leader_now(&mut self) -> Option<Leader> {
        let mut found: Option<Leader> = None;
        for id in self.up() {
            let Some(reply) = self.ask(id, r#"{"ask":"leader"}"#) else {
                continue;
            };
            let leader = &reply["leader"];
            let (Some(node), Some(fencing)) = (leader["node"].as_u64(), leader["fencing"].as_u64()) else {
                continue;
            };
            assert_eq!(node, id as u64, "a node may confirm itself only: {reply}");
            assert!(fencing >= self.highest, "{reply}: {} was seen before", self.highest);
            if let Some(other) = found {
                assert_ne!(other.fencing, fencing, "two leaders in one term: {other:?} and {reply}");
            }
            self.highest = fencing;
            found = Some(Leader { node: id, fencing });
        }
        found
    }

    /// Waits for a leader whose number is above `above`.
    pub fn leader(&mut self, above: u64) -> Leader {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.leader_now() {
                Some(leader) if leader.fencing > above => return leader,
                _ if Instant::now() > until => {
                    let logs: String = (0..self.ports.len())
                        .map(|id| format!("--- {id}\n{}", self.log(id)))
                        .collect();
                    panic!("no leader above {above} within {PATIENCE:?}\n{logs}");
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Nobody leads, for a while that would be long enough.
    pub fn nobody_leads(&mut self) {
        let until = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < until {
            assert_eq!(self.leader_now(), None);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The command that runs a node.
pub fn broker(config: &Path, id: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pehra-broker"));
    command.arg("--config").arg(config).args(["--id", &id.to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A client that speaks as a stranger does: SP's greeting of a REQ socket, one frame a question, one a reply.
pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Option<Self> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
        stream.write_all(b"\0SP\0\0\x30\0\0").ok()?;
        let mut greeting = [0; 8];
        stream.read_exact(&mut greeting).ok()?;
        assert_eq!(&greeting, b"\0SP\0\0\x31\0\0", "the greeting of a REP socket");
        Some(Self(stream))
    }

    /// None if nobody answers in time.
    pub fn ask(&mut self, question: &str) -> Option<Value> {
        let body = question.as_bytes();
        let mut sent = (body.len() as u64 + 4).to_be_bytes().to_vec();
        sent.extend([0x80, 0, 0, 1]);
        sent.extend(body);
        self.0.write_all(&sent).ok()?;
        let mut head = [0; 12];
        self.0.read_exact(&mut head).ok()?;
        let len = u64::from_be_bytes(head[..8].try_into().ok()?);
        let mut reply = vec![0; usize::try_from(len).ok()?.checked_sub(4)?];
        self.0.read_exact(&mut reply).ok()?;
        serde_json::from_slice(&reply).ok()
    }
}

/// Asks once. None if nobody answers in time.
pub fn ask(address: SocketAddr, question: &str) -> Option<Value> {
    Client::connect(address)?.ask(question)
}

/// Says this and waits for the end of the connection. Whether it came.
pub fn is_hung_up_on(address: SocketAddr, greeting: &[u8], bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // It may be closed before all is said.
    let _ = stream.write_all(greeting).and_then(|()| stream.write_all(bytes));
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

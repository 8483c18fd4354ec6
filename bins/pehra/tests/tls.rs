//! A cluster whose members know each other by certificates: real processes, and what the operator's tool shows of them.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pehra_core::identity::{ClusterName, Hello, PROTOCOL_VERSION};
use pehra_core::types::NodeId;
use pehra_core::wire::encode_hello;
use pehra_testbed::certificates::{Ca, Signed};
use pehra_testbed::process::{Process, free_port, wait_until};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const PATIENCE: Duration = Duration::from_secs(10);

/// Three voters with certificates of one authority.
struct Cluster {
    folder: tempfile::TempDir,
    ca: Ca,
    ports: Vec<u16>,
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self {
            folder: tempfile::tempdir().unwrap(),
            ca: Ca::new("our CA"),
            ports: (0..3).map(|_| free_port()).collect(),
        };
        for id in 0..3 {
            cluster.give(id, "node", &cluster.certificate(&format!("node-{id}")));
        }
        cluster.config("node");
        cluster
    }

    fn certificate(&self, name: &str) -> Signed {
        self.ca.certificate(name, &["127.0.0.1"])
    }

    /// Puts a certificate where the configuration of this name looks for that of this node.
    fn give(&self, id: u16, name: &str, (cert, key): &Signed) {
        let path = |end: &str| self.folder.path().join(format!("{name}-{id}.{end}"));
        fs::copy(cert, path("pem")).unwrap();
        fs::copy(key, path("key")).unwrap();
    }

    /// A configuration whose certificates are called so.
    fn config(&self, name: &str) -> PathBuf {
        let ca = self.ca.file();
        let mut text = format!(
            "[cluster]\nname = \"test\"\ndata = \"data\"\n[tls]\nca = \"{}\"\ncert = \"{name}-{{id}}.pem\"\nkey = \
             \"{name}-{{id}}.key\"\n",
            ca.display()
        );
        for (id, port) in self.ports.iter().enumerate() {
            let _ = write!(text, "[[node]]\nid = {id}\naddress = \"127.0.0.1:{port}\"\n");
        }
        let path = self.folder.path().join(format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        path
    }

    fn broker(&self, id: u16, config: &str) -> Command {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-broker");
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(self.folder.path().join(format!("{config}.toml")));
        command.args(["--id", &id.to_string()]).stdin(Stdio::null());
        command
    }

    fn start(&self, id: u16, config: &str) -> Process {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file(id))
            .unwrap();
        let mut command = self.broker(id, config);
        Process::start(command.stderr(log), "cargo build -p pehra-broker")
    }

    fn log_file(&self, id: u16) -> PathBuf {
        self.folder.path().join(format!("{id}.log"))
    }

    fn log(&self, id: u16) -> String {
        fs::read_to_string(self.log_file(id)).unwrap()
    }

    fn pehra(&self, config: &str, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args([arguments[0], "--config"])
            .arg(self.folder.path().join(format!("{config}.toml")))
            .args(&arguments[1..])
            .output()
            .unwrap()
    }

    fn json(&self, config: &str, arguments: &[&str]) -> Value {
        let output = self.pehra(config, &[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn node(&self, id: usize) -> Value {
        self.json("node", &["status"])["nodes"][id].clone()
    }

    fn leader(&self, above: u64) -> (u64, u64) {
        let mut found = None;
        wait_until("a leader", PATIENCE, || {
            let leader = self.json("node", &["leader"])["leader"].clone();
            found = leader["node"].as_u64().zip(leader["fencing"].as_u64());
            found.is_some_and(|(_, fencing)| fencing > above)
        });
        found.unwrap()
    }

    /// Says hello to node 0 as the member of this id, with a certificate of this name; what is answered.
    fn introduce(&self, me: u16, name: &str) -> String {
        let (cert, key) = self.certificate(name);
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.ca.file()).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(cert).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            cluster: ClusterName::new("test").unwrap(),
            config_number: 1,
            node: NodeId(me),
            store: 1,
            incarnation: 99,
        };
        let mut bytes = Vec::new();
        encode_hello(&hello, &mut bytes);
        let port = self.ports[0];
        let talk = async {
            let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let server = ServerName::try_from("127.0.0.1").unwrap();
            let mut stream = TlsConnector::from(Arc::new(config)).connect(server, tcp).await.unwrap();
            // SP's greeting of a Pair0 socket, and the hello as its first frame.
            let said = [&b"\0SP\0\0\x10\0\0"[..], &(bytes.len() as u64).to_be_bytes(), &bytes].concat();
            stream.write_all(&said).await.unwrap();
            let mut heard = Vec::new();
            // It hangs up when it has said why.
            let _ = stream.read_to_end(&mut heard).await;
            String::from_utf8_lossy(&heard).into_owned()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.unwrap() })
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn refusals(node: &Value, what: &str) -> u64 {
    node["refusals"][what].as_u64().unwrap_or(0)
}

#[test]
fn members_elect_over_tls_and_whoever_shows_a_wrong_certificate_is_refused_counted_and_reported() {
    let cluster = Cluster::new();
    let mut nodes: Vec<Process> = (0..3).map(|id| cluster.start(id, "node")).collect();
    cluster.leader(0);
    wait_until("all are linked", PATIENCE, || {
        (0..3).all(|id| cluster.node(id)["links"].as_u64().unwrap_or(0).count_ones() == 2)
    });

    // A certificate of the authority, but another member's: such a node does not even start …
    cluster.give(2, "anothers", &cluster.certificate("node-1"));
    cluster.config("anothers");
    assert!(nodes[2].stop(PATIENCE));
    let output = cluster.broker(2, "anothers").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = said(&output);
    assert!(words.contains("is for node-1, and member n2 needs"), "{words}");
    // … and one that says so all the same is not believed.
    let before = refusals(&cluster.node(0), "hellos");
    let answer = cluster.introduce(2, "node-1");
    assert!(answer.contains("is for node-1, not for node-2"), "{answer:?}");
    assert_eq!(refusals(&cluster.node(0), "hellos"), before + 1);
    assert!(cluster.log(0).contains("its certificate is for node-1, not for node-2"));

    // The right name, signed by another authority.
    let other = Ca::new("another CA");
    cluster.give(2, "foreign", &other.certificate("node-2", &["127.0.0.1"]));
    cluster.config("foreign");
    let before = [0, 1].map(|id| refusals(&cluster.node(id), "wrong-peers"));
    let mut stranger = cluster.start(2, "foreign");
    for id in [0, 1] {
        wait_until("it is refused", PATIENCE, || {
            refusals(&cluster.node(id), "wrong-peers") > before[id]
        });
        assert_eq!(
            cluster.node(id)["links"],
            u64::from(id == 0) << 1 | u64::from(id == 1),
            "{id}"
        );
    }
    wait_until("it is reported", PATIENCE, || {
        cluster.log(0).contains("a peer was refused") && cluster.log(0).contains("TLS")
    });
    assert!(
        stranger.is_running(),
        "it goes on trying, and says so: {}",
        cluster.log(2)
    );

    // With its own one it is back.
    assert!(stranger.stop(PATIENCE));
    nodes[2] = cluster.start(2, "node");
    wait_until("it is linked", PATIENCE, || {
        cluster.node(2)["links"].as_u64().unwrap_or(0).count_ones() == 2
    });
}

#[test]
fn over_tls_members_command_and_other_certificates_only_ask() {
    let cluster = Cluster::new();
    for id in 0..3 {
        cluster.give(id, "meter", &cluster.certificate("meter-5"));
    }
    cluster.config("meter");
    let _nodes: Vec<Process> = (0..3).map(|id| cluster.start(id, "node")).collect();
    let (node, fencing) = cluster.leader(0);
    let asked = cluster.json("meter", &["leader"]);
    assert_eq!(asked["leader"]["fencing"], fencing, "{asked}");
    let id = node.to_string();
    for command in [&["transfer"][..], &["resign"], &["drain", "--id", &id]] {
        let output = cluster.pehra("meter", command);
        assert!(!output.status.success(), "{command:?}");
        assert!(said(&output).contains("this one is for meter-5"), "{}", said(&output));
    }
    let status = cluster.node(usize::try_from(node).unwrap());
    assert_eq!(
        (refusals(&status, "commands"), &status["draining"]),
        (3, &Value::Bool(false))
    );
    assert_eq!(cluster.leader(0), (node, fencing));
    let moved = cluster.json("node", &["resign"]);
    assert!(moved["after"]["fencing"].as_u64() > Some(fencing), "{moved}");
}

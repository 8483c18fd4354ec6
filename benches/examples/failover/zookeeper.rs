//! ZooKeeper, spoken to in the opening of its own protocol and in its four-letter words.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use pehra_testbed::process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::question::{Answer, Question, wait_for};
use crate::stop::Stop;
use crate::system::{self, Fault, Layout, NODES, Pace, Place, System};

/// Ticks of silence after which a leader is given up. One tick is then a tenth of the failure timeout.
const SYNC_LIMIT: u32 = 10;

/// ZooKeeper at one pace.
#[derive(Debug)]
pub struct ZooKeeper {
    pub pace: Pace,
    /// Folders with the jars of ZooKeeper and of what it needs.
    pub jars: PathBuf,
}

impl System for ZooKeeper {
    fn name(&self) -> &'static str {
        "ZooKeeper"
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn settings(&self) -> String {
        format!("tickTime {}, syncLimit {SYNC_LIMIT}", self.pace.heartbeat_ms())
    }

    fn asks(&self) -> &'static str {
        "opening of a session, which is a write"
    }

    fn bears(&self, fault: Fault) -> bool {
        // A leader cannot be told to hand over.
        fault != Fault::Move
    }

    fn addresses_per_node(&self) -> usize {
        3
    }

    fn start(&self, place: Place, cluster: &Layout, log: File) -> Result<Process, Stop> {
        let config = self
            .write_config(place, cluster)
            .map_err(|error| Stop::failed(format!("no configuration for ZooKeeper: {error}")))?;
        let mut command = Command::new("java");
        command
            .args([
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dzookeeper.jmx.log4j.disable=true",
            ])
            .arg("-cp")
            .arg(self.class_path()?)
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(config);
        system::start(&mut command, log)
    }

    fn question(&self, place: Place, cluster: &Layout) -> Question {
        Question::Session(cluster.client(place))
    }

    fn version(&self, cluster: &Layout) -> Option<String> {
        let status = status(cluster.client(0)).ok()?;
        let version = status.lines().next()?.strip_prefix("Zookeeper version: ")?;
        Some(version.split(['-', ',']).next()?.to_owned())
    }

    fn leader(&self, cluster: &Layout) -> Option<Place> {
        cluster.only(|client| status(client).is_ok_and(|status| status.contains("Mode: leader")))
    }

    fn hand_over(&self, _: Place, _: Place, _: &Layout) -> Result<(), String> {
        Err("ZooKeeper's leader cannot be told to hand over".to_owned())
    }
}

impl ZooKeeper {
    fn write_config(&self, place: Place, cluster: &Layout) -> io::Result<PathBuf> {
        let folder = cluster.folder_of(place);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("myid"), place.to_string())?;
        let tick_ms = self.pace.heartbeat_ms();
        // initLimit is long because a JVM takes its time to start; it does not bound how long a leader is borne.
        let mut config = format!(
            "tickTime={tick_ms}\nsyncLimit={SYNC_LIMIT}\ninitLimit={}\ndataDir={}\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=srvr\n",
            10_000 / tick_ms,
            folder.display(),
        );
        for place in 0..NODES {
            let [client, data, election] = [0, 1, 2].map(|at| cluster.addresses[place][at]);
            config += &format!("server.{place}={data}:{};{client}\n", election.port());
        }
        let path = folder.join("zoo.cfg");
        fs::write(&path, config)?;
        Ok(path)
    }

    /// ZooKeeper's own jars, and those of the libraries it loads, with one way of logging.
    fn class_path(&self) -> Result<String, Stop> {
        let unreadable = |error| Stop::failed(format!("{}: {error}", self.jars.display()));
        let mut jars = Vec::new();
        for entry in fs::read_dir(&self.jars).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            let wanted = [
                "zookeeper.jar",
                "zookeeper-jute.jar",
                "slf4j-api.jar",
                "slf4j-simple.jar",
                "metrics-core.jar",
            ];
            if wanted.contains(&name.as_str()) || name.starts_with("netty-") || name.starts_with("snappy-java") {
                jars.push(self.jars.join(name).display().to_string());
            }
        }
        Ok(jars.join(":"))
    }
}

/// Opens a session and leaves it. ZooKeeper answers when a majority has accepted the session.
pub async fn open_session(address: SocketAddr) -> io::Result<Answer> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    connection.write_all(&connect_request()).await?;
    let mut answer = vec![
        0;
        usize::try_from(connection.read_u32().await?)
            .unwrap_or(usize::MAX)
            .min(MOST_BYTES)
    ];
    connection.read_exact(&mut answer).await?;
    // Version of the protocol, then the timeout that was granted: zero means that there is no such session.
    if answer.get(4..8).is_none_or(|timeout| timeout == [0; 4]) {
        return Err(io::Error::other("no session"));
    }
    // Not waited for: it only spares the server a session that runs out later.
    connection.write_all(&close_request()).await?;
    Ok(Answer { term: None })
}

/// No answer to the opening of a session is longer.
const MOST_BYTES: usize = 1024;

/// Protocol 0, nothing seen yet, a session of 30 s (the server bounds it), no session before, no password, not read-only.
fn connect_request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0_u32.to_be_bytes());
    body.extend(0_u64.to_be_bytes());
    body.extend(30_000_u32.to_be_bytes());
    body.extend(0_u64.to_be_bytes());
    body.extend(16_u32.to_be_bytes());
    body.extend([0; 16]);
    body.push(0);
    framed(&body)
}

/// Request 1, of the kind that closes the session.
fn close_request() -> Vec<u8> {
    let mut body = Vec::from(1_i32.to_be_bytes());
    body.extend((-11_i32).to_be_bytes());
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short request");
    let mut frame = Vec::from(length.to_be_bytes());
    frame.extend(body);
    frame
}

/// What a server says of itself.
fn status(address: SocketAddr) -> io::Result<String> {
    wait_for(async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(b"srvr").await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok(answer)
    })
}

//! Pehra's own voters, asked what any client asks them: who leads, with which fencing number?

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use pehra_testbed::process::Process;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::question::{Answer, Question, wait_for};
use crate::stop::Stop;
use crate::system::{self, Fault, Layout, NODES, Pace, Place, System};

/// How much later each next in line stands, in ms: what profile `lan` has.
const RANK_STEP_MS: u32 = 25;

/// Pehra at one pace.
#[derive(Debug)]
pub struct Pehra {
    pub pace: Pace,
    pub program: PathBuf,
}

impl System for Pehra {
    fn name(&self) -> &'static str {
        "Pehra"
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn settings(&self) -> String {
        let Pace { timeout_ms } = self.pace;
        format!(
            "heartbeat-ms {}, election-ms {timeout_ms}, rank-step-ms {RANK_STEP_MS}, lease off",
            self.pace.heartbeat_ms()
        )
    }

    fn asks(&self) -> &'static str {
        "the question who leads, answered with a majority behind the answer; nothing is written for it"
    }

    fn bears(&self, _: Fault) -> bool {
        true
    }

    fn tells_fencing_numbers(&self) -> bool {
        true
    }

    fn addresses_per_node(&self) -> usize {
        1
    }

    fn start(&self, place: Place, cluster: &Layout, log: File) -> Result<Process, Stop> {
        let config = self
            .write_config(cluster)
            .map_err(|error| Stop::failed(format!("no configuration for Pehra: {error}")))?;
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(config).args(["--id", &place.to_string()]);
        system::start(&mut command, log)
    }

    fn question(&self, place: Place, cluster: &Layout) -> Question {
        Question::Leader(cluster.client(place))
    }

    fn takes_part(&self, place: Place, cluster: &Layout) -> bool {
        // Only the leader answers; a follower names it as the one to try.
        wait_for(request(cluster.client(place), &json!({ "ask": "leader" })))
            .is_ok_and(|reply| !reply["leader"].is_null() || reply["try"].is_u64())
    }

    fn version(&self, cluster: &Layout) -> Option<String> {
        let reply = wait_for(request(cluster.client(0), &json!({ "ask": "status" }))).ok()?;
        Some(reply["status"]["version"].as_str()?.to_owned())
    }

    fn leader(&self, cluster: &Layout) -> Option<Place> {
        // Only the leader itself answers, and only when a majority acknowledged it after the question.
        cluster.only(|client| wait_for(who_leads(client)).is_ok())
    }

    fn hand_over(&self, from: Place, to: Place, cluster: &Layout) -> Result<(), String> {
        let order = json!({ "ask": "transfer", "to": to });
        let reply = wait_for(request(cluster.client(from), &order)).map_err(|error| error.to_string())?;
        if reply["done"].is_null() {
            return Err(reply.to_string());
        }
        Ok(())
    }
}

impl Pehra {
    fn write_config(&self, cluster: &Layout) -> io::Result<PathBuf> {
        let Pace { timeout_ms } = self.pace;
        let mut config = format!(
            "[cluster]\nname = \"failover\"\nnumber = 1\nprofile = \"lan\"\nlease = false\ndata = \"data\"\n\n\
             [timing]\nheartbeat-ms = {}\nelection-ms = {timeout_ms}\nrank-step-ms = {RANK_STEP_MS}\nlease-ms = {}\n",
            self.pace.heartbeat_ms(),
            timeout_ms * 4 / 5,
        );
        for place in 0..NODES {
            config += &format!("\n[[node]]\nid = {place}\naddress = \"{}\"\n", cluster.client(place));
        }
        let path = cluster.folder.join("cluster.toml");
        // The nodes are started one after the other, and one may be reading it while this writes it again.
        let draft = path.with_extension("draft");
        fs::write(&draft, config)?;
        fs::rename(draft, &path)?;
        Ok(path)
    }
}

/// Asks who leads. That it is not known here is an error: another node may know.
pub async fn who_leads(address: SocketAddr) -> io::Result<Answer> {
    let reply = request(address, &json!({ "ask": "leader" })).await?;
    let term = reply["leader"]["fencing"].as_u64();
    if term.is_none() {
        return Err(io::Error::other(reply.to_string()));
    }
    Ok(Answer { term })
}

/// The two greetings of a request over SP.
const REQUESTER: [u8; 8] = [0, b'S', b'P', 0, 0, 0x30, 0, 0];
const REPLIER: [u8; 8] = [0, b'S', b'P', 0, 0, 0x31, 0, 0];

/// The only request on its connection; the top bit says that it is the end of the way back.
const REQUEST_ID: u32 = 0x8000_0001;

/// No reply is longer.
const MOST_BYTES: u64 = 1 << 20;

/// One request over SP, on a connection of its own.
async fn request(address: SocketAddr, question: &Value) -> io::Result<Value> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let body = question.to_string();
    let length = u64::try_from(body.len()).expect("a short request") + 4;
    let mut sent = Vec::from(REQUESTER);
    sent.extend(length.to_be_bytes());
    sent.extend(REQUEST_ID.to_be_bytes());
    sent.extend(body.as_bytes());
    connection.write_all(&sent).await?;
    let mut greeting = [0; REPLIER.len()];
    connection.read_exact(&mut greeting).await?;
    if greeting != REPLIER {
        return Err(io::Error::other("whoever listens there does not take requests"));
    }
    let length = connection.read_u64().await?;
    if !(4..=MOST_BYTES).contains(&length) {
        return Err(io::Error::other(format!("a reply of {length} bytes")));
    }
    let mut reply = vec![0; usize::try_from(length).expect("a short reply")];
    connection.read_exact(&mut reply).await?;
    Ok(serde_json::from_slice(&reply[4..])?)
}

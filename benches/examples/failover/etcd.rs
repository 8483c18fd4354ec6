//! etcd, with pre-vote, spoken to through the JSON door of its API.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use pehra_testbed::process::Process;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::question::{Answer, Question, wait_for};
use crate::stop::Stop;
use crate::system::{self, Fault, Layout, NODES, Pace, Place, System};

/// etcd at one pace.
#[derive(Debug)]
pub struct Etcd {
    pub pace: Pace,
    pub program: PathBuf,
}

impl System for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn settings(&self) -> String {
        let Pace { timeout_ms } = self.pace;
        format!(
            "heartbeat-interval {}, election-timeout {timeout_ms}, pre-vote",
            self.pace.heartbeat_ms()
        )
    }

    fn asks(&self) -> &'static str {
        "put of one key"
    }

    fn bears(&self, _: Fault) -> bool {
        true
    }

    fn addresses_per_node(&self) -> usize {
        2
    }

    fn start(&self, place: Place, cluster: &Layout, log: File) -> Result<Process, Stop> {
        let url = |address: SocketAddr| format!("http://{address}");
        let [client, peer] = [0, 1].map(|at| url(cluster.addresses[place][at]));
        let members: Vec<String> = (0..NODES)
            .map(|place| format!("n{place}={}", url(cluster.addresses[place][1])))
            .collect();
        let mut command = Command::new(&self.program);
        command
            .args(["--name", &format!("n{place}"), "--data-dir"])
            .arg(cluster.folder_of(place))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &members.join(",")])
            .arg(format!("--heartbeat-interval={}", self.pace.heartbeat_ms()))
            .arg(format!("--election-timeout={}", self.pace.timeout_ms))
            .args(["--pre-vote=true", "--log-level=warn"]);
        system::start(&mut command, log)
    }

    fn question(&self, place: Place, cluster: &Layout) -> Question {
        Question::Put(cluster.client(place))
    }

    fn version(&self, cluster: &Layout) -> Option<String> {
        let status = status(cluster.client(0)).ok()?;
        Some(status["version"].as_str()?.to_owned())
    }

    fn leader(&self, cluster: &Layout) -> Option<Place> {
        cluster.only(|client| {
            status(client).is_ok_and(|status| {
                let own = &status["header"]["member_id"];
                own.is_string() && *own == status["leader"]
            })
        })
    }

    fn hand_over(&self, from: Place, to: Place, cluster: &Layout) -> Result<(), String> {
        let target = status(cluster.client(to)).map_err(|error| format!("the target does not answer: {error}"))?;
        let order = serde_json::json!({ "targetID": target["header"]["member_id"] }).to_string();
        let asked = wait_for(post(
            cluster.client(from),
            "/v3/maintenance/transfer-leadership",
            &order,
        ));
        asked.map(drop).map_err(|error| error.to_string())
    }
}

/// Puts one key; etcd answers when a majority has it on disk.
pub async fn put(address: SocketAddr) -> io::Result<Answer> {
    // Both are base 64: of "probe" and "x".
    let answer = post(address, "/v3/kv/put", r#"{"key":"cHJvYmU=","value":"eA=="}"#).await?;
    let term = answer["header"]["raft_term"]
        .as_str()
        .and_then(|term| term.parse().ok());
    Ok(Answer { term })
}

fn status(address: SocketAddr) -> io::Result<Value> {
    wait_for(post(address, "/v3/maintenance/status", "{}"))
}

/// One request on a connection of its own; anything but success is an error with what was answered.
async fn post(address: SocketAddr, path: &str, body: &str) -> io::Result<Value> {
    let mut connection = TcpStream::connect(address).await?;
    connection.set_nodelay(true)?;
    let length = body.len();
    let request = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let refused = || io::Error::other(answer.clone());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(refused)?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(refused());
    }
    Ok(serde_json::from_str(body)?)
}

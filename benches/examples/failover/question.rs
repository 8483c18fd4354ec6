//! What a prober asks a node: the smallest thing that proves that a majority stands behind a leader again.

use std::io;
use std::net::SocketAddr;

use crate::{etcd, pehra, zookeeper};

/// What is asked, and whom. All of it is done on a connection of its own.
#[derive(Clone, Debug)]
pub enum Question {
    /// etcd: put one key, through the JSON door of its API.
    Put(SocketAddr),
    /// ZooKeeper: open a session, which is itself a write that a majority has to accept. (To write a node in that session
    /// would be a second such write, which the others do not have to do.)
    Session(SocketAddr),
    /// Pehra: who leads, with which fencing number.
    Leader(SocketAddr),
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the leadership behind the answer, where the system tells it.
    pub term: Option<u64>,
}

impl Question {
    /// Asks once.
    pub async fn ask(&self) -> io::Result<Answer> {
        match self {
            Self::Put(address) => etcd::put(*address).await,
            Self::Leader(address) => pehra::who_leads(*address).await,
            Self::Session(address) => zookeeper::open_session(*address).await,
        }
    }
}

/// Asks something outside of a measurement, from code that waits for the answer.
pub fn wait_for<T>(asking: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await? })
}

/// How long an answer outside of a measurement may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

//! What a node says of itself and of the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sleeping::SleepStatus;

/// What a node does just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleNow {
    /// It follows without voting.
    Observer,
    /// It follows, or listens for a leader.
    Follower,
    /// It asks whether it would be elected.
    PreCandidate,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
    /// Something that this build does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl RoleNow {
    /// For tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Follower => "follower",
            Self::PreCandidate => "pre-candidate",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
            Self::Unknown => "unknown",
        }
    }
}

/// The state of one node, as it sees it. Fields that a node does not send have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The build.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// The number of the cluster's configuration.
    pub number: u32,
    /// The node's id.
    pub node: u16,
    /// The node's process.
    pub pid: u32,
    /// How often its store was opened.
    pub incarnation: u64,
    /// What the store is known by, drawn when it was made, in hexadecimal digits.
    pub store: String,
    /// Since when it runs, in milliseconds.
    pub up_ms: u64,
    /// What it does.
    pub role: RoleNow,
    /// The term; for a leader also its fencing number.
    pub term: u64,
    /// Who leads, as far as it knows. Not confirmed by anybody: ask `leader` for that.
    pub leader: Option<u16>,
    /// Whether it shall not lead.
    pub draining: bool,
    /// What a person has to see to, in words.
    pub trouble: Option<String>,
    /// The times that the cluster runs by: heartbeat and election timeout, in milliseconds.
    pub heartbeat_ms: u32,
    /// See `heartbeat_ms`.
    pub election_ms: u32,
    /// Its disk.
    pub disk: Disk,
    /// Its log, if the cluster keeps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// Its guard duty, if the cluster has brokers that sleep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep: Option<SleepStatus>,
    /// The other nodes, by id.
    pub peers: Vec<PeerStatus>,
    /// To whom it has a connection: bits, lowest id first. The rows of all nodes together show who reaches whom.
    pub links: u64,
    /// How often it refused something, by what; only what happened.
    pub refusals: BTreeMap<String, u64>,
}

/// How far a node's log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// The last place that its snapshot covers.
    pub snapshot: u64,
    /// The last place.
    pub last: u64,
    /// Known to be decided up to here.
    pub decided: u64,
    /// Applied up to here.
    pub applied: u64,
    /// It may lack entries that it has acknowledged, and does not vote until it has them.
    pub lacks: bool,
}

/// How far a node's disk is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Commits that were handed over and are not durable yet.
    pub pending: u32,
    /// Since when the oldest of them waits, in milliseconds; 0 if there is none.
    pub oldest_ms: u64,
    /// Commits that became durable since the start.
    pub commits: u64,
    /// The longest that one took since the start, in milliseconds.
    pub longest_ms: u64,
}

/// Another node, seen from this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerStatus {
    /// Its id.
    pub node: u16,
    /// Where it listens.
    pub address: String,
    /// `voter` or `observer`.
    pub role: String,
    /// Whether there is a connection.
    pub linked: bool,
    /// When it was last heard, in milliseconds before now; none if never.
    pub heard_ms: Option<u64>,
    /// The incarnation it came with; none if it never came.
    pub incarnation: Option<u64>,
    /// Messages for it that found no room and were dropped.
    pub dropped: u64,
}

//! What a node says of its guard duty.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a member is to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchRole {
    /// Nothing: another one watches.
    #[default]
    None,
    /// It watches, and lets others sleep.
    Pehredar,
    /// It knows no Pehredar, and wakes all.
    Temporary,
    /// Something that this build does not know.
    #[serde(other)]
    Unknown,
}

impl WatchRole {
    /// For tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "-",
            Self::Pehredar => "pehredar",
            Self::Temporary => "temporary",
            Self::Unknown => "unknown",
        }
    }
}

/// What a member's broker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoingNow {
    /// Up, and in sync in all its partitions.
    Active,
    /// On its way to sleep.
    Draining,
    /// Asleep.
    Asleep,
    /// Its machine is up for a moment, its broker is not.
    Ringing,
    /// Starting, or catching up.
    Waking,
    /// Being worked on.
    Maintenance,
    /// Something that this build does not know, or it has no broker.
    #[default]
    #[serde(other)]
    Unknown,
}

impl DoingNow {
    /// For tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Asleep => "asleep",
            Self::Ringing => "ringing",
            Self::Waking => "waking",
            Self::Maintenance => "maintenance",
            Self::Unknown => "-",
        }
    }
}

/// The guard duty of one node, as it sees it. Fields that a node does not send have their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SleepStatus {
    /// Brokers may be let sleep: nobody has switched it off.
    pub on: bool,
    /// The epoch of the last switch. An order to enable must have a higher one.
    pub epoch: u64,
    /// The lowest gear that the cluster's file allows: `full`, `lean` or `watch`.
    pub gear: String,
    /// What this node is to the others.
    pub role: WatchRole,
    /// The id of its broker in Kafka; none if it has none.
    pub broker: Option<i32>,
    /// What its broker does.
    pub doing: DoingNow,
    /// How far a draining one is: `looking` whether it may stop, `stopping`, or `settling`, down and looking whether it is missed. None if
    /// it is not draining.
    pub stage: Option<String>,
    /// Since when, in milliseconds.
    pub doing_ms: u64,
    /// It is in maintenance, and its broker has stopped: it may be worked on.
    pub workable: bool,
    /// Why it would not sleep if it were let; none if it would.
    pub awake_because: Option<String>,
    /// A person wants it awake.
    pub stay_awake: bool,
    /// The latest plan that it knows to be decided.
    pub plan: Option<PlanStatus>,
    /// The round of maintenance still has to visit these.
    pub round: Vec<u16>,
    /// When it last saw traffic, in milliseconds before now; none if never.
    pub traffic_ms: Option<u64>,
    /// Grants to sleep or to be worked on that it gave as the Pehredar, since the start.
    pub grants: u64,
    /// How often its broker fell asleep since the start.
    pub sleeps: u64,
    /// How often it was woken since the start.
    pub wakes: u64,
    /// How long its broker was down in its sleep since the start, in milliseconds.
    pub asleep_ms: u64,
    /// Grants that it did not take, by reason; only what happened.
    pub declined: BTreeMap<String, u64>,
    /// Those who did not wake up or are silent: a person should look.
    pub alerts: Vec<u16>,
    /// What keeps the Pehredar from letting others sleep, in words; none if nothing does, or it is not the Pehredar.
    pub held_back: Option<String>,
    /// How its machine sleeps: `process`, `systemd`, `suspend` …
    pub power: String,
}

/// A plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanStatus {
    /// Its place in the log.
    pub index: u64,
    /// The term of the Pehredar that made it.
    pub term: u64,
    /// `full`, `lean` or `watch`.
    pub gear: String,
    /// These stay awake.
    pub watch: Vec<u16>,
    /// These take part.
    pub members: Vec<u16>,
}

//! What the page shows of a cluster whose brokers sleep, as one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterPanel {
    /// Its name.
    pub name: String,
    /// When this was put together, Unix milliseconds.
    pub updated_ms: i64,
    /// What stands behind it: real brokers, or simulated ones.
    pub kind: ClusterKind,
    /// Brokers may be let sleep.
    pub on: bool,
    /// The epoch of the last switch.
    pub epoch: u64,
    /// `full`, `lean` or `watch`: that of the plan; without one, the lowest that is allowed.
    pub gear: String,
    /// The node that watches; none if nobody says so.
    pub pehredar: Option<u16>,
    /// The place of the latest plan in the log, and its term; none without one.
    pub plan: Option<(u64, u64)>,
    /// Why nobody is let sleep; none if nothing keeps the Pehredar from it.
    pub held_back: Option<String>,
    /// When any node last saw traffic, milliseconds before now; none if never.
    pub traffic_ms: Option<u64>,
    /// What the brokers draw now; none where nobody says what a broker draws.
    pub watts: Option<Watts>,
    /// What is to be said of power beside or instead of watts, in words; none if nothing.
    pub power_note: Option<String>,
    /// In the order of their ids.
    pub nodes: Vec<NodePanel>,
}

/// What stands behind a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClusterKind {
    /// Kafka's own brokers.
    #[default]
    Real,
    /// The same nodes in virtual time, without Kafka.
    Simulated,
}

/// Power of all brokers together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Watts {
    /// Now.
    pub now: f64,
    /// If all were up.
    pub all_up: f64,
    /// Read from a meter; otherwise reckoned from what a broker draws up and asleep.
    pub measured: bool,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NodePanel {
    /// Its id.
    pub id: u16,
    /// Its broker's id in Kafka; none if it has none.
    pub broker: Option<i32>,
    /// It answered.
    pub reached: bool,
    /// `pehredar`, `temporary` or `-`.
    pub role: String,
    /// It stays awake by the plan.
    pub on_duty: bool,
    /// What its broker does: `active`, `draining`, `asleep`, `ringing`, `waking`, `maintenance`, or `-` if it has none or nobody
    /// knows.
    pub doing: String,
    /// How far it is on its way to sleep: `looking`, `stopping` or `settling`; none if it is not draining or does not say.
    pub stage: Option<String>,
    /// Since when, milliseconds.
    pub doing_ms: u64,
    /// Why it would not sleep if it were let; none if it would.
    pub awake_because: Option<String>,
    /// When it last saw traffic, milliseconds before now; none if never.
    pub traffic_ms: Option<u64>,
    /// Grants that it gave since its start.
    pub grants: u64,
    /// How often its broker fell asleep since its start.
    pub sleeps: u64,
    /// How often it was woken since its start.
    pub wakes: u64,
    /// How long its broker was down in its sleep since its start, milliseconds.
    pub asleep_ms: u64,
    /// Grants that it did not take, by reason.
    pub declined: BTreeMap<String, u64>,
    /// A person should look at it.
    pub alert: bool,
    /// What is wrong with it, or why it was not reached, in words; none if nothing.
    pub trouble: Option<String>,
}

impl NodePanel {
    /// Boxes of the flow chart (`assets/sleep-flow.svg`) that its broker is in: all three of draining, if it does not say how far it
    /// is; none, if it has no broker or nobody knows.
    #[must_use]
    pub fn boxes(&self) -> &'static [&'static str] {
        match (self.doing.as_str(), self.stage.as_deref()) {
            ("active", _) => &["state-active"],
            ("draining", Some("looking")) => &["state-draining-looking"],
            ("draining", Some("stopping")) => &["state-draining-stopping"],
            ("draining", Some("settling")) => &["state-draining-settling"],
            ("draining", _) => &[
                "state-draining-looking",
                "state-draining-stopping",
                "state-draining-settling",
            ],
            ("asleep", _) => &["state-sleeping"],
            ("ringing", _) => &["state-ringing"],
            ("waking", _) => &["state-waking"],
            ("maintenance", _) => &["state-maintenance"],
            _ => &[],
        }
    }
}

/// A panel as the page gets it: with the boxes of each node, by id.
#[derive(Debug, Serialize)]
pub(crate) struct Drawn<'a> {
    #[serde(flatten)]
    panel: &'a ClusterPanel,
    boxes: BTreeMap<u16, &'static [&'static str]>,
}

impl<'a> Drawn<'a> {
    pub(crate) fn of(panel: &'a ClusterPanel) -> Self {
        let boxes = panel.nodes.iter().map(|node| (node.id, node.boxes())).collect();
        Self { panel, boxes }
    }
}

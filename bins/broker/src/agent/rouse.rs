//! Wakes other machines, where a message to their agents is not enough.
//!
//! The Pehredar calls as few as are needed, and waits for them for as long as a wake may take. If one of them says nothing at all, its
//! agent is dead or its machine is, and somebody else is needed now: then all are woken. Waking never needs permission.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pehra_core::sleep::guard::Order;
use pehra_core::types::NodeId;
use pehra_power::config::HostKind;
use pehra_power::ladder::{Depth, Times};
use pehra_power::{Means, Power, wake};
use tokio::task::JoinHandle;

use super::{Agent, span};

/// How often it looks whether the other one has answered.
const LOOK: Duration = Duration::from_millis(100);

/// Within so long a machine that was suspended says something, if it ever does; one that was off has to boot.
const SPEAKS: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(180));

/// A node that is being woken.
struct Call {
    /// Since when.
    first: Instant,
    /// When it was last called.
    last: Instant,
    /// All were woken in its place.
    replaced: bool,
}

/// Climbs a ladder for each node that is to be woken.
pub(super) struct Rouser {
    agent: Arc<Agent>,
    means: BTreeMap<u16, Arc<Means>>,
    times: Times,
    climbing: BTreeMap<u16, JoinHandle<()>>,
    calls: BTreeMap<u16, Call>,
    /// After so long without a word it is not counted on any more.
    speaks: Duration,
}

impl Rouser {
    pub fn new(agent: Arc<Agent>, power: &Power) -> Result<Self, String> {
        let mut means = BTreeMap::new();
        for node in &power.node {
            let found = Means::of(node).map_err(|error| error.to_string())?;
            means.insert(node.id, Arc::new(found));
        }
        let rouse = span(agent.config().guard.timing.rouse);
        Ok(Self {
            agent,
            means,
            times: power.times(),
            climbing: BTreeMap::new(),
            calls: BTreeMap::new(),
            speaks: match (power.host, power.sleep.depth()) {
                // Its agent is up all the while.
                (HostKind::StaysUp, _) => rouse * 2,
                (HostKind::Logind | HostKind::Rtcwake, Depth::Memory) => SPEAKS.0,
                (HostKind::Logind | HostKind::Rtcwake, Depth::Off) => SPEAKS.1,
            },
        })
    }

    /// Wakes this one, unless that is under way. A node without means of its own is woken by the message that its agent was sent.
    pub async fn rouse(&mut self, node: NodeId) {
        if self.is_mute(node) {
            tracing::warn!(node = node.0, after = ?self.speaks, "it does not answer: wakes all in its place");
            self.agent.order(Order::WakeAll).await;
        }
        self.climbing.retain(|_, climb| !climb.is_finished());
        let Some(means) = self.means.get(&node.0).filter(|_| !self.climbing.contains_key(&node.0)) else {
            return;
        };
        let (agent, means, times) = (Arc::clone(&self.agent), Arc::clone(means), self.times);
        let climb = tokio::spawn(async move {
            let began = Instant::now();
            let answered = async {
                while !agent.was_heard(node, began) {
                    tokio::time::sleep(LOOK).await;
                }
            };
            match wake(node.0, &means, &times, answered).await {
                Ok(woken) => tracing::info!(node = node.0, ?woken, "a machine answers"),
                Err(person) => {
                    tracing::error!(%person, "ALERT");
                    agent.alert(node);
                }
            }
        });
        self.climbing.insert(node.0, climb);
    }

    /// Whether this one has been called for long without a word of it. Said once for each waking.
    fn is_mute(&mut self, node: NodeId) -> bool {
        let now = Instant::now();
        let pause = span(self.agent.config().guard.timing.rouse) * 4;
        let new = || Call {
            first: now,
            last: now,
            replaced: false,
        };
        let call = self.calls.entry(node.0).or_insert_with(new);
        if now - call.last > pause || self.agent.was_heard(node, call.first) {
            *call = new();
        }
        call.last = now;
        let is_mute = !call.replaced && now - call.first > self.speaks;
        call.replaced |= is_mute;
        is_mute
    }
}

impl Drop for Rouser {
    fn drop(&mut self) {
        self.climbing.values().for_each(JoinHandle::abort);
    }
}

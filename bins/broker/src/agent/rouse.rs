//! Wakes other machines, where a message to their agents is not enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pehra_core::types::NodeId;
use pehra_power::ladder::Times;
use pehra_power::{Means, Power, wake};
use tokio::task::JoinHandle;

use super::Agent;

/// How often it looks whether the other one has answered.
const LOOK: Duration = Duration::from_millis(100);

/// Climbs a ladder for each node that is to be woken.
pub(super) struct Rouser {
    agent: Arc<Agent>,
    means: BTreeMap<u16, Arc<Means>>,
    times: Times,
    climbing: BTreeMap<u16, JoinHandle<()>>,
}

impl Rouser {
    pub fn new(agent: Arc<Agent>, power: &Power) -> Result<Self, String> {
        let mut means = BTreeMap::new();
        for node in &power.node {
            let found = Means::of(node).map_err(|error| error.to_string())?;
            means.insert(node.id, Arc::new(found));
        }
        Ok(Self {
            agent,
            means,
            times: power.times(),
            climbing: BTreeMap::new(),
        })
    }

    /// Wakes this one, unless that is under way. A node without means of its own is woken by the message that its agent was sent.
    pub fn rouse(&mut self, node: NodeId) {
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
}

impl Drop for Rouser {
    fn drop(&mut self) {
        self.climbing.values().for_each(JoinHandle::abort);
    }
}

//! The agent: acts on the world for a member of PEHRA, and tells it what the world does.
//!
//! The node's loop hands it words and never waits for it. One task takes them in order; what lasts has tasks of its own.
//!
//! | module | the member says | so this | and tells the member |
//! | --- | --- | --- | --- |
//! | `look` | Look | reads the Kafka cluster, beginning after the question | View, Blind |
//! | `hand` | Start, Stop, Sleep, Maintain | starts and stops the broker, lets the machine sleep | Up, Stopped, Down, Wake |
//! | `traffic` | – | stands in front of the broker, and sees what clients want | Traffic |
//! | `fit` | – | looks whether this node could be woken again, and has room | Fit |
//! | `rouse` | Rouse | wakes another machine, by magic packets and its BMC | – |
//! | `status` | – | says how it stands, to people | – |
//!
//! # Order of words
//! Bad news (Start) leaves the node at once, and what is for sleep (Stop, Sleep) only when it is durable. So a Stop may come after
//! the Start that took it back. Whatever is for sleep is held against the node's state, and is void if that is another by then.
//!
//! # When the agent ends
//! Asked to end, it starts its broker first, if that sleeps: waking never needs permission, and nobody else can start it. Killed, it
//! leaves the broker as it is, and starts it when it is started again: whoever starts is waking.

mod fit;
mod hand;
mod host;
mod look;
mod rouse;
mod settings;
mod status;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::Order;
use pehra_core::sleep::member::Command;
use pehra_core::types::{NodeId, Ticks};
use pehra_driver::Mail;
use pehra_power::Local;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

pub use host::Agent;
pub use settings::{config, power};

use crate::hosted::OWN;
use hand::Deed;

/// What the node's loop hands to the agent.
#[derive(Debug)]
enum Word {
    /// The node begins a life: what it asked before is void.
    Life,
    /// Read the cluster by the rules of this gear; these are awake.
    Look(Gear, NodeSet),
    /// Something to do with the broker or the machine.
    Do(Deed),
    /// Wake this machine.
    Rouse(NodeId),
}

/// Does what the node says, until something cannot be done at all.
async fn serve(agent: Arc<Agent>, mut words: mpsc::UnboundedReceiver<Word>) -> Result<(), String> {
    let mut tasks = JoinSet::new();
    let power = settings::power(agent.cluster(), agent.me())?;
    let (deeds, orders) = mpsc::unbounded_channel();
    if agent.own().is_some() {
        let local = Local::open(&power).await.map_err(|error| error.to_string())?;
        let local = Arc::new(local);
        agent.has_power(Arc::clone(&local), &power);
        tasks.spawn(hand::run(Arc::clone(&agent), local, power.clone(), orders));
        traffic::start(&agent, &mut tasks).await?;
        tasks.spawn(fit::run(Arc::clone(&agent), power.clone()));
    }
    let mut looking: Option<AbortHandle> = None;
    let mut rouser = rouse::Rouser::new(Arc::clone(&agent), &power)?;
    loop {
        let word = tokio::select! {
            word = words.recv() => word,
            Some(ended) = tasks.join_next() => match ended {
                // A reading that was given up, or is done.
                Ok(()) => continue,
                Err(error) if error.is_cancelled() => continue,
                Err(error) => return Err(format!("a part of the agent ended: {error}")),
            },
        };
        match word {
            None => return Ok(()),
            Some(Word::Life) => {
                if let Some(looking) = looking.take() {
                    looking.abort();
                }
            }
            Some(Word::Look(gear, awake)) => {
                if let Some(looking) = looking.take() {
                    looking.abort();
                }
                looking = Some(tasks.spawn(look::look(Arc::clone(&agent), gear, awake)));
            }
            Some(Word::Do(deed)) => {
                let _ = deeds.send(deed);
            }
            Some(Word::Rouse(node)) => rouser.rouse(node),
        }
    }
}

impl Agent {
    /// Tells the node. It waits while the node has too much to do.
    async fn order(&self, order: Order) {
        // The node has stopped, otherwise.
        let _ = self.letters().send(Mail::Command(OWN, Command::Order(order))).await;
    }
}

/// A time of the protocol's.
const fn span(ticks: Ticks) -> Duration {
    Duration::from_millis(ticks.0 as u64)
}

//! What the agents hear from their members.

use std::collections::BTreeMap;

use pehra_core::members::NodeSet;
use pehra_core::protocol::{self, Recovered};
use pehra_core::replication::{Durable, LogImage, Query, Record, Rows};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Decree};
use pehra_core::sleep::member::{Event, Report};
use pehra_core::types::{NodeId, Term, Ticks};

use crate::simulator::{Sight, Time, View, Watch};

/// A member's disk: its log is all that is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Image(LogImage<Decree>);

impl protocol::Image<Sleep> for Image {
    fn apply(&mut self, record: &Record<Decree>) {
        self.0.apply(record);
    }

    fn summary(&self) -> Recovered<Durable> {
        self.0.summary()
    }

    fn answer(&self, query: &Query) -> Rows<Decree> {
        self.0.answer(query)
    }
}

/// What an agent has to do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// Read the cluster.
    Look(Gear, NodeSet),
    /// Stop the broker.
    Stop,
    /// Sleep.
    Sleep(Ticks),
    /// Start the broker.
    Start,
    /// Wake that one.
    Rouse(NodeId),
}

/// Looks on, and keeps what was said until the agents have done it.
#[derive(Debug, Default)]
pub struct Said {
    /// In order.
    pub queue: Vec<(NodeId, Saying)>,
    /// Who watches since when, in each term.
    pub watching: BTreeMap<Term, (NodeId, Time)>,
    /// Those reported as silent.
    pub alerts: u64,
    /// How often somebody became a temporary Pehredar.
    pub temporary: u64,
    /// Grants that were not taken.
    pub declined: BTreeMap<String, u64>,
    wrong: Option<String>,
}

impl Said {
    /// Whoever watches in the highest term.
    #[must_use]
    pub fn pehredar(&self) -> Option<NodeId> {
        self.watching.last_key_value().map(|(_, (node, _))| *node)
    }
}

impl Watch<Sleep, Image> for Said {
    fn see(&mut self, view: &View<'_, Sleep, Image>, node: NodeId, sight: &Sight<'_, Sleep>) {
        let saying = match sight {
            Sight::Event(Event::Guard(guard::Event::Look { gear, awake })) => Saying::Look(*gear, *awake),
            Sight::Event(Event::Guard(guard::Event::Stop)) => Saying::Stop,
            Sight::Event(Event::Guard(guard::Event::Sleep { alarm })) => Saying::Sleep(*alarm),
            Sight::Report(Report::Guard(guard::Report::Start)) => Saying::Start,
            Sight::Report(Report::Guard(guard::Report::Rouse { node })) => Saying::Rouse(*node),
            Sight::Report(Report::Guard(report)) => {
                match report {
                    guard::Report::Alert { .. } => self.alerts += 1,
                    guard::Report::Temporary => self.temporary += 1,
                    guard::Report::Declined { why } => *self.declined.entry(why.to_string()).or_default() += 1,
                    _ => {}
                }
                return;
            }
            Sight::Event(Event::Guard(guard::Event::Watching { term })) => {
                let (known, _) = *self.watching.entry(*term).or_insert((node, view.now));
                if known != node {
                    self.wrong = Some(format!("S1: {node} watches in {term:?}, as {known} does"));
                }
                return;
            }
            _ => return,
        };
        self.queue.push((node, saying));
    }

    fn judge(&mut self, _: &View<'_, Sleep, Image>, _: NodeId) -> Result<(), String> {
        self.wrong.take().map_or(Ok(()), Err)
    }
}

//! One moment of a cluster that follows the original.

use pehra_core::members::NodeSet;

use crate::kafka::{Kafka, Step};

/// Nodes: x, y and z.
pub const NODES: u8 = 3;

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Node {
    /// ACTIVE.
    #[default]
    Awake,
    /// SLEEPING.
    Asleep,
    /// Gone for good.
    Dead,
}

/// One moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// What each node does.
    pub nodes: [Node; NODES as usize],
    /// Those that take themselves for the watchman (the Pehredar).
    pub watchmen: NodeSet,
    /// The brokers beside the nodes.
    pub kafka: Kafka,
    /// The last thing that was said about traffic. It starts with traffic: nobody has said yet that there is none.
    pub traffic: bool,
    /// Timers that will each fire an election (the simulation's).
    pub timers: u8,
    /// Those whose alarm clock is set.
    pub clocks: NodeSet,
    /// The one that the others cannot reach, nor it them.
    pub cut_off: Option<u8>,
    /// Left: "0"s, "1"s, crashes, cuts.
    pub left: [u8; 4],
    /// What steps have shown to be wrong, as bits.
    pub wrong: u8,
}

impl State {
    /// What this node does.
    #[must_use]
    pub const fn node(&self, node: u8) -> Node {
        self.nodes[node as usize]
    }

    /// The nodes that do this.
    pub fn all(&self, what: Node) -> impl Iterator<Item = u8> + use<'_> {
        (0..NODES).filter(move |node| self.node(*node) == what)
    }

    /// Whether one can reach the other.
    #[must_use]
    pub fn reaches(&self, one: u8, other: u8) -> bool {
        one == other || self.cut_off.is_none_or(|cut_off| cut_off != one && cut_off != other)
    }
}

/// One thing that may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// "0": there is no traffic.
    Idle,
    /// "1": a write comes. The simulation draws this number for the task.
    Traffic(u8),
    /// An election is held by this node's side, and this node wins.
    Elect(u8),
    /// A sleeper's alarm clock rings.
    Ring(u8),
    /// It is set again.
    Set(u8),
    /// A node dies with its broker, and does not come back.
    Crash(u8),
    /// A node is cut off from the others.
    Cut(u8),
    /// Kafka does something by itself.
    Kafka(Step),
}

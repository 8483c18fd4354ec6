//! What the checker must know about the actions of the world.

use super::state::{Action, State};
use super::world::World;
use crate::kinds::Kinds;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &["idle", "traffic", "elect", "ring", "set", "crash", "cut", "kafka"];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Idle => "idle",
            Action::Traffic(_) => "traffic",
            Action::Elect(_) => "elect",
            Action::Ring(_) => "ring",
            Action::Set(_) => "set",
            Action::Crash(_) => "crash",
            Action::Cut(_) => "cut",
            Action::Kafka(_) => "kafka",
        }
    }

    /// Clocks ring and are set again, elections are held on each side of a cut, and Kafka goes on.
    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        match action {
            Action::Ring(node) => Some(u16::from(*node)),
            Action::Set(node) => Some(10 + u16::from(*node)),
            Action::Elect(node) => Some(20 + u16::from(state.cut_off == Some(*node))),
            Action::Kafka(_) => Some(30),
            Action::Idle | Action::Traffic(_) | Action::Crash(_) | Action::Cut(_) => None,
        }
    }
}

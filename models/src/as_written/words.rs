//! States and actions in words.

use std::fmt;

use super::state::{Action, NODES, Node, State};
use super::world::Text;
use crate::kafka::Step;

const fn name(node: u8) -> char {
    match node {
        0 => 'x',
        1 => 'y',
        _ => 'z',
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in 0..NODES {
            let does = match self.node(node) {
                Node::Awake => "awake",
                Node::Asleep => "asleep",
                Node::Dead => "dead",
            };
            let watches = if self.watchmen.contains(pehra_core::types::NodeId(node.into())) {
                ", watchman"
            } else {
                ""
            };
            let clock = if self.clocks.contains(pehra_core::types::NodeId(node.into())) {
                ", clock set"
            } else {
                ""
            };
            write!(f, "{} {does}{watches}{clock}; ", name(node))?;
        }
        let partition = self.kafka.partition(0);
        let leader = partition
            .leader
            .map_or_else(|| "nobody leads".into(), |leader| format!("{} leads", name(leader)));
        let in_sync: Vec<String> = partition
            .in_sync
            .iter()
            .map(|node| name(u8::try_from(node.0).unwrap_or(NODES)).to_string())
            .collect();
        write!(f, "{leader}, in sync: {}; ", in_sync.join(" "))?;
        write!(f, "{}", if self.traffic { "traffic" } else { "no traffic" })?;
        if self.timers > 0 {
            write!(f, ", {} elections to come", self.timers)?;
        }
        if let Some(node) = self.cut_off {
            write!(f, ", {} is cut off", name(node))?;
        }
        Ok(())
    }
}

/// An action in words.
pub(super) fn action(action: Action, text: Text) -> String {
    match action {
        Action::Idle => "0: there is no traffic".into(),
        Action::Traffic(drawn) if text == Text::Simulation => {
            format!(
                "1: a write comes; the number drawn for the task is {drawn}, which is {}",
                name(drawn)
            )
        }
        Action::Traffic(_) => "1: a write comes; whoever is awake wakes all".into(),
        Action::Elect(node) => format!(
            "an election: {} is the watchman, all others whom it reaches sleep",
            name(node)
        ),
        Action::Ring(node) => format!("the alarm clock of {} rings", name(node)),
        Action::Set(node) => format!(
            "the alarm clock of {} is set again, and nothing else has come of it",
            name(node)
        ),
        Action::Crash(node) => format!("{} dies", name(node)),
        Action::Cut(node) => format!("{} is cut off from the others", name(node)),
        Action::Kafka(step) => match step {
            Step::Fetch(_, node) => format!("Kafka: {} fetches", name(node)),
            Step::Expand(_, node) => format!("Kafka: {} is in sync again", name(node)),
            Step::Fence(node) => format!("Kafka: {} is fenced", name(node)),
            other => format!("Kafka: {other:?}"),
        },
    }
}

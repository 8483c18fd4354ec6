//! PEHRA as its authors wrote it down, walked by the same explorer: what goes wrong, and what in our protocol keeps it from going
//! wrong.
//!
//! There are three texts, and they do not agree. Each is a set of rules here:
//!
//! | text | no traffic | traffic | the alarm clock | no watchman |
//! | --- | --- | --- | --- | --- |
//! | [`Text::Simulation`] | a timer of its own for each "0"; then one is drawn from all, whatever it does, and all others sleep | cancels the last timer if somebody watches; a task for one of as many as are awake, counted from the first node | there is none | is not noticed |
//! | [`Text::Chart`] | one of those awake is elected, the others sleep, and the clock is set | all are woken, then a task | leads back to "is there traffic?", whether it has expired or not | is elected on the next way round |
//! | [`Text::Readme`] | as in the chart, by those who can reach each other | as in the chart | wakes its node, which looks for the watchman and wakes all if there is none | is elected by those who are awake |
//!
//! Brokers stand on the abstract Kafka (`crate::kafka`): whoever sleeps has stopped cleanly, at once; whoever wakes is up at once and
//! catches up by Kafka's own steps. Each sign of traffic is a write with `acks=all`.
//!
//! None of the deployed code is in here: it is what is wrong with the original that is shown, not what is right with ours.

mod found;
mod kinds;
mod properties;
mod state;
mod steps;
mod words;
mod world;

pub use found::{Found, look_for};
pub use properties::{Excluded, Failure};
pub use state::{Action, Node, State};
pub use world::{Bounds, Text, World};

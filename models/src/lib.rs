//! Exhaustive checking of Pehra's protocol core.
//!
//! A model is a [`stateright::Model`]. It is walked twice: by Stateright, and by an explorer of our own. The second
//! walk is not luxury: Stateright 0.31 can report success without having looked (see `tests/traps.rs`), keeps no
//! shortest traces, and knows neither fairness nor cycles. Two engines that agree on a pinned number of states are
//! hard to fool by a mistake in either.
//!
//! Read from the top:
//!
//! * [`gate`] - what a test calls: everything must hold, in both engines, with pinned counts.
//! * [`hunt`] - the opposite: a model with a seeded bug must be caught, and by which property.
//! * [`lasso`] - liveness: fair-lasso search over the explored graph.
//! * [`mod@explore`] - the exact breadth-first explorer under all of them.
//! * [`engines`] - the same model in Stateright, and its browser.
//! * [`site`], [`net`] - a deployed node with its disk, and a network, for any model.
//! * [`election`] - voters that elect a leader.
//! * [`replication`] - a log over that election.
//! * [`member`] - the same on the very log that it rests on, at small bounds.
//! * [`sleep`] - guard duty over a log that is as its claims say.
//! * [`slots`] - when sleepers' alarm clocks ring first, under every order that may be drawn.
//! * [`lease`] - the same, with time, and what a leader may believe without asking.
//! * [`kafka`] - what a Kafka cluster does with its partitions while brokers come and go.
//! * [`simulator`] - the same nodes as a whole cluster in virtual time, from one seed.
//! * [`as_written`] - PEHRA as its authors wrote it down, and what goes wrong with it.
//! * [`coverage`] - who may sleep, in every small cluster.
//! * [`traffic`] - what passes between a client and a broker, in every short conversation.
//! * [`energy`] - whole clusters of sleeping brokers in virtual time: what it saves, and whether anybody waits too long.
//! * [`delivery`] - edge, cloud and what lies between.
//! * [`diagram`] - a walk as a picture, for the browser.
//! * [`flow`] - the flow chart of a member's broker, from the table in core's documentation.
//! * [`kinds`] - what a model must say about its actions, besides being a `Model`.

pub mod as_written;
pub mod coverage;
pub mod delivery;
pub mod diagram;
pub mod election;
pub mod energy;
pub mod engines;
pub mod explore;
mod explored;
pub mod flow;
pub mod gate;
pub mod graph;
pub mod hunt;
pub mod kafka;
pub mod kinds;
pub mod lasso;
pub mod lease;
pub mod link;
pub mod member;
pub mod net;
pub mod pipeline;
pub mod replication;
pub mod report;
pub mod results;
mod scc;
pub mod shared;
pub mod simulator;
pub mod site;
pub mod sleep;
pub mod slots;
mod store;
pub mod trace;
pub mod traffic;
mod trap;

pub use explore::{Explored, Incomplete, Keep, Limits, Options, Stop, explore};
pub use gate::Gate;
pub use hunt::{Catch, Hunt};
pub use kinds::{Kinds, Strength};
pub use lasso::{Fairness, Leads, Verdict, closed, leads};
pub use report::Report;
pub use trace::Trace;

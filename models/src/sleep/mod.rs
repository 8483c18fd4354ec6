//! Guard duty, over a log that is as its claims say.
//!
//! The deployed `Guard` of each member runs beside a log that is not modelled again: one order of decrees, of which each member
//! has been told a prefix; terms, each with one leader that a majority has voted for; a leader whose term is over decides nothing.
//! That is what `replication/I10` to `I12` and `election/I1` promise, and the models of those two check.
//!
//! The cluster is read by the deployed coverage code, from the state of the brokers here.

mod bounds;
mod kinds;
mod net;
pub mod properties;
mod queries;
mod state;
mod words;
mod world;

pub use bounds::{Bounds, Copies};

pub use queries::{L1, L2, L3, L4, L6, L8};
pub use state::{Action, State};
pub use world::World;

//! Guard duty, over a log that is as its claims say.
//!
//! The deployed `Guard` of each member runs beside a log that is not modelled again: one order of decrees, of which each member
//! has been told a prefix; terms, each with one leader that a majority has voted for; a leader whose term is over decides nothing.
//! That is what `replication/I10` to `I12` and `election/I1` promise, and the models of those two check.
//!
//! The cluster is read by the deployed coverage code, from the state of the brokers here. Beneath them may be the abstract Kafka
//! (`crate::kafka`): then it is read from that, a broker that goes to sleep is one that Kafka lets stop, one that wakes has to catch
//! up before it says that it is up, and clients write. What it costs is states, so the worlds without it go further.

mod bounds;
mod cluster;
mod kinds;
pub(crate) mod net;
pub mod properties;
mod queries;
mod state;
mod words;
mod world;

pub use bounds::{Bounds, Cluster, Copies};

pub use queries::{L1, L2, L3, L4, L6, L8};
pub use state::{Action, State};
pub use world::World;

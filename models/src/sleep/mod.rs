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
mod dead;
mod diagram;
mod happens;
mod kinds;
pub(crate) mod net;
mod possible;
pub mod properties;
mod queries;
mod reading;
mod renaming;
mod start;
mod state;
mod steps;
mod words;
mod world;
mod worlds;

pub use bounds::{Bounds, Cluster, Copies};

pub use queries::{L1, L2, L3, L4, L5, L6, L7, L7_PAGED, L8};
pub use state::{Action, State};
pub use world::World;
pub use worlds::set;

use std::net::ToSocketAddrs;

use pehra_core::members::NodeSet;

/// The world that is walked by hand: three brokers in gear lean with two terms, traffic, a wake, a lost leader, a crash, the
/// switch and a round of maintenance, one of each.
#[must_use]
pub fn explored_by_hand() -> Bounds {
    Bounds {
        terms: 2,
        decrees: 8,
        crashes: 1,
        traffic: 1,
        wakes: 1,
        losses: 1,
        switches: 1,
        rounds: 1,
        votes: vec![NodeSet::first(3)],
        ..Bounds::lean()
    }
}

/// Serves Stateright's explorer over [`explored_by_hand`], until the process ends.
///
/// # Panics
/// If the address cannot be bound.
pub fn explorer(address: impl ToSocketAddrs) {
    crate::engines::serve(World::new(explored_by_hand()), address);
}

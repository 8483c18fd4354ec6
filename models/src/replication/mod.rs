//! The model of replication: members with their logs, their disks, and a network that may lose, repeat and reorder.
//!
//! * [`Bounds`] - how many members, terms, proposals and crashes, and which mechanisms are on.
//! * [`World`] - the model.
//! * [`properties`] - what must hold; [`queries`] - what must happen once things calm down.

mod bounds;
mod dead;
mod diagram;
mod ghosts;
mod kinds;
mod messages;
pub mod properties;
pub mod queries;
mod state;
mod steps;
mod words;
mod world;

pub use bounds::{Bounds, Disk, Sees, Start};
pub use ghosts::Ghosts;
pub use state::{Action, Member, State};
pub use world::World;

use std::net::ToSocketAddrs;

/// Serves Stateright's explorer over a small world, until the process ends: three members with pre-vote, two terms, one
/// proposal, one crash.
///
/// # Panics
/// If the address cannot be bound.
pub fn explorer(address: impl ToSocketAddrs) {
    let bounds = Bounds {
        pre_vote: true,
        ..Bounds::new(3, 2).proposals(1).crashes(1)
    };
    crate::engines::serve(World::new(bounds), address);
}

//! The model of election: voters, their disks, and a network that may lose, repeat and reorder.
//!
//! * [`Bounds`] - how many voters, terms and crashes, and which mechanisms are on.
//! * [`World`] - the model.
//! * [`properties`] - what must hold; [`queries`] - what must happen once things calm down.

mod bounds;
mod dead;
mod kinds;
mod messages;
pub mod properties;
pub mod queries;
mod renaming;
mod state;
mod steps;
mod words;
mod world;

pub use bounds::{Bounds, Shape};
pub use state::{Action, Ghosts, Member, State};
pub use world::World;

use std::net::ToSocketAddrs;

/// Serves Stateright's explorer over a small world, until the process ends: three voters, two terms, one crash.
///
/// # Panics
/// If the address cannot be bound.
pub fn explorer(address: impl ToSocketAddrs) {
    crate::engines::serve(World::new(Bounds::new(3, 2).crashes(1)), address);
}

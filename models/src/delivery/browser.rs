//! The model in a web browser.

use std::net::ToSocketAddrs;

use super::bounds::Bounds;
use super::world::World;
use crate::engines;

/// Serves Stateright's explorer over a small world, until the process ends: two rows, one crash a side.
///
/// # Panics
/// If the address cannot be bound.
pub fn explorer(address: impl ToSocketAddrs) {
    engines::serve(World::new(Bounds::new(2, 1)), address);
}

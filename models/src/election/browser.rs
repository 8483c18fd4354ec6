//! The model in a web browser.

use std::net::ToSocketAddrs;

use super::bounds::Bounds;
use super::world::World;
use crate::engines;

/// Serves Stateright's explorer over a small world, until the process ends: three voters with pre-vote, as they are
/// deployed, two terms, one crash, one hand-over.
///
/// # Panics
/// If the address cannot be bound.
pub fn explorer(address: impl ToSocketAddrs) {
    let bounds = Bounds {
        pre_vote: true,
        ranks: true,
        transfers: 1,
        ..Bounds::new(3, 2).crashes(1)
    };
    engines::serve(World::new(bounds), address);
}

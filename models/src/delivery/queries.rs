//! What must happen in the end, once the network is calm.

use pehra_core::delivery::Phase;

use super::state::State;
use super::world::World;
use crate::lasso::Leads;

/// Every row that the source has is appended, applied, and acknowledged on the edge's disk; and stays so.
#[must_use]
pub fn everything_arrives() -> Leads<World> {
    Leads {
        name: "delivery/OL1 once calm, every row is applied and acknowledged",
        from: |_, state: &State| state.calm,
        to: |world, state| state.is_done(world.bounds().parcels),
    }
}

/// The window of batches in flight has room again.
#[must_use]
pub fn the_window_opens() -> Leads<World> {
    Leads {
        name: "delivery/OL2 once calm, the window of batches in flight is never full for ever",
        from: |world, state: &State| state.calm && is_full(world, state),
        to: |world, state| !is_full(world, state),
    }
}

fn is_full(world: &World, state: &State) -> bool {
    let sender = state.edge.node.state();
    sender.phase() == Phase::Streaming && sender.flights().count() >= world.bounds().sender.flights
}

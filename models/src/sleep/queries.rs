//! Liveness, asked after the calm.

use pehra_core::sleep::guard::State as Broker;

use super::state::State;
use super::world::World;
use crate::lasso::Leads;

/// What traffic needs is up again.
pub const L1: Leads<World> = Leads {
    name: "sleep/L1 when things are calm and somebody is needed, all that it takes is up",
    from: |world, state| state.calm && wanted(world, state),
    to: |world, state| state.awake(world.bounds().brokers) == world.bounds().all(),
};

/// Idle clusters reach their lowest gear.
pub const L4: Leads<World> = Leads {
    name: "sleep/L4 a healthy cluster that stays idle lets sleep whom it can",
    from: |_, state| state.calm,
    to: |world, state| {
        world
            .members()
            .any(|member| state.guard(member).state() == Broker::Sleeping)
    },
};

fn wanted(world: &World, state: &State) -> bool {
    world.members().any(|member| !state.guard(member).is_idle())
}

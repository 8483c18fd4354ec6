//! Liveness, asked after the calm.

use pehra_core::sleep::guard::State as Broker;

use super::state::State;
use super::world::World;
use crate::lasso::Leads;

/// What traffic needs is up again.
pub const L1: Leads<World> = Leads {
    name: "sleep/L1 when things are calm and somebody is needed, all that it takes is up",
    from: |_, state| state.calm && state.needed,
    to: |_, state| !state.needed,
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

/// Nobody sleeps on when nobody watches.
pub const L2: Leads<World> = Leads {
    name: "sleep/L2 when no Pehredar is to be found, all wake up",
    from: |_, state| state.calm && !led(state),
    to: |world, state| led(state) || state.awake(world.bounds().brokers) == world.bounds().all(),
};

/// No sleep is for ever.
pub const L3: Leads<World> = Leads {
    name: "sleep/L3 every sleeper wakes up again",
    from: |world, state| {
        state.calm
            && world
                .members()
                .any(|member| state.guard(member).state() == Broker::Sleeping)
    },
    to: |world, state| {
        world
            .members()
            .all(|member| state.guard(member).state() != Broker::Sleeping)
    },
};

/// A round of maintenance ends.
pub const L6: Leads<World> = Leads {
    name: "sleep/L6 a round of maintenance ends, having visited all",
    from: |world, state| state.calm && world.members().any(|member| !state.guard(member).round().is_empty()),
    to: |world, state| world.members().all(|member| state.guard(member).round().is_empty()),
};

/// A change that is given up leaves nobody half way.
pub const L8: Leads<World> = Leads {
    name: "sleep/L8 whoever is on its way gets somewhere: asleep or up",
    from: |world, state| state.calm && world.members().any(|member| half_way(state, member)),
    to: |world, state| !world.members().any(|member| half_way(state, member)),
};

fn half_way(state: &State, member: u8) -> bool {
    !matches!(
        state.guard(member).state(),
        Broker::Active | Broker::Sleeping | Broker::Maintenance
    )
}

fn led(state: &State) -> bool {
    state
        .leaders
        .last()
        .is_some_and(|leader| state.at(*leader).heard && state.at(*leader).term == state.top())
}

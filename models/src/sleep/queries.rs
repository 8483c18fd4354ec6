//! Liveness, asked after the calm.

use pehra_core::members::NodeSet;
use pehra_core::sleep::guard::{Role, State as Broker};
use pehra_core::types::NodeId;

use super::state::{Process, State};
use super::world::World;
use crate::kafka::Presence;
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

/// After all were down.
pub const L5: Leads<World> = Leads {
    name: "sleep/L5 after all were down somebody watches and every partition has a leader",
    from: |world, state| state.calm && world.members().all(|member| !is_up(world, state, member)),
    to: |world, state| led(state) && world.all_are_led(state),
};

/// A round of maintenance ends.
pub const L6: Leads<World> = Leads {
    name: "sleep/L6 a round of maintenance ends, having visited all",
    from: |world, state| state.calm && world.members().any(|member| !state.guard(member).round().is_empty()),
    to: |world, state| {
        world.members().all(|member| state.guard(member).round().is_empty()) && state.visited == world.bounds().all()
    },
};

/// A wake ends.
pub const L7: Leads<World> = Leads {
    name: "sleep/L7 a wake ends",
    from: |world, state| state.calm && !called(world, state).is_empty(),
    to: |world, state| called(world, state).is_empty(),
};

/// And if it fails, somebody hears of it.
pub const L7_PAGED: Leads<World> = Leads {
    name: "sleep/L7 whoever is called and is gone leaves the plan, and a person is told",
    from: |world, state| state.calm && !called(world, state).and(gone(world, state)).is_empty(),
    to: |world, state| {
        let gone = gone(world, state);
        !gone.is_empty() && gone.is_within(state.paged) && gone.and(world.latest_members(state)).is_empty()
    },
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

fn is_up(world: &World, state: &State, member: u8) -> bool {
    let runs = world.bounds().kafka.is_none() || state.kafka.broker(member) == Presence::Up;
    runs && state.at(member).process == Process::Up
}

/// Whom the Pehredar calls, until they say that they are up.
fn called(world: &World, state: &State) -> NodeSet {
    let calls = |member| match state.guard(member).role() {
        Role::Pehredar(watch) if led(state) && state.leaders.last() == Some(&member) => watch.rousing(),
        Role::Pehredar(_) | Role::None | Role::Temporary => NodeSet::EMPTY,
    };
    world.members().map(calls).fold(NodeSet::EMPTY, NodeSet::or)
}

/// Those whom nothing wakes.
fn gone(world: &World, state: &State) -> NodeSet {
    let asleep = |member: &u8| state.guard(*member).state() == Broker::Sleeping;
    let asleep: NodeSet = world
        .members()
        .filter(asleep)
        .map(|member| NodeId(member.into()))
        .collect();
    asleep.and(world.bounds().gone)
}

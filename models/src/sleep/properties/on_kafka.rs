//! What must hold where there is a Kafka.

use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::State as Broker;
use stateright::Property;

use super::{S3_KAFKA, S3_LOOKED, S3_STOP, S3_UP, S3_WRITES, S5_CLEAN, broken};
use crate::kafka::{Presence, properties as kafka};
use crate::sleep::bounds::{Bounds, Cluster};
use crate::sleep::state::State;
use crate::sleep::world::World;

/// All of these.
pub(super) fn all(bounds: &Bounds, cluster: &Cluster) -> Vec<Property<World>> {
    let mut all = vec![
        Property::always(kafka::S5, |world: &World, state: &State| {
            let cluster = world.bounds().kafka.as_ref();
            cluster.is_none_or(|it| kafka::no_record_is_lost(&it.setup, &state.kafka))
        }),
        Property::always(S5_CLEAN, World::sleepers_have_stopped),
        Property::always(S3_STOP, |_, state: &State| state.broken & broken::S3_STOP == 0),
        Property::always(S3_LOOKED, |_, state: &State| state.broken & broken::S3_LOOKED == 0),
        Property::always(S3_KAFKA, World::keeps_enough),
        Property::always(S3_UP, World::whoever_is_up_is_in_sync),
        Property::sometimes(
            "a record is acknowledged while one sleeps",
            |world: &World, state: &State| {
                let asleep = |member: u8| state.kafka.broker(member) == Presence::Stopped;
                let taken = |number: u8| {
                    let partition = state.kafka.partition(number);
                    partition.acknowledged != 0
                        && world
                            .members()
                            .any(|it| asleep(it) && !partition.has_acknowledged(partition.log(it)))
                };
                let cluster = world.bounds().kafka.as_ref();
                cluster.is_some_and(|it| it.setup.all_partitions().any(taken))
            },
        ),
    ];
    if bounds.gear == Gear::Lean {
        all.push(Property::always(S3_WRITES, World::refuses_for_a_reason));
    }
    if cluster.setup.keeps_eligible {
        all.push(Property::always(kafka::COPIES, |world: &World, state: &State| {
            let cluster = world.bounds().kafka.as_ref();
            cluster.is_none_or(|it| kafka::copies_are_whole(&it.setup, &state.kafka))
        }));
    }
    if bounds.terms > 1 && bounds.headroom == 0 && bounds.crashes > 0 && cluster.torn > 0 {
        all.extend(another_term_after_a_power_loss(bounds));
    }
    all
}

/// What such a world is for: none of it may be dead.
fn another_term_after_a_power_loss(bounds: &Bounds) -> Vec<Property<World>> {
    let mut all = vec![Property::sometimes(
        "another is elected while one sleeps and an acknowledged record is on one disk only",
        |world: &World, state: &State| {
            let partition = state.kafka.partition(0);
            let holds = |member: &u8| partition.has_acknowledged(partition.log(*member));
            state.top() > 1
                && partition.acknowledged != 0
                && world.members().any(|member| sleeps(state, member))
                && world.members().filter(holds).count() == 1
        },
    )];
    if bounds.decrees > 3 {
        all.push(Property::sometimes(
            "one sleeps under a later plan, after a crash",
            |world: &World, state: &State| {
                let crashed = state.left.crashes < world.bounds().crashes;
                let under_a_later_plan = |member: u8| sleeps(state, member) && state.at(member).granted > 1;
                crashed && world.members().any(under_a_later_plan)
            },
        ));
    }
    all
}

fn sleeps(state: &State, member: u8) -> bool {
    state.guard(member).state() == Broker::Sleeping
}

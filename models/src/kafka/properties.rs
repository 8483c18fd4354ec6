//! What must hold in every state.

use stateright::Property;

use super::setup::Setup;
use super::state::{Kafka, Presence, node};
use super::world::{State, World};

/// The claim of sleep that Kafka has to keep under it.
pub const S5: &str = "sleep/S5 every acknowledged record is in the log of every later leader";
/// Who leads is in sync.
pub const LEADER: &str = "kafka/check the leader is in sync";
/// Eligible ones are kept only while they are needed.
pub const ELIGIBLE: &str = "kafka/check eligible ones are not in sync, and these are too few";
/// Why S5 holds.
pub const COPIES: &str = "kafka/check whoever may lead without an unclean start has every acknowledged record";

/// Whether every leader that serves has every acknowledged record.
#[must_use]
pub fn no_record_is_lost(setup: &Setup, kafka: &Kafka) -> bool {
    setup.all_partitions().all(|number| {
        let partition = kafka.partition(number);
        let has_all = |leader| partition.has_acknowledged(partition.log(leader));
        kafka.serving(number).is_none_or(has_all)
    })
}

/// Whether every leader is among the in-sync ones.
#[must_use]
pub fn leaders_are_in_sync(setup: &Setup, kafka: &Kafka) -> bool {
    setup.all_partitions().all(|number| {
        let partition = kafka.partition(number);
        partition
            .leader
            .is_none_or(|leader| partition.in_sync.contains(node(leader)))
    })
}

fn eligible_are_apart(setup: &Setup, kafka: &Kafka) -> bool {
    setup.all_partitions().all(|number| {
        let partition = kafka.partition(number);
        let is_needed = partition.in_sync.count() < setup.enough();
        partition.eligible.is_empty()
            || is_needed && setup.keeps_eligible && partition.eligible.and(partition.in_sync).is_empty()
    })
}

/// Whether all in-sync and eligible ones that run or ended cleanly have every acknowledged record.
#[must_use]
pub fn copies_are_whole(setup: &Setup, kafka: &Kafka) -> bool {
    setup.all_partitions().all(|number| {
        let partition = kafka.partition(number);
        let mut may_lead = partition.in_sync.or(partition.eligible).iter();
        may_lead.all(|id| {
            let broker = u8::try_from(id.0).expect("few brokers");
            let died = matches!(kafka.broker(broker), Presence::Lost | Presence::Dead);
            died || partition.has_acknowledged(partition.log(broker))
        })
    })
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let mut all = vec![
        Property::always(S5, |world: &World, state: &State| {
            no_record_is_lost(world.setup(), &state.kafka)
        }),
        Property::always(LEADER, |world: &World, state: &State| {
            leaders_are_in_sync(world.setup(), &state.kafka)
        }),
        Property::always(ELIGIBLE, |world: &World, state: &State| {
            eligible_are_apart(world.setup(), &state.kafka)
        }),
        Property::sometimes("a record is acknowledged", |world: &World, state: &State| {
            let mut partitions = world.setup().all_partitions();
            partitions.any(|number| state.kafka.partition(number).acknowledged != 0)
        }),
    ];
    // Without eligible ones kept, a broker whose disk lost records stays in sync after its start.
    if world.setup().misuse.is_none() && world.setup().keeps_eligible {
        all.push(Property::always(COPIES, |world: &World, state: &State| {
            copies_are_whole(world.setup(), &state.kafka)
        }));
    }
    if world.bounds().stops >= world.setup().copies && world.setup().keeps_eligible {
        // What Kafka allows, and what the sleep protocol is there to refuse.
        all.push(Property::sometimes(
            "the last in-sync copy was let go",
            |world: &World, state: &State| {
                let mut partitions = world.setup().all_partitions();
                partitions.any(|number| state.kafka.partition(number).in_sync.is_empty())
            },
        ));
        all.push(Property::sometimes(
            "one leads that was eligible and not in sync",
            |world: &World, state: &State| {
                let kafka = &state.kafka;
                let stopped = world
                    .setup()
                    .all_brokers()
                    .any(|it| kafka.broker(it) == Presence::Stopped);
                let alone = |number| kafka.serving(number).is_some() && kafka.partition(number).in_sync.count() == 1;
                let waits = |number| !kafka.partition(number).eligible.is_empty();
                let mut partitions = world.setup().all_partitions();
                stopped && state.left[1] == 0 && partitions.any(|number| alone(number) && waits(number))
            },
        ));
    }
    all
}

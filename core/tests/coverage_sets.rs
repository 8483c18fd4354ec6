//! Who may sleep, in random small clusters, against a search through all sets of sleepers.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core
)]

#[path = "shared/clusters.rs"]
mod clusters;

use std::collections::BTreeSet;

use clusters::{cluster, down};
use pehra_core::sleep::coverage::{
    Broker, Controllers, Gear, Most, Partition, Presence, Rules, Topology, aligned, assess,
};
use pehra_core::types::NodeId;
use proptest::prelude::*;

const LEAN: Rules = Rules::LEAN;

fn small() -> impl Strategy<Value = Topology> {
    let presence = prop_oneof![4 => Just(Presence::Awake), 1 => Just(Presence::Asleep), 1 => Just(Presence::Down)];
    let brokers = prop::collection::vec((presence, prop::option::of(0..3_u16)), 1..=6);
    let partition = (
        0..3_u32,
        prop::collection::btree_set(1..=7_u16, 1..=4),
        any::<u8>(),
        0..4_u16,
        prop::bool::weighted(0.03),
        prop::bool::weighted(0.03),
    );
    let partitions = prop::collection::vec(partition, 0..=5);
    let voters = prop::collection::btree_set(prop_oneof![1..=6_u16, 100..=103_u16], 0..=4);
    (brokers, partitions, voters, any::<u8>(), any::<bool>()).prop_map(build)
}

type Drawn = (u32, BTreeSet<u16>, u8, u16, bool, bool);
type DrawnCluster = (Vec<(Presence, Option<u16>)>, Vec<Drawn>, BTreeSet<u16>, u8, bool);

fn build((brokers, partitions, voters, awake, keeps_eligible): DrawnCluster) -> Topology {
    let partition = |(topic, replicas, in_sync, in_sync_min, unclean_election, moving): Drawn| {
        // Most copies are in sync, or nearly everything would be an obstacle.
        let (replicas, mask) = (replicas.into_iter().map(NodeId).collect::<Vec<_>>(), in_sync | 0x55);
        let in_sync: Vec<NodeId> = (0..)
            .zip(&replicas)
            .filter(|(at, _)| mask >> at & 1 == 1)
            .map(|(_, id)| *id)
            .collect();
        Partition {
            topic,
            leader: in_sync.first().copied(),
            replicas,
            in_sync,
            eligible: Vec::new(),
            in_sync_min,
            unclean_election,
            moving,
        }
    };
    let voters: Vec<NodeId> = voters.into_iter().map(NodeId).collect();
    let awake_voters = (0..)
        .zip(&voters)
        .filter(|(at, _)| (awake | 0x11) >> at & 1 == 1)
        .map(|(_, id)| *id);
    Topology {
        controllers: Controllers {
            awake: awake_voters.collect(),
            voters,
        },
        brokers: (1..)
            .zip(brokers)
            .map(|(id, (presence, rack))| Broker {
                id: NodeId(id),
                presence,
                rack,
            })
            .collect(),
        partitions: partitions.into_iter().map(partition).collect(),
        keeps_eligible,
    }
}

/// Whether this set of awake brokers may sleep, straight from the sentences: no limit, no slack, no search.
fn is_safe(topology: &Topology, rules: &Rules, sleepers: &[NodeId]) -> bool {
    let is_awake = |id: NodeId| {
        let broker = topology.brokers.iter().find(|broker| broker.id == id);
        broker.is_some_and(|broker| broker.presence == Presence::Awake) && !sleepers.contains(&id)
    };
    let covered = topology.partitions.iter().all(|partition| {
        let copies = partition.in_sync.iter().filter(|id| is_awake(**id)).count();
        let need = match rules.gear {
            Gear::Full => return sleepers.is_empty(),
            Gear::Lean => (partition.in_sync_min + rules.lean_spare).max(1),
            Gear::Watch => 1,
        };
        !partition.in_sync.iter().any(|id| sleepers.contains(id)) || copies >= usize::from(need)
    });
    let voters = &topology.controllers.voters;
    let is_broker = |id: NodeId| topology.brokers.iter().any(|broker| broker.id == id);
    let controllers = topology
        .controllers
        .awake
        .iter()
        .filter(|id| is_awake(**id) || !is_broker(**id));
    // A voter that is a broker and asleep cannot be an awake controller, but a drawn cluster may say so.
    let reported = topology.controllers.awake.iter().filter(|id| {
        let broker = topology.brokers.iter().find(|broker| broker.id == **id);
        broker.is_some_and(|broker| broker.presence != Presence::Awake)
    });
    let controllers = controllers.count() + reported.count();
    let need = (voters.len() / 2 + 1 + usize::from(rules.controller_spare)).min(voters.len());
    let somebody = topology.brokers.iter().any(|broker| is_awake(broker.id));
    let touches_controllers = sleepers.iter().any(|id| topology.controllers.awake.contains(id));
    covered && (controllers >= need || !touches_controllers) && (somebody || sleepers.is_empty())
}

fn subsets(ids: &[NodeId]) -> impl Iterator<Item = Vec<NodeId>> + '_ {
    (0..1_u32 << ids.len()).map(move |mask| {
        let members = (0..).zip(ids).filter(move |(at, _)| mask >> at & 1 == 1);
        members.map(|(_, id)| *id).collect()
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    (prop_oneof![Just(Gear::Lean), Just(Gear::Watch)], 0..2_u16, 0..2_u16).prop_map(
        |(gear, lean_spare, controller_spare)| Rules {
            gear,
            lean_spare,
            controller_spare,
            ..LEAN
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdicts_and_the_largest_set_are_those_of_a_search_through_all_sets(topology in small(), rules in rules()) {
        let coverage = assess(&topology, &rules);
        let awake: Vec<NodeId> = topology.brokers.iter()
            .filter(|broker| broker.presence == Presence::Awake)
            .map(|broker| broker.id)
            .collect();
        for broker in &topology.brokers {
            let verdict = coverage.verdicts.iter().find(|it| it.broker == broker.id).unwrap();
            let safe = broker.presence == Presence::Awake && is_safe(&topology, &rules, &[broker.id]);
            prop_assert_eq!(verdict.reasons.is_empty(), safe, "{:?} {:?}", broker, verdict);
            prop_assert_eq!(coverage.may_sleep(broker.id), safe && coverage.obstacles.is_empty());
        }
        let largest = subsets(&awake).filter(|set| is_safe(&topology, &rules, set)).map(|set| set.len()).max().unwrap();
        if coverage.obstacles.is_empty() {
            prop_assert!(is_safe(&topology, &rules, &coverage.now.sleepers));
            prop_assert!(coverage.now.is_proven());
            prop_assert_eq!(coverage.now.sleepers.len(), largest);
        } else {
            prop_assert_eq!(&coverage.now, &Most::nobody());
        }
    }

    #[test]
    fn with_next_to_no_effort_the_set_is_still_safe_and_the_bound_still_holds(topology in small(), rules in rules()) {
        let careful = assess(&topology, &rules);
        let hasty = assess(&topology, &Rules { effort: 1, ..rules });
        prop_assert!(hasty.now.count() <= careful.now.count());
        prop_assert!(hasty.now.bound >= careful.now.count());
        prop_assert!(hasty.layout.count() <= careful.layout.count() && careful.layout.count() <= hasty.layout.bound);
        if hasty.obstacles.is_empty() {
            prop_assert!(is_safe(&topology, &rules, &hasty.now.sleepers));
        }
    }

    #[test]
    fn a_broker_that_goes_to_sleep_never_frees_another(topology in small(), rules in rules()) {
        let before = assess(&topology, &rules);
        for broker in &before.now.sleepers {
            let mut after = topology.clone();
            down(&mut after, broker.0, Presence::Asleep);
            let after = assess(&after, &rules);
            for other in &topology.brokers {
                prop_assert!(before.may_sleep(other.id) || !after.may_sleep(other.id));
            }
            // The rest of the set may still follow.
            prop_assert!(before.now.sleepers.iter().all(|it| it == broker || after.may_sleep(*it)
                || topology.controllers.voters.contains(broker)));
        }
    }

    #[test]
    fn whoever_follows_the_alignment_advice_gets_what_it_promises(
        brokers in 2..9_u16, kinds in prop::collection::vec((1..5_u16, 1..4_u16), 1..4),
    ) {
        // Place every topic as advised, in all the ways that a spread over racks allows.
        let draft: Vec<Vec<u16>> = kinds.iter().map(|(copies, _)| (1..=(*copies).min(brokers)).collect()).collect();
        let draft: Vec<&[u16]> = draft.iter().map(Vec::as_slice).collect();
        let mut topology = cluster(brokers, &draft, 1);
        for (partition, (_, need)) in topology.partitions.iter_mut().zip(&kinds) {
            partition.in_sync_min = *need;
        }
        let advised = aligned(&topology, &LEAN);
        let racks: Vec<Vec<NodeId>> = (0..advised.racks)
            .map(|rack| advised.rack_of.iter().filter(|(_, of)| *of == rack).map(|(id, _)| *id).collect())
            .collect();
        let mut placed = topology.clone();
        placed.partitions.clear();
        for partition in &topology.partitions {
            // A topic without a copy to spare is not promised anything.
            if partition.replicas.len() <= usize::from(partition.in_sync_min) {
                continue;
            }
            for start in 0..racks.len() * 8 {
                let mut copies: Vec<NodeId> = Vec::new();
                for turn in 0..partition.replicas.len() {
                    let rack = &racks[(start + turn) % racks.len()];
                    let free: Vec<NodeId> = rack.iter().copied().filter(|id| !copies.contains(id)).collect();
                    prop_assume!(!free.is_empty());
                    copies.push(free[(start / racks.len()) % free.len()]);
                }
                placed.partitions.push(Partition { replicas: copies.clone(), in_sync: copies, ..partition.clone() });
            }
        }
        prop_assert!(assess(&placed, &LEAN).now.count() >= advised.sleepers);
    }
}

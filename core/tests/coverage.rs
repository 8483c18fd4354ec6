//! Who may sleep, in clusters made by hand. Random ones are in `coverage_sets.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core
)]

#[path = "shared/clusters.rs"]
mod clusters;

use std::collections::BTreeSet;

use clusters::{cluster, down, nodes};
use pehra_core::sleep::coverage::{
    Advice, Controllers, Coverage, Gear, Most, Obstacle, Presence, Reason, Rules, Topology, Watts, aligned, assess,
    saving_permille_max,
};
use pehra_core::types::NodeId;

const LEAN: Rules = Rules::LEAN;

fn reasons(coverage: &Coverage, id: u16) -> &[Reason] {
    let verdict = coverage.verdicts.iter().find(|verdict| verdict.broker == NodeId(id));
    &verdict.unwrap().reasons
}

#[test]
fn with_three_copies_and_two_needed_one_broker_of_three_may_sleep() {
    let coverage = assess(&cluster(3, &[&[1, 2, 3], &[2, 3, 1]], 2), &LEAN);
    assert!(coverage.obstacles.is_empty());
    assert!((1..=3).all(|id| coverage.may_sleep(NodeId(id))));
    assert_eq!((coverage.now.count(), coverage.layout.count()), (1, 1));
    assert!(coverage.now.is_proven());
    assert_eq!(
        coverage.advice,
        [],
        "three brokers with three copies are as good as it gets"
    );
}

#[test]
fn after_one_has_gone_to_sleep_the_others_have_to_stay() {
    let mut topology = cluster(3, &[&[1, 2, 3], &[2, 3, 1]], 2);
    down(&mut topology, 3, Presence::Asleep);
    let coverage = assess(&topology, &LEAN);
    assert_eq!(coverage.obstacles, [], "a broker that sleeps on purpose is no fault");
    assert_eq!(reasons(&coverage, 3), [Reason::Asleep]);
    let uncovered = Reason::Uncovered {
        partition: 0,
        left: 1,
        need: 2,
        partitions: 2,
    };
    assert_eq!(reasons(&coverage, 1), [uncovered]);
    assert_eq!((coverage.now.count(), coverage.layout.count()), (0, 1));
}

#[test]
fn a_broker_that_is_down_keeps_all_others_awake() {
    let mut topology = cluster(6, &[&[1, 2, 3], &[4, 5, 6]], 2);
    down(&mut topology, 3, Presence::Down);
    let coverage = assess(&topology, &LEAN);
    let out_of_sync = Obstacle::OutOfSync {
        partition: 0,
        replica: NodeId(3),
    };
    assert_eq!(coverage.obstacles, [out_of_sync]);
    // Nothing of its own keeps 4 awake, and it may not sleep all the same.
    assert_eq!(reasons(&coverage, 4), []);
    assert!(!coverage.may_sleep(NodeId(4)));
    assert_eq!(coverage.now, Most::nobody());
    assert_eq!(coverage.layout.count(), 2);
}

#[test]
fn a_broker_that_is_awake_and_lags_keeps_all_awake() {
    let mut topology = cluster(3, &[&[1, 2, 3]], 1);
    topology.partitions[0].in_sync = nodes(&[1, 2]);
    let coverage = assess(&topology, &LEAN);
    assert!(matches!(coverage.obstacles[..], [Obstacle::OutOfSync { .. }]));
}

#[test]
fn the_last_in_sync_copy_never_sleeps_in_any_gear() {
    let mut topology = cluster(3, &[&[1, 2, 3]], 2);
    down(&mut topology, 1, Presence::Asleep);
    down(&mut topology, 2, Presence::Asleep);
    for rules in [Rules::LEAN, Rules::WATCH] {
        let coverage = assess(&topology, &rules);
        assert!(!coverage.may_sleep(NodeId(3)), "{rules:?}");
        assert!(matches!(reasons(&coverage, 3)[0], Reason::Uncovered { left: 0, .. }));
    }
}

#[test]
fn a_topic_with_one_copy_pins_its_broker_and_no_other() {
    let coverage = assess(&cluster(4, &[&[1], &[2, 3, 4]], 1), &LEAN);
    assert!(!coverage.may_sleep(NodeId(1)));
    assert!(coverage.may_sleep(NodeId(2)));
    assert_eq!(coverage.now.sleepers, nodes(&[2, 3]));
    let more = Advice::MoreCopies {
        topic: 0,
        copies: 1,
        wanted: 2,
    };
    assert_eq!(coverage.advice[0], more);
}

#[test]
fn what_keeps_everybody_awake_is_said() {
    let healthy = cluster(3, &[&[1, 2, 3]], 2);
    let found = |change: fn(&mut Topology), rules: &Rules| {
        let mut topology = healthy.clone();
        change(&mut topology);
        let coverage = assess(&topology, rules);
        assert_eq!(coverage.now, Most::nobody());
        coverage.obstacles
    };
    let moving = Obstacle::Moving { partition: 0 };
    assert_eq!(found(|it| it.partitions[0].moving = true, &LEAN), [moving]);
    let unclean = Obstacle::UncleanElection { topic: 0 };
    assert_eq!(found(|it| it.partitions[0].unclean_election = true, &LEAN), [unclean]);
    let headless = Obstacle::NoLeader { partition: 0 };
    assert_eq!(found(|it| it.partitions[0].leader = None, &LEAN), [headless]);
    let few = Obstacle::FewControllers { awake: 2, need: 3 };
    assert_eq!(found(|it| it.controllers.awake = nodes(&[101, 103]), &LEAN), [few]);
    let none = Obstacle::NoEligibleLeaders;
    assert_eq!(found(|it| it.keeps_eligible = false, &Rules::WATCH), [none]);
    let full = Rules {
        gear: Gear::Full,
        ..LEAN
    };
    assert_eq!(found(|_| {}, &full), [Obstacle::Full]);
}

#[test]
fn controllers_that_are_brokers_too_keep_a_majority_and_the_spare() {
    let mut topology = cluster(3, &[&[1, 2, 3]], 1);
    topology.controllers = Controllers {
        voters: nodes(&[1, 2, 3]),
        awake: nodes(&[1, 2, 3]),
    };
    let coverage = assess(&topology, &LEAN);
    assert_eq!(coverage.now.count(), 0, "two would be a majority without a spare");
    assert_eq!(reasons(&coverage, 1), [Reason::Controller { left: 2, need: 3 }]);
    assert_eq!(coverage.advice[0], Advice::SeparateControllers { sleepers: 2 });
    let daring = Rules {
        controller_spare: 0,
        ..LEAN
    };
    assert_eq!(assess(&topology, &daring).now.count(), 1);
}

#[test]
fn somebody_stays_awake_where_there_is_nothing_to_cover() {
    let coverage = assess(&cluster(3, &[], 1), &LEAN);
    assert_eq!(coverage.now.count(), 2);
    let alone = assess(&cluster(1, &[], 1), &LEAN);
    assert_eq!(reasons(&alone, 1), [Reason::LastAwake]);
    let nobody = assess(&Topology::default(), &LEAN);
    assert_eq!((nobody.now.count(), nobody.layout.count()), (0, 0));
}

#[test]
fn a_spare_copy_costs_a_sleeper() {
    let spare = Rules { lean_spare: 1, ..LEAN };
    assert_eq!(assess(&cluster(3, &[&[1, 2, 3]], 2), &spare).now.count(), 0);
    assert_eq!(assess(&cluster(3, &[&[1, 2, 3]], 1), &spare).now.count(), 1);
}

/// 200 partitions in three racks of N/3 brokers each, one copy in each rack.
fn in_racks(brokers: u16, in_sync_min: u16) -> Topology {
    let each = brokers / 3;
    let placement: Vec<[u16; 3]> = (0..200_u16)
        .map(|at| {
            [
                1 + 3 * (at % each),
                2 + 3 * ((at / 3) % each),
                3 + 3 * ((at / 7) % each),
            ]
        })
        .collect();
    let placement: Vec<&[u16]> = placement.iter().map(|replicas| &replicas[..]).collect();
    let mut topology = cluster(brokers, &placement, in_sync_min);
    for broker in &mut topology.brokers {
        broker.rack = Some((broker.id.0 - 1) % 3);
    }
    topology
}

#[test]
fn with_racks_as_gears_a_third_of_any_cluster_may_sleep() {
    for brokers in [3, 6, 9, 12, 48, 999] {
        let coverage = assess(&in_racks(brokers, 2), &LEAN);
        assert!(
            coverage.now.count() >= u32::from(brokers) / 3,
            "{brokers}: {:?}",
            coverage.now
        );
        if brokers <= 12 {
            assert!(coverage.now.is_proven());
            assert_eq!(coverage.now.count(), u32::from(brokers) / 3);
        }
    }
    // One copy each is enough: two thirds.
    assert_eq!(assess(&in_racks(12, 2), &Rules::WATCH).now.count(), 8);
}

/// 200 partitions with three copies each, drawn at random and drawn in three racks, for 3, 6, 9, 12 brokers.
#[test]
fn with_many_partitions_the_layout_and_not_the_number_of_brokers_bounds_the_sleepers() {
    for (brokers, lean, watch) in [(3, 1, 2), (6, 1, 2), (9, 1, 3), (12, 1, 4)] {
        let mut seed: u64 = 88_172_645_463_325_252;
        let mut draw = |below: u16| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            u16::try_from(seed % u64::from(below)).unwrap()
        };
        let mut strewn: Vec<Vec<u16>> = Vec::new();
        while strewn.len() < 200 {
            let replicas = BTreeSet::from([1 + draw(brokers), 1 + draw(brokers), 1 + draw(brokers)]);
            if replicas.len() == 3 {
                strewn.push(replicas.into_iter().collect());
            }
        }
        let strewn: Vec<&[u16]> = strewn.iter().map(Vec::as_slice).collect();
        for (topology, lean, watch) in [
            (cluster(brokers, &strewn, 2), lean, watch),
            (in_racks(brokers, 2), u32::from(brokers) / 3, 2 * u32::from(brokers) / 3),
        ] {
            for (rules, expected) in [(Rules::LEAN, lean), (Rules::WATCH, watch)] {
                let most = assess(&topology, &rules).now;
                assert_eq!(
                    (most.count(), most.is_proven()),
                    (expected, true),
                    "{brokers} brokers, {rules:?}"
                );
            }
        }
    }
}

#[test]
fn copies_strewn_over_all_brokers_let_one_sleep_and_racks_would_let_more() {
    // Every pair of the six brokers shares a partition.
    let mut placement: Vec<Vec<u16>> = Vec::new();
    for a in 1..=6 {
        for b in a + 1..=6 {
            let c = (1..=6).find(|c| *c != a && *c != b).unwrap();
            placement.push(vec![a, b, c]);
        }
    }
    let placement: Vec<&[u16]> = placement.iter().map(Vec::as_slice).collect();
    let coverage = assess(&cluster(6, &placement, 2), &LEAN);
    assert_eq!((coverage.now.count(), coverage.now.is_proven()), (1, true));
    let [Advice::Align(aligned)] = &coverage.advice[..] else {
        panic!("{:?}", coverage.advice);
    };
    assert_eq!((aligned.racks, aligned.racks_asleep, aligned.sleepers), (3, 1, 2));
    let groups: Vec<u32> = aligned.rack_of.iter().map(|(_, rack)| *rack).collect();
    assert_eq!(groups, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_best_aligned_layout_follows_the_formula() {
    for (brokers, copies, in_sync_min) in [(3, 3, 2), (6, 3, 2), (12, 3, 2), (12, 3, 1), (10, 5, 3), (4, 2, 1)] {
        let replicas: Vec<u16> = (1..=copies).collect();
        let found = aligned(&cluster(brokers, &[&replicas], in_sync_min), &LEAN);
        let formula = u32::from((brokers / copies) * (copies - in_sync_min));
        assert_eq!(
            found.sleepers, formula,
            "{brokers} brokers, {copies} copies, {in_sync_min} needed"
        );
    }
}

/// Percents for a sleeper that draws 6 % of an idle broker, computed apart from the code, by idle draw as a share of the active.
#[test]
fn the_largest_saving_is_that_of_the_formula() {
    let table = [
        (250, [[6, 16, 26], [13, 31, 52], [17, 42, 69]]),
        (400, [[9, 19, 28], [18, 39, 55], [24, 51, 74]]),
        (600, [[12, 22, 29], [23, 44, 58], [31, 59, 77]]),
    ];
    for (share, rows) in table {
        let watts = Watts {
            idle_mw: 100 * share,
            active_mw: 100_000,
            asleep_mw: 6 * share,
        };
        for ((k, n), row) in [(1, 3), (2, 3), (8, 9)].into_iter().zip(rows) {
            for (idle_permille, percent) in [500, 800, 950].into_iter().zip(row) {
                let permille = saving_permille_max(k, n, idle_permille, watts);
                assert!(
                    permille.abs_diff(10 * percent) <= 5,
                    "{share} {k}/{n} {idle_permille}: {permille}"
                );
            }
        }
    }
    let watts = Watts {
        idle_mw: 0,
        active_mw: 0,
        asleep_mw: 9,
    };
    assert_eq!(
        saving_permille_max(1, 3, 1000, watts),
        0,
        "nothing drawn, nothing saved"
    );
    assert_eq!(saving_permille_max(1, 0, 1000, Watts { idle_mw: 1, ..watts }), 0);
    let most = Watts {
        idle_mw: u32::MAX,
        active_mw: u32::MAX,
        asleep_mw: 0,
    };
    assert_eq!(saving_permille_max(u32::MAX, u32::MAX, 1000, most), 1000);
}

//! The gates of guard duty: claims sleep/S1 to S13, and L1 to L8 but for their times, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Timer, WakeRule};
use pehra_models::sleep::{Bounds, Copies, L1, L2, L3, L4, L6, L7, L7_PAGED, L8, World};
use pehra_models::{Gate, Leads, Report, results};

fn gate(name: &str, bounds: Bounds, states: u64) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds)).name(name).bounds(words).golden(states)
}

fn passes(name: &str, bounds: Bounds, states: u64) {
    held(gate(name, bounds, states));
}

fn leads(name: &str, bounds: Bounds, queries: &[Leads<World>], states: u64) {
    let calm = Bounds { calms: true, ..bounds };
    let most = std::env::var("PEHRA_STATES_MAX")
        .ok()
        .and_then(|most| most.parse().ok());
    let gate = gate(name, calm, states).states_max(most.unwrap_or(4_000_000));
    held(queries.iter().fold(gate, |gate, query| gate.leads(*query)));
}

fn held(gate: Gate<World>) {
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

fn set(nodes: &[u16]) -> NodeSet {
    nodes.iter().map(|node| pehra_core::types::NodeId(*node)).collect()
}

/// Nothing comes too late or by itself but what the world is about.
fn plain() -> Bounds {
    Bounds {
        without: vec![Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer],
        ..Bounds::lean()
    }
}

fn watch() -> Bounds {
    Bounds {
        gear: Gear::Watch,
        voters: set(&[0]),
        ..plain()
    }
}

const NAMES: [&str; 20] = [
    "sleep: a wake from outside",
    "sleep: traffic",
    "sleep: traffic in gear watch, which wakes whom it takes",
    "sleep: traffic in gear watch, which wakes all",
    "sleep: two terms, led by one who may sleep",
    "sleep: two terms, led by one on duty",
    "sleep: a crash of one on duty",
    "sleep: no leader in sight",
    "sleep: switched off and on",
    "sleep: traffic switches off",
    "sleep: a round of maintenance",
    "sleep: four brokers",
    "sleep: calm, and a wake",
    "sleep: calm, and traffic",
    "sleep: calm, and nobody leads",
    "sleep: calm, traffic, and the first who is called is dead",
    "sleep: calm, traffic, and one who is known to be dead",
    "sleep: calm, and a round of maintenance",
    "sleep: calm, and a wake that fails",
    "sleep: calm, traffic, and all who could help are taken to be dead",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "sleep: ", &NAMES);
}

#[test]
fn a_wake_from_outside() {
    let bounds = Bounds {
        never: &["wake call", "rouse timer"],
        wakes: 1,
        without: vec![Timer::Wake, Timer::Answer],
        letters: 2,
        ..Bounds::lean()
    };
    passes(NAMES[0], bounds, 37_662);
}

#[test]
fn traffic() {
    let bounds = Bounds {
        never: &["rouse timer"],
        traffic: 1,
        traffic_at: set(&[2]),
        without: vec![Timer::Probe, Timer::Drain, Timer::Wake, Timer::Answer],
        ..Bounds::lean()
    };
    passes(NAMES[1], bounds, 74_244);
}

#[test]
fn traffic_in_gear_watch_wakes_whom_it_takes() {
    let bounds = Bounds {
        never: &["rouse timer"],
        traffic: 1,
        traffic_at: set(&[1]),
        ..watch()
    };
    passes(NAMES[2], bounds, 120_389);
}

#[test]
fn traffic_in_gear_watch_wakes_all() {
    let bounds = Bounds {
        never: &["rouse timer"],
        traffic: 1,
        traffic_at: set(&[1]),
        wake: WakeRule::All,
        ..watch()
    };
    passes(NAMES[3], bounds, 1_877_048);
}

#[test]
fn two_terms_led_by_one_who_may_sleep() {
    let bounds = Bounds {
        never: &["rouse timer"],
        terms: 2,
        decrees: 4,
        stands: vec![set(&[1])],
        ..plain()
    };
    passes(NAMES[4], bounds, 504_783);
}

#[test]
fn two_terms_led_by_one_on_duty() {
    let bounds = Bounds {
        never: &["rouse timer"],
        terms: 2,
        decrees: 5,
        stands: vec![set(&[2])],
        ..plain()
    };
    passes(NAMES[5], bounds, 218_901);
}

#[test]
fn a_crash_of_one_on_duty() {
    let mut bounds = Bounds {
        decrees: 4,
        crashes: 1,
        crash_at: set(&[2]),
        ..plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[6], bounds, 641_325);
}

#[test]
fn no_leader_in_sight() {
    let bounds = Bounds {
        never: &["rouse timer"],
        losses: 1,
        without: vec![Timer::Wake, Timer::Answer],
        ..Bounds::lean()
    };
    passes(NAMES[7], bounds, 7_838);
}

#[test]
fn switched_off_and_on() {
    let mut bounds = Bounds {
        switches: 2,
        decrees: 5,
        ..plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[8], bounds, 517_835);
}

#[test]
fn traffic_switches_off() {
    let bounds = Bounds {
        traffic: 1,
        traffic_at: set(&[2]),
        decrees: 4,
        disable_on_traffic: true,
        ..plain()
    };
    passes(NAMES[9], bounds, 212_779);
}

#[test]
fn a_round_of_maintenance() {
    let mut bounds = Bounds {
        rounds: 1,
        decrees: 6,
        ..plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[10], bounds, 724_150);
}

/// Three partitions whose copies overlap; the reading suggests two that may not both sleep.
#[test]
fn four_brokers() {
    let partitions = [[0, 1, 2], [1, 2, 3], [0, 1, 3]].map(|replicas| Copies {
        replicas: set(&replicas),
        in_sync_min: 2,
    });
    let bounds = Bounds {
        never: &["rouse timer"],
        brokers: 4,
        voters: set(&[0, 1, 2, 3]),
        partitions: partitions.to_vec(),
        traffic: 1,
        traffic_at: set(&[1]),
        suggests: vec![set(&[2, 3])],
        ..plain()
    };
    passes(NAMES[11], bounds, 39_268);
}

#[test]
fn after_a_calm_idle_members_sleep_and_nobody_stays_half_way() {
    let bounds = Bounds {
        never: &["wake call", "rouse timer"],
        wakes: 1,
        deaf: true,
        without: vec![Timer::Wake, Timer::Answer],
        ..Bounds::lean()
    };
    leads(NAMES[12], bounds, &[L3, L4, L8], 21_886);
}

#[test]
fn after_a_calm_traffic_gets_what_it_takes() {
    let mut bounds = Bounds {
        traffic: 1,
        traffic_at: set(&[2]),
        deaf: true,
        ..plain()
    };
    bounds.without.push(Timer::Idle);
    leads(NAMES[13], bounds, &[L1], 158_389);
}

#[test]
fn after_a_calm_without_a_leader_all_wake_up() {
    let bounds = Bounds {
        losses: 1,
        deaf: true,
        without: vec![Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer],
        ..Bounds::lean()
    };
    leads(NAMES[14], bounds, &[L2], 102_548);
}

/// All but the Pehredar sleep, and the one with the lowest number for good.
fn one_is_dead(without: &[Timer]) -> Bounds {
    Bounds {
        traffic: 1,
        traffic_at: set(&[0]),
        deaf: true,
        gone: set(&[1]),
        repeats: false,
        never: &["traffic call"],
        without: without.to_vec(),
        ..watch()
    }
}

/// A wake is never given up here: another is called because the first one does not answer.
#[test]
fn after_a_calm_another_is_called_for_one_who_does_not_answer() {
    let bounds = one_is_dead(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Wake]);
    leads(NAMES[15], bounds, &[L1], 651_886);
}

/// Nobody waits for an answer here: another is called because the first one is known to be silent.
#[test]
fn after_a_calm_another_is_called_for_one_who_is_silent() {
    let bounds = one_is_dead(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Answer]);
    leads(NAMES[16], bounds, &[L1], 47_821);
}

/// Of two, who may not sleep: the Pehredar is worked on last, by its successor. With three, a call to wake may have to be repeated, and the
/// states are too many.
#[test]
fn after_a_calm_a_round_of_maintenance_visits_all_and_ends() {
    let mut bounds = Bounds {
        never: &["stopped"],
        brokers: 2,
        voters: set(&[0, 1]),
        partitions: vec![Copies {
            replicas: set(&[0, 1]),
            in_sync_min: 1,
        }],
        calm_from_start: true,
        rounds: 1,
        terms: 2,
        headroom: 1,
        hands_over: true,
        stands: vec![set(&[1])],
        votes: vec![set(&[0, 1])],
        decrees: 20,
        deaf: true,
        repeats: false,
        ..plain()
    };
    bounds.without.extend([Timer::Idle, Timer::Rouse]);
    leads(NAMES[17], bounds, &[L6], 8_607);
}

#[test]
fn after_a_calm_a_wake_that_fails_is_told() {
    let bounds = Bounds {
        decrees: 6,
        ..one_is_dead(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Answer])
    };
    leads(NAMES[18], bounds, &[L7, L7_PAGED], 164_685);
}

/// One is dead, and the calls to the other one are lost until they are given up: both are known to be silent. While there is traffic all such are
/// called again, not the dead one alone.
#[test]
fn after_a_calm_those_who_were_given_up_by_mistake_are_called_again() {
    let bounds = Bounds {
        hasty: 1,
        ..one_is_dead(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Answer])
    };
    leads(NAMES[19], bounds, &[L1], 611_124);
}

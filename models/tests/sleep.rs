//! The gates of guard duty: claims sleep/S1 to S13, and L1 to L8 but for their times, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_core::sleep::guard::{Timer, WakeRule};
use pehra_models::sleep::{Bounds, L1, L2, L3, L4, L6, L7, L7_PAGED, L8, World, set};
use pehra_models::{Gate, Leads, Report, results};

fn gate(name: &str, bounds: Bounds, states: u64) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds)).name(name).bounds(words).golden(states)
}

fn passes(name: &str, bounds: Bounds, states: u64) {
    held(gate(name, bounds, states));
}

fn leads(name: &str, bounds: Bounds, queries: &[Leads<World>], states: u64) {
    let most = std::env::var("PEHRA_STATES_MAX")
        .ok()
        .and_then(|most| most.parse().ok());
    let gate = gate(name, bounds.calming(), states).states_max(most.unwrap_or(4_000_000));
    held(queries.iter().fold(gate, |gate, query| gate.leads(*query)));
}

fn held(gate: Gate<World>) {
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
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
        letters: 2,
        ..Bounds::woken()
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
        ..Bounds::needed(1).watched()
    };
    passes(NAMES[2], bounds, 120_389);
}

#[test]
fn traffic_in_gear_watch_wakes_all() {
    let bounds = Bounds {
        never: &["rouse timer"],
        wake: WakeRule::All,
        ..Bounds::needed(1).watched()
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
        ..Bounds::plain()
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
        ..Bounds::plain()
    };
    passes(NAMES[5], bounds, 218_901);
}

#[test]
fn a_crash_of_one_on_duty() {
    let mut bounds = Bounds {
        decrees: 4,
        crashes: 1,
        crash_at: set(&[2]),
        ..Bounds::plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[6], bounds, 641_325);
}

#[test]
fn no_leader_in_sight() {
    let bounds = Bounds {
        never: &["rouse timer"],
        ..Bounds::lost(&[Timer::Wake, Timer::Answer])
    };
    passes(NAMES[7], bounds, 7_838);
}

#[test]
fn switched_off_and_on() {
    let mut bounds = Bounds {
        switches: 2,
        decrees: 5,
        ..Bounds::plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[8], bounds, 517_835);
}

#[test]
fn traffic_switches_off() {
    let bounds = Bounds {
        decrees: 4,
        disable_on_traffic: true,
        ..Bounds::needed(2)
    };
    passes(NAMES[9], bounds, 212_779);
}

#[test]
fn a_round_of_maintenance() {
    let mut bounds = Bounds {
        rounds: 1,
        decrees: 6,
        ..Bounds::plain()
    };
    bounds.without.push(Timer::Idle);
    passes(NAMES[10], bounds, 724_150);
}

#[test]
fn four_brokers() {
    let bounds = Bounds {
        never: &["rouse timer"],
        traffic: 1,
        traffic_at: set(&[1]),
        ..Bounds::four_brokers()
    };
    passes(NAMES[11], bounds, 39_268);
}

#[test]
fn after_a_calm_idle_members_sleep_and_nobody_stays_half_way() {
    let bounds = Bounds {
        never: &["wake call", "rouse timer"],
        ..Bounds::woken()
    };
    leads(NAMES[12], bounds, &[L3, L4, L8], 21_886);
}

#[test]
fn after_a_calm_traffic_gets_what_it_takes() {
    let mut bounds = Bounds::needed(2);
    bounds.without.push(Timer::Idle);
    leads(NAMES[13], bounds, &[L1], 158_389);
}

#[test]
fn after_a_calm_without_a_leader_all_wake_up() {
    let bounds = Bounds::lost(&[Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer]);
    leads(NAMES[14], bounds, &[L2], 102_548);
}

/// A wake is never given up here: another is called because the first one does not answer.
#[test]
fn after_a_calm_another_is_called_for_one_who_does_not_answer() {
    leads(NAMES[15], Bounds::one_is_dead(Timer::Wake), &[L1], 651_886);
}

/// Nobody waits for an answer here: another is called because the first one is known to be silent.
#[test]
fn after_a_calm_another_is_called_for_one_who_is_silent() {
    leads(NAMES[16], Bounds::one_is_dead(Timer::Answer), &[L1], 47_821);
}

#[test]
fn after_a_calm_a_round_of_maintenance_visits_all_and_ends() {
    leads(NAMES[17], Bounds::round_of_two(), &[L6], 8_607);
}

#[test]
fn after_a_calm_a_wake_that_fails_is_told() {
    leads(NAMES[18], Bounds::given_up(), &[L7, L7_PAGED], 164_685);
}

/// One is dead, and the calls to the other one are lost until they are given up: both are known to be silent. While there is traffic all such are
/// called again, not the dead one alone.
#[test]
fn after_a_calm_those_who_were_given_up_by_mistake_are_called_again() {
    leads(NAMES[19], Bounds::given_up_by_mistake(), &[L1], 611_124);
}

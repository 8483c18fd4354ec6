//! The gates of whole members: guard duty on the very log and election that it rests on, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_models::member::{Bounds, World};
use pehra_models::{Gate, Report, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let most = std::env::var("PEHRA_STATES_MAX")
        .ok()
        .and_then(|most| most.parse().ok());
    let report = gate.states_max(most.unwrap_or(8_000_000)).run().require();
    println!("{report}");
    results::compare("gates", &report);
}

const NAMES: [&str; 3] = [
    "member: one goes to sleep",
    "member: a wake from outside",
    "member: a crash",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "member: ", &NAMES);
}

#[test]
fn one_goes_to_sleep() {
    let bounds = Bounds {
        never: &["log", "up"],
        ..Bounds::new()
    };
    passes(NAMES[0], bounds, 94);
}

#[test]
fn a_wake_from_outside() {
    let bounds = Bounds {
        never: &["log"],
        wakes: 1,
        ..Bounds::new()
    };
    passes(NAMES[1], bounds, 566);
}

#[test]
fn a_crash() {
    let bounds = Bounds {
        crashes: 1,
        ..Bounds::new()
    };
    passes(NAMES[2], bounds, 21_914);
}

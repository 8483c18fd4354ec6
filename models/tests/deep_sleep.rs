//! Larger worlds of guard duty over the abstract Kafka than the gates have time for; `./run deep` walks them. What is found is held
//! against `models/results/deep.json`.

use pehra_models::sleep::{Bounds, Cluster, World, set};
use pehra_models::{Gate, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let report = gate.states_max(30_000_000).run().require();
    println!("{report}");
    results::compare("deep", &report);
}

/// With a plan of the second term.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn two_terms_and_their_plans() {
    let bounds = Bounds {
        never: &["rouse timer"],
        terms: 2,
        decrees: 4,
        stands: vec![set(&[2])],
        ..Bounds::plainer()
    };
    let bounds = bounds.on(Cluster::three(1, 1));
    passes("deep: sleep on kafka, two terms and their plans", bounds, 628_513);
}

/// Who was woken may sleep again.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn gear_watch_and_again() {
    let bounds = Bounds {
        never: &["rouse timer"],
        ..Bounds::needed(1).watched()
    };
    let bounds = bounds.on(Cluster::three(1, 1));
    passes("deep: sleep on kafka, gear watch and again", bounds, 940_894);
}

/// While a broker sleeps, an acknowledged record may be on one disk only: then its successor must bring back all that it takes, and its
/// plan lets somebody sleep again.
#[test]
#[ignore = "minutes; ./run deep runs it"]
fn the_pehredar_loses_power_and_another_is_elected() {
    passes(
        "deep: sleep on kafka, a power loss of the Pehredar, and its successor's plan",
        Bounds::pehredar_without_power(),
        2_812_334,
    );
}

/// Before, while or after another is elected: the first one may still take itself for the Pehredar. Left out: plans of the second term,
/// and which of the majorities elect; and sleepers hear nothing but calls to wake.
#[test]
#[ignore = "minutes; ./run deep runs it"]
fn the_first_pehredar_loses_power_at_any_moment_of_a_change_of_term() {
    let bounds = Bounds {
        never: &["decide", "rouse timer"],
        loyal: false,
        decrees: 3,
        votes: vec![set(&[0, 2])],
        deaf: true,
        ..Bounds::pehredar_without_power()
    };
    passes(
        "deep: sleep on kafka, a power loss at any moment of a change of term",
        bounds,
        4_024_472,
    );
}

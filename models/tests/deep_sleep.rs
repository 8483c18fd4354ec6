//! Larger worlds of guard duty over the abstract Kafka than the gates have time for; `./run deep` walks them. What is found is held
//! against `models/results/deep.json`.

use pehra_models::sleep::{Bounds, Cluster, World, set};
use pehra_models::{Gate, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let bounds = bounds.on(Cluster::three(1, 1));
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
    passes("deep: sleep on kafka, gear watch and again", bounds, 940_894);
}

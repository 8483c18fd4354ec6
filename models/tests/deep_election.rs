//! Larger worlds of election than the gates have time for. They are left out of a plain `cargo test`:
//!
//! ```text
//! cargo test -p pehra-models --test deep_election -- --ignored --test-threads 1
//! ```
//!
//! What is found is held against `models/results/deep.json`; `models/results/mechanisms.md` lists all worlds of election.

use pehra_models::election::queries::a_leader_stays;
use pehra_models::election::{Bounds, Shape, World};
use pehra_models::{Gate, Report, results};

const NAMES: [&str; 9] = [
    "deep: election, four voters, three terms",
    "deep: election, five voters, two terms",
    "deep: election, five voters, two terms, whatever timers do",
    "deep: election, three terms, two crashes, check-quorum",
    "deep: election, three terms, two crashes, hand-over, hint and resignation",
    "deep: election, three terms, two crashes, pre-vote in the first",
    "deep: election, all but pre-vote and ranks",
    "deep: election, ranks with five others",
    "deep: election, liveness with two terms before the calm",
];

fn gate(name: &str, bounds: Bounds) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds)).name(name).bounds(words)
}

fn passes(gate: Gate<World>) {
    let report = gate.run().require();
    println!("{report}");
    results::compare("deep", &report);
}

/// Voters without names, timers in their order.
fn world(voters: u16, terms: u8) -> Bounds {
    Bounds {
        timely: true,
        ..Bounds::new(voters, terms).reduced()
    }
}

#[test]
fn the_results_name_exactly_these_worlds() {
    results::require_names::<Report>("deep", "deep: election", &NAMES);
}

//! The gate of the link model: a dead link is noticed on both sides, a live one too.

use pehra_models::link::{Link, dead_is_down, live_is_up};
use pehra_models::{Gate, Report, results};

const NAMES: [&str; 2] = ["link: cut or mended twice", "link: cut or mended three times"];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "link: ", &NAMES);
}

/// Asked at two bounds, so that the verdict does not hang on one.
#[test]
fn a_dead_link_is_reported_down_and_a_live_one_up() {
    for (name, turns, states) in [(NAMES[0], 2, 17_692), (NAMES[1], 3, 23_312)] {
        let bounds = format!("{turns} cuts or mends of a direction, 1 loss a direction, half-open links");
        let gate = Gate::new(Link::new(turns)).name(name).bounds(bounds).golden(states);
        let report = gate.settles(dead_is_down()).leads(live_is_up()).run().require();
        println!("{report}");
        results::compare("gates", &report);
    }
}

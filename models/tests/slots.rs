//! The gate of alarm slots: claim sleep/S14, under every order that may be drawn, in two engines, with a pinned count.

use pehra_models::slots::Nights;
use pehra_models::{Gate, Report, results};

const NAMES: [&str; 1] = ["slots: three sleepers and two terms"];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "slots: ", &NAMES);
}

#[test]
fn first_rings_are_apart_and_come_in_the_drawn_order() {
    let bounds = "a Pehredar and 3 brokers of which any may sleep, every order of the four in each of 2 terms, 1 restart, each told the order \
                  before the plan";
    let gate = Gate::new(Nights::new()).name(NAMES[0]).bounds(bounds).golden(4_488);
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

//! The gate of traffic: every short conversation between a client and a broker.

use pehra_models::traffic::{Conversations, exchanges};
use pehra_models::{Gate, Report, results};

const NAME: &str = "traffic: two exchanges";

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "traffic: ", &[NAME]);
}

#[test]
fn traffic_is_told_from_idle_in_every_short_conversation() {
    let of = exchanges().count();
    let bounds = format!("2 exchanges of {of}, read in pieces of 1, 5 and all bytes");
    let gate = Gate::new(Conversations::new(2))
        .name(NAME)
        .bounds(bounds)
        .golden(26_407);
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

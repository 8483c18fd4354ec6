//! The gates of traffic: every short conversation between a client and a broker, and all that passes in a few stretches of time where
//! nothing can be read.

use pehra_models::traffic::{Conversations, Stretches, exchanges};
use pehra_models::{Gate, Report, results};

const EXCHANGES: &str = "traffic: two exchanges";
const STRETCHES: &str = "traffic: four stretches";

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "traffic: ", &[STRETCHES, EXCHANGES]);
}

#[test]
fn traffic_is_told_from_idle_in_every_short_conversation() {
    let of = exchanges().count();
    let gate = Gate::new(Conversations::new(2))
        .name(EXCHANGES)
        .bounds(format!("2 exchanges of {of}, read in pieces of 1, 5 and all bytes"))
        .golden(26_407);
    keep(&gate.run().require());
}

#[test]
fn traffic_is_told_from_chatter_in_every_few_stretches() {
    let gate = Gate::new(Stretches::new(4))
        .name(STRETCHES)
        .bounds(
            "4 stretches of no time, of one look and longer than anything is saved up, in each 0, 1, 16 or 33 bytes, of which 32 can be \
             saved up; beside it a byte more, once, and half the allowance",
        )
        .golden(111_049);
    keep(&gate.run().require());
}

fn keep(report: &Report) {
    println!("{report}");
    results::compare("gates", report);
}

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

const NAMES: [&str; 12] = [
    "deep: election, four voters, three terms",
    "deep: election, five voters, two terms",
    "deep: election, five voters, two terms, whatever timers do",
    "deep: election, two crashes between any two steps of the disk, check-quorum",
    "deep: election, three terms, two crashes, hand-over and hint",
    "deep: election, pre-vote in two terms",
    "deep: election, pre-vote and hand-over",
    "deep: election, check-quorum, hand-over, hint and resignation",
    "deep: election, ranks, hand-over, hint and resignation",
    "deep: election, liveness with two terms before the calm",
    "deep: election, three terms, check-quorum",
    "deep: election, three terms, resignation",
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

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn four_voters_and_three_terms() {
    passes(gate(NAMES[0], world(4, 3).crashes(1)).golden(2_402_961));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn five_voters_and_two_terms() {
    passes(gate(NAMES[1], world(5, 2).crashes(1)).golden(1_048_394));
}

/// Nothing is assumed of timers here.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn five_voters_and_two_terms_whatever_timers_do() {
    passes(gate(NAMES[2], Bounds::new(5, 2).reduced()).golden(2_359_962));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn two_crashes_with_check_quorum() {
    let bounds = Bounds {
        check_quorum: true,
        split: true,
        ..world(3, 2).crashes(2)
    };
    passes(gate(NAMES[3], bounds).golden(152_719));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn three_terms_with_hand_over_and_hints() {
    let bounds = Bounds {
        transfers: 1,
        hints: 1,
        split: true,
        ..world(3, 3).crashes(2)
    };
    passes(gate(NAMES[4], bounds).golden(7_046_518));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn pre_vote_in_two_terms() {
    let bounds = Bounds {
        pre_vote: true,
        ..world(3, 2).crashes(1)
    };
    passes(gate(NAMES[5], bounds).golden(2_180_617));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn pre_vote_and_hand_over() {
    let bounds = Bounds {
        pre_vote: true,
        transfers: 1,
        ..world(3, 2)
    };
    passes(gate(NAMES[6], bounds).golden(636_865));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn four_mechanisms_without_ranks() {
    let bounds = Bounds {
        check_quorum: true,
        transfers: 1,
        hints: 1,
        resigns: 1,
        ..world(3, 2).crashes(1)
    };
    passes(gate(NAMES[7], bounds).golden(547_631));
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn four_mechanisms_with_ranks() {
    let bounds = Bounds {
        transfers: 1,
        ranks: true,
        hints: 1,
        resigns: 1,
        ..world(3, 2).crashes(1)
    };
    passes(gate(NAMES[8], bounds).golden(1_186_785));
}

/// After the calm voters have names again, and which ones depends on the hashes of members: so does this number.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn once_calm_after_two_terms_a_leader_stays() {
    let bounds = Bounds {
        pre_vote: true,
        headroom: 2,
        calms: vec![Shape::All],
        ..world(3, 2).crashes(1)
    };
    passes(gate(NAMES[9], bounds).golden(2_964_410).settles(a_leader_stays()));
}

/// Members that are freed again and again while one write is open fill the gate of models; this one holds more.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn three_terms_with_check_quorum_or_resignation() {
    let bounds = Bounds {
        check_quorum: true,
        ..world(3, 3).held(24)
    };
    passes(gate(NAMES[10], bounds).golden(626_637));
    let bounds = Bounds {
        resigns: 1,
        ..world(3, 3).held(24)
    };
    passes(gate(NAMES[11], bounds).golden(262_257));
}

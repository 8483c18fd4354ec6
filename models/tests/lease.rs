//! The gates of leases: claim election/I5, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_core::election::{Invalid, Timing};
use pehra_core::types::Ticks;
use pehra_models::lease::{Bounds, World, properties};
use pehra_models::{Gate, Hunt, Report, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

const NAMES: [&str; 8] = [
    "lease: three rounds",
    "lease: a hand-over and a crash",
    "lease: a hint, a resignation and a standstill",
    "lease: two crashes between any two steps of the disk",
    "lease: three terms and a crash",
    "lease: from the start",
    "lease: time cut finer",
    "lease: who leads",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "lease: ", &NAMES);
}

#[test]
fn three_rounds() {
    passes(NAMES[0], Bounds::new(2, 3), 325_221);
}

#[test]
fn a_hand_over_and_a_crash() {
    let bounds = Bounds {
        transfers: 1,
        crashes: 1,
        ..Bounds::new(2, 2)
    };
    passes(NAMES[1], bounds, 2_589_869);
}

#[test]
fn a_hint_a_resignation_and_a_standstill() {
    let bounds = Bounds {
        hints: 1,
        resigns: 1,
        pauses: 1,
        ..Bounds::new(2, 2)
    };
    passes(NAMES[2], bounds, 724_608);
}

#[test]
fn two_crashes_between_any_two_steps_of_the_disk() {
    let bounds = Bounds {
        crashes: 2,
        split: true,
        ..Bounds::new(2, 1)
    };
    passes(NAMES[3], bounds, 1_001_761);
}

#[test]
fn three_terms_and_a_crash() {
    let bounds = Bounds {
        crashes: 1,
        ..Bounds::new(3, 1)
    };
    passes(NAMES[4], bounds, 451_609);
}

#[test]
fn from_the_start() {
    let bounds = Bounds {
        led: false,
        ..Bounds::new(2, 1)
    };
    passes(NAMES[5], bounds, 175_882);
}

/// The same verdict: a promise and a lease of four steps each leave more moments for all else.
#[test]
fn time_cut_finer() {
    let bounds = Bounds {
        tick_ms: 5,
        ..Bounds::new(2, 2)
    };
    passes(NAMES[6], bounds, 225_369);
}

#[test]
fn who_leads() {
    let bounds = Bounds {
        questions: 1,
        ..Bounds::new(2, 2)
    };
    passes(NAMES[7], bounds, 369_560);
}

/// What a leader answers from its lease rests on the driver's order: what is due goes off before the question is fed.
#[test]
fn a_question_that_overtakes_the_end_of_a_lease_is_answered_wrongly() {
    let bounds = Bounds {
        questions: 1,
        questions_first: true,
        ..Bounds::new(2, 1)
    };
    let world = World::new(bounds);
    let catch = Hunt::new(&world)
        .name("a question that overtakes")
        .run()
        .expect("a small world");
    catch.require(pehra_models::election::properties::Q1);
}

/// The worlds above keep the longest lease that a configuration may have, so they leave no room.
#[test]
fn the_gates_walk_the_longest_lease_that_is_allowed() {
    let tight = Bounds::TIGHT;
    assert_eq!(tight.check(), Ok(()));
    assert_eq!(tight.lease, Timing::lease_max(tight.election));
    for tick_ms in [10, 5] {
        let bounds = Bounds {
            tick_ms,
            ..Bounds::new(2, 1)
        };
        assert_eq!(bounds.at_the_latest(tight.lease), bounds.not_before(tight.election));
    }
}

/// A configuration that is refused, used all the same.
#[test]
fn a_lease_one_millisecond_longer_breaks_the_claim() {
    let timing = Timing {
        lease: Ticks(Bounds::TIGHT.lease.0 + 1),
        ..Bounds::TIGHT
    };
    assert!(matches!(
        timing.check(),
        Err(Invalid::LeaseTooLong { longest: Ticks(18), .. })
    ));
    let bounds = Bounds {
        timing,
        claim_alone: true,
        ..Bounds::new(2, 1)
    };
    let world = World::new(bounds);
    let catch = Hunt::new(&world)
        .name("a lease that is too long")
        .run()
        .expect("a small world");
    catch.require(properties::I5);
}

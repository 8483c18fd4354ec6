//! The gates of election: everything within the bounds, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`. Which mechanisms are on, and
//! how large each world is, stands in the bounds there: each mechanism multiplies the states, so no world has them all.

use pehra_models::election::queries::a_leader_stays;
use pehra_models::election::{Bounds, Shape, World};
use pehra_models::{Gate, Report, results};

fn gate(name: &str, bounds: Bounds) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds)).name(name).bounds(words)
}

fn passes(gate: Gate<World>) {
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

const NAMES: [&str; 22] = [
    "election: two crashes between any two steps of the disk",
    "election: four voters",
    "election: check-quorum",
    "election: hand-over to a drawn or named successor",
    "election: hints and resignations",
    "election: who leads",
    "election: an observer",
    "election: a store is lost",
    "election: a write takes too long",
    "election: pre-vote",
    "election: liveness",
    "election: liveness, one term more",
    "election: liveness without one of them",
    "election: liveness around a hub, and beside a deaf one",
    "election: three terms, two crashes between any two steps of the disk",
    "election: four voters, three terms",
    "election: five voters, two terms",
    "election: three terms, whatever timers do",
    "election: liveness without one of them, with ranks",
    "election: liveness around a hub, and beside a deaf one, one term more",
    "election: liveness around a hub among five, after an outage",
    "election: liveness around a hub among five, one term more",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "election: ", &NAMES);
}

#[test]
fn two_crashes_between_any_two_steps_of_the_disk() {
    let bounds = Bounds {
        split: true,
        ..Bounds::new(3, 2).crashes(2)
    };
    passes(gate(NAMES[0], bounds).golden(903_390));
}

#[test]
fn four_voters() {
    passes(gate(NAMES[1], Bounds::new(4, 2)).golden(669_893));
}

#[test]
fn check_quorum() {
    let bounds = Bounds {
        check_quorum: true,
        ..Bounds::new(3, 2).crashes(1)
    };
    passes(gate(NAMES[2], bounds).golden(1_227_323));
}

#[test]
fn hand_over() {
    let bounds = Bounds {
        transfers: 1,
        ranks: true,
        ..Bounds::new(3, 2).crashes(1)
    };
    passes(gate(NAMES[3], bounds).golden(996_470));
}

#[test]
fn hints_and_resignations() {
    let bounds = Bounds {
        hints: 1,
        resigns: 1,
        ..Bounds::new(3, 2).crashes(1)
    };
    passes(gate(NAMES[4], bounds).golden(1_036_988));
}

#[test]
fn who_leads() {
    let bounds = Bounds {
        questions: 1,
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[5], bounds).golden(684_772));
}

#[test]
fn an_observer() {
    let bounds = Bounds {
        observers: 1,
        ..Bounds::new(2, 2).crashes(1)
    };
    passes(gate(NAMES[6], bounds).golden(9_184));
}

#[test]
fn a_store_is_lost() {
    let bounds = Bounds {
        wipes: 1,
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[7], bounds).golden(2_534_317));
}

#[test]
fn a_write_takes_too_long() {
    let bounds = Bounds {
        late_writes: 1,
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[8], bounds).golden(137_140));
}

#[test]
fn pre_vote() {
    let bounds = Bounds {
        pre_vote: true,
        ..Bounds::new(3, 1).crashes(1)
    };
    passes(gate(NAMES[9], bounds).golden(828_884));
}

fn calm(bounds: Bounds, headroom: u8, calms: Vec<Shape>) -> Bounds {
    Bounds {
        pre_vote: true,
        headroom,
        calms,
        ..bounds
    }
}

/// The same verdict with one term more: the bound decides nothing.
#[test]
fn once_calm_a_leader_stays() {
    let bounds = |headroom| calm(Bounds::new(3, 1).crashes(1), headroom, vec![Shape::All]);
    passes(gate(NAMES[10], bounds(2)).golden(1_286_924).settles(a_leader_stays()));
    passes(gate(NAMES[11], bounds(3)).golden(1_286_924).settles(a_leader_stays()));
}

#[test]
fn once_calm_any_majority_gets_a_leader() {
    let bounds = calm(Bounds::new(3, 1), 2, (0..3).map(Shape::Without).collect());
    passes(gate(NAMES[12], bounds).golden(340_768).settles(a_leader_stays()));
}

#[test]
fn once_calm_whoever_reaches_a_majority_is_enough() {
    let shapes = vec![Shape::Hub(0), Shape::Hub(1), Shape::Deaf(0), Shape::Deaf(1)];
    let bounds = |headroom| calm(Bounds::new(3, 1), headroom, shapes.clone());
    passes(gate(NAMES[13], bounds(2)).golden(345_542).settles(a_leader_stays()));
    passes(gate(NAMES[19], bounds(3)).golden(345_542).settles(a_leader_stays()));
}

/// The hub has missed two terms, and nobody else can win: it has to learn the term from those that refuse it.
#[test]
fn a_hub_among_five_leads_although_its_term_is_old() {
    let bounds = |headroom| Bounds {
        outage: &[0, 2, 1, 1, 1],
        ..calm(Bounds::new(5, 2), headroom, vec![Shape::Hub(0)])
    };
    passes(gate(NAMES[20], bounds(2)).golden(593_064).settles(a_leader_stays()));
    passes(gate(NAMES[21], bounds(3)).golden(593_064).settles(a_leader_stays()));
}

/// Of the states that differ only in names, or in what no property can tell, one is walked; and timers go off in their
/// order. With crashes and mechanisms the larger worlds are in `tests/deep_election.rs`.
fn larger(voters: u16, terms: u8) -> Bounds {
    Bounds {
        timely: true,
        ..Bounds::new(voters, terms).reduced()
    }
}

#[test]
fn three_terms_and_two_crashes() {
    let bounds = Bounds {
        split: true,
        ..larger(3, 3).crashes(2)
    };
    passes(gate(NAMES[14], bounds).golden(712_001));
}

#[test]
fn four_voters_and_three_terms() {
    passes(gate(NAMES[15], larger(4, 3)).golden(450_592));
}

#[test]
fn five_voters_and_two_terms() {
    passes(gate(NAMES[16], larger(5, 2)).golden(184_066));
}

/// A follower that gives its leader up again and again while one write is open fills the gate of models; this one holds more.
#[test]
fn three_terms_whatever_timers_do() {
    let bounds = Bounds::new(3, 3).reduced().held(24);
    passes(gate(NAMES[17], bounds).golden(117_224));
}

#[test]
fn once_calm_any_majority_gets_a_leader_in_the_order_drawn() {
    let bounds = Bounds {
        ranks: true,
        ..calm(Bounds::new(3, 1), 2, (0..3).map(Shape::Without).collect())
    };
    passes(gate(NAMES[18], bounds).golden(363_594).settles(a_leader_stays()));
}

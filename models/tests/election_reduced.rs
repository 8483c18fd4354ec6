//! A reduced world of election shows what the whole one shows.
//!
//! Both are walked, and what their states show of the members - without names and without what waits behind gates - must
//! be the same set. A behaviour that a rule took away by mistake would take states of members with it.

use std::collections::BTreeSet;

use pehra_models::election::{Bounds, World};
use pehra_models::{Options, explore};

/// What was found of each property.
type Judged = Vec<(&'static str, bool)>;

/// All that a walk shows: of the members, and of the properties; and in how many states.
fn shown(bounds: Bounds) -> (BTreeSet<Vec<u64>>, Judged, usize) {
    let world = World::new(bounds);
    let explored = explore(&world, Options::default()).expect("no limit");
    let looks = explored.states().map(|state| world.look(state)).collect();
    let judged = explored
        .judged
        .iter()
        .map(|judged| (judged.name, judged.found.is_some()));
    (looks, judged.collect(), explored.len())
}

fn shows_the_same(bounds: Bounds) {
    let words = bounds.words();
    let (whole, judged, states) = shown(bounds.clone());
    let (reduced, judged_reduced, fewer) = shown(bounds.reduced());
    println!("{words}: {states} states, reduced {fewer}, {} looks", whole.len());
    assert_eq!(judged, judged_reduced, "{words}");
    assert!(fewer < states, "{words}: nothing is reduced");
    let missing = whole.difference(&reduced).count();
    let added = reduced.difference(&whole).count();
    assert_eq!(
        (missing, added),
        (0, 0),
        "{words}: looks that are missing, and that are too many"
    );
}

#[test]
fn with_crashes_between_any_two_steps_of_the_disk() {
    shows_the_same(Bounds {
        split: true,
        ..Bounds::new(3, 1).crashes(2)
    });
    shows_the_same(Bounds::new(3, 2).crashes(1));
}

#[test]
fn with_three_terms_and_timers_in_their_order() {
    shows_the_same(Bounds {
        timely: true,
        ..Bounds::new(3, 3)
    });
}

#[test]
fn with_more_voters_and_with_an_observer() {
    shows_the_same(Bounds::new(4, 1).crashes(1));
    shows_the_same(Bounds {
        observers: 1,
        ..Bounds::new(2, 2).crashes(1)
    });
}

#[test]
fn with_pre_vote() {
    shows_the_same(Bounds {
        pre_vote: true,
        ..Bounds::new(3, 1)
    });
}

#[test]
fn with_check_quorum_and_hints() {
    shows_the_same(Bounds {
        check_quorum: true,
        hints: 1,
        timely: true,
        ..Bounds::new(3, 2)
    });
}

#[test]
fn with_hand_overs_and_ranks() {
    shows_the_same(Bounds {
        transfers: 1,
        timely: true,
        ..Bounds::new(3, 2)
    });
    shows_the_same(Bounds {
        transfers: 1,
        ranks: true,
        timely: true,
        ..Bounds::new(3, 2)
    });
}

#[test]
fn with_resignations_questions_and_late_writes() {
    shows_the_same(Bounds {
        resigns: 1,
        late_writes: 1,
        timely: true,
        ..Bounds::new(3, 2)
    });
    shows_the_same(Bounds {
        questions: 1,
        timely: true,
        ..Bounds::new(3, 2)
    });
}

#[test]
fn with_a_store_that_is_lost() {
    shows_the_same(Bounds {
        wipes: 1,
        ..Bounds::new(3, 1)
    });
}

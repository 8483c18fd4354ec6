//! The fair-lasso search on graphs with known answers, and against brute force on random ones.

#[allow(dead_code)]
mod little;

use std::collections::BTreeSet;

use little::{Little, graph, query, walk};
use pehra_models::lasso::{Closed, Lasso};
use pehra_models::{Fairness, Verdict, closed, leads};
use proptest::prelude::*;

const ENV: Option<u16> = None;
const A: Option<u16> = Some(10);
const B: Option<u16> = Some(20);
/// Keeps things moving where standing still is not the point.
const GO: Option<u16> = Some(300);

fn strong(mut little: Little, classes: &[Option<u16>]) -> Little {
    little.strong = classes.iter().flatten().copied().collect();
    little
}

fn holds(little: &Little) -> bool {
    let verdict = leads(&walk(little), &query(), Fairness::Promised);
    if let Verdict::Violated(lasso) = &verdict {
        audit(little, lasso);
    }
    verdict.holds()
}

/// The lasso of a query that must be violated: states up to the knot, and states of the cycle.
fn lasso(little: &Little) -> (Vec<u8>, Vec<u8>) {
    let explored = walk(little);
    let Verdict::Violated(lasso) = leads(&explored, &query(), Fairness::Promised) else {
        panic!("should be violated: {little:?}");
    };
    audit(little, &lasso);
    let mut before = vec![lasso.stem.init];
    before.extend(lasso.stem.steps.iter().chain(&lasso.path).map(|step| step.state));
    (before, lasso.cycle.iter().map(|step| step.state).collect())
}

/// Checks a lasso from the edge list alone: every step is real, the waiting is real, every promise is kept.
fn audit(little: &Little, lasso: &Lasso<u8, usize>) {
    let real = |from: u8, steps: &[pehra_models::trace::Step<u8, usize>]| {
        steps.iter().fold(from, |at, step| {
            assert_eq!(
                (at, step.state),
                (little.edges[step.action].0, little.edges[step.action].1)
            );
            step.state
        })
    };
    assert!(little.inits.contains(&lasso.stem.init));
    let begin = real(lasso.stem.init, &lasso.stem.steps);
    assert!(little.from.contains(&begin));
    let knot = real(begin, &lasso.path);
    assert_eq!(real(knot, &lasso.cycle), knot, "the cycle closes");
    let waiting = lasso.path.iter().chain(&lasso.cycle).map(|step| step.state);
    assert!(waiting.chain([begin]).all(|state| !little.to.contains(&state)));

    let round: BTreeSet<u8> = lasso.cycle.iter().map(|step| step.state).chain([knot]).collect();
    for class in little.edges.iter().filter_map(|edge| edge.2) {
        let enabled = |state: u8| {
            little
                .edges
                .iter()
                .any(|&(f, t, c)| f == state && t != f && c == Some(class))
        };
        let taken = lasso
            .cycle
            .iter()
            .any(|step| little.edges[step.action].2 == Some(class));
        let idle = if little.strong.contains(&class) {
            round.iter().all(|&state| !enabled(state))
        } else {
            round.iter().any(|&state| !enabled(state))
        };
        assert!(taken || idle, "class {class} is cheated on the cycle {round:?}");
    }
}

#[test]
fn an_exit_that_is_always_enabled_is_taken() {
    assert!(holds(&graph(&[(0, 1, A)], &[1])));
    assert!(holds(&graph(&[(0, 1, ENV), (1, 0, ENV), (0, 2, A), (1, 2, A)], &[2])));
}

#[test]
fn nobody_owes_us_an_environment_step() {
    assert_eq!(lasso(&graph(&[(0, 1, ENV)], &[1])), (vec![0], vec![]));
}

#[test]
fn an_end_state_is_stood_in_for_ever() {
    assert_eq!(lasso(&graph(&[(0, 1, A), (0, 2, A)], &[2])), (vec![0, 1], vec![]));
}

/// Ignoring that a run may stand still is a mistake other checkers have made.
#[test]
fn a_state_with_only_environment_steps_may_be_stood_in() {
    assert_eq!(
        lasso(&graph(&[(0, 1, A), (1, 2, ENV), (2, 1, ENV), (1, 3, ENV)], &[3])),
        (vec![0, 1], vec![])
    );
}

#[test]
fn a_cycle_is_found_where_nothing_ends() {
    assert_eq!(
        lasso(&graph(&[(0, 1, GO), (1, 2, GO), (2, 1, GO)], &[9])),
        (vec![0, 1], vec![2, 1])
    );
}

#[test]
fn a_self_loop_is_no_step() {
    // It does not keep the promise of leaving ...
    assert!(holds(&graph(&[(0, 0, A), (0, 1, A)], &[1])));
    // ... nor does it oblige anybody, ...
    assert_eq!(lasso(&graph(&[(0, 0, A), (0, 1, ENV)], &[1])), (vec![0], vec![]));
    // ... not even strongly.
    assert_eq!(
        lasso(&strong(graph(&[(0, 0, A), (0, 1, ENV)], &[1]), &[A])),
        (vec![0], vec![])
    );
}

#[test]
fn a_self_loop_counts_as_disabled_on_a_cycle() {
    // A is enabled in 0 and a no-op in 1, so weak fairness is cheated by going round.
    let little = graph(&[(0, 1, GO), (1, 0, GO), (1, 1, A), (0, 2, A)], &[2]);
    assert_eq!(lasso(&little), (vec![0], vec![1, 0]));
    assert!(holds(&strong(little, &[A])));
}

#[test]
fn joins_do_not_hide_the_leg_that_waits() {
    let legs = |order: [(u8, u8, Option<u16>); 2]| {
        let [first, second] = order;
        graph(&[first, second, (1, 3, GO), (2, 3, GO), (3, 4, GO)], &[1])
    };
    // Through 1 the wait is over, through 2 it never is; the order in which the legs are met changes nothing.
    for little in [legs([(0, 1, GO), (0, 2, GO)]), legs([(0, 2, GO), (0, 1, GO)])] {
        assert_eq!(lasso(&little), (vec![0, 2, 3, 4], vec![]));
    }
    assert!(holds(&graph(&[(0, 1, GO), (0, 2, GO), (1, 3, GO), (2, 3, GO)], &[3])));
}

#[test]
fn weak_fairness_fails_where_the_exit_comes_and_goes_and_strong_holds() {
    let little = graph(&[(0, 1, GO), (1, 0, GO), (0, 2, A)], &[2]);
    assert_eq!(lasso(&little), (vec![0], vec![1, 0]));
    assert!(holds(&strong(little, &[A])));
}

/// Rejecting the outer component because it breaks a strong promise would miss the fair part inside it.
#[test]
fn the_fair_part_of_an_unfair_component_is_found() {
    let edges = [(0, 1, GO), (1, 0, GO), (1, 2, GO), (2, 1, GO), (2, 3, A)];
    assert_eq!(lasso(&strong(graph(&edges, &[3]), &[A])), (vec![0], vec![1, 0]));
}

#[test]
fn fair_parts_are_searched_for_more_than_one_level_deep() {
    // A forbids 4; without 4 the rest falls apart into {0, 1, 2, 3}; B forbids 3, as it is taken only by way of 4.
    let edges = [
        (0, 1, GO),
        (1, 0, GO),
        (1, 2, GO),
        (2, 3, GO),
        (3, 0, GO),
        (3, 4, B),
        (4, 3, GO),
        (4, 9, A),
    ];
    let little = strong(graph(&edges, &[9]), &[A, B]);
    assert_eq!(lasso(&little), (vec![0], vec![1, 0]));
    // If 3 cannot be avoided, B drives every run into 4, and A out of it.
    let edges = [(0, 3, GO), (3, 0, GO), (3, 4, B), (4, 3, GO), (4, 9, A)];
    assert!(holds(&strong(graph(&edges, &[9]), &[A, B])));
}

#[test]
fn one_cycle_keeps_two_promises() {
    let edges = [(0, 1, A), (0, 2, B), (1, 0, GO), (2, 0, GO)];
    let (before, mut cycle) = lasso(&strong(graph(&edges, &[9]), &[A, B, GO]));
    assert_eq!((before, cycle.len()), (vec![0], 4));
    cycle.sort_unstable();
    assert_eq!(cycle, [0, 0, 1, 2]);
}

/// To report the whole component as "the cycle" names steps that no run needs to take, in an order no run can.
#[test]
fn the_cycle_is_a_walk_and_not_a_component() {
    let edges: Vec<_> = (0..6).flat_map(|n| [(n, n + 1, GO), (n + 1, n, GO)]).collect();
    assert_eq!(lasso(&graph(&edges, &[9])), (vec![0], vec![1, 0]));
}

#[test]
fn witnesses_on_both_ends_of_a_component_are_joined_by_a_real_walk() {
    // A is disabled in 0 only, B in 3 only: the round must visit both, and cannot jump.
    let edges = [
        (0, 1, GO),
        (1, 0, GO),
        (1, 2, GO),
        (2, 1, GO),
        (2, 3, GO),
        (3, 2, GO),
        (1, 9, A),
        (2, 9, A),
        (3, 9, A),
        (0, 9, B),
        (1, 9, B),
        (2, 9, B),
    ];
    assert_eq!(lasso(&graph(&edges, &[9])), (vec![0], vec![1, 2, 3, 2, 1, 0]));
    assert!(holds(&strong(graph(&edges, &[9]), &[A])));
}

#[test]
fn a_weak_promise_broken_by_the_whole_is_broken_by_every_part() {
    let edges = [
        (0, 1, GO),
        (1, 0, GO),
        (1, 2, GO),
        (2, 1, GO),
        (0, 9, A),
        (1, 9, A),
        (2, 9, A),
    ];
    assert!(holds(&graph(&edges, &[9])));
}

#[test]
fn a_trap_behind_the_goal_is_no_trap() {
    assert!(holds(&graph(&[(0, 1, A), (1, 2, ENV), (2, 3, GO), (3, 2, GO)], &[1])));
}

#[test]
fn waiting_that_never_begins_is_never_in_vain() {
    let mut little = graph(&[(0, 1, ENV), (7, 8, ENV)], &[9]);
    little.from = BTreeSet::from([7]);
    let explored = walk(&little);
    for fairness in [Fairness::Promised, Fairness::Ignored] {
        // Holds even without fairness, which is how the gate knows that the query asks for nothing.
        assert!(matches!(
            leads(&explored, &query(), fairness),
            Verdict::Holds { asked: 0, waiting: 0 }
        ));
    }
    // Where `from` comes only together with `to`, nobody waits either.
    assert!(holds(&graph(&[(0, 1, ENV)], &[0])));
}

#[test]
fn without_fairness_every_wait_may_be_in_vain() {
    let little = graph(&[(0, 1, A)], &[1]);
    assert!(holds(&little));
    assert!(!leads(&walk(&little), &query(), Fairness::Ignored).holds());
}

#[test]
fn parallel_edges_keep_their_own_classes() {
    // Both classes lead from 0 to 1 and one edge of each is needed on the cycle.
    let little = strong(graph(&[(0, 1, A), (0, 1, B), (1, 0, GO)], &[9]), &[A, B]);
    assert_eq!(lasso(&little), (vec![0], vec![1, 0, 1, 0]));
}

#[test]
fn a_region_is_closed_open_or_escaped() {
    let region = |edges: &[(u8, u8, Option<u16>)], from: &[u8], to: &[u8]| {
        let mut little = graph(edges, to);
        little.from = from.iter().copied().collect();
        closed(&walk(&little), &query())
    };
    let steps = [(0, 1, A), (1, 2, ENV), (2, 1, ENV)];
    assert!(region(&steps, &[0, 1, 2], &[1, 2]).for_ever());
    let Closed::Broken(trace) = region(&steps, &[0, 1, 2], &[1]) else {
        panic!("2 is outside")
    };
    assert_eq!((trace.steps.len(), *trace.last()), (2, 2));
    assert!(matches!(
        region(&steps, &[0, 1], &[1, 2]),
        Closed::Holds { asked: 1, escapes: 1 }
    ));
}

#[test]
fn a_lasso_can_be_read() {
    let little = graph(&[(0, 1, GO), (1, 2, GO), (2, 1, GO), (2, 9, A)], &[9]);
    let explored = walk(&little);
    let verdict = leads(&explored, &query(), Fairness::Promised);
    let lines = verdict.lasso().expect("violated").lines(&little);
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("|");
    assert_eq!(
        text,
        "0  0|-- the waiting begins --|1  0 -> 1 (300)|-- for ever, from --|=  1|2  1 -> 2 (300)|2|3  2 -> 1 (300)|1|\
         fair: class 300: taken at 2|fair: class 10 (weak): disabled after 1"
    );
}

/// The answer by trying every set of states as the set a run stays in for ever.
fn brute_force_holds(little: &Little) -> bool {
    let reach = |starts: Vec<u8>, allowed: &dyn Fn(u8) -> bool| {
        let mut seen: BTreeSet<u8> = starts.into_iter().filter(|&state| allowed(state)).collect();
        loop {
            let more = little
                .edges
                .iter()
                .filter(|edge| seen.contains(&edge.0) && allowed(edge.1));
            let more: Vec<u8> = more.map(|edge| edge.1).filter(|state| !seen.contains(state)).collect();
            if more.is_empty() {
                return seen;
            }
            seen.extend(more);
        }
    };
    let waits = |state: u8| !little.to.contains(&state);
    let reachable = reach(little.inits.clone(), &|_| true);
    let begins = reachable
        .into_iter()
        .filter(|state| little.from.contains(state))
        .collect();
    let waiting: Vec<u8> = reach(begins, &waits).into_iter().collect();
    let moves = || little.edges.iter().filter(|edge| edge.0 != edge.1);
    let fair = |set: &BTreeSet<u8>| {
        let connected = set
            .iter()
            .all(|&state| reach(vec![state], &|other| set.contains(&other)) == *set);
        connected
            && moves().filter_map(|edge| edge.2).all(|class| {
                let enabled = |state: &u8| moves().any(|edge| edge.0 == *state && edge.2 == Some(class));
                let taken = moves().any(|e| e.2 == Some(class) && set.contains(&e.0) && set.contains(&e.1));
                let count = set.iter().filter(|state| enabled(state)).count();
                taken
                    || if little.strong.contains(&class) {
                        count == 0
                    } else {
                        count < set.len()
                    }
            })
    };
    (1_u32..1 << waiting.len()).all(|bits| {
        let set = waiting
            .iter()
            .enumerate()
            .filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, &state)| state)
            .collect();
        !fair(&set)
    })
}

fn any_little() -> impl Strategy<Value = Little> {
    (2_u8..=7).prop_flat_map(|states| {
        let edge = (0..states, 0..states, prop::option::weighted(0.8, 0_u16..4));
        let some = |most| prop::collection::btree_set(0..states, 0..=most);
        (
            prop::collection::vec(0..states, 1..=2),
            prop::collection::vec(edge, 0..=16),
            prop::collection::btree_set(0_u16..4, 0..=4),
            some(usize::from(states)),
            some(2),
        )
            .prop_map(|(inits, edges, strong, from, to)| Little {
                inits,
                edges,
                strong,
                from,
                to,
                ..Little::default()
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_search_agrees_with_brute_force(little in any_little()) {
        // `holds` audits every lasso on the way.
        prop_assert_eq!(holds(&little), brute_force_holds(&little));
    }
}

//! The machinery itself: known counts, agreement with Stateright on random models, and every way a gate can fail.

#[allow(dead_code)]
mod little;
mod two_phase;

use std::collections::BTreeSet;

use little::{Little, graph, query};
use pehra_models::engines::{Search, stateright};
use pehra_models::explore::Stop;
use pehra_models::{Gate, Hunt, Keep, Kinds, Limits, Options, Report, explore};
use proptest::prelude::*;
use stateright::{Model, Property};
use two_phase::{TwoPhase, settles};

const GO: Option<u16> = Some(1);

fn quiet() -> Options {
    Options {
        quiet: true,
        ..Options::default()
    }
}

fn fails_with(report: &Report, words: &str) {
    assert!(
        report.failures.iter().any(|failure| failure.contains(words)),
        "expected \"{words}\" in\n{report}"
    );
}

/// The published counts of this classic; the transitions too.
#[test]
fn two_phase_commit_has_its_known_counts() {
    for (managers, unique, generated) in [(3, 288, 1_146), (5, 8_832, 58_146), (6, 50_816, 402_306)] {
        let model = TwoPhase::new(managers);
        let explored = explore(&model, quiet()).expect("no limit was set");
        assert_eq!((explored.len(), explored.counts.generated), (unique, generated));
    }
}

#[test]
fn a_good_model_passes_its_gate() {
    let report = Gate::new(TwoPhase::new(5))
        .name("two-phase commit")
        .bounds("5 resource managers")
        .golden(8_832)
        .settles(settles())
        .run()
        .require();
    let all_commit = report.properties.iter().find(|finding| finding.name == "all commit");
    // Each prepares, is heard, and obeys; and one commit.
    assert_eq!(all_commit.and_then(|finding| finding.steps), Some(3 * 5 + 1));
    let back: Report = serde_json::from_str(&report.to_json()).expect("its own words");
    assert_eq!(back.properties, report.properties);
    println!("{report}");
}

#[test]
fn a_seeded_bug_is_caught_by_safety_with_a_shortest_trace() {
    let hasty = TwoPhase {
        managers: 3,
        hasty: true,
    };
    let catch = Hunt::new(&hasty)
        .name("hasty")
        .settles(settles())
        .run()
        .expect("no limit")
        .require("consistent");
    // Two prepare and are heard, commit, one obeys, the third refuses.
    assert_eq!(catch.steps, 7);
    assert!(catch.states < 288 && catch.trace.len() == 9, "{catch}");
}

#[test]
fn a_bug_that_only_liveness_sees_is_caught_by_the_query() {
    let little = graph(&[(0, 1, GO), (0, 2, GO), (2, 3, GO), (3, 2, GO)], &[1]);
    let catch = Hunt::new(&little)
        .name("detour")
        .leads(query())
        .run()
        .expect("no limit")
        .require(query().name);
    assert_eq!((catch.steps, catch.cycle), (1, 2));
    let fine = graph(&[(0, 1, GO)], &[1]);
    assert_eq!(Hunt::new(&fine).settles(query()).run().expect("no limit").by, None);
    assert!(Hunt::new(&TwoPhase::new(4)).states_max(100).run().is_err());
}

#[test]
fn a_limit_is_an_error_and_exactly_met_is_none() {
    let model = TwoPhase::new(3);
    let limited = |states_max| {
        explore(
            &model,
            Options {
                limits: Limits { states_max },
                ..quiet()
            },
        )
    };
    assert_eq!(limited(288).expect("just enough").len(), 288);
    assert_eq!(limited(287).err().expect("one too few").states, 287);
    fails_with(&Gate::new(model).golden(288).states_max(287).run(), "incomplete");
}

#[test]
fn a_gate_wants_the_pinned_number() {
    fails_with(&Gate::new(TwoPhase::new(3)).run(), "no number of states is pinned");
    fails_with(&Gate::new(TwoPhase::new(5)).golden(8_831).run(), "write .golden(8_832)");
}

#[test]
fn a_gate_refuses_queries_that_fail_or_ask_for_nothing() {
    fails_with(
        &Gate::new(graph(&[(0, 1, None)], &[1])).golden(2).leads(query()).run(),
        "may wait for ever",
    );
    fails_with(
        &Gate::new(graph(&[(0, 1, GO)], &[0, 1])).golden(2).leads(query()).run(),
        "asks for nothing",
    );
    let mut left = graph(&[(0, 1, GO), (1, 0, None)], &[1]);
    left.from = BTreeSet::from([0, 1]);
    fails_with(
        &Gate::new(left.clone()).golden(2).settles(query()).run(),
        "reached and left again",
    );
    Gate::new(left).golden(2).leads(query()).run().require();
}

/// A model with one part that never works.
#[derive(Clone)]
struct Crippled;

impl Model for Crippled {
    type State = u8;
    type Action = bool;

    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, _: &u8, out: &mut Vec<bool>) {
        out.extend([false, true]);
    }

    fn next_state(&self, state: &u8, dead: bool) -> Option<u8> {
        // A delivery that is always ignored happens, and yet does nothing.
        if dead {
            Some(*state)
        } else {
            (*state < 3).then_some(state + 1)
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("small", |_, s| *s < 4),
            Property::sometimes("large", |_, s| *s > 9),
        ]
    }
}

impl Kinds for Crippled {
    const KINDS: &'static [&'static str] = &["count", "ignore"];

    fn kind(dead: &bool) -> &'static str {
        if *dead { "ignore" } else { "count" }
    }
}

#[test]
fn a_gate_refuses_dead_actions_and_witnesses_that_are_missing() {
    let report = Gate::new(Crippled).golden(4).run();
    fails_with(
        &report,
        "no action of kind \"ignore\" ever changed a state (4 were tried)",
    );
    fails_with(&report, "\"large\" never happens");
}

/// Two states that are different, and hash alike: legal, but Stateright takes them for one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Careless(u8);

impl std::hash::Hash for Careless {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.0 / 2).hash(state);
    }
}

#[derive(Clone)]
struct Merged;

impl Model for Merged {
    type State = Careless;
    type Action = ();

    fn init_states(&self) -> Vec<Careless> {
        vec![Careless(0)]
    }

    fn actions(&self, _: &Careless, out: &mut Vec<()>) {
        out.push(());
    }

    fn next_state(&self, state: &Careless, (): ()) -> Option<Careless> {
        (state.0 < 9).then_some(Careless(state.0 + 1))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("small", |_, s: &Careless| s.0 < 10)]
    }
}

impl Kinds for Merged {
    const KINDS: &'static [&'static str] = &["count"];

    fn kind((): &()) -> &'static str {
        "count"
    }
}

#[test]
fn a_gate_refuses_engines_that_disagree() {
    fails_with(&Gate::new(Merged).golden(10).run(), "the engines disagree: 10 states");
}

#[test]
#[should_panic(expected = "half a graph has no liveness")]
fn a_walk_that_stopped_has_no_liveness() {
    let mut little = graph(&[(0, 1, GO), (1, 2, GO)], &[2]);
    little.bad = BTreeSet::from([1]);
    let options = Options {
        keep: Keep::Edges,
        stop: Stop::FirstViolation,
        ..quiet()
    };
    let explored = explore(&little, options).expect("no limit was set");
    let _ = pehra_models::leads(&explored, &query(), pehra_models::Fairness::Promised);
}

/// Steps to the nearest bad state, by relaxing edges until nothing changes.
fn nearest_bad(little: &Little) -> Option<usize> {
    let inside = |state: u8| little.within_boundary(&state);
    let mut far = [usize::MAX; 256];
    little
        .inits
        .iter()
        .filter(|&&init| inside(init))
        .for_each(|&init| far[usize::from(init)] = 0);
    for _ in 0..256 {
        for &(from, to, _) in little.edges.iter().filter(|edge| inside(edge.1)) {
            let step = far[usize::from(from)].saturating_add(1);
            far[usize::from(to)] = far[usize::from(to)].min(step);
        }
    }
    little
        .bad
        .iter()
        .map(|&bad| far[usize::from(bad)])
        .min()
        .filter(|&steps| steps != usize::MAX)
}

fn any_graph() -> impl Strategy<Value = Little> {
    let edge = (0_u8..40, 0_u8..40).prop_map(|(from, to)| (from, to, None));
    let some = || prop::collection::btree_set(0_u8..40, 0..4);
    (some(), prop::collection::vec(edge, 0..120), some(), 0_u8..60).prop_map(|(inits, edges, bad, boundary)| {
        let inits = inits.into_iter().collect();
        Little {
            inits,
            edges,
            bad,
            boundary,
            ..Little::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_see_the_same_and_traces_are_shortest(little in any_graph()) {
        let explored = explore(&little, quiet()).expect("no limit was set");
        let broken = explored.decided("never bad");
        for (search, threads) in [(Search::Depth, 2), (Search::Depth, 1), (Search::Breadth, 1)] {
            let (opinion, _) = stateright(little.clone(), search, threads);
            prop_assert_eq!(explored.len() as u64, opinion.unique);
            prop_assert_eq!(explored.counts.generated, opinion.generated);
            prop_assert_eq!(broken.is_some(), opinion.discoveries.contains(&"never bad".to_owned()));
        }
        prop_assert_eq!(broken.map(|state| explored.trace(state).steps.len()), nearest_bad(&little));

        let early = explore(&little, Options { stop: Stop::FirstViolation, ..quiet() }).expect("no limit was set");
        prop_assert_eq!(early.stopped, broken.is_some());
        let steps = early.violation().map(|(_, state)| early.trace(state).steps.len());
        prop_assert_eq!(steps, nearest_bad(&little));
    }
}

/// Not a test but a measurement: `cargo test --release --test machinery -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement: cargo test -p pehra-models --test machinery -- --ignored --nocapture"]
fn speed() {
    for keep in [Keep::States, Keep::Edges] {
        let model = TwoPhase::new(8);
        let explored = explore(
            &model,
            Options {
                keep,
                label: "two-phase 8".into(),
                ..Options::default()
            },
        );
        let explored = explored.expect("no limit was set");
        assert_eq!((explored.len(), explored.counts.generated), (1_745_408, 18_507_778));
        let (seconds, million) = (explored.seconds, explored.counts.generated as f64 / 1e6);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let memory: Vec<&str> = status
            .lines()
            .filter(|line| line.contains("VmHWM") || line.contains("VmRSS"))
            .collect();
        println!(
            "{keep:?}: {} states of {} B, {seconds:.2} s, {:.2} M transitions/s, {memory:?}",
            explored.len(),
            size_of::<two_phase::State>(),
            million / seconds
        );
        if keep == Keep::Edges {
            let started = std::time::Instant::now();
            assert!(pehra_models::leads(&explored, &settles(), pehra_models::Fairness::Promised).holds());
            println!("lasso search: {:.2} s, {memory:?}", started.elapsed().as_secs_f64());
        }
    }
    let (opinion, seconds) = stateright(TwoPhase::new(8), Search::Depth, 1);
    println!(
        "Stateright, depth first, one thread: {seconds:.2} s, {:.2} M/s",
        opinion.generated as f64 / seconds / 1e6
    );
}

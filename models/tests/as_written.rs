//! PEHRA as written: the checker has to find its five known failures, each in so many steps, and says where a text is free of one.
//!
//! What is found is held against `models/results/as_written.json`; that the claims and the bugs named there are what they should be
//! is for the ledger's own test.

use pehra_models::as_written::{Bounds, Failure, Found, Text, look_for};
use pehra_models::results;

/// Enough for each failure; more only makes other ways to it.
const BOUNDS: Bounds = Bounds {
    idles: 2,
    writes: 2,
    crashes: 1,
    cuts: 1,
};

/// Asks all three texts. What is given are the steps up to the failure and those of its cycle, or nothing where it does not fail.
fn fails(failure: Failure, expected: [Option<(usize, usize)>; 3]) {
    for (text, expected) in Text::ALL.into_iter().zip(expected) {
        let found = look_for(failure, text, BOUNDS);
        println!("{}: {}", found.name, if found.holds { "holds" } else { "fails" });
        found.trace.iter().for_each(|line| println!("  {line}"));
        let steps = (!found.holds).then_some((found.steps, found.cycle));
        assert_eq!(steps, expected, "{}", found.name);
        assert!(found.states > 3, "{}: nothing was looked at", found.name);
        results::compare("as_written", &found);
    }
}

#[test]
fn the_results_name_exactly_these_questions() {
    let names: Vec<String> = Failure::ALL
        .iter()
        .flat_map(|failure| Text::ALL.map(|text| format!("{}, by the {text:?}", failure.name())))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    results::require_names::<Found>("as_written", "", &names);
}

/// The published simulation draws a number below that of the awake nodes, and looks it up among all.
#[test]
fn a_task_goes_to_a_sleeping_node() {
    fails(Failure::TaskAsleep, [Some((3, 0)), None, None]);
}

/// A timer is cancelled only if somebody watches already.
#[test]
fn zero_then_one_puts_nodes_to_sleep_in_traffic() {
    fails(Failure::ZeroThenOne, [Some((3, 0)), None, None]);
}

/// In every text: all but one sleep, and `min.insync.replicas` is 2.
#[test]
fn a_lone_watchman_refuses_writes() {
    fails(Failure::LoneWatchman, [Some((3, 0)), Some((3, 0)), Some((3, 0))]);
}

/// There is no quorum: each side names one.
#[test]
fn a_partition_has_two_watchmen() {
    fails(Failure::TwoWatchmen, [None, Some((4, 0)), Some((4, 0))]);
}

/// By the chart both answers to "is the alarm expired?" lead to the same place, and the simulation has no alarm clock.
#[test]
fn an_alarm_has_no_effect() {
    fails(Failure::DeafAlarm, [Some((4, 0)), Some((3, 4)), None]);
}

/// Without a crash, a cut or a write nothing of this happens: the questions are about what the world does, not about the rules alone.
#[test]
fn an_idle_cluster_that_nothing_befalls_fails_in_nothing() {
    let bounds = Bounds {
        idles: 2,
        writes: 0,
        crashes: 0,
        cuts: 0,
    };
    for failure in Failure::ALL {
        for text in Text::ALL {
            let found = look_for(failure, text, bounds);
            assert!(found.holds, "{}: {:?}", found.name, found.trace);
        }
    }
}

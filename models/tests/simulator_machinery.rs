//! The simulator itself, with a toy that does what it is told: what a seed fixes, and what each kind of harm does.

mod simulator_toy;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use pehra_core::node::GateBound;
use pehra_core::types::{NodeId, Term};
use pehra_models::simulator::random::spread;
use pehra_models::simulator::{Death, Failure, Keep, Latency, Quality, Setting, Span, Time, ms};
use simulator_toy::{A, B, C, Do, Said, Toys, lan, tell, toys};

/// All that happens in a second of beating on a bad network, with a death in between.
fn trace(seed: u64) -> Vec<String> {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&lines);
    let mut setting = Setting::LAN;
    setting.network.loss_permille = 100;
    setting.network.twice_permille = 100;
    let mut toys = toys(seed, setting).traced(Box::new(move |now, line| {
        sink.borrow_mut().push(format!("{now} {line}"));
    }));
    [A, B, C].into_iter().for_each(|node| tell(&mut toys, node, Do::Beat));
    toys.run_for(ms(500)).expect("they beat");
    toys.kill(B, Death::Seen);
    toys.run_for(ms(50)).expect("two beat");
    toys.start(B);
    toys.run_for(ms(450)).expect("two beat");
    drop(toys);
    lines.take()
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let first = trace(7);
    assert!(first.len() > 300, "{}", first.len());
    assert_eq!(first, trace(7));
    assert_ne!(first, trace(8));
    // What is drawn is fixed for ever, not only within one build.
    let bytes = first.iter().flat_map(|line| line.bytes());
    let digest = bytes.fold(0, |digest, byte| spread(digest ^ u64::from(byte)).wrapping_add(1));
    assert_eq!(
        (first.len(), digest),
        (1154, 2_765_394_677_270_298_756),
        "the last line is {:?}",
        first.last()
    );
}

#[test]
fn timers_go_off_within_their_delay_and_at_every_moment_of_it() {
    let mut seen = [0; 6];
    for seed in 0..200 {
        let mut toys = lan(seed);
        let armed = toys.now();
        tell(&mut toys, A, Do::Arm(1, 30, 35));
        toys.run_for(ms(100)).expect("it fires");
        let (at, ..) = toys.watch.reports[0];
        assert_eq!(toys.watch.of(A), [Said::Fired(1)]);
        let after = usize::try_from((at - armed).0 / 1000).expect("small");
        seen[after - 30] += 1;
    }
    assert!(seen.iter().all(|count| *count > 15), "{seen:?}");
}

#[test]
fn a_clock_that_runs_fast_fires_early_and_one_that_runs_slow_late() {
    let fires_after = |ppm| {
        let mut toys = lan(1);
        toys.set_clock(A, ppm);
        let armed = toys.now();
        tell(&mut toys, A, Do::Arm(1, 1000, 1000));
        toys.run_for(ms(2000)).expect("it fires");
        (toys.watch.reports[0].0 - armed).0
    };
    assert_eq!([0, 100_000, -100_000].map(fires_after), [1_000_000, 909_091, 1_111_112]);
}

#[test]
fn a_frozen_process_does_nothing_and_then_is_told_first() {
    let mut toys = lan(3);
    tell(&mut toys, A, Do::Arm(1, 20, 20));
    tell(&mut toys, A, Do::Arm(2, 10, 10));
    tell(&mut toys, A, Do::Arm(3, 1000, 1000));
    tell(&mut toys, A, Do::Save(5));
    toys.pause(A);
    tell(&mut toys, B, Do::Tell(77));
    toys.run_for(ms(200)).expect("nothing happens");
    assert_eq!((toys.watch.of(A), toys.watch.events.len()), (vec![], 0));
    toys.resume(A);
    toys.run_for(ms(1)).expect("it goes on");
    assert_eq!(
        toys.watch.of(A),
        [Said::Paused, Said::Fired(2), Said::Fired(1), Said::Heard(77)]
    );
    assert_eq!(toys.watch.events, [(A, 5)]);
    // A short one is not worth a word.
    tell(&mut toys, A, Do::Arm(1, 20, 20));
    toys.pause(A);
    toys.run_for(ms(60)).expect("nothing happens");
    toys.resume(A);
    assert_eq!(toys.watch.of(A).last(), Some(&Said::Fired(1)));
    assert_eq!(toys.watch.of(A).len(), 5);
}

#[test]
fn a_death_leaves_any_prefix_of_the_commits_under_way() {
    let mut left = [0; 5];
    for seed in 0..200 {
        let mut toys = lan(seed);
        (1..=4).for_each(|number| tell(&mut toys, A, Do::Save(number)));
        toys.kill(A, Death::Silent);
        toys.run_for(ms(20)).expect("nothing happens");
        let numbers = &toys.machine(A).disk.image.0;
        assert_eq!(*numbers, (1..=4).take(numbers.len()).collect::<Vec<u32>>());
        assert_eq!((toys.watch.events.len(), toys.watch.heard(B).len()), (0, 0));
        left[numbers.len()] += 1;
        toys.start(A);
        assert_eq!(toys.watch.of(A), [Said::Started(numbers_of(&toys, A))]);
    }
    assert!(left.iter().all(|count| *count > 15), "{left:?}");
    let mut toys = lan(1);
    (1..=4).for_each(|number| tell(&mut toys, A, Do::Save(number)));
    toys.kill_keeping(A, Death::Silent, Keep::First(3));
    assert_eq!(toys.machine(A).disk.image.0, [1, 2, 3]);
}

fn numbers_of(toys: &Toys, node: NodeId) -> usize {
    toys.machine(node).disk.image.0.len()
}

#[test]
fn commits_are_reported_in_order_and_those_that_gather_are_fused() {
    let setting = Setting {
        disk: Latency::of(Span::ms(10, 10)),
        ..Setting::LAN
    };
    let mut toys = toys(1, setting);
    (1..=5).for_each(|number| tell(&mut toys, A, Do::Save(number)));
    tell(&mut toys, A, Do::Count);
    toys.run_for(ms(10)).expect("one write");
    assert_eq!(toys.watch.events, [(A, 1)]);
    toys.run_for(ms(10)).expect("the others at once");
    assert_eq!(toys.watch.events, (1..=5).map(|number| (A, number)).collect::<Vec<_>>());
    toys.run_for(ms(10)).expect("then the query");
    assert_eq!(toys.watch.of(A), [Said::Counted(5)]);
    assert_eq!(toys.state(A).map(|toy| toy.saved), Some(5));
}

#[test]
fn a_disk_that_stands_still_holds_what_rests_on_it_and_nothing_else() {
    let mut toys = lan(1);
    toys.stall_disk(A);
    tell(&mut toys, A, Do::Save(1));
    tell(&mut toys, A, Do::Tell(2));
    toys.run_for(ms(500)).expect("nothing is durable");
    assert_eq!((toys.watch.events.len(), toys.watch.heard(B)), (0, vec![2]));
    toys.free_disk(A);
    toys.run_for(ms(5)).expect("it moves");
    assert_eq!((toys.watch.events.len(), toys.watch.heard(B)), (1, vec![2, 1]));
    toys.short_of_space(A, true);
    assert_eq!(toys.watch.of(A), [Said::Stalled(true)]);
}

#[test]
fn mail_waits_while_the_gate_is_full_and_is_lost_when_the_box_is() {
    let setting = Setting {
        gate: GateBound { commits: 2, held: 16 },
        mailbox: 3,
        ..Setting::LAN
    };
    let mut toys = toys(1, setting);
    toys.stall_disk(A);
    (1..=9).for_each(|number| tell(&mut toys, A, Do::Save(number)));
    toys.run_for(ms(50)).expect("two are open, three wait");
    assert_eq!(toys.machine(A).disk.commits_under_way(), 2);
    toys.free_disk(A);
    toys.run_for(ms(50)).expect("all that was taken in is done");
    assert_eq!(toys.machine(A).disk.image.0, [1, 2, 3, 4, 5]);
}

#[test]
fn links_lose_repeat_and_reorder_as_much_as_they_are_told() {
    let heard = |quality: Quality| {
        let mut toys = toys(5, Setting::LAN);
        toys.set_quality(A, B, quality);
        for number in 0..1000 {
            tell(&mut toys, A, Do::Tell(number));
            toys.run_for(Time(100)).expect("it is sent");
        }
        toys.run_for(ms(100)).expect("all arrive");
        toys.watch.heard(B)
    };
    let wide = Quality::of(Span::us(100, 5000));
    let all: Vec<u32> = (0..1000).collect();
    let reordered = heard(wide);
    assert_ne!(reordered, all);
    let mut sorted = reordered;
    sorted.sort_unstable();
    assert_eq!(sorted, all);
    assert_eq!(heard(Quality { in_order: true, ..wide }), all);
    let left = heard(wide.losing(300)).len();
    assert!((650..750).contains(&left), "{left}");
    assert_eq!(heard(wide.losing(1000)).len(), 0);
    let twice = Quality {
        twice_permille: 200,
        ..wide
    };
    let repeated = heard(twice).len();
    assert!((1150..1250).contains(&repeated), "{repeated}");
}

#[test]
fn a_cut_has_a_direction_and_what_is_under_way_still_arrives() {
    let mut toys = lan(1);
    tell(&mut toys, A, Do::Tell(1));
    toys.link(A, B, false);
    tell(&mut toys, A, Do::Tell(2));
    tell(&mut toys, B, Do::Tell(3));
    toys.run_for(ms(10)).expect("some arrive");
    assert_eq!((toys.watch.heard(B), toys.watch.heard(A)), (vec![1], vec![3]));
    toys.mend_all();
    tell(&mut toys, A, Do::Tell(4));
    toys.isolate(B);
    tell(&mut toys, A, Do::Tell(5));
    toys.link_only(&[(B, A)]);
    tell(&mut toys, A, Do::Tell(6));
    tell(&mut toys, C, Do::Tell(7));
    toys.run_for(ms(10)).expect("some arrive");
    let mut heard = toys.watch.heard(B);
    heard.sort_unstable();
    assert_eq!((heard, toys.watch.heard(A)), (vec![1, 4, 6], vec![3]));
}

#[test]
fn peers_are_told_of_a_death_if_it_can_be_seen() {
    let mut toys = lan(1);
    toys.link(A, C, false);
    toys.kill(A, Death::Seen);
    toys.run_for(ms(10)).expect("it is told");
    assert_eq!(
        (toys.watch.of(B), toys.watch.of(C)),
        (vec![Said::Link(A, false)], vec![])
    );
    toys.kill(B, Death::Silent);
    toys.mend_all();
    toys.run_for(ms(10)).expect("nothing is told");
    assert_eq!(toys.watch.of(C), []);
    toys.start(A);
    toys.run_for(ms(10)).expect("it is told");
    assert_eq!(toys.watch.of(C), [Said::Link(A, true)]);
    assert_eq!(toys.watch.of(A), [Said::Started(0), Said::Link(C, true)]);
    toys.hint(C, B, false);
    assert_eq!(toys.watch.of(C).last(), Some(&Said::Link(B, false)));
}

#[test]
fn what_is_under_way_to_a_process_that_dies_is_lost_even_if_another_starts() {
    let mut toys = lan(1);
    tell(&mut toys, A, Do::Tell(1));
    toys.kill(B, Death::Silent);
    toys.start(B);
    tell(&mut toys, A, Do::Tell(2));
    toys.run_for(ms(10)).expect("one arrives");
    assert_eq!(toys.watch.heard(B), [2]);
}

#[test]
fn nonces_differ_across_the_cluster() {
    let mut toys = lan(1);
    [A, B, C]
        .into_iter()
        .for_each(|node| (0..10).for_each(|_| tell(&mut toys, node, Do::Draw)));
    let drawn = |said: &Said| if let Said::Drew(nonce) = said { *nonce } else { 0 };
    let mut nonces: Vec<u64> = toys.watch.reports.iter().map(|(.., said)| drawn(said)).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!((nonces.len(), nonces.contains(&0)), (60, false));
}

#[test]
fn a_run_ends_at_the_first_thing_that_is_wrong() {
    let fails = |harm: fn(&mut Toys)| {
        let mut toys = lan(1);
        harm(&mut toys);
        let failure: Failure = toys.run_for(ms(50)).expect_err("something is wrong");
        assert_eq!(toys.run_for(ms(50)), Err(failure.clone()));
        failure.to_string()
    };
    let judged = fails(|toys| {
        toys.watch.forbidden = Some(Said::Fired(9));
        tell(toys, B, Do::Arm(9, 5, 5));
    });
    assert_eq!(judged, "at 15.000 ms: n1 said Fired(9)");
    let broken = fails(|toys| tell(toys, A, Do::Break));
    assert_eq!(broken, "at 10.000 ms: n0 has stopped: as told");
    let circle = fails(|toys| tell(toys, A, Do::Circle));
    assert_eq!(
        circle,
        "at 10.000 ms: time stands still: a circle of events without a delay"
    );
}

#[test]
fn a_script_can_wait_for_something() {
    let mut toys = lan(1);
    [A, B, C].into_iter().for_each(|node| tell(&mut toys, node, Do::Beat));
    let third = |toys: &Toys| toys.state(B).is_some_and(|toy| toy.beats == 3);
    assert_eq!(toys.run_until(ms(100), third), Ok(true));
    let at = toys.now();
    assert!(at >= ms(10 + 40) && at <= ms(10 + 80), "{at}");
    assert_eq!(toys.run_until(ms(100), third), Ok(true));
    assert_eq!(toys.now(), at);
    let never = |toys: &Toys| toys.state(B).is_none();
    assert_eq!(toys.run_until(ms(100), never), Ok(false));
    assert_eq!(toys.now(), at + ms(100));
}

#[test]
fn the_order_of_a_term_is_the_same_everywhere_and_another_for_each_term_and_seed() {
    let mut orders = BTreeSet::new();
    for seed in 0..20 {
        let mut toys = lan(seed);
        for term in 0..20 {
            toys.watch.reports.clear();
            [A, B]
                .into_iter()
                .for_each(|node| tell(&mut toys, node, Do::Order(term)));
            let order = toys.order(Term(term));
            let said = Said::Ordered(term, order);
            assert_eq!((toys.watch.of(A), toys.watch.of(B)), (vec![said.clone()], vec![said]));
            assert_eq!(order.iter().count(), 3);
            orders.insert(order);
        }
        assert!(orders.len() > 3, "{orders:?}");
    }
    assert_eq!(orders.len(), 6);
}

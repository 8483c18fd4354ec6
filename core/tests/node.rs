//! The durability gate: what rests on a write leaves when all writes up to the end of its step are reported durable, not
//! before; what rests on nothing leaves at once. Held against a reference that numbers every commit from the start.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "shared/tiny.rs"]
mod tiny;

use std::collections::VecDeque;

use pehra_core::node::{Desk, GateBound, Node, Output, Taken};
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{Broken, NodeId, RequestId};
use proptest::collection::vec;
use proptest::prelude::*;
use tiny::{FAULT, Say, Tiny};

const ROOMY: GateBound = GateBound { commits: 8, held: 64 };

/// An output in a form that tests can write down; only a node can make the real one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Say(Say),
    Commit,
    Fault(Broken),
}

struct Bench {
    node: Node<Tiny>,
    desk: Desk<Tiny>,
}

impl Bench {
    fn new(bound: GateBound) -> Self {
        let mut desk = Desk::default();
        let node = Node::recover(&(), bound, Recovered::Fresh, &mut desk);
        Self { node, desk }
    }

    fn command(&mut self, script: Vec<Say>) -> Option<Vec<Out>> {
        self.feed(Input::Commanded(RequestId(0), script))
    }

    /// An input that is never refused.
    fn fetched(&mut self, script: Vec<Say>) -> Option<Vec<Out>> {
        self.feed(Input::Fetched { query: 0, rows: script })
    }

    fn feed(&mut self, input: Input<Tiny>) -> Option<Vec<Out>> {
        match self.node.step(&(), input, &mut self.desk) {
            Taken::Yes => Some(self.take()),
            Taken::No => {
                assert_eq!(self.take(), [], "a refused input has no effect");
                None
            }
        }
    }

    fn persisted(&mut self) -> Vec<Out> {
        self.node.persisted(&(), &mut self.desk);
        self.take()
    }

    fn take(&mut self) -> Vec<Out> {
        let plain = |output| match output {
            Output::Notice { notice, .. } => Out::Say(Say::Notice(notice)),
            Output::Claim { claim, .. } => Out::Say(Say::Claim(claim)),
            Output::Record { record, .. } => Out::Say(Say::Persist(record)),
            Output::Commit { .. } => Out::Commit,
            Output::Fetch { query, .. } => Out::Say(Say::Fetch(query)),
            Output::Emit { event, .. } => Out::Say(Say::Emit(event)),
            Output::Report { report, .. } => Out::Say(Say::Report(report)),
            Output::Arm { timer, .. } => Out::Say(Say::Arm(timer)),
            Output::Disarm { timer, .. } => Out::Say(Say::Disarm(timer)),
            Output::Draw { .. } => Out::Say(Say::Draw),
            Output::Fault { broken, .. } => Out::Fault(broken),
        };
        self.desk.outputs().map(plain).collect()
    }
}

fn said(script: &[Say]) -> Vec<Out> {
    script.iter().cloned().map(Out::Say).collect()
}

#[test]
fn a_claim_waits_for_the_write_of_its_own_step_even_if_it_was_said_first() {
    let mut bench = Bench::new(ROOMY);
    let out = bench.command(vec![Say::Claim(1), Say::Persist(2)]).unwrap();
    assert_eq!(out, [Out::Say(Say::Persist(2)), Out::Commit]);
    assert_eq!(bench.persisted(), said(&[Say::Claim(1)]));
}

#[test]
fn claims_events_and_fetches_wait_and_notices_reports_and_timers_do_not() {
    let mut bench = Bench::new(ROOMY);
    let held = [Say::Claim(1), Say::Emit(2), Say::Fetch(3)];
    let prompt = [Say::Notice(4), Say::Report(5), Say::Arm(6), Say::Disarm(7), Say::Draw];
    let script = [&held[..], &prompt, &[Say::Persist(8)]].concat();
    let out = bench.command(script).unwrap();
    assert_eq!(
        out,
        [said(&prompt), said(&[Say::Persist(8)]), vec![Out::Commit]].concat()
    );
    assert_eq!(bench.persisted(), said(&held), "in the order in which they were said");
}

#[test]
fn all_writes_of_a_step_are_one_commit() {
    let mut bench = Bench::new(ROOMY);
    let out = bench.command(vec![Say::Persist(1), Say::Persist(2)]).unwrap();
    assert_eq!(
        out,
        [said(&[Say::Persist(1), Say::Persist(2)]), vec![Out::Commit]].concat()
    );
    assert_eq!(bench.node.open_commits(), 1);
}

#[test]
fn a_claim_that_rests_on_nothing_new_still_waits_for_the_writes_before_it() {
    let mut bench = Bench::new(ROOMY);
    bench.command(vec![Say::Persist(1)]).unwrap();
    bench.command(vec![Say::Persist(2)]).unwrap();
    assert_eq!(
        bench.command(vec![Say::Claim(3), Say::Notice(4)]).unwrap(),
        said(&[Say::Notice(4)])
    );
    assert_eq!(bench.persisted(), []);
    assert_eq!(bench.persisted(), said(&[Say::Claim(3)]));
    assert_eq!(
        bench.command(vec![Say::Claim(5)]).unwrap(),
        said(&[Say::Claim(5)]),
        "nothing is open"
    );
}

#[test]
fn a_note_comes_back_when_it_is_durable_and_what_it_says_joins_the_queue() {
    let mut bench = Bench::new(ROOMY);
    let note = Say::Note(vec![Say::Report(2), Say::Claim(3), Say::Persist(4)]);
    bench.command(vec![Say::Persist(1), note, Say::Claim(5)]).unwrap();
    let out = bench.persisted();
    let expected = [
        Out::Say(Say::Report(2)),
        Out::Say(Say::Persist(4)),
        Out::Commit,
        Out::Say(Say::Claim(5)),
    ];
    assert_eq!(out, expected);
    assert_eq!(bench.persisted(), said(&[Say::Claim(3)]));
}

#[test]
fn equal_claims_behind_the_same_write_leave_once_and_behind_another_write_again() {
    let mut bench = Bench::new(ROOMY);
    bench.command(vec![Say::Persist(1), Say::Claim(7)]).unwrap();
    bench.command(vec![Say::Claim(7), Say::Emit(7)]).unwrap();
    bench.command(vec![Say::Persist(2), Say::Claim(7)]).unwrap();
    assert_eq!(bench.persisted(), said(&[Say::Claim(7), Say::Emit(7)]));
    assert_eq!(bench.persisted(), said(&[Say::Claim(7)]));
}

#[test]
fn a_full_gate_takes_neither_commands_nor_messages_but_all_else() {
    let mut bench = Bench::new(GateBound { commits: 2, held: 8 });
    bench.command(vec![Say::Persist(1)]).unwrap();
    assert!(!bench.node.is_full());
    bench.command(vec![Say::Persist(2)]).unwrap();
    assert!(bench.node.is_full());
    let inputs = bench.node.state().inputs;
    assert_eq!(bench.command(vec![Say::Report(3)]), None);
    let message = vec![Say::Report(3)];
    let from = NodeId(9);
    assert_eq!(bench.feed(Input::Received { from, message }), None);
    assert_eq!(bench.node.state().inputs, inputs, "the protocol did not see them");
    assert_eq!(bench.feed(Input::Fired(4)).unwrap(), said(&[Say::Report(4)]));
    bench.persisted();
    assert!(bench.command(vec![Say::Report(3)]).is_some());
}

#[test]
fn beyond_the_bound_claims_are_lost_and_anything_else_stops_the_node() {
    let mut bench = Bench::new(GateBound { commits: 8, held: 2 });
    bench
        .fetched(vec![Say::Persist(0), Say::Claim(1), Say::Claim(2)])
        .unwrap();
    assert_eq!(bench.fetched(vec![Say::Claim(3)]).unwrap(), []);
    assert!(bench.node.fault().is_none());
    let out = bench
        .fetched(vec![Say::Notice(4), Say::Persist(5), Say::Emit(6)])
        .unwrap();
    assert_eq!(
        out,
        [Out::Fault(bench.node.fault().unwrap())],
        "nothing else of that step happens"
    );
    assert_eq!(bench.persisted(), [], "a stopped node says nothing more");
}

#[test]
fn a_step_that_faults_has_no_other_effect() {
    let mut bench = Bench::new(ROOMY);
    bench.command(vec![Say::Persist(1), Say::Claim(1)]).unwrap();
    let script = vec![
        Say::Notice(1),
        Say::Persist(2),
        Say::Claim(3),
        Say::Fault,
        Say::Report(4),
    ];
    assert_eq!(bench.command(script).unwrap(), [Out::Fault(FAULT)]);
    assert_eq!(bench.persisted(), [], "also what waited stays where it is");
    assert_eq!(bench.command(vec![Say::Report(5)]), None);
    assert_eq!(bench.fetched(vec![Say::Report(5)]), None);
    assert_eq!(bench.node.check(&()), Err(FAULT));
}

#[test]
fn reporting_a_commit_that_was_never_handed_out_stops_the_node() {
    let mut bench = Bench::new(ROOMY);
    let out = bench.persisted();
    assert_eq!(out, [Out::Fault(bench.node.fault().unwrap())]);
}

#[test]
fn notes_without_end_stop_the_node() {
    let mut chain = Vec::new();
    for _ in 0..10 {
        chain = vec![Say::Note(chain)];
    }
    let mut bench = Bench::new(GateBound { commits: 8, held: 4 });
    let out = bench.command(chain).unwrap();
    assert_eq!(out, [Out::Fault(Broken("gate: notes without end"))]);
}

/// The gate as one would first write it: commits have absolute numbers, and each effect remembers the one it needs.
struct Reference {
    bound: GateBound,
    handed: usize,
    durable: usize,
    waiting: VecDeque<(usize, Say)>,
    stopped: bool,
}

impl Reference {
    fn step(&mut self, script: &[Say], refusable: bool) -> Option<Vec<Out>> {
        let full = self.handed - self.durable >= usize::from(self.bound.commits)
            || self.waiting.len() >= usize::from(self.bound.held / 2);
        if self.stopped || (refusable && full) {
            return None;
        }
        let mut out = Vec::new();
        self.say(script, &mut out);
        self.let_go(&mut out);
        Some(out)
    }

    fn persisted(&mut self) -> Vec<Out> {
        let mut out = Vec::new();
        if !self.stopped {
            self.durable += 1;
            self.let_go(&mut out);
        }
        out
    }

    fn say(&mut self, script: &[Say], out: &mut Vec<Out>) {
        let before = out.len();
        if script.contains(&Say::Fault) {
            return self.stop(out, before);
        }
        let held = |say: &Say| matches!(say, Say::Claim(_) | Say::Emit(_) | Say::Note(_) | Say::Fetch(_));
        let written = |say: &Say| matches!(say, Say::Persist(_));
        out.extend(script.iter().filter(|s| !held(s) && !written(s)).cloned().map(Out::Say));
        if script.iter().any(written) {
            out.extend(script.iter().filter(|s| written(s)).cloned().map(Out::Say));
            out.push(Out::Commit);
            self.handed += 1;
        }
        for say in script.iter().filter(|s| held(s)) {
            let entry = (self.handed, say.clone());
            let claim = matches!(say, Say::Claim(_));
            if claim && self.waiting.contains(&entry) {
                continue;
            }
            if self.waiting.len() < usize::from(self.bound.held) {
                self.waiting.push_back(entry);
            } else if !claim {
                return self.stop(out, before);
            }
        }
    }

    fn let_go(&mut self, out: &mut Vec<Out>) {
        let mut notes = 0;
        while let Some((_, say)) = self.waiting.pop_front_if(|(needs, _)| *needs <= self.durable) {
            match say {
                Say::Note(_) if notes == self.bound.held => return self.stop(out, usize::MAX),
                Say::Note(script) => {
                    notes += 1;
                    self.say(&script, out);
                }
                other => out.push(Out::Say(other)),
            }
        }
    }

    fn stop(&mut self, out: &mut Vec<Out>, before: usize) {
        out.truncate(before);
        out.push(Out::Fault(FAULT));
        self.stopped = true;
        self.waiting.clear();
    }
}

fn say() -> impl Strategy<Value = Say> {
    let leaf = prop_oneof![
        3 => (0..3_u8).prop_map(Say::Claim),
        3 => (0..9_u8).prop_map(Say::Persist),
        1 => (0..9_u8).prop_map(Say::Notice),
        1 => (0..9_u8).prop_map(Say::Emit),
        1 => (0..9_u8).prop_map(Say::Fetch),
        1 => (0..9_u8).prop_map(Say::Report),
        1 => (0..9_u8).prop_map(Say::Arm),
        1 => (0..9_u8).prop_map(Say::Disarm),
        1 => Just(Say::Draw),
    ];
    leaf.prop_recursive(2, 4, 3, |inner| vec(inner, 0..3).prop_map(Say::Note))
}

#[derive(Clone, Debug)]
enum Act {
    Command(Vec<Say>),
    Fetched(Vec<Say>),
    Fault,
    Persisted,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        30 => vec(say(), 0..5).prop_map(Act::Command),
        20 => vec(say(), 0..5).prop_map(Act::Fetched),
        30 => Just(Act::Persisted),
        1 => Just(Act::Fault),
    ]
}

/// Faults differ in their words, not in their effect.
fn alike(out: Vec<Out>) -> Vec<Out> {
    let same = |out| match out {
        Out::Fault(_) => Out::Fault(FAULT),
        other => other,
    };
    out.into_iter().map(same).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_does_what_the_reference_does(acts in vec(act(), 0..60), commits in 1..5_u16, held in 4..24_u16) {
        let bound = GateBound { commits, held };
        let mut bench = Bench::new(bound);
        let mut reference = Reference { bound, handed: 0, durable: 0, waiting: VecDeque::new(), stopped: false };
        for act in acts {
            match act {
                Act::Command(script) => {
                    let expected = reference.step(&script, true);
                    prop_assert_eq!(bench.command(script).map(alike), expected);
                }
                Act::Fetched(script) => {
                    let expected = reference.step(&script, false);
                    prop_assert_eq!(bench.fetched(script).map(alike), expected);
                }
                Act::Fault => {
                    let expected = reference.step(&[Say::Persist(1), Say::Fault], false);
                    prop_assert_eq!(bench.fetched(vec![Say::Persist(1), Say::Fault]).map(alike), expected);
                }
                Act::Persisted if reference.handed > reference.durable => {
                    prop_assert_eq!(alike(bench.persisted()), reference.persisted());
                }
                Act::Persisted => {}
            }
            prop_assert_eq!(bench.node.check(&()).is_err(), reference.stopped);
        }
    }
}

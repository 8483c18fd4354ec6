//! Every pair of mechanisms of election in one world.
//!
//! A mechanism that is right alone may break another. Worlds with all of them do not fit, so each pair has its own, as
//! large as its seconds allow; larger ones are in `tests/deep.rs`, and `models/results/mechanisms.md` lists all.
//! Voters have no names here (see `models/src/election/renaming.rs`), except where orders are drawn.

use pehra_models::election::{Bounds, World};
use pehra_models::{Gate, Report, results};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mechanism {
    PreVote,
    CheckQuorum,
    Transfer,
    Ranks,
    Hints,
    Resign,
    Questions,
    LateWrites,
    Crash,
}

use Mechanism::{CheckQuorum, Crash, Hints, LateWrites, PreVote, Questions, Ranks, Resign, Transfer};

impl Mechanism {
    const ALL: [Self; 9] = [
        PreVote,
        CheckQuorum,
        Transfer,
        Ranks,
        Hints,
        Resign,
        Questions,
        LateWrites,
        Crash,
    ];

    const fn name(self) -> &'static str {
        match self {
            PreVote => "pre-vote",
            CheckQuorum => "check-quorum",
            Transfer => "hand-over",
            Ranks => "ranks",
            Hints => "hints",
            Resign => "resignation",
            Questions => "questions",
            LateWrites => "late writes",
            Crash => "crash",
        }
    }

    fn switch_on(self, bounds: &mut Bounds) {
        match self {
            PreVote => bounds.pre_vote = true,
            CheckQuorum => bounds.check_quorum = true,
            Transfer => bounds.transfers = 1,
            Ranks => bounds.ranks = true,
            Hints => bounds.hints = 1,
            Resign => bounds.resigns = 1,
            Questions => bounds.questions = 1,
            LateWrites => bounds.late_writes = 1,
            Crash => bounds.crashes = 1,
        }
    }
}

/// How large a world is.
#[derive(Clone, Copy)]
enum Size {
    /// Three voters and one term.
    One,
    /// Three voters and two terms, timers in their order.
    Two,
}

type Row = (Mechanism, Mechanism, Size, u64);

#[rustfmt::skip]
const PAIRS: [Row; 36] = [
    (PreVote, CheckQuorum, Size::One, 0),
    (PreVote, Transfer, Size::One, 0),
    (PreVote, Ranks, Size::One, 0),
    (PreVote, Hints, Size::One, 0),
    (PreVote, Resign, Size::One, 0),
    (PreVote, Questions, Size::One, 0),
    (PreVote, LateWrites, Size::One, 0),
    (PreVote, Crash, Size::One, 0),
    (CheckQuorum, Transfer, Size::Two, 0),
    (CheckQuorum, Ranks, Size::Two, 0),
    (CheckQuorum, Hints, Size::Two, 0),
    (CheckQuorum, Resign, Size::Two, 0),
    (CheckQuorum, Questions, Size::Two, 0),
    (CheckQuorum, LateWrites, Size::Two, 0),
    (CheckQuorum, Crash, Size::Two, 0),
    (Transfer, Ranks, Size::Two, 0),
    (Transfer, Hints, Size::Two, 0),
    (Transfer, Resign, Size::Two, 0),
    (Transfer, Questions, Size::Two, 0),
    (Transfer, LateWrites, Size::Two, 0),
    (Transfer, Crash, Size::Two, 0),
    (Ranks, Hints, Size::Two, 0),
    (Ranks, Resign, Size::Two, 0),
    (Ranks, Questions, Size::Two, 0),
    (Ranks, LateWrites, Size::Two, 0),
    (Ranks, Crash, Size::Two, 0),
    (Hints, Resign, Size::Two, 0),
    (Hints, Questions, Size::Two, 0),
    (Hints, LateWrites, Size::Two, 0),
    (Hints, Crash, Size::Two, 0),
    (Resign, Questions, Size::Two, 0),
    (Resign, LateWrites, Size::Two, 0),
    (Resign, Crash, Size::Two, 0),
    (Questions, LateWrites, Size::Two, 0),
    (Questions, Crash, Size::Two, 0),
    (LateWrites, Crash, Size::Two, 0),
];

fn world(one: Mechanism, other: Mechanism, size: Size) -> Bounds {
    let mut bounds = match size {
        Size::One => Bounds::new(3, 1),
        Size::Two => Bounds {
            timely: true,
            ..Bounds::new(3, 2)
        },
    }
    .reduced();
    one.switch_on(&mut bounds);
    other.switch_on(&mut bounds);
    bounds
}

fn name(one: Mechanism, other: Mechanism) -> String {
    format!("pairs: {} and {}", one.name(), other.name())
}

/// Those whose first is this one.
fn pass(first: Mechanism) {
    for (one, other, size, states) in PAIRS.into_iter().filter(|(one, ..)| *one == first) {
        let bounds = world(one, other, size);
        let words = bounds.words();
        let gate = Gate::new(World::new(bounds)).name(name(one, other)).bounds(words);
        let report = gate.golden(states).run().require();
        println!("{report}");
        results::compare("pairs", &report);
    }
}

#[test]
fn every_two_mechanisms_meet() {
    let mut met: Vec<_> = PAIRS.iter().map(|(one, other, ..)| (*one, *other)).collect();
    met.sort_unstable();
    let mut wanted = Vec::new();
    for (at, one) in Mechanism::ALL.into_iter().enumerate() {
        wanted.extend(Mechanism::ALL[at + 1..].iter().map(|other| (one, *other)));
    }
    assert_eq!(met, wanted);
    let names: Vec<String> = wanted.iter().map(|(one, other)| name(*one, *other)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    results::require_names::<Report>("pairs", "pairs: ", &names);
}

#[test]
fn pre_vote_with_each_other() {
    pass(PreVote);
}

#[test]
fn check_quorum_with_each_other() {
    pass(CheckQuorum);
}

#[test]
fn hand_over_with_each_other() {
    pass(Transfer);
}

#[test]
fn ranks_with_each_other() {
    pass(Ranks);
}

#[test]
fn hints_with_each_other() {
    pass(Hints);
}

#[test]
fn resignation_with_each_other() {
    pass(Resign);
}

#[test]
fn questions_with_each_other() {
    pass(Questions);
}

#[test]
fn late_writes_with_each_other() {
    pass(LateWrites);
}

//! Every pair of mechanisms of election in one world.
//!
//! A mechanism that is right alone may break another. So each pair has a world of its own, with a crash in all of them, as
//! large as its seconds allow. Larger ones are in `tests/deep_election.rs`; `models/results/mechanisms.md` lists all.
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
            Crash => "a second crash",
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
            Crash => bounds.crashes = 2,
        }
    }
}

/// How large a world is.
#[derive(Clone, Copy)]
enum Size {
    /// Two voters and two terms, timers in their order: a hand-over needs a second term.
    Few,
    /// Three voters and one term.
    One,
    /// Three voters and two terms, timers in their order.
    Two,
}

type Row = (Mechanism, Mechanism, Size, u64);

#[rustfmt::skip]
const PAIRS: [Row; 36] = [
    (PreVote, CheckQuorum, Size::One, 37_613),
    (PreVote, Transfer, Size::Few, 3_793),
    (PreVote, Ranks, Size::One, 122_933),
    (PreVote, Hints, Size::One, 35_495),
    (PreVote, Resign, Size::One, 32_080),
    (PreVote, Questions, Size::One, 346_831),
    (PreVote, LateWrites, Size::One, 67_322),
    (PreVote, Crash, Size::One, 39_999),
    (CheckQuorum, Transfer, Size::Two, 136_346),
    (CheckQuorum, Ranks, Size::Two, 201_848),
    (CheckQuorum, Hints, Size::Two, 74_451),
    (CheckQuorum, Resign, Size::Two, 60_454),
    (CheckQuorum, Questions, Size::Two, 457_153),
    (CheckQuorum, LateWrites, Size::Two, 183_723),
    (CheckQuorum, Crash, Size::Two, 67_580),
    (Transfer, Ranks, Size::Two, 117_790),
    (Transfer, Hints, Size::Two, 42_108),
    (Transfer, Resign, Size::Two, 78_033),
    (Transfer, Questions, Size::Two, 283_995),
    (Transfer, LateWrites, Size::Two, 135_984),
    (Transfer, Crash, Size::Two, 37_935),
    (Ranks, Hints, Size::Two, 68_139),
    (Ranks, Resign, Size::Two, 139_954),
    (Ranks, Questions, Size::Two, 190_805),
    (Ranks, LateWrites, Size::Two, 227_880),
    (Ranks, Crash, Size::Two, 71_616),
    (Hints, Resign, Size::Two, 51_553),
    (Hints, Questions, Size::Two, 106_888),
    (Hints, LateWrites, Size::Two, 76_672),
    (Hints, Crash, Size::Two, 27_271),
    (Resign, Questions, Size::Two, 289_848),
    (Resign, LateWrites, Size::Two, 133_510),
    (Resign, Crash, Size::Two, 48_874),
    (Questions, LateWrites, Size::Two, 490_204),
    (Questions, Crash, Size::Two, 75_324),
    (LateWrites, Crash, Size::Two, 86_920),
];

fn world(one: Mechanism, other: Mechanism, size: Size) -> Bounds {
    let mut bounds = match size {
        Size::Few => Bounds {
            timely: true,
            ..Bounds::new(2, 2)
        },
        Size::One => Bounds::new(3, 1),
        Size::Two => Bounds {
            timely: true,
            ..Bounds::new(3, 2)
        },
    }
    .crashes(1)
    .reduced();
    one.switch_on(&mut bounds);
    other.switch_on(&mut bounds);
    bounds
}

fn name(one: Mechanism, other: Mechanism) -> String {
    format!("pairs: {} and {}", one.name(), other.name())
}

/// Those whose first is this one. All are run before one is judged, so that all new numbers are printed at once.
fn pass(first: Mechanism) {
    let run = |(one, other, size, states): Row| {
        let bounds = world(one, other, size);
        let words = bounds.words();
        let gate = Gate::new(World::new(bounds)).name(name(one, other)).bounds(words);
        gate.golden(states).run()
    };
    let reports: Vec<Report> = PAIRS.into_iter().filter(|(one, ..)| *one == first).map(run).collect();
    for report in reports {
        let report = report.require();
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

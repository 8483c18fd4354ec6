//! A warm step of replication allocates nothing, at a leader and at a follower of 5 and of 64. An allocator counts.
//!
//! Rows that the store answers with are the caller's: they are built before the counting begins. The one exception is
//! a new leadership, which makes its list of the others once.
#![allow(
    dead_code,
    unsafe_code,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

mod counting;

use counting::Bench;
use pehra_core::election::{self, Timing};
use pehra_core::members::NodeSet;
use pehra_core::protocol::{Input, Recovered};
use pehra_core::replication::*;
use pehra_core::types::{NodeId, RequestId, Term};

type Member = Bench<Replication<u64>>;

/// Undecided entries in each round: all that a leader takes, so that every buffer is used to its end.
const BACKLOG: u64 = 1024;

fn member(me: u16, voters: u16) -> Member {
    let election = election::Config::new(NodeId(me), NodeSet::first(voters), Timing::LAN);
    Bench::new(Config::new(election), Recovered::Fresh)
}

fn hear(bench: &mut Member, from: u16, message: impl Into<Message<u64>>) {
    let (from, message) = (NodeId(from), message.into());
    bench.feed(Input::Received { from, message });
}

fn entry(term: Term, index: u64) -> Entry<u64> {
    Entry {
        id: LogId::new(term, Index(index)),
        body: Body::Command(index),
    }
}

/// The leader of the first term among so many voters. All have its first entry.
fn leader(voters: u16) -> Member {
    let mut bench = member(0, voters);
    let term = Term(1);
    bench.feed(Input::Fired(election::Timer::Election));
    bench.feed(Input::Fired(election::Timer::Election));
    let majority = voters / 2 + 1;
    for peer in 1..majority {
        hear(&mut bench, peer, Notice::Election(election::Notice::PreVoted { term }));
    }
    for peer in 1..majority {
        hear(&mut bench, peer, Claim::Election(election::Claim::Voted { term }));
    }
    assert!(bench.node.state().lead().is_some(), "it leads");
    acknowledge(&mut bench, voters);
    bench
}

/// All others hold all that this leader has, and hear that it is decided.
fn acknowledge(bench: &mut Member, voters: u16) {
    let (term, upto) = (Term(1), bench.node.state().log().last().index);
    for _ in 0..2 {
        for peer in 1..voters {
            let decided = bench.node.state().decided();
            hear(bench, peer, Claim::Appended { term, upto, decided });
        }
    }
    apply(bench);
    let state = bench.node.state();
    assert!(state.decided() == upto && state.applied() == upto);
}

/// Answers every fetch, as the store would. Rows are made outside of what is counted.
fn apply(bench: &mut Member) {
    while let Some(query) = bench.asked.pop() {
        let Query::Entries { from, upto, .. } = query else {
            panic!("no snapshot is asked for");
        };
        let log = bench.node.state().log();
        let row = |index| {
            let id = log.id_at(Index(index)).unwrap();
            let first = index == 1;
            let body = if first { Body::Empty } else { Body::Command(index) };
            Entry { id, body }
        };
        let rows = Rows::Entries((from.0..=upto.0).map(row).collect());
        bench.feed(Input::Fetched { query, rows });
    }
}

/// Takes proposals until it refuses one, while the others acknowledge nothing; then all of them do.
fn leader_round(bench: &mut Member, voters: u16, round: u64) {
    let term = Term(1);
    for nth in 0..=BACKLOG {
        bench.feed(Input::Commanded(RequestId(nth), Command::Propose(nth)));
    }
    let state = bench.node.state();
    assert_eq!(state.log().last().index.since(state.decided()), BACKLOG, "at capacity");
    bench.feed(Input::Fired(election::Timer::Heartbeat));
    for peer in 1..voters {
        let round = round + 1;
        hear(bench, peer, Claim::Election(election::Claim::Ack { term, round }));
    }
    // One lags behind, is found out and fed; its rows come when all is over.
    let hint = Index(1 + round * BACKLOG);
    hear(bench, 1, Claim::Missing { term, hint });
    let before = Index(hint.0 + BACKLOG / 2);
    for peer in 1..voters {
        let (upto, decided) = (before, hint);
        hear(bench, peer, Claim::Appended { term, upto, decided });
    }
    apply(bench);
    acknowledge(bench, voters);
    // A read, which a majority lets through.
    bench.feed(Input::Commanded(RequestId(round + 1), Command::Read));
    for peer in 1..voters {
        let round = bench.node.state().election().leadership().unwrap().round();
        hear(bench, peer, Claim::Election(election::Claim::Ack { term, round }));
    }
    bench.feed(Input::Fired(election::Timer::Heartbeat));
}

/// Takes entries one by one, the last ones twice; hears heartbeats; applies what it hears is decided; misses one.
fn follower_round(bench: &mut Member, round: u64) {
    let term = Term(1);
    let first = round * BACKLOG;
    let id_at = |index: u64| {
        if index == 0 {
            LogId::ZERO
        } else {
            LogId::new(term, Index(index))
        }
    };
    let append = |bench: &mut Member, index: u64, decided: u64| {
        let prev = id_at(index - 1);
        let mut entry = entry(term, index);
        if index == 1 {
            entry.body = Body::Empty;
        }
        let (entry, decided) = (Some(entry), Index(decided));
        hear(
            bench,
            0,
            Notice::Append {
                term,
                prev,
                entry,
                decided,
            },
        );
    };
    hear(
        bench,
        0,
        Notice::Election(election::Notice::Heartbeat { term, round: round + 1 }),
    );
    for index in first + 1..=first + BACKLOG {
        append(bench, index, first);
    }
    for index in first + BACKLOG - 10..=first + BACKLOG {
        append(bench, index, first);
    }
    let (prev, decided) = (id_at(first + BACKLOG), Index(first + BACKLOG));
    for prev in [prev, LogId::new(term, Index(first + BACKLOG + 7))] {
        let entry = None;
        hear(
            bench,
            0,
            Notice::Append {
                term,
                prev,
                entry,
                decided,
            },
        );
    }
    apply(bench);
    let state = bench.node.state();
    assert!(state.decided() == decided && state.applied() == decided);
}

#[test]
fn a_leader_of_five_allocates_nothing() {
    leader(5).assert_warm("a leader of five", |bench, round| leader_round(bench, 5, round));
}

#[test]
fn a_leader_of_64_allocates_nothing() {
    leader(64).assert_warm("a leader of 64", |bench, round| leader_round(bench, 64, round));
}

#[test]
fn a_follower_allocates_nothing() {
    for voters in [5, 64] {
        let mut bench = member(1, voters);
        bench.assert_warm("a follower", follower_round);
    }
}

#[test]
fn a_new_leadership_allocates_once() {
    for voters in [5, 64] {
        let mut bench = leader(voters);
        let mut term = Term(1);
        let mut elected = |bench: &mut Member| {
            bench.feed(Input::Commanded(
                RequestId(0),
                Command::Election(election::Command::Resign),
            ));
            bench.feed(Input::Fired(election::Timer::Election));
            term = term.next().unwrap();
            for peer in 1..=voters / 2 {
                hear(bench, peer, Notice::Election(election::Notice::PreVoted { term }));
            }
            for peer in 1..=voters / 2 {
                hear(bench, peer, Claim::Election(election::Claim::Voted { term }));
            }
            assert!(bench.node.state().lead().is_some(), "it leads {term}");
        };
        // The list of runs has room for 16 after these.
        (0..9).for_each(|_| elected(&mut bench));
        bench.counted = 0;
        (0..4).for_each(|_| elected(&mut bench));
        assert_eq!(bench.counted, 4);
    }
}

//! Steps of replication, without network and disk: what a leader of five and its follower do for one entry.
#![allow(missing_docs)]

mod shared;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use pehra_core::election::{self, Timer, Timing};
use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::replication::{
    Body, Claim, Command, Config, Entry, Index, LogId, Message, Notice, Query, Replication, Rows,
};
use pehra_core::types::{NodeId, RequestId, Term};
use shared::{Bench, quick};

type Member = Bench<Replication<u64>>;

const VOTERS: u16 = 5;
const TERM: Term = Term(1);

fn member(me: u16) -> Member {
    let election = election::Config::new(NodeId(me), NodeSet::first(VOTERS), Timing::LAN);
    Bench::new(Config::new(election))
}

fn hear(bench: &mut Member, from: u16, message: impl Into<Message<u64>>) {
    let (from, message) = (NodeId(from), message.into());
    bench.feed(Input::Received { from, message });
}

/// One of five that leads the first term; all hold its first entry.
fn leader() -> Member {
    let mut bench = member(0);
    let term = TERM;
    bench.feed(Input::Fired(Timer::Election));
    bench.feed(Input::Fired(Timer::Election));
    (1..3).for_each(|peer| hear(&mut bench, peer, Notice::Election(election::Notice::PreVoted { term })));
    (1..3).for_each(|peer| hear(&mut bench, peer, Claim::Election(election::Claim::Voted { term })));
    assert!(bench.state().lead().is_some(), "it leads");
    acknowledge(&mut bench);
    bench
}

/// The others hold all that this leader has, which they have been told so far is decided.
fn acknowledge(bench: &mut Member) {
    let (term, upto, decided) = (TERM, bench.state().log().last().index, bench.state().decided());
    (1..VOTERS).for_each(|peer| hear(bench, peer, Claim::Appended { term, upto, decided }));
    apply(bench);
}

/// Answers what was fetched to be applied.
fn apply(bench: &mut Member) {
    while let Some(query) = bench.asked.pop() {
        let Query::Entries { from, upto, .. } = query else {
            panic!("no snapshot is asked for");
        };
        let log = bench.state().log();
        let row = |index| Entry {
            id: log.id_at(Index(index)).expect("it is there"),
            body: Body::Command(index),
        };
        let rows = Rows::Entries((from.0..=upto.0).map(row).collect());
        bench.feed(Input::Fetched { query, rows });
    }
}

fn propose(bench: &mut Member) {
    bench.feed(Input::Commanded(RequestId(7), Command::Propose(7)));
}

fn append(bench: &mut Member, index: u64) {
    let id = |index| LogId::new(if index == 0 { Term::ZERO } else { TERM }, Index(index));
    let entry = Some(Entry {
        id: id(index),
        body: Body::Command(index),
    });
    let (term, prev, decided) = (TERM, id(index - 1), Index(index - 1));
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

fn at_the_leader(c: &mut Criterion) {
    let mut group = c.benchmark_group("replication/leader");
    group.bench_function("a proposal, written and sent to four", |b| {
        let mut bench = leader();
        b.iter_custom(|proposals| {
            let mut took = Duration::ZERO;
            let mut left = proposals;
            while left > 0 {
                // So many in a row before they are acknowledged, outside of what is measured.
                let many = left.min(200);
                let begun = Instant::now();
                (0..many).for_each(|_| propose(&mut bench));
                took += begun.elapsed();
                acknowledge(&mut bench);
                left -= many;
            }
            took
        });
    });
    group.bench_function("an entry: the proposal, four copies, decided, applied", |b| {
        let mut bench = leader();
        b.iter(|| {
            propose(&mut bench);
            acknowledge(&mut bench);
        });
        assert_eq!(bench.state().decided(), bench.state().log().last().index);
    });
    let term = TERM;
    group.bench_function("a copy that decides an entry", |b| {
        let mut bench = leader();
        b.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                propose(&mut bench);
                let (upto, decided) = (bench.state().log().last().index, bench.state().decided());
                let copy = Claim::Appended { term, upto, decided };
                hear(&mut bench, 1, copy);
                assert_eq!(bench.state().decided(), decided);
                let begun = Instant::now();
                hear(&mut bench, 2, copy);
                took += begun.elapsed();
                assert_eq!(bench.state().decided(), upto);
                acknowledge(&mut bench);
            }
            took
        });
    });
    group.bench_function("a copy that is known", |b| {
        let mut bench = leader();
        acknowledge(&mut bench);
        let (upto, decided) = (bench.state().log().last().index, bench.state().decided());
        b.iter(|| hear(&mut bench, 1, Claim::Appended { term, upto, decided }));
    });
    group.bench_function("its timer: four heartbeats, nobody lacks anything", |b| {
        let mut bench = leader();
        acknowledge(&mut bench);
        b.iter(|| bench.feed(Input::Fired(Timer::Heartbeat)));
    });
    group.finish();
}

fn at_a_follower(c: &mut Criterion) {
    let mut group = c.benchmark_group("replication/follower");
    let heartbeat = election::Notice::Heartbeat { term: TERM, round: 0 };
    group.bench_function("an entry, written and acknowledged", |b| {
        let mut bench = member(1);
        hear(&mut bench, 0, Notice::Election(heartbeat));
        let mut index = 0;
        b.iter(|| {
            index += 1;
            append(&mut bench, index);
            // The fetch of the one before, to be applied, stays open: rows are the store's work.
            bench.asked.clear();
        });
        assert_eq!(bench.state().log().last().index, Index(index));
    });
    group.bench_function("an entry, written, and the one before applied", |b| {
        let mut bench = member(1);
        hear(&mut bench, 0, Notice::Election(heartbeat));
        let mut index = 0;
        b.iter(|| {
            index += 1;
            append(&mut bench, index);
            apply(&mut bench);
        });
        assert_eq!(bench.state().applied(), Index(index - 1));
    });
    group.bench_function("an entry that it has", |b| {
        let mut bench = member(1);
        hear(&mut bench, 0, Notice::Election(heartbeat));
        append(&mut bench, 1);
        b.iter(|| append(&mut bench, 1));
    });
    group.bench_function("a heartbeat", |b| {
        let mut bench = member(1);
        b.iter(|| hear(&mut bench, 0, Notice::Election(heartbeat)));
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = at_the_leader, at_a_follower }
criterion_main!(benches);

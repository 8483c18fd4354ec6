//! Steps of election, without network and disk: what a follower and a leader do all the time, and whole elections.
#![allow(missing_docs)]

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use pehra_core::election::{Claim, Command, Config, Election, Message, Notice, Timer, Timing};
use pehra_core::members::NodeSet;
use pehra_core::protocol::Input;
use pehra_core::types::{NodeId, RequestId, Term};
use shared::{Bench, quick};

type Voter = Bench<Election<()>>;

fn voter(me: u16) -> Voter {
    Bench::new(Config::new(NodeId(me), NodeSet::first(5), Timing::LAN))
}

fn heard(from: u16, message: impl Into<Message<()>>) -> Input<Election<()>> {
    Input::Received {
        from: NodeId(from),
        message: message.into(),
    }
}

/// One of five that leads the first term.
fn leader() -> Voter {
    let mut bench = voter(0);
    let term = Term(1);
    bench.feed(Input::Fired(Timer::Election));
    bench.feed(Input::Fired(Timer::Election));
    (1..3).for_each(|peer| bench.feed(heard(peer, Notice::PreVoted { term })));
    (1..3).for_each(|peer| bench.feed(heard(peer, Claim::Voted { term })));
    assert!(bench.state().leadership().is_some(), "it leads");
    bench
}

fn follower(c: &mut Criterion) {
    let mut group = c.benchmark_group("election/follower");
    let mut bench = voter(1);
    let (term, round, last) = (Term(1), 1, ());
    group.bench_function("a heartbeat", |b| {
        b.iter(|| bench.feed(heard(0, Notice::Heartbeat { term, round })));
    });
    let term = Term(2);
    group.bench_function("a pre-vote that is refused for the leader's sake", |b| {
        b.iter(|| bench.feed(heard(2, Notice::PreVote { term, last })));
    });
    group.bench_function("a resignation, and the next leader's heartbeat", |b| {
        let mut term = Term(2);
        b.iter(|| {
            bench.feed(heard(0, Notice::Heartbeat { term, round }));
            bench.feed(heard(0, Notice::Resign { term }));
            term = Term(term.0 + 1);
        });
    });
    let mut bench = voter(1);
    bench.feed(Input::Fired(Timer::Election));
    let term = Term(1);
    group.bench_function("a pre-vote that is granted", |b| {
        b.iter(|| bench.feed(heard(2, Notice::PreVote { term, last })));
    });
    let mut term = 0;
    group.bench_function("a vote in a new term, written", |b| {
        b.iter(|| {
            term += 1;
            let (term, last, token) = (Term(term), (), None);
            bench.feed(heard(0, Claim::Vote { term, last, token }));
        });
    });
    group.finish();
}

fn leading(c: &mut Criterion) {
    let mut group = c.benchmark_group("election/leader");
    let mut bench = leader();
    let term = Term(1);
    group.bench_function("an answer to a heartbeat", |b| {
        b.iter(|| bench.feed(heard(1, Claim::Ack { term, round: 0 })));
    });
    group.bench_function("its timer: a heartbeat to four", |b| {
        b.iter(|| bench.feed(Input::Fired(Timer::Heartbeat)));
    });
    let mut round = 0;
    group.bench_function("who leads: the question, a round and two answers", |b| {
        b.iter(|| {
            round += 1;
            bench.feed(Input::Commanded(RequestId(round), Command::Confirm));
            (1..3).for_each(|peer| bench.feed(heard(peer, Claim::Ack { term, round })));
        });
    });
    group.finish();
}

/// A timer, two inputs from each of two peers, and the command to resign: nothing is kept but the term.
fn elected(c: &mut Criterion) {
    let mut group = c.benchmark_group("election/candidate");
    let mut bench = voter(0);
    bench.feed(Input::Fired(Timer::Election));
    group.bench_function("asked, elected, resigned: six inputs", |b| {
        b.iter(|| {
            bench.feed(Input::Fired(Timer::Election));
            let term = bench.state().term().next().expect("few terms");
            (1..3).for_each(|peer| bench.feed(heard(peer, Notice::PreVoted { term })));
            (1..3).for_each(|peer| bench.feed(heard(peer, Claim::Voted { term })));
            bench.feed(Input::Commanded(RequestId(term.0), Command::Resign));
        });
    });
    assert!(bench.state().term() > Term(1000), "it was elected each time");
    let mut bench = leader();
    let term = Term(1);
    group.bench_function("a refusal that says nothing new", |b| {
        b.iter(|| bench.feed(heard(1, Claim::Nack { term })));
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = follower, leading, elected }
criterion_main!(benches);

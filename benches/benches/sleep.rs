//! Steps of PEHRA, without network and disk: what the Pehredar of three and one who may sleep do for each kind of input. Each is
//! the whole deployed member, guard duty beside the log. What holds a reading includes the making of its list, which the caller pays for.
#![allow(missing_docs)]

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use pehra_core::election::{self, Timing};
use pehra_core::members::NodeSet;
use pehra_core::protocol::{Drawn, Input};
use pehra_core::replication::{self, Body, Entry, Index, LogId, Query, Rows};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::cover::{Cover, View};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Decree, Doing, Order, Plan, Purpose, Standing, State, WakeRule};
use pehra_core::sleep::member::{Claim, Command, Config, Message, Notice, Timer};
use pehra_core::types::{NodeId, RequestId, Term, Ticks};
use shared::{Bench, quick};

type Member = Bench<Sleep>;

const TERM: Term = Term(1);
/// The log: the leader's first entry, the plan, the switch.
const PLAN: LogId = LogId {
    term: TERM,
    index: Index(2),
};
const LAST: LogId = LogId {
    term: TERM,
    index: Index(3),
};

fn member(me: u16) -> Member {
    let all = NodeSet::first(3);
    let some = Ticks(1000);
    Bench::new(Config {
        log: replication::Config::new(election::Config::new(NodeId(me), all, Timing::LAN)),
        guard: guard::Config {
            me: NodeId(me),
            voters: all,
            brokers: all,
            voter_spare: 0,
            gear: Gear::Lean,
            wake: WakeRule::All,
            disable_on_traffic: false,
            stay_awake: false,
            timing: guard::Timing {
                idle: some,
                tell: some,
                probe: some,
                drain: some,
                alarm: some,
                rouse: some,
                answer: some,
                wake: some,
            },
            #[cfg(seeded_bugs)]
            bug: None,
        },
        snapshot_every: 64,
    })
}

fn body(index: u64) -> Body<Decree> {
    match index {
        1 => Body::Empty,
        2 => Body::Command(Decree::Plan(Plan {
            gear: Gear::Lean,
            watch: NodeSet::first(3).without(NodeId(1)),
            members: NodeSet::first(3),
        })),
        _ => Body::Command(Decree::Switch { epoch: 1, on: true }),
    }
}

fn entry(index: u64) -> Entry<Decree> {
    let id = LogId::new(TERM, Index(index));
    Entry { id, body: body(index) }
}

fn hear(bench: &mut Member, from: u16, message: Message) {
    let from = NodeId(from);
    bench.feed(Input::Received { from, message });
}

fn log_says(bench: &mut Member, from: u16, notice: replication::Notice<Decree>) {
    hear(bench, from, Message::Notice(Notice::Log(notice)));
}

fn log_claims(bench: &mut Member, from: u16, claim: replication::Claim) {
    hear(bench, from, Message::Claim(Claim::Log(claim)));
}

fn order(bench: &mut Member, order: Order) {
    bench.feed(Input::Commanded(RequestId(7), Command::Order(order)));
}

fn fire(bench: &mut Member, timer: guard::Timer) {
    bench.feed(Input::Fired(Timer::Guard(timer)));
}

fn draw(bench: &mut Member, nonce: u64) {
    bench.feed(Input::Drawn(Drawn::Nonce(nonce)));
}

/// Answers what was fetched to be applied.
fn apply(bench: &mut Member) {
    while let Some(query) = bench.asked.pop() {
        let Query::Entries { from, upto, .. } = query else {
            panic!("no snapshot is asked for");
        };
        let rows = Rows::Entries((from.0..=upto.0).map(entry).collect());
        bench.feed(Input::Fetched { query, rows });
    }
}

/// Two of three must be up, number 1 might sleep.
fn view() -> View {
    let all = NodeSet::first(3);
    View {
        covers: vec![Cover {
            among: all,
            others: NodeSet::EMPTY,
            need: 2,
        }],
        sleepers: NodeSet::only(NodeId(1)),
        healthy: true,
    }
}

fn standing(lock: u64) -> Standing {
    Standing {
        known: LAST,
        doing: Doing::Active,
        willing: false,
        busy: false,
        lock,
        echo: 0,
        carried_out: false,
    }
}

fn says(bench: &mut Member, from: u16, standing: Standing) {
    hear(
        bench,
        from,
        Message::Claim(Claim::Guard(guard::Claim::Standing(standing))),
    );
}

/// Number 0 watches: all are up and idle, number 1 would sleep and may.
fn pehredar() -> Member {
    let mut bench = member(0);
    let election = |timer| Input::Fired(Timer::Election(timer));
    bench.feed(election(election::Timer::Election));
    bench.feed(election(election::Timer::Election));
    let (term, from) = (TERM, 1);
    log_says(
        &mut bench,
        from,
        replication::Notice::Election(election::Notice::PreVoted { term }),
    );
    log_claims(
        &mut bench,
        from,
        replication::Claim::Election(election::Claim::Voted { term }),
    );
    draw(&mut bench, 1);
    order(&mut bench, Order::Up);
    draw(&mut bench, 2);
    fire(&mut bench, guard::Timer::Idle);
    copied(&mut bench);
    for from in [1, 2] {
        says(&mut bench, from, standing(10 + u64::from(from)));
    }
    order(&mut bench, Order::View(view()));
    order(&mut bench, Order::View(view()));
    copied(&mut bench);
    order(&mut bench, Order::Enable { epoch: 1 });
    copied(&mut bench);
    order(&mut bench, Order::View(view()));
    fire(&mut bench, guard::Timer::Tell);
    let guard = bench.state().duty();
    assert_eq!(guard.plan().map(|(id, _)| id), Some(PLAN));
    assert_eq!(guard.switch(), (1, true));
    bench
}

/// All others hold the log of this leader, and hear that it is decided.
fn copied(bench: &mut Member) {
    let upto = bench.state().decrees().log().last().index;
    for _ in 0..2 {
        for peer in [1, 2] {
            let decided = bench.state().decrees().decided();
            log_claims(
                bench,
                peer,
                replication::Claim::Appended {
                    term: TERM,
                    upto,
                    decided,
                },
            );
        }
    }
    apply(bench);
    assert_eq!(bench.state().decrees().applied(), upto);
}

/// Number 1 follows number 0: it is up and idle, and a grant may name this lock.
fn sleeper(lock: u64) -> Member {
    let mut bench = member(1);
    heartbeat(&mut bench);
    for index in 1..=LAST.index.0 {
        let prev = if index == 1 { LogId::ZERO } else { entry(index - 1).id };
        let (term, decided) = (TERM, Index(index));
        let entry = Some(entry(index));
        log_says(
            &mut bench,
            0,
            replication::Notice::Append {
                term,
                prev,
                entry,
                decided,
            },
        );
    }
    log_says(
        &mut bench,
        0,
        replication::Notice::Append {
            term: TERM,
            prev: LAST,
            entry: None,
            decided: LAST.index,
        },
    );
    apply(&mut bench);
    order(&mut bench, Order::Up);
    draw(&mut bench, lock);
    fire(&mut bench, guard::Timer::Idle);
    assert!(bench.state().duty().plan().is_some() && bench.state().duty().lock() == lock);
    bench
}

fn heartbeat(bench: &mut Member) {
    let heartbeat = election::Notice::Heartbeat { term: TERM, round: 0 };
    log_says(bench, 0, replication::Notice::Election(heartbeat));
}

fn grant(bench: &mut Member, lock: u64) {
    let grant = guard::Claim::Grant {
        purpose: Purpose::Sleep,
        plan: PLAN,
        lock,
        counted: NodeSet::first(3).without(NodeId(1)),
    };
    hear(bench, 0, Message::Claim(Claim::Guard(grant)));
}

fn wake(bench: &mut Member, ticket: u64) {
    let wake = guard::Notice::Wake { ticket };
    hear(bench, 0, Message::Notice(Notice::Guard(wake)));
}

fn at_the_pehredar(c: &mut Criterion) {
    let mut group = c.benchmark_group("sleep/pehredar");
    group.bench_function("a standing that says nothing new", |b| {
        let mut bench = pehredar();
        says(&mut bench, 2, standing(12));
        b.iter(|| says(&mut bench, 2, standing(12)));
    });
    group.bench_function("a standing with another lock", |b| {
        let mut bench = pehredar();
        let mut lock = 100;
        b.iter(|| {
            lock += 1;
            says(&mut bench, 2, standing(lock));
        });
    });
    group.bench_function("a reading: nobody is let sleep, and the next one asked for", |b| {
        let mut bench = pehredar();
        b.iter(|| {
            order(&mut bench, Order::View(view()));
            fire(&mut bench, guard::Timer::Tell);
        });
        assert!(given(&bench).is_none());
    });
    group.bench_function("a reading: one is let sleep; it declines, and says so", |b| {
        let mut bench = pehredar();
        let mut lock = 100;
        says(&mut bench, 2, standing(12));
        b.iter(|| {
            lock += 1;
            let willing = Standing {
                willing: true,
                echo: lock - 1,
                ..standing(lock)
            };
            says(&mut bench, 1, willing);
            order(&mut bench, Order::View(view()));
        });
        assert!(given(&bench).is_some(), "a grant was made");
    });
    group.bench_function("traffic elsewhere: all are called, and say that they are up", |b| {
        let mut bench = pehredar();
        let mut ticket = 1000;
        b.iter(|| {
            ticket += 1;
            hear(&mut bench, 2, Message::Notice(Notice::Guard(guard::Notice::Traffic)));
            draw(&mut bench, ticket);
            for from in [1, 2] {
                let echo = ticket;
                says(&mut bench, from, Standing { echo, ..standing(9) });
            }
        });
    });
    group.finish();
}

fn given(bench: &Member) -> Option<guard::Given> {
    match bench.state().duty().role() {
        guard::Role::Pehredar(watch) => watch.given(),
        guard::Role::None | guard::Role::Temporary => panic!("it watches"),
    }
}

fn at_a_sleeper(c: &mut Criterion) {
    let mut group = c.benchmark_group("sleep/member");
    group.bench_function("a heartbeat of the log's leader", |b| {
        let mut bench = sleeper(1);
        b.iter(|| heartbeat(&mut bench));
    });
    group.bench_function("its timer: it tells how it stands", |b| {
        let mut bench = sleeper(1);
        b.iter(|| fire(&mut bench, guard::Timer::Tell));
    });
    group.bench_function("a grant that is void, answered", |b| {
        let mut bench = sleeper(1);
        b.iter(|| grant(&mut bench, 77));
    });
    group.bench_function("a call when it is up, answered, with a new lock", |b| {
        let mut bench = sleeper(1);
        let mut number = 1;
        b.iter(|| {
            number += 1;
            wake(&mut bench, number);
            draw(&mut bench, number);
        });
    });
    group.bench_function("traffic, told the Pehredar, with a new lock", |b| {
        let mut bench = sleeper(1);
        let mut lock = 1;
        b.iter(|| {
            lock += 1;
            order(&mut bench, Order::Traffic);
            draw(&mut bench, lock);
        });
    });
    group.bench_function("asleep and up again: nine inputs", |b| {
        let mut lock = 1;
        let mut bench = sleeper(lock);
        b.iter(|| {
            grant(&mut bench, lock);
            order(&mut bench, Order::View(view()));
            order(&mut bench, Order::Stopped);
            order(&mut bench, Order::View(view()));
            assert_eq!(bench.state().duty().state(), State::Sleeping);
            wake(&mut bench, 5);
            order(&mut bench, Order::Up);
            lock += 1;
            draw(&mut bench, lock);
            fire(&mut bench, guard::Timer::Idle);
            heartbeat(&mut bench);
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = at_the_pehredar, at_a_sleeper }
criterion_main!(benches);

//! A warm step of PEHRA allocates nothing, at the Pehredar of three and at one that sleeps and wakes. An allocator counts.
//!
//! Readings of the cluster are the caller's: they are built before the counting begins.
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
use pehra_core::protocol::{Drawn, Input, Recovered};
use pehra_core::replication::{self, Body, Entry, Index, LogId, Query, Rows};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::cover::{Cover, View};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Decree, Doing, Order, Plan, Purpose, Standing, State, WakeRule};
use pehra_core::sleep::member::{Claim, Command, Config, Message, Notice, Timer};
use pehra_core::types::{NodeId, RequestId, Term, Ticks};

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
    Bench::new(
        Config {
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
        },
        Recovered::Fresh,
    )
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
    let guard = bench.node.state().duty();
    assert_eq!(guard.plan().map(|(id, _)| id), Some(PLAN));
    assert_eq!(guard.switch(), (1, true));
    bench
}

/// All others hold the log of this leader, and hear that it is decided.
fn copied(bench: &mut Member) {
    let upto = bench.node.state().decrees().log().last().index;
    for _ in 0..2 {
        for peer in [1, 2] {
            let decided = bench.node.state().decrees().decided();
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
    assert_eq!(bench.node.state().decrees().applied(), upto);
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
    assert!(bench.node.state().duty().plan().is_some() && bench.node.state().duty().lock() == lock);
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

/// Every kind of word that a Pehredar hears: standings, traffic elsewhere and here, readings that let one sleep, its own timers, answers.
fn pehredar_round(bench: &mut Member, round: u64) {
    for nth in 0..100 {
        let number = 1000 + round * 100 + nth;
        says(bench, 2, standing(number));
        let willing = Standing {
            willing: true,
            echo: number - 1,
            ..standing(number)
        };
        says(bench, 1, willing);
        order(bench, Order::View(view()));
        fire(bench, guard::Timer::Tell);
        order(bench, Order::View(view()));
        hear(bench, 2, Message::Notice(Notice::Guard(guard::Notice::Traffic)));
        draw(bench, number);
        fire(bench, guard::Timer::Rouse);
        for from in [1, 2] {
            let (echo, doing) = (number, Doing::Active);
            says(
                bench,
                from,
                Standing {
                    echo,
                    doing,
                    ..standing(number)
                },
            );
        }
        order(bench, Order::Traffic);
        draw(bench, number);
        fire(bench, guard::Timer::Idle);
        order(bench, Order::View(view()));
    }
}

/// Falls asleep, rings, sleeps again and is woken; refuses a grant; hears traffic and its leader.
fn sleeper_round(bench: &mut Member, round: u64) {
    for nth in 0..100 {
        let lock = 1 + 3 * (round * 100 + nth);
        grant(bench, lock);
        order(bench, Order::View(view()));
        order(bench, Order::Stopped);
        order(bench, Order::View(view()));
        assert_eq!(bench.node.state().duty().state(), State::Sleeping);
        fire(bench, guard::Timer::Alarm);
        draw(bench, lock + 1);
        grant(bench, lock + 1);
        order(bench, Order::View(view()));
        assert_eq!(bench.node.state().duty().state(), State::Sleeping);
        wake(bench, 5);
        order(bench, Order::Up);
        draw(bench, lock + 2);
        grant(bench, 7);
        order(bench, Order::Traffic);
        draw(bench, lock + 3);
        fire(bench, guard::Timer::Idle);
        fire(bench, guard::Timer::Tell);
        heartbeat(bench);
    }
}

fn given(bench: &Member) -> bool {
    matches!(bench.node.state().duty().role(), guard::Role::Pehredar(watch) if watch.given().is_some())
}

#[test]
fn a_pehredar_allocates_nothing() {
    let mut bench = pehredar();
    says(&mut bench, 2, standing(12));
    says(
        &mut bench,
        1,
        Standing {
            willing: true,
            ..standing(11)
        },
    );
    order(&mut bench, Order::View(view()));
    assert!(given(&bench), "it grants");
    bench.assert_warm("a Pehredar", pehredar_round);
}

#[test]
fn one_that_sleeps_and_wakes_allocates_nothing() {
    sleeper(1).assert_warm("a sleeper", sleeper_round);
}

//! A warm step allocates nothing, and what core holds does not grow with the backlog. An allocator counts.
//!
//! Warm means: every buffer has grown to what the load needs. Bodies that come in from outside are built before the
//! counting begins. The exceptions, each by its nature the making of owned data that stays, and bounded below:
//! * a household's first reading makes its place in the list and its lists of readings and windows;
//! * a partition's first record makes its place in the list.
#![allow(
    dead_code,
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_wrap,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

mod counting;

use counting::{Bench, allocations, held_bytes};
use pehra_core::delivery::*;
use pehra_core::election;
use pehra_core::members::{NodeSet, Order};
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineTimer, Taken};
use pehra_core::protocol::{Drawn, Input, Recovered};
use pehra_core::types::{EdgeName, Household, NodeId, RequestId, Term};
use pehra_core::window::{Reading, Span, Take, Tuple, WindowConfig, WindowTimer};
use pehra_core::wire;

const CLOUD: NodeId = NodeId(0);
const EDGE: NodeId = NodeId(1);

fn house(n: u64) -> Household {
    Household::new(&format!("household-{n:05}")).unwrap()
}

fn tuple(n: u64) -> Tuple {
    let span = Span::Gap { until_ms: 5000 };
    Tuple {
        household: house(n % 100),
        start_ms: 0,
        span,
    }
}

fn rows(first: u64, count: u64, asks: u64) -> Rows<Tuple> {
    Rows {
        first: Seq(first),
        bodies: (first..first + count).map(tuple).collect(),
        asks: (0..asks).map(house).collect(),
    }
}

fn codes(first: u64, count: u64) -> Codes<Tuple> {
    use pehra_core::delivery::Body;
    let codes = (0..count).map(|n| (house(n), Tuple::first_code(&house(n)))).collect();
    Codes {
        first: Seq(first),
        codes,
    }
}

fn heard(claim: ReceiverClaim<Tuple>) -> Input<Sender<Tuple>> {
    Input::Received {
        from: CLOUD,
        message: claim.into(),
    }
}

fn answer_fetches(bench: &mut Bench<Sender<Tuple>>) {
    while let Some(query) = bench.asked.pop() {
        let rows = rows(query.first.0, query.count.into(), 3);
        bench.feed(Input::Fetched { query, rows });
    }
}

/// One round of all that can happen to a sender, with its window of batches full.
fn sender_round(bench: &mut Bench<Sender<Tuple>>, _: u64) {
    let rows_in_flight = u64::from(bench.config.batch_rows) * u64::from(bench.config.flights);
    let ack = |high: Seq, codes| {
        heard(ReceiverClaim::Ack {
            epoch: 1,
            high,
            codes,
            credit: 1 << 20,
        })
    };
    for n in 0..rows_in_flight + 10 {
        bench.feed(Input::Commanded(RequestId(n), Append(tuple(n))));
        answer_fetches(bench);
    }
    bench.feed(Input::Fired(SenderTimer::Heartbeat));
    bench.feed(Input::Fired(SenderTimer::Heartbeat));
    let alive = Alive { credit: 1 << 20 };
    for from in [CLOUD, EDGE] {
        let message = alive.into();
        bench.feed(Input::Received { from, message });
    }
    bench.feed(Input::Link { peer: CLOUD, up: false });
    bench.feed(Input::Paused);
    bench.feed(Input::Stalled(true));
    bench.feed(Input::Commanded(RequestId(0), Append(tuple(0))));
    bench.feed(Input::Stalled(false));
    bench.feed(Input::Fired(SenderTimer::Retry));
    answer_fetches(bench);
    let oldest = *bench.node.state().flights().iter().next().unwrap();
    bench.feed(ack(oldest.last, Some(codes(oldest.first.0, 3))));
    answer_fetches(bench);
    // A stale answer raises a doubt; the retry greets anew; the welcome goes on.
    bench.feed(ack(Seq(0), None));
    bench.feed(Input::Fired(SenderTimer::Retry));
    assert_eq!(bench.node.state().phase(), Phase::Drawing);
    let session = bench.node.state().last().0 + 1;
    bench.feed(Input::Drawn(Drawn::Nonce(session)));
    bench.feed(Input::Fired(SenderTimer::Retry));
    bench.feed(Input::Link { peer: CLOUD, up: true });
    bench.feed(heard(ReceiverClaim::Welcome {
        epoch: 1,
        session,
        high: bench.node.state().acked(),
        credit: 1 << 20,
    }));
    answer_fetches(bench);
    let flights: Vec<Flight> = bench.node.state().flights().iter().copied().collect();
    assert_eq!(flights.len(), FLIGHTS_MAX);
    // The newest first: its codes are kept, then the oldest frees them all.
    for flight in flights.iter().rev() {
        bench.feed(ack(flight.last, Some(codes(flight.first.0, 3))));
    }
    answer_fetches(bench);
    let rest: Vec<Flight> = bench.node.state().flights().iter().copied().collect();
    for flight in rest {
        bench.feed(ack(flight.last, Some(codes(flight.first.0, 3))));
    }
    assert_eq!(bench.node.state().backlog(), 0);
}

fn streaming_sender(config: SenderConfig) -> Bench<Sender<Tuple>> {
    let mut bench = Bench::<Sender<Tuple>>::new(config, Recovered::Fresh);
    bench.feed(Input::Drawn(Drawn::Nonce(1)));
    bench.feed(heard(ReceiverClaim::Welcome {
        epoch: 1,
        session: 1,
        high: Seq(0),
        credit: 1 << 20,
    }));
    bench
}

#[test]
fn a_warm_sender_allocates_nothing() {
    let config = SenderConfig {
        batch_rows: 50,
        flights: FLIGHTS_MAX.try_into().unwrap(),
        retain_rows: 100,
        ..SenderConfig::deployed(CLOUD)
    };
    let mut bench = streaming_sender(config);
    bench.assert_warm("a sender with a full window", sender_round);
    assert!(bench.node.state().acked().0 > 100, "rows were acknowledged and trimmed");
    bench.feed(heard(ReceiverClaim::Fenced { epoch: 1 }));
    assert_eq!(bench.counted, 0, "fenced");
}

#[test]
fn a_warm_receiver_allocates_nothing() {
    let mut bench = Bench::<Receiver<Tuple>>::new(ReceiverConfig::deployed(EDGE), Recovered::Fresh);
    let hear = |message: Uplink<Tuple>| Input::Received { from: EDGE, message };
    let hello = |epoch, oldest| {
        Uplink::Claim(SenderClaim::Hello {
            epoch,
            session: 5,
            oldest: Seq(oldest),
        })
    };
    let batch = |epoch, rows| hear(Uplink::Claim(SenderClaim::Batch { epoch, rows }));
    let epochs = u64::try_from(RETIRED_MAX).unwrap();
    (1..=epochs + 2).for_each(|epoch| bench.feed(hear(hello(epoch, 1))));
    let epoch = bench.node.state().epoch().unwrap();
    assert_eq!(epoch, epochs + 1, "at capacity");
    bench.assert_warm("a receiver with all epochs replaced", |bench, n| {
        let first = bench.node.state().high().0 + 1;
        bench.feed(hear(Uplink::Heartbeat(Heartbeat { backlog: n })));
        bench.feed(hear(hello(epoch, first)));
        bench.feed(hear(hello(1, first)));
        bench.feed(hear(hello(epochs + 2, first)));
        bench.feed(batch(epoch, rows(first, 1000, 0)));
        bench.feed(batch(epoch, rows(first + 500, 1000, 0)));
        bench.feed(batch(epoch, rows(first, 10, 0)));
        bench.feed(batch(epoch, rows(first + 9000, 10, 0)));
        bench.feed(batch(epoch, rows(first, 0, 0)));
        bench.feed(batch(1, rows(first, 10, 0)));
        bench.feed(batch(99, rows(first, 10, 0)));
        bench.feed(batch(epoch, rows(first + 1500, 10, 50)));
        let query = bench.asked.pop().unwrap();
        let rows_of = codes(0, 50).codes;
        bench.feed(Input::Fetched { query, rows: rows_of });
        bench.feed(Input::Fired(ReceiverTimer::Silence));
        bench.feed(Input::Received {
            from: CLOUD,
            message: Uplink::Heartbeat(Heartbeat { backlog: n }),
        });
        bench.feed(Input::Stalled(true));
        bench.feed(batch(epoch, rows(first, 10, 0)));
        bench.feed(Input::Stalled(false));
        bench.feed(Input::Paused);
        bench.feed(Input::Link { peer: EDGE, up: true });
        let skipped = bench.node.state().high().0 + 100;
        bench.feed(hear(hello(epoch, skipped)));
    });
}

const HOUSES: u64 = 100;

fn pipeline() -> Bench<Pipeline> {
    let config = PipelineConfig {
        windows: WindowConfig {
            readings_max: 8,
            households_max: u32::try_from(HOUSES).unwrap(),
            lateness_ms: 20_000,
            ..WindowConfig::default()
        },
        sender: SenderConfig::deployed(CLOUD),
    };
    Bench::new(config, Recovered::Fresh)
}

fn take(bench: &mut Bench<Pipeline>, content: Content) {
    let before = bench.node.state().position(0).unwrap_or(0);
    let taken = Taken {
        partition: 0,
        before,
        after: before + 1,
        content,
    };
    bench.feed(Input::Commanded(RequestId(before), taken));
}

fn read(bench: &mut Bench<Pipeline>, house_n: u64, time_ms: i64, power_mw: i64, now_ms: i64) {
    let reading = Reading {
        household: house(house_n),
        time_ms,
        power_mw,
        register: Some(1),
    };
    take(bench, Content::Reading(Take { reading, now_ms }));
}

/// All that can happen to readings, over one minute of event time for every household, windows full.
fn pipeline_round(bench: &mut Bench<Pipeline>, n: u64) {
    let start_ms = i64::try_from(n).unwrap() * 120_000;
    for step in 0..96 {
        let time_ms = start_ms + step * 625;
        for n in 0..HOUSES {
            // Every second window keeps one place for a late reading.
            if step % 16 != 7 {
                read(bench, n, time_ms, step, time_ms);
            }
        }
    }
    let newest_ms = start_ms + 95 * 625;
    for n in 0..HOUSES {
        read(bench, n, newest_ms - 19_375, 7, newest_ms); // late: a revision, or conflict, or no room
        read(bench, n, newest_ms, 95, newest_ms); // repeated
        read(bench, n, newest_ms, 96, newest_ms); // conflict
        read(bench, n, newest_ms + 1, 97, newest_ms); // no room
        read(bench, n, newest_ms - 60_000, 1, newest_ms); // too late
        read(bench, n, newest_ms + 1_000_000, 1, newest_ms); // future
        read(bench, n, newest_ms, i64::MAX, newest_ms); // out of range
    }
    read(bench, HOUSES, newest_ms, 1, newest_ms); // one household too many
    take(bench, Content::Unreadable(vec![0; 3000]));
    take(bench, Content::Gone);
    let elsewhere = Taken {
        partition: 0,
        before: 0,
        after: 1,
        content: Content::Gone,
    };
    bench.feed(Input::Commanded(RequestId(0), elsewhere));
    for _ in 0..8 {
        bench.feed(Input::Fired(PipelineTimer::Window(WindowTimer::Sweep)));
    }
    bench.feed(Input::Fired(PipelineTimer::Sender(SenderTimer::Heartbeat)));
    bench.feed(Input::Fired(PipelineTimer::Sender(SenderTimer::Retry)));
    bench.feed(Input::Link { peer: CLOUD, up: false });
    bench.feed(Input::Stalled(true));
    read(bench, 0, newest_ms, 1, newest_ms);
    bench.feed(Input::Stalled(false));
    bench.feed(Input::Paused);
}

#[test]
fn a_warm_pipeline_allocates_nothing() {
    let mut bench = pipeline();
    bench.assert_warm("windows and sender with full windows", pipeline_round);
    assert!(bench.node.state().sender().last().0 > 1000, "windows were closed");
    assert_eq!(bench.node.state().windows().households(), 100);
}

#[test]
fn a_new_household_and_a_new_partition_cost_a_few_allocations_once() {
    let mut bench = pipeline();
    (0..50).for_each(|n| read(&mut bench, n, 1000, 1, 1000));
    bench.counted = 0;
    read(&mut bench, 50, 1000, 1, 1000);
    assert!((1..=4).contains(&bench.counted), "{}", bench.counted);
    bench.counted = 0;
    let taken = Taken {
        partition: 7,
        before: 5,
        after: 6,
        content: Content::Gone,
    };
    bench.feed(Input::Commanded(RequestId(0), taken));
    assert!(bench.counted <= 1, "{}", bench.counted);
}

#[test]
fn a_backlog_of_a_million_rows_is_cursors_only() {
    let config = SenderConfig::deployed(CLOUD);
    let mut bench = Bench::<Sender<Tuple>>::new(config, Recovered::Fresh);
    let append = |n| Input::Commanded(RequestId(n), Append(tuple(n)));
    (0..10).for_each(|n| bench.feed(append(n)));
    let before = held_bytes();
    (10..1_000_000).for_each(|n| bench.feed(append(n)));
    assert_eq!(bench.node.state().backlog(), 1_000_000);
    assert_eq!(held_bytes() - before, 0, "bytes held");
}

#[test]
fn decoding_allocates_no_more_than_the_frame_calls_for() {
    // A batch that claims 2^56 households, asks, rows; and an answer that claims as many codes.
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let mut frames = Vec::new();
    for lists in [&[][..], &[0], &[0, 0]] {
        let head = [b'P', b'H', wire::VERSION, 3, 1, b'e', 1, 1];
        frames.push([&head[..], lists, &huge, &[0; 64]].concat());
    }
    frames.push([&[b'P', b'H', wire::VERSION, 67, 1, 1, 1, 1, 1][..], &huge, &[0; 64]].concat());
    for mut frame in frames {
        let checksum = wire::crc32(&frame);
        frame.extend_from_slice(&checksum.to_be_bytes());
        let (count, refused) = allocations(|| wire::decode_up(&frame).is_err() && wire::decode_down(&frame).is_err());
        assert!(refused);
        assert_eq!(count, 0);
    }
}

#[test]
fn encoding_into_a_warm_buffer_allocates_only_the_list_of_households() {
    let edge = EdgeName::new("e").unwrap();
    let heartbeat = Uplink::Heartbeat(Heartbeat { backlog: 1 });
    let batch = Uplink::Claim(SenderClaim::Batch {
        epoch: 1,
        rows: rows(1, 1000, 0),
    });
    let mut buffer = Vec::with_capacity(1 << 20);
    assert_eq!(allocations(|| wire::encode_up(&edge, &heartbeat, &mut buffer)).0, 0);
    let (count, ()) = allocations(|| wire::encode_up(&edge, &batch, &mut buffer));
    assert!(count <= 2, "{count}");
}

/// One round of all that can happen to a voter among 64: it follows, votes, asks, stands, leads, is asked, hands over
/// and gives up.
fn voter_round(bench: &mut Bench<election::Election<()>>, _: u64) {
    use election::{Claim, Command, Notice, Role, Timer};
    type Say = election::Message<()>;
    let hear = |bench: &mut Bench<_>, from: u16, message: Say| {
        let from = NodeId(from);
        bench.feed(Input::Received { from, message });
    };
    let order = |bench: &mut Bench<election::Election<()>>| {
        let term = bench.node.state().term();
        let order = Order::new((0..64).map(NodeId));
        bench.feed(Input::Drawn(Drawn::Order { term, order }));
    };
    let next = |bench: &Bench<election::Election<()>>| bench.node.state().term().next().unwrap();
    // Followed and left.
    let term = next(bench);
    hear(bench, 1, Notice::Heartbeat { term, round: 1 }.into());
    order(bench);
    hear(bench, 2, Notice::PreVote { term, last: () }.into());
    hear(
        bench,
        2,
        Notice::PreVote {
            term: next(bench),
            last: (),
        }
        .into(),
    );
    hear(bench, 1, Notice::Resign { term }.into());
    hear(
        bench,
        2,
        Notice::Heartbeat {
            term: Term(0),
            round: 1,
        }
        .into(),
    );
    // Voted.
    hear(
        bench,
        3,
        Claim::Vote {
            term: next(bench),
            last: (),
            token: None,
        }
        .into(),
    );
    order(bench);
    // Asked, and refused by somebody who is further.
    bench.feed(Input::Fired(Timer::Election));
    hear(bench, 4, Claim::Nack { term: next(bench) }.into());
    bench.feed(Input::Fired(Timer::Election));
    let term = next(bench);
    (1..33).for_each(|voter| hear(bench, voter, Notice::PreVoted { term }.into()));
    (1..33).for_each(|voter| hear(bench, voter, Claim::Voted { term }.into()));
    assert!(matches!(bench.node.state().role(), Role::Leader(_)));
    order(bench);
    // Led.
    bench.feed(Input::Fired(Timer::Heartbeat));
    bench.feed(Input::Commanded(RequestId(1), Command::Confirm));
    bench.feed(Input::Commanded(RequestId(2), Command::Confirm));
    for round in 0..3 {
        (1..64).for_each(|voter| hear(bench, voter, Claim::Ack { term, round }.into()));
    }
    bench.feed(Input::Link {
        peer: NodeId(5),
        up: true,
    });
    bench.feed(Input::Fired(Timer::Peer(NodeId(5))));
    bench.feed(Input::Paused);
    bench.feed(Input::Commanded(RequestId(3), Command::Transfer(None)));
    order(bench);
    bench.feed(Input::Fired(Timer::HandOver));
    order(bench);
    bench.feed(Input::Commanded(RequestId(4), Command::Resign));
    bench.feed(Input::Commanded(RequestId(5), Command::Resign));
    bench.feed(Input::Fired(Timer::Write));
    bench.feed(Input::Stalled(true));
    bench.feed(Input::Fired(Timer::Election));
    bench.feed(Input::Stalled(false));
    // Asked to stand.
    let term = next(bench);
    hear(bench, 1, Notice::Heartbeat { term, round: 1 }.into());
    hear(bench, 1, Claim::Transfer { term, round: 1 }.into());
    bench.feed(Input::Fired(Timer::Election));
}

#[test]
fn a_voter_allocates_nothing() {
    let voters = NodeSet::first(64);
    let config = election::Config::new(NodeId(0), voters, election::Timing::LAN);
    Bench::new(config, Recovered::Fresh).assert_warm("a voter", voter_round);
}

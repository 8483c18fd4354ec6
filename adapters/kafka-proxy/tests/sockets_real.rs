//! Real clients at the port of real Apache Kafka, with nothing in front of it: what of their bytes is chatter.

mod clients;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clients::{Console, SOON, TOPIC, consumer_at, producer, read, write};
use pehra_core::sleep::traffic::Allowance;
use pehra_kafka_proxy::{Grown, Seen, Sight, SocketCounter, SocketOptions, Sockets};
use pehra_testbed::kafka::Kafka;
use rdkafka::consumer::StreamConsumer;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

const IDLE: Duration = Duration::from_secs(6);
const RECORDS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_consumers_are_no_traffic_and_a_producer_of_small_records_is() {
    let began = Instant::now();
    let kafka = Kafka::start();
    let at = kafka.brokers();
    let port = at
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let sockets = Sockets::start(SocketOptions {
        ports: BTreeSet::from([port]),
        allowance: Allowance::USUAL,
        sample: Duration::from_millis(250),
    });
    let mut sight = sockets.sight();
    let sees = timeout(SOON, sight.wait_for(|sight| matches!(sight, Sight::Sees { .. }))).await;
    sees.expect("the kernel answers in time").expect("it goes on");

    let writer = producer(&at);
    writes_are_seen(&sockets, &writer).await;
    println!("written after {:?}", began.elapsed());
    is_quiet(&sockets).await;
    let ours = a_backlog_that_is_read_is_seen(&sockets, &writer, &at).await;
    println!("read after {:?}", began.elapsed());
    let theirs = Console::start(&kafka, &at, "theirs", &[]);
    theirs.has_joined(&writer).await;
    // The last fetch with records may still be under way.
    while timeout(Duration::from_secs(1), ours.recv()).await.is_ok() {}
    println!("joined after {:?}", began.elapsed());
    is_quiet(&sockets).await;
    idle_consumers_are_no_traffic(&sockets, port, &ours).await;
    // They were there all the time.
    write(&writer, "awake").await;
    assert_eq!(read(&ours, 1).await, ["awake"]);
    theirs.prints("awake");
    println!("all in {:?}", began.elapsed());
}

fn now(sockets: &Sockets) -> Seen {
    *sockets.seen().borrow()
}

/// What was written and read is over, and nothing is told of it any more.
async fn is_quiet(sockets: &Sockets) {
    let mut seen = sockets.seen();
    let began = Instant::now();
    seen.mark_unchanged();
    while timeout(Duration::from_secs(1), seen.changed()).await.is_ok() {
        assert!(began.elapsed() < SOON, "it does not end: {:?}", now(sockets));
    }
}

/// Both poll, send signs of life, and commit ten times as often as is usual. Each connection stays below its allowance by itself, and not only
/// because of what it has saved up.
async fn idle_consumers_are_no_traffic(sockets: &Sockets, port: u16, ours: &StreamConsumer) {
    let before = now(sockets);
    let mut counter = SocketCounter::new(BTreeSet::from([port])).expect("the kernel answers");
    let began = Instant::now();
    let nothing = timeout(IDLE, ours.recv()).await;
    assert!(nothing.is_err(), "nobody wrote");
    let after = now(sockets);
    let mut passed: Vec<u64> = counter
        .passed()
        .expect("the kernel answers")
        .connections
        .iter()
        .map(Grown::bytes)
        .collect();
    passed.sort_unstable();
    println!("bytes of each connection in {:?}: {passed:?}", began.elapsed());
    assert_eq!(after.traffic, before.traffic, "{passed:?}");
    let allowed = u64::from(Allowance::USUAL.bytes_per_second) * IDLE.as_secs();
    assert!(
        passed.iter().all(|bytes| *bytes <= allowed),
        "{passed:?}, {allowed} allowed"
    );
    assert!(
        passed.iter().filter(|bytes| **bytes > 500).count() >= 2,
        "they were not there: {passed:?}"
    );
}

/// Ten bytes twenty times a second, by a producer that is alone, until it is seen.
async fn writes_are_seen(sockets: &Sockets, writer: &FutureProducer) {
    write(writer, "first").await;
    let (before, began) = (now(sockets), Instant::now());
    let (mut beat, mut written) = (interval(Duration::from_millis(50)), 0);
    while now(sockets).traffic == before.traffic {
        beat.tick().await;
        write(writer, "0123456789").await;
        written += 1;
        assert!(began.elapsed() < SOON, "{written} were not seen: {:?}", now(sockets));
    }
    println!("{written} records were seen after {:?}", began.elapsed());
}

/// A reader sends little, and is sent much.
async fn a_backlog_that_is_read_is_seen(sockets: &Sockets, writer: &FutureProducer, at: &str) -> StreamConsumer {
    let text = "x".repeat(100);
    let mut sending = JoinSet::new();
    for _ in 0..RECORDS {
        let record = FutureRecord::to(TOPIC).key("key").payload(&text);
        sending.spawn(
            writer
                .send_result(record)
                .map_err(|(error, _)| error)
                .expect("it is queued"),
        );
    }
    while let Some(sent) = sending.join_next().await {
        let sent = sent.expect("it ends").expect("it is told");
        sent.map_err(|(error, _)| error).expect("it is acknowledged");
    }
    is_quiet(sockets).await;
    let before = now(sockets);
    let reader = consumer_at(at, "late");
    read(&reader, RECORDS).await;
    let mut seen = sockets.seen();
    let told = timeout(SOON, seen.wait_for(|seen| seen.traffic > before.traffic)).await;
    let told = *told.expect("it is told in time").expect("it goes on");
    let (came, went) = (
        told.sealed_from_clients - before.sealed_from_clients,
        told.sealed_from_broker - before.sealed_from_broker,
    );
    println!("a reader sent {came} bytes and was sent {went}");
    assert!(went > came, "it is what was sent to it that tells");
    reader
}

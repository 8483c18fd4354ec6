//! A real broker sleeps: idle clients, of librdkafka and Kafka's own, wake nobody, and a producer does.

mod clients;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clients::{Console, SOON, consumer, producer, read, seen, write};
use pehra_kafka_proxy::{Options, Proxy};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::free_port;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_clients_of_a_sleeping_broker_wake_nobody_and_a_producer_does() {
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut kafka = Kafka::start_behind(&at.to_string());
    let upstream = kafka.inner().parse().expect("an address");
    let proxy = Proxy::start(Options::plain(at, upstream))
        .await
        .expect("the port is free");
    let brokers = at.to_string();
    let known = producer(&brokers);
    let ours = consumer(&proxy, "ours");
    // One with each of Kafka's two group protocols.
    let theirs = ["classic", "consumer"].map(|protocol| {
        let property = format!("group.protocol={protocol}");
        Console::start(&kafka, &brokers, protocol, &["--command-property", &property])
    });
    for console in &theirs {
        console.has_joined(&known).await;
    }
    while timeout(Duration::from_secs(1), ours.recv()).await.is_ok() {}

    // Fetches with records may still be on their way to the others.
    sleep(Duration::from_secs(1)).await;
    idle_clients_wake_nobody(&proxy, &mut kafka).await;
    a_producer_that_was_there_wakes_it(&proxy, &mut kafka, &known).await;
    let up = Instant::now();
    assert_eq!(read(&ours, 1).await, ["for a sleeper"]);
    println!("read by librdkafka's consumer {:?} later", up.elapsed());
    for console in &theirs {
        console.prints("for a sleeper");
    }
}

async fn idle_clients_wake_nobody(proxy: &Proxy, kafka: &mut Kafka) {
    const IDLE: Duration = Duration::from_secs(30);
    assert!(block_in_place(|| kafka.stop()), "it ends by itself");
    let before = seen(proxy);
    sleep(IDLE).await;
    let after = seen(proxy);
    println!(
        "asleep for {IDLE:?}: {} requests, {} connections refused, {} wanted it",
        after.requests - before.requests,
        after.refused - before.refused,
        after.wanted - before.wanted
    );
    assert_eq!(
        (after.wanted, after.traffic),
        (before.wanted, before.traffic),
        "{after:?}"
    );
    assert!(after.refused > before.refused + 5, "they were not there: {after:?}");
}

async fn a_producer_that_was_there_wakes_it(
    proxy: &Proxy,
    kafka: &mut Kafka,
    known: &rdkafka::producer::FutureProducer,
) {
    let (before, began) = (seen(proxy), Instant::now());
    let known = known.clone();
    let writing = tokio::spawn(async move { write(&known, "for a sleeper").await });
    let mut watched = proxy.seen();
    let wanted = timeout(SOON, watched.wait_for(|seen| seen.wanted > before.wanted)).await;
    wanted.expect("it is wanted in time").expect("the proxy is there");
    println!("a producer that was there: wanted after {:?}", began.elapsed());
    block_in_place(|| kafka.restart());
    writing.await.expect("it is acknowledged");
    assert_eq!(seen(proxy).given_up, before.given_up);
}

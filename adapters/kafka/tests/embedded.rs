//! The demo's embedded cluster passes the same reading tests, on its small scale.

mod common;

use std::time::Duration;

use common::Owner;
use pehra_kafka::{Cluster, EmbeddedKafka, Producer, READINGS, ensure_topic};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_read_once_across_restarts_of_the_reader() {
    const RECORDS: usize = 5000;
    let kafka = EmbeddedKafka::start(&[(READINGS, 3)]).expect("it starts");
    let cluster = Cluster::at(kafka.brokers());
    let there = cluster.clone();
    let made = tokio::task::spawn_blocking(move || ensure_topic(&there, READINGS, 7, Duration::from_secs(10)));
    made.await.expect("no panic").expect("it is there already");
    let producer = Producer::new(&cluster).expect("a producer");
    let writing = tokio::spawn(async move {
        let numbers: Vec<usize> = (0..RECORDS).collect();
        for part in numbers.chunks(50) {
            let mut deliveries = Vec::new();
            for number in part {
                let (key, text) = (format!("H{}", number % 10), number.to_string());
                let sent = producer.send(READINGS, &key, text.as_bytes(), 1_700_000_000_000).await;
                deliveries.push(sent.expect("it is sent"));
            }
            for delivery in deliveries {
                delivery.wait().await.expect("it arrives");
            }
        }
    });
    let owner = Owner::new();
    owner.taken().reluctance = 499;
    let mut reading = owner.read(kafka.brokers(), READINGS);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(reading);
        reading = owner.read(kafka.brokers(), READINGS);
    }
    writing.await.expect("all was written");
    owner.wait_for(RECORDS, PATIENCE).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut numbers: Vec<usize> = owner
        .texts()
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert!(
        numbers.iter().copied().eq(0..RECORDS),
        "{} records, some of them twice",
        numbers.len()
    );
    drop(reading);
}

/// It keeps 5 MiB a partition and drops what is older without a word: whoever has not read it must be told.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_embedded_cluster_has_dropped_is_a_hole() {
    let kafka = EmbeddedKafka::start(&[(READINGS, 1)]).expect("it starts");
    let cluster = Cluster::at(kafka.brokers());
    let producer = Producer::new(&cluster).expect("a producer");
    let mut deliveries = Vec::new();
    for _ in 0..12_000 {
        deliveries.push(
            producer
                .send(READINGS, "H1", &[b'x'; 1024], 1_700_000_000_000)
                .await
                .expect("it is sent"),
        );
    }
    for delivery in deliveries {
        delivery.wait().await.expect("it arrives");
    }
    let owner = Owner::new();
    owner.stand_at(0, 0);
    let _reading = owner.read(kafka.brokers(), READINGS);
    owner.wait_for(1000, PATIENCE).await;
    let until = std::time::Instant::now() + PATIENCE;
    while owner.taken().positions[&0] < 12_000 {
        assert!(
            std::time::Instant::now() < until,
            "it stands at {:?}",
            owner.taken().positions
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = owner.taken();
    let (hole, rest) = taken.records.split_first().expect("records");
    assert_eq!((hole.before, hole.payload.as_ref()), (0, None));
    assert!(hole.after > 5000, "{hole:?}");
    assert!(rest.iter().all(|record| record.payload.is_some()));
    assert_eq!(rest.len() as u64, 12_000 - hole.after);
}

//! Against real Apache Kafka.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::{Log, Owner};
use pehra_kafka::{Cluster, Producer, ensure_topic};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::free_port;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(40);

fn config(kafka: &Kafka) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.brokers());
    config
}

fn topics(kafka: &Kafka) -> BTreeMap<String, usize> {
    let look: BaseConsumer = config(kafka).create().expect("a consumer");
    let metadata = look.fetch_metadata(None, Duration::from_secs(10)).expect("metadata");
    let topics = metadata.topics().iter();
    topics
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect()
}

async fn make(kafka: &Kafka, topic: &str, partitions: i32) {
    let (cluster, topic) = (Cluster::at(kafka.brokers()), topic.to_owned());
    let made = tokio::task::spawn_blocking(move || ensure_topic(&cluster, &topic, partitions, Duration::from_secs(10)));
    made.await.expect("no panic").expect("the topic is made");
}

/// Writes records `from..to`, the number as text, keyed by its last digit, and waits until they have arrived.
async fn write(producer: &Producer, topic: &str, from: usize, to: usize) {
    let mut deliveries = Vec::new();
    for number in from..to {
        let (key, text) = (format!("H{}", number % 10), number.to_string());
        let time_ms = 1_700_000_000_000 + i64::try_from(number).expect("it fits");
        deliveries.push(
            producer
                .send(topic, &key, text.as_bytes(), time_ms)
                .await
                .expect("it is sent"),
        );
    }
    for delivery in deliveries {
        delivery.wait().await.expect("it arrives");
    }
}

/// All that a topic holds, by partition, read without any of our code.
fn held(kafka: &Kafka, topic: &str, partitions: u16) -> BTreeMap<u16, Vec<String>> {
    let plain: BaseConsumer = config(kafka).set("group.id", "plain").create().expect("a consumer");
    let (mut list, mut left) = (TopicPartitionList::new(), 0);
    for partition in 0..i32::from(partitions) {
        let (low, high) = plain.fetch_watermarks(topic, partition, PATIENCE).expect("the bounds");
        left += high - low;
        list.add_partition_offset(topic, partition, Offset::Beginning)
            .expect("a list");
    }
    plain.assign(&list).expect("assigned");
    let mut held: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    while left > 0 {
        let message = plain.poll(PATIENCE).expect("a record").expect("no error");
        let partition = u16::try_from(message.partition()).expect("a small number");
        let text = String::from_utf8(message.payload().expect("content").to_vec()).expect("text");
        held.entry(partition).or_default().push(text);
        left -= 1;
    }
    held
}

#[tokio::test]
async fn topics_are_made_on_purpose_only_and_records_keep_key_and_time() {
    let kafka = Kafka::start();
    let (log, _guard) = Log::collect();
    // Whoever reads first waits for the topic and does not make it.
    let owner = Owner::new();
    let _reading = owner.read(&kafka.brokers(), "power_topic");
    log.wait_for(&["power_topic", "does not exist yet"], PATIENCE).await;
    // Whoever writes first does not make it either.
    let impatient = Cluster {
        brokers: kafka.brokers(),
        settings: vec![
            ("message.timeout.ms".into(), "2000".into()),
            ("topic.metadata.propagation.max.ms".into(), "500".into()),
        ],
    };
    let early = Producer::new(&impatient).expect("a producer");
    let fate = match early.send("power_topic", "H1", b"1", 1).await {
        Ok(delivery) => delivery.wait().await,
        Err(error) => Err(error),
    };
    fate.expect_err("there is no such topic");
    assert!(
        !topics(&kafka).contains_key("power_topic"),
        "it was made by accident: {:?}",
        topics(&kafka)
    );

    make(&kafka, "power_topic", 3).await;
    make(&kafka, "power_topic", 5).await;
    assert_eq!(
        topics(&kafka)["power_topic"],
        3,
        "a topic that is there is left as it is"
    );
    let producer = Producer::new(&Cluster::at(kafka.brokers())).expect("a producer");
    write(&producer, "power_topic", 0, 500).await;
    owner.wait_for(500, PATIENCE).await;
    let mut partition_of = BTreeMap::new();
    for record in &owner.taken().records {
        let text = String::from_utf8(record.payload.clone().expect("no hole")).expect("text");
        let number: i64 = text.parse().expect("a number");
        assert_eq!(record.timestamp_ms, 1_700_000_000_000 + number);
        let first = *partition_of.entry(number % 10).or_insert(record.partition);
        assert_eq!(first, record.partition, "one household in two partitions");
    }
    assert!(
        partition_of.values().collect::<BTreeSet<_>>().len() > 1,
        "all households in one partition"
    );
    // The key itself is on the record.
    let look: BaseConsumer = config(&kafka).set("group.id", "look").create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("power_topic", i32::from(partition_of[&3]), Offset::Beginning)
        .expect("a list");
    look.assign(&list).expect("assigned");
    let first = look.poll(PATIENCE).expect("a record").expect("no error");
    let number: usize = std::str::from_utf8(first.payload().expect("content"))
        .expect("text")
        .parse()
        .expect("a number");
    assert_eq!(first.key(), Some(format!("H{}", number % 10).as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_read_once_across_restarts_of_reader_and_broker() {
    const RECORDS: usize = 30_000;
    let mut kafka = Kafka::start();
    make(&kafka, "power_topic", 3).await;
    let producer = Producer::new(&Cluster::at(kafka.brokers())).expect("a producer");
    let writing = tokio::spawn(async move {
        for part in 0..RECORDS / 100 {
            write(&producer, "power_topic", part * 100, part * 100 + 100).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let owner = Owner::new();
    owner.taken().reluctance = 997;
    let brokers = kafka.brokers();
    let mut reading = owner.read(&brokers, "power_topic");
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        drop(reading);
        reading = owner.read(&brokers, "power_topic");
    }
    let mut times = Vec::new();
    for brutal in [false, true] {
        let before = owner.taken().records.len();
        let started = Instant::now();
        if brutal {
            kafka.kill9();
        } else {
            assert!(kafka.stop(), "it did not end when asked");
        }
        kafka = tokio::task::spawn_blocking(move || {
            kafka.restart();
            kafka
        })
        .await
        .expect("no panic");
        owner.wait_for(before + 200, PATIENCE).await;
        times.push(started.elapsed().as_millis());
    }
    // A reader that starts while the broker is there, and the owner refuses now and then.
    drop(reading);
    let _reading = owner.read(&brokers, "power_topic");
    writing.await.expect("all was written");
    // What Kafka holds, read plainly, is the truth: a broker that is killed may make the producer write a batch twice.
    let look = tokio::task::spawn_blocking(move || (held(&kafka, "power_topic", 3), kafka));
    let (held, _kafka) = look.await.expect("no panic");
    let total: usize = held.values().map(Vec::len).sum();
    owner.wait_for(total, PATIENCE).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!(
        "records flow again after stop and kill -9 in {times:?} ms; {} were offered again; {} were written twice",
        owner.taken().refused,
        total - RECORDS
    );
    let mut read: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for record in &owner.taken().records {
        let text = String::from_utf8(record.payload.clone().expect("no hole")).expect("text");
        read.entry(record.partition).or_default().push(text);
    }
    assert!(
        read == held,
        "what was read is not what Kafka holds, each record once and in order"
    );
    let numbers: BTreeSet<&String> = held.values().flatten().collect();
    assert_eq!(numbers.len(), RECORDS, "a record that was confirmed is not there");
    assert!(owner.taken().refused > 0, "the owner never refused");
}

#[tokio::test]
async fn holes_are_loud_strange_positions_stop_one_partition_and_new_partitions_are_found() {
    let kafka = Kafka::start();
    let (log, _guard) = Log::collect();
    make(&kafka, "power_topic", 2).await;
    let producer = Producer::new(&Cluster::at(kafka.brokers())).expect("a producer");
    write(&producer, "power_topic", 0, 1000).await;
    let owner = Owner::new();
    let reading = owner.read(&kafka.brokers(), "power_topic");
    owner.wait_for(1000, PATIENCE).await;
    drop(reading);
    // More is written, and a part of it goes before it was read.
    write(&producer, "power_topic", 1000, 2000).await;
    let stood = owner.taken().positions[&0];
    let gone_until = stood + 50;
    let admin: AdminClient<DefaultClientContext> = config(&kafka).create().expect("an admin");
    let mut list = TopicPartitionList::new();
    let offset = Offset::Offset(i64::try_from(gone_until).expect("it fits"));
    list.add_partition_offset("power_topic", 0, offset).expect("a list");
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .expect("deleted");
    let reading = owner.read(&kafka.brokers(), "power_topic");
    // One hole in the place of 50 records.
    owner.wait_for(2000 - 50 + 1, PATIENCE).await;
    let holes: Vec<_> = owner
        .taken()
        .records
        .iter()
        .filter(|record| record.payload.is_none())
        .cloned()
        .collect();
    assert_eq!(holes.len(), 1);
    assert_eq!(
        (holes[0].partition, holes[0].before, holes[0].after),
        (0, stood, gone_until)
    );
    assert_eq!(owner.texts().len(), 1950);
    assert!(log.text().contains("no longer has records"), "{}", log.text());

    // New partitions, found while all is quiet.
    let more = [NewPartitions::new("power_topic", 6)];
    admin
        .create_partitions(&more, &AdminOptions::new())
        .await
        .expect("more partitions");
    let producer = Producer::new(&Cluster::at(kafka.brokers())).expect("a producer that sees them");
    write(&producer, "power_topic", 2000, 3000).await;
    owner.wait_for(2951, PATIENCE).await;
    assert!(owner.taken().positions.len() > 2, "nothing was written to the new ones");
    drop(reading);

    // A position that the topic does not have: that partition stands still, loudly; the others go on.
    let busy: Vec<u16> = owner.taken().positions.keys().copied().collect();
    owner.stand_at(busy[0], 1_000_000);
    let before = owner.taken().records.len();
    let _reading = owner.read(&kafka.brokers(), "power_topic");
    log.wait_for(&["a partition is not read", "1000000", "made anew"], PATIENCE)
        .await;
    write(&producer, "power_topic", 3000, 4000).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let taken = owner.taken();
    let new = &taken.records[before..];
    assert!(new.iter().all(|record| record.partition != busy[0]), "it jumped");
    let others: BTreeSet<u16> = new.iter().map(|record| record.partition).collect();
    assert_eq!(others.len(), busy.len() - 1, "a neighbour stood still as well");
    assert_eq!(taken.positions[&busy[0]], 1_000_000);
}

#[tokio::test]
async fn without_a_broker_the_reader_waits_and_says_so() {
    let (log, _guard) = Log::collect();
    let address = format!("127.0.0.1:{}", free_port());
    let owner = Owner::new();
    let _reading = owner.read(&address, "power_topic");
    log.wait_for(&["Kafka does not answer", &address], PATIENCE).await;
    let cluster = Cluster::at(&address);
    let outcome = tokio::task::spawn_blocking(move || ensure_topic(&cluster, "t", 1, Duration::from_secs(1)));
    let error = outcome
        .await
        .expect("no panic")
        .expect_err("nobody is there")
        .to_string();
    assert!(
        error.contains(&address) && error.contains("is a broker running there"),
        "{error}"
    );
}

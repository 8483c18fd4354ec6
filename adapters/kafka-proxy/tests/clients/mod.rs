//! Clients of real Kafka: librdkafka's, and Kafka's own console consumer.
#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pehra_kafka_proxy::{Proxy, Seen};
use pehra_testbed::kafka::Kafka;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::block_in_place;
use tokio::time::timeout;

pub const TOPIC: &str = "readings";
pub const SOON: Duration = Duration::from_secs(20);

/// librdkafka's consumer waits up to ten seconds between two attempts to reach a broker, and again for its group's.
const READ_MAX: Duration = Duration::from_secs(60);

pub fn seen(proxy: &Proxy) -> Seen {
    *proxy.seen().borrow()
}

pub fn producer(brokers: &str) -> FutureProducer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("message.timeout.ms", "30000")
        .create()
        .expect("a producer")
}

pub fn consumer(proxy: &Proxy, group: &str) -> StreamConsumer {
    consumer_at(&proxy.address().to_string(), group)
}

pub fn consumer_at(brokers: &str, group: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "500")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[TOPIC]).expect("it subscribes");
    consumer
}

/// By the newer protocol of groups, in which heartbeats join; it reads what comes from now on.
pub fn newer_consumer(proxy: &Proxy, group: &str) -> StreamConsumer {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", proxy.address().to_string())
        .set("group.id", group)
        .set("group.protocol", "consumer")
        .set("auto.offset.reset", "latest")
        .set("auto.commit.interval.ms", "500")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[TOPIC]).expect("it subscribes");
    consumer
}

pub async fn write(producer: &FutureProducer, text: &str) {
    let record = FutureRecord::to(TOPIC).key("key").payload(text);
    let sent = producer.send(record, SOON).await;
    sent.unwrap_or_else(|(error, _)| panic!("{text} was not acknowledged: {error}"));
}

/// The next so many records.
pub async fn read(consumer: &StreamConsumer, count: usize) -> Vec<String> {
    let mut records = Vec::new();
    while records.len() < count {
        let record = timeout(READ_MAX, consumer.recv()).await;
        let record = match record.unwrap_or_else(|_| panic!("{} of {count} came in time", records.len())) {
            // News about connections: librdkafka tries again by itself.
            Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
            )) => continue,
            record => record.expect("a record"),
        };
        let text = record.payload_view::<str>().expect("it has content").expect("a text");
        records.push(text.to_owned());
    }
    records
}

/// Kafka's own console consumer, which commits twice a second; it is ended when this is dropped.
pub struct Console {
    child: Child,
    lines: Receiver<String>,
}

impl Console {
    /// Starts it, with more options such as `--command-property` and its value.
    pub fn start(kafka: &Kafka, at: &str, group: &str, more: &[&str]) -> Self {
        let command = kafka.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &[]);
        Self::of(command, at, group, more)
    }

    /// The same, of whatever cluster this command was made.
    pub fn of(mut command: Command, at: &str, group: &str, more: &[&str]) -> Self {
        let mut arguments = vec!["--bootstrap-server", at, "--topic", TOPIC, "--group", group];
        arguments.extend(["--command-property", "auto.commit.interval.ms=500"]);
        arguments.extend(more);
        let mut child = command
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("java starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits until it prints this line; others may come before.
    pub fn prints(&self, wanted: &str) {
        let began = Instant::now();
        block_in_place(|| {
            loop {
                let left = (2 * SOON).checked_sub(began.elapsed()).expect("it prints in time");
                let line = self.lines.recv_timeout(left);
                if line.expect("it prints in time") == wanted {
                    return;
                }
            }
        });
    }

    /// Writes the record until the console prints it: from then on it has joined its group.
    pub async fn has_joined(&self, producer: &FutureProducer) {
        let began = Instant::now();
        loop {
            write(producer, "joined?").await;
            if block_in_place(|| self.lines.recv_timeout(Duration::from_secs(1))).is_ok() {
                return;
            }
            assert!(began.elapsed() < 2 * SOON, "the console consumer never came");
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Measures what clients of real Kafka pass at the broker's port while they have nothing to do, and when they have a little; and what it costs
//! to ask the kernel for it. `Allowance::USUAL` rests on it.
//!
//! `cargo run -p pehra-kafka-proxy --example idle-bytes [SECONDS]`; so long each client is looked at, 30 unless said otherwise.
//! It needs Java and Maven for Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pehra_core::sleep::traffic::{Allowance, SAVED_MS};
use pehra_kafka_proxy::{Judge, SocketCounter};
use pehra_testbed::kafka::Kafka;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How often it looks, as agents do.
const SAMPLE: Duration = Duration::from_millis(250);
/// Clients come and greet for so long; it is told apart.
const GREETING: Duration = Duration::from_secs(10);
/// What idle clients need at the most is looked for over so many samples: what an account saves up.
const SAVED: usize = A_SECOND * (SAVED_MS as usize / 1000);
const A_SECOND: usize = 4;
const LOOKS: u32 = 500;

/// A client that is looked at.
#[derive(Clone, Copy)]
enum Who {
    /// librdkafka's consumer, with Kafka's usual settings.
    Librdkafka,
    /// Kafka's own.
    Java,
    /// librdkafka's producer, that writes so often.
    Writer(Option<Duration>),
}

/// It ends when this is dropped.
enum Running {
    Here(JoinHandle<()>),
    Java(Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        match self {
            Self::Here(task) => task.abort(),
            Self::Java(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds = match std::env::args().nth(1) {
        Some(seconds) => seconds.parse()?,
        None => 30,
    };
    let kafka = tokio::task::block_in_place(Kafka::start);
    let brokers = kafka.brokers();
    let port = brokers.rsplit(':').next().ok_or("an address has a port")?.parse()?;
    let every = |ms| Who::Writer(Some(Duration::from_millis(ms)));
    println!(
        "Bytes of the busiest connection, in both directions; greeting: of all connections, in the first {} s. An allowance of {} a second.",
        GREETING.as_secs(),
        Allowance::USUAL.bytes_per_second
    );
    println!("| client | partitions | connections | greeting | median second | worst second | worst 16 s | traffic |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let cases = [
        ("idle consumer, librdkafka", Who::Librdkafka, 3),
        ("idle consumer, librdkafka", Who::Librdkafka, 100),
        ("idle consumer, Java", Who::Java, 3),
        ("idle consumer, Java", Who::Java, 100),
        ("producer that wrote once", Who::Writer(None), 3),
        ("100 bytes once a second", every(1000), 3),
        ("100 bytes 5 times a second", every(200), 3),
        ("100 bytes 20 times a second", every(50), 3),
    ];
    for ((name, who, partitions), number) in cases.into_iter().zip(1..) {
        let topic = topic(&brokers, format!("topic-{number}"), partitions).await?;
        let mut counter = SocketCounter::new(BTreeSet::from([port]))?;
        let running = start(&kafka, who, &topic)?;
        let told = measure(&mut counter, Duration::from_secs(seconds)).await?;
        println!("| {name} | {partitions} | {told} |");
        drop(running);
        sleep(Duration::from_secs(1)).await;
    }
    drop(kafka);
    println!("\nOne look at a port, {LOOKS} of them, µs.");
    println!("| connections at it | on the machine | median | worst |");
    println!("| --- | --- | --- | --- |");
    for connections in [0, 10, 100, 1000, 5000] {
        cost(connections)?;
    }
    Ok(())
}

async fn topic(brokers: &str, name: String, partitions: i32) -> Result<String, Failure> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    for made in admin.create_topics([&new], &AdminOptions::new()).await? {
        made.map_err(|(name, error)| format!("{name}: {error}"))?;
    }
    Ok(name)
}

fn start(kafka: &Kafka, who: Who, topic: &str) -> Result<Running, Failure> {
    let brokers = kafka.brokers();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &brokers);
    Ok(match who {
        Who::Librdkafka => {
            let consumer: StreamConsumer = config.set("group.id", topic).create()?;
            consumer.subscribe(&[topic])?;
            Running::Here(tokio::spawn(async move {
                loop {
                    let _ = consumer.recv().await;
                }
            }))
        }
        Who::Java => {
            let arguments = ["--bootstrap-server", &brokers, "--topic", topic, "--group", topic];
            let mut command = kafka.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments);
            let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Running::Java(quiet.spawn()?)
        }
        Who::Writer(every) => {
            let producer: FutureProducer = config.set("linger.ms", "5").create()?;
            let topic = topic.to_owned();
            Running::Here(tokio::spawn(async move {
                let mut beat = interval(every.unwrap_or(Duration::from_secs(1)));
                loop {
                    beat.tick().await;
                    let record = FutureRecord::<(), _>::to(&topic).payload(&[7; 100]);
                    let _ = timeout(GREETING, producer.send(record, GREETING)).await;
                    if every.is_none() {
                        return std::future::pending().await;
                    }
                }
            }))
        }
    })
}

/// The rest of a line of the table.
async fn measure(counter: &mut SocketCounter, span: Duration) -> Result<String, Failure> {
    let began = Instant::now();
    let mut judge = Judge::new(Allowance::USUAL);
    let (mut greeting, mut traffic, mut last) = (0, 0, began);
    let mut samples: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    while began.elapsed() < GREETING + span {
        sleep(SAMPLE).await;
        let passed = counter.passed()?;
        let ms = u32::try_from(last.elapsed().as_millis())?;
        last = Instant::now();
        let is_traffic = judge.traffic(&passed, ms);
        if began.elapsed() < GREETING {
            greeting += passed.bytes();
            continue;
        }
        traffic += is_traffic;
        for grown in &passed.connections {
            samples.entry(grown.id).or_default().push(grown.bytes());
        }
    }
    let most = |count: usize| {
        let of = |all: &Vec<u64>| {
            all.windows(count.min(all.len()))
                .map(|part| part.iter().sum::<u64>())
                .max()
        };
        samples.values().filter_map(of).max().unwrap_or(0)
    };
    let busiest = samples.values().max_by_key(|all| all.iter().sum::<u64>());
    let mut seconds: Vec<u64> = busiest.map_or_else(Vec::new, |all| {
        all.chunks_exact(A_SECOND).map(|second| second.iter().sum()).collect()
    });
    seconds.sort_unstable();
    Ok(format!(
        "{} | {greeting} | {} | {} | {} | {traffic}",
        samples.len(),
        seconds.get(seconds.len() / 2).copied().unwrap_or(0),
        most(A_SECOND),
        most(SAVED)
    ))
}

fn cost(connections: usize) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    let mut held = Vec::new();
    for _ in 0..connections {
        held.push((TcpStream::connect(at)?, listener.accept()?));
    }
    let mut counter = SocketCounter::new(BTreeSet::from([at.port()]))?;
    let mut took = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        let passed = counter.passed()?;
        took.push(began.elapsed().as_micros());
        if passed.open() != connections {
            return Err(format!("{} connections are seen of {connections}", passed.open()).into());
        }
    }
    took.sort_unstable();
    let all = std::fs::read_to_string("/proc/net/tcp")?.lines().count();
    println!(
        "| {connections} | {all} | {} | {} |",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    Ok(())
}

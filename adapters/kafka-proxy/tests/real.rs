//! In front of real Apache Kafka; librdkafka and Kafka's own tools are the clients.
//!
//! One broker for all, as it takes seconds to start: each part leaves it whole.

mod clients;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clients::{Console, SOON, TOPIC, consumer, newer_consumer, producer, read, seen, write};
use pehra_kafka_proxy::{Limits, Options, Proxy};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::free_port;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{FutureRecord, Producer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_real_kafka_meet_the_proxy_and_notice_nothing() {
    let began = Instant::now();
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut kafka = Kafka::start_behind(&at.to_string());
    let upstream = kafka.inner().parse().expect("an address");
    let proxy = Proxy::start(Options::plain(at, upstream))
        .await
        .expect("the port is free");
    println!("started in {:?}", began.elapsed());

    what_this_kafka_offers_passes_as_it_is(&proxy, &kafka).await;
    what_is_written_is_read_once_and_in_order(&proxy).await;
    println!("written and read after {:?}", began.elapsed());
    idle_consumers_are_no_traffic(&proxy, &kafka).await;
    println!("idle after {:?}", began.elapsed());
    a_record_for_a_stopped_broker_is_held_and_acknowledged(&proxy, &mut kafka).await;
    a_broker_that_never_comes_costs_hold_max_and_no_more(&proxy, &mut kafka).await;
    a_frozen_broker_keeps_nobody_elses_connection(&proxy, &kafka).await;
    println!("all in {:?}", began.elapsed());
}

/// All that it offers can be read, so not a byte is changed in any form of the answer. One that it lacks it answers in the oldest.
async fn what_this_kafka_offers_passes_as_it_is(proxy: &Proxy, kafka: &Kafka) {
    for version in [0, 1, 2, 3, 4, 9] {
        // Number 5, a client without a name; then tags, its software and the software's version, and tags.
        let mut asked = vec![0, 18, 0, version, 0, 0, 0, 5, 0xff, 0xff];
        if version >= 3 {
            asked.extend([0, 2, b'p', 2, b'1', 0]);
        }
        let asked = [
            &u32::try_from(asked.len()).expect("a short one").to_be_bytes()[..],
            &asked,
        ]
        .concat();
        let mut answers = Vec::new();
        for at in [kafka.inner(), proxy.address().to_string()] {
            let mut stream = TcpStream::connect(at).await.expect("it listens");
            stream.write_all(&asked).await.expect("it is taken");
            let length = stream.read_i32().await.expect("a length");
            let mut content = vec![0; usize::try_from(length).expect("a length")];
            stream.read_exact(&mut content).await.expect("it comes whole");
            answers.push(content);
        }
        assert!(answers[0].len() >= 16, "{answers:?}");
        assert_eq!(answers[0], answers[1], "version {version}");
    }
    let seen = seen(proxy);
    assert_eq!((seen.traffic, seen.misframed), (0, 0));
}

/// The ledger: what was acknowledged is what is read.
async fn what_is_written_is_read_once_and_in_order(proxy: &Proxy) {
    const RECORDS: usize = 5000;
    let before = seen(proxy);
    let producer = producer(&proxy.address().to_string());
    let mut sending = JoinSet::new();
    let mut wanted = Vec::new();
    for number in 0..RECORDS {
        // Some are longer than the proxy's buffer.
        let size = if number % 500 == 0 { 100_000 } else { 10 };
        let text = format!("{number}:{}", "x".repeat(size));
        let record = FutureRecord::to(TOPIC).key("key").payload(&text);
        let sent = producer
            .send_result(record)
            .map_err(|(error, _)| error)
            .expect("it is queued");
        sending.spawn(sent);
        wanted.push(text);
    }
    while let Some(sent) = sending.join_next().await {
        let sent = sent.expect("it ends").expect("it is told");
        sent.map_err(|(error, _)| error).expect("it is acknowledged");
    }
    let written = seen(proxy);
    assert!(written.traffic > before.traffic, "{written:?}");

    let consumer = consumer(proxy, "ledger");
    let read = read(&consumer, RECORDS).await;
    assert!(read == wanted, "what was read is not what was acknowledged");
    let all: BTreeSet<&String> = read.iter().collect();
    assert_eq!(all.len(), RECORDS);
    let seen = seen(proxy);
    assert!(
        seen.traffic > written.traffic,
        "fetches with records are traffic: {seen:?}"
    );
    assert_eq!((seen.wanted, seen.misframed, seen.given_up), (0, 0, 0));
}

/// Consumers with auto-commit, of librdkafka and of Kafka, and one by the newer protocol of groups, in their idle state.
async fn idle_consumers_are_no_traffic(proxy: &Proxy, kafka: &Kafka) {
    const IDLE: Duration = Duration::from_secs(30);
    let ours = consumer(proxy, "idle");
    read(&ours, 5000).await;
    let writer = producer(&proxy.address().to_string());
    let theirs = Console::start(kafka, &proxy.address().to_string(), "idle-too", &[]);
    theirs.has_joined(&writer).await;
    // The last fetch with records may still be under way.
    while timeout(Duration::from_secs(1), ours.recv()).await.is_ok() {}
    // That one joins is traffic, and there is nothing for it to read.
    let before = seen(proxy);
    let newer = newer_consumer(proxy, "idle-newer");
    let joined = timeout(SOON, async {
        while newer.assignment().map_or(0, |assigned| assigned.count()) == 0 {
            let _ = timeout(Duration::from_millis(100), newer.recv()).await;
        }
    });
    joined.await.expect("it joins");
    let joining = seen(proxy);
    println!(
        "{} requests of one that joined were traffic",
        joining.traffic - before.traffic
    );
    assert!(joining.traffic > before.traffic, "{joining:?}");

    let before = seen(proxy);
    let nothing = timeout(IDLE, ours.recv()).await;
    assert!(nothing.is_err(), "nobody wrote");
    let after = seen(proxy);
    println!(
        "{} requests of idle consumers in {IDLE:?}: {} of them traffic",
        after.requests - before.requests,
        after.traffic - before.traffic
    );
    assert_eq!(after.traffic, before.traffic, "{after:?}");
    assert!(after.requests > before.requests + 60, "they were not there: {after:?}");

    // They were there all the time, and one record is traffic.
    write(&writer, "awake").await;
    assert_eq!(read(&ours, 1).await, ["awake"]);
    assert_eq!(read(&newer, 1).await, ["awake"]);
    theirs.prints("awake");
    // A Produce, and three fetches with a record.
    assert!(seen(proxy).traffic >= after.traffic + 4);
}

/// Asks for the versions in the oldest form, and takes the answer.
async fn ask(stream: &mut TcpStream) {
    stream
        .write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 5, 0xff, 0xff])
        .await
        .expect("it is taken");
    let length = stream.read_i32().await.expect("a length");
    let mut content = vec![0; usize::try_from(length).expect("a length")];
    stream.read_exact(&mut content).await.expect("it comes whole");
    assert_eq!(content[..6], [0, 0, 0, 5, 0, 0]);
}

async fn a_record_for_a_stopped_broker_is_held_and_acknowledged(proxy: &Proxy, kafka: &mut Kafka) {
    let used = producer(&proxy.address().to_string());
    write(&used, "before").await;
    assert!(block_in_place(|| kafka.stop()), "it ends by itself");
    let before = seen(proxy);
    let began = Instant::now();
    // One client that was there, and one that comes.
    let new = producer(&proxy.address().to_string());
    let (one, other) = (
        tokio::spawn(async move { write(&used, "held").await }),
        tokio::spawn(async move { write(&new, "held too").await }),
    );
    let mut watched = proxy.seen();
    let wanted = timeout(SOON, watched.wait_for(|seen| seen.wanted > before.wanted)).await;
    wanted.expect("it is wanted in time").expect("the proxy is there");
    println!("wanted after {:?}", began.elapsed());
    // As long as a host may take to resume.
    sleep(Duration::from_secs(2)).await;
    assert!(!one.is_finished() && !other.is_finished(), "they are held");
    block_in_place(|| kafka.restart());
    let up = Instant::now();
    one.await.expect("it is acknowledged");
    other.await.expect("it is acknowledged");
    println!(
        "acknowledged {:?} after being asked, {:?} after the broker is up",
        began.elapsed(),
        up.elapsed()
    );
    assert!(began.elapsed() < Limits::default().hold_max);
    let after = seen(proxy);
    assert!(
        after.traffic > before.traffic && after.given_up == before.given_up,
        "{after:?}"
    );
    let all = consumer(proxy, "after");
    let mut last = BTreeSet::new();
    while last.len() < 2 {
        last.extend(read(&all, 1).await.into_iter().filter(|text| text.starts_with("held")));
    }
}

async fn a_broker_that_never_comes_costs_hold_max_and_no_more(proxy: &Proxy, kafka: &mut Kafka) {
    assert!(block_in_place(|| kafka.stop()), "it ends by itself");
    let short = Limits {
        hold_max: Duration::from_secs(1),
        ..Limits::default()
    };
    let upstream = kafka.inner().parse().expect("an address");
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options {
        limits: short,
        ..Options::plain(at, upstream)
    };
    let second = Proxy::start(options).await.expect("a free port");
    let mut client = TcpStream::connect(second.address()).await.expect("it listens");
    let began = Instant::now();
    client
        .write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 5, 0xff, 0xff])
        .await
        .expect("it is taken");
    let end = timeout(SOON, client.read_to_end(&mut Vec::new())).await;
    assert_eq!(end.expect("in time").expect("a clean end"), 0);
    assert!(
        (short.hold_max..short.hold_max * 3).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((seen(&second).wanted, seen(&second).given_up), (1, 1));
    block_in_place(|| kafka.restart());
    write(&producer(&proxy.address().to_string()), "back").await;
}

async fn a_frozen_broker_keeps_nobody_elses_connection(proxy: &Proxy, kafka: &Kafka) {
    let used = producer(&proxy.address().to_string());
    write(&used, "warm").await;
    kafka.freeze();
    let before = seen(proxy);
    // They ask, hear nothing, and go.
    for _ in 0..20 {
        let mut client = TcpStream::connect(proxy.address()).await.expect("the proxy listens");
        let waited = timeout(Duration::from_millis(20), ask(&mut client)).await;
        assert!(waited.is_err(), "a frozen broker answers nothing");
    }
    assert!(seen(proxy).requests >= before.requests + 20);
    kafka.thaw();
    write(&used, "thawed").await;
    used.flush(SOON).expect("nothing is left");
}

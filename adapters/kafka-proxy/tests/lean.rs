//! A real cluster in gear Lean: one of three brokers is down, and the others stand in for it. Nobody wakes it, not even who
//! writes, and nobody waits for it.

mod clients;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clients::{Console, SOON, TOPIC, consumer_at, producer, read, seen, write};
use pehra_kafka_proxy::{Options, Proxy, WhileDown};
use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};
use pehra_testbed::process::free_port;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_others_stand_in_for_is_woken_by_nobody_and_waited_for_by_nobody() {
    const IDLE: Duration = Duration::from_secs(10);
    let addresses = [(); 3].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let mut cluster = block_in_place(|| {
        KafkaCluster::start(&ClusterOptions {
            advertised: addresses.map(|at| at.to_string()).into(),
            ..ClusterOptions::default()
        })
    });
    let mut proxies = Vec::new();
    for (id, at) in (1..).zip(addresses) {
        let upstream = cluster.inner(id).parse().expect("an address");
        let options = Options {
            while_down: WhileDown::Refuse,
            ..Options::plain(at, upstream)
        };
        proxies.push(Proxy::start(options).await.expect("the port is free"));
    }
    let brokers = addresses.map(|at| at.to_string()).join(",");
    let made = cluster.tool(
        "org.apache.kafka.tools.TopicCommand",
        &[
            "--bootstrap-server",
            &brokers,
            "--create",
            "--topic",
            TOPIC,
            "--partitions",
            "6",
        ],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let known = producer(&brokers);
    let ours = consumer_at(&brokers, "ours");
    let theirs = Console::of(
        cluster.command("org.apache.kafka.tools.consumer.ConsoleConsumer", &[]),
        &brokers,
        "theirs",
        &[],
    );
    theirs.has_joined(&known).await;
    while timeout(Duration::from_secs(1), ours.recv()).await.is_ok() {}

    // Each of them leads some of the partitions, and one of them the groups.
    for asleep in [1, 2] {
        let proxy = &proxies[usize::from(asleep) - 1];
        let took = block_in_place(|| cluster.stop(asleep));
        let before = seen(proxy);
        let began = Instant::now();
        write(&known, "by one that was there").await;
        println!(
            "broker {asleep} stopped in {took:?}; a producer that was there: {:?}",
            began.elapsed()
        );
        let began = Instant::now();
        let first_the_sleeper = format!("{},{brokers}", addresses[usize::from(asleep) - 1]);
        write(&producer(&first_the_sleeper), "by a new one").await;
        println!("a new producer: {:?}", began.elapsed());
        let mut texts = read(&ours, 2).await;
        texts.sort();
        assert_eq!(texts, ["by a new one", "by one that was there"]);
        theirs.prints("by a new one");
        let busy: Vec<u64> = proxies.iter().map(|proxy| seen(proxy).traffic).collect();
        sleep(IDLE).await;
        let after = seen(proxy);
        println!(
            "{} connections were refused, {} requests read",
            after.refused - before.refused,
            after.requests - before.requests
        );
        assert_eq!(
            (after.wanted, after.traffic),
            (before.wanted, before.traffic),
            "{after:?}"
        );
        // Those who are awake see idle clients, and no traffic.
        let idle: Vec<u64> = proxies.iter().map(|proxy| seen(proxy).traffic).collect();
        assert_eq!(idle, busy);
        block_in_place(|| cluster.restart(asleep));
        // Until its copies are in sync again, the next one must not go.
        wait_for_copies(&cluster).await;
    }
}

async fn wait_for_copies(cluster: &KafkaCluster) {
    let began = Instant::now();
    loop {
        let bootstrap = cluster.bootstrap();
        let arguments = [
            "--bootstrap-server",
            &bootstrap,
            "--describe",
            "--under-replicated-partitions",
        ];
        let output = block_in_place(|| cluster.tool("org.apache.kafka.tools.TopicCommand", &arguments));
        if output.status.success() && output.stdout.trim_ascii().is_empty() {
            return;
        }
        assert!(
            began.elapsed() < 2 * SOON,
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        sleep(Duration::from_millis(500)).await;
    }
}

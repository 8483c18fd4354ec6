//! `pehra plan` against a real cluster of three controllers and three brokers, whole and broken; and what plain Kafka does
//! when it is told to stop what the plan says may not sleep.
//!
//! One cluster for all, as it takes seconds to start.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};
use pehra_testbed::process::{free_port, wait_until};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn plan(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pehra"))
        .arg("plan")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("pehra starts")
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The plan as an object, if there is one at the moment.
fn try_json(cluster: &KafkaCluster) -> Result<Value, String> {
    let output = plan(&["--json", "--kafka", &cluster.bootstrap()]);
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("one JSON object")),
        false => Err(said(&output.stderr)),
    }
}

fn text(cluster: &KafkaCluster) -> String {
    let output = plan(&["--kafka", &cluster.bootstrap()]);
    assert!(output.status.success(), "{}", said(&output.stderr));
    said(&output.stdout)
}

/// Waits until the plan is like that.
fn until(cluster: &KafkaCluster, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let (began, mut last) = (Instant::now(), String::new());
    while began.elapsed() < PATIENCE {
        match try_json(cluster) {
            Ok(plan) if is_so(&plan) => return plan,
            Ok(plan) => last = plan.to_string(),
            Err(error) => last = error,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("waited in vain: {what}; at last {last}");
}

fn broker(plan: &Value, id: u64) -> &Value {
    let brokers = plan["brokers"].as_array().expect("a list");
    brokers
        .iter()
        .find(|broker| broker["id"] == id)
        .expect("it is registered")
}

fn may_sleep(plan: &Value) -> Vec<u64> {
    let brokers = plan["brokers"].as_array().expect("a list").iter();
    let sleepy = brokers.filter(|broker| broker["may_sleep"] == true);
    sleepy.map(|broker| broker["id"].as_u64().expect("an id")).collect()
}

fn why(plan: &Value, id: u64) -> String {
    broker(plan, id)["reasons"].to_string()
}

fn obstacles(plan: &Value) -> String {
    plan["obstacles"].to_string()
}

#[test]
fn a_cluster_that_cannot_be_reached_is_said_with_what_to_do() {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let output = plan(&["--kafka", &nowhere]);
    let error = said(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains(&nowhere) && error.contains("is a broker running there?"),
        "{error}"
    );
    let output = plan(&["--kafka", "somewhere"]);
    assert!(said(&output.stderr).contains("HOST:PORT"), "{}", said(&output.stderr));
    let help = said(&plan(&["--help"]).stdout);
    assert!(help.contains("pehra plan --kafka localhost:9092 --json"), "{help}");
}

#[test]
fn a_real_cluster_is_planned_whole_and_broken_and_plain_kafka_would_lose_its_last_copy() {
    let began = Instant::now();
    let mut cluster = KafkaCluster::start(&ClusterOptions {
        racks: ["G0", "G1", "G2"].map(String::from).into(),
        ..ClusterOptions::default()
    });
    println!("started in {:?}", began.elapsed());
    let bootstrap = cluster.bootstrap();
    let create = ["--create", "--bootstrap-server", &bootstrap, "--topic", "readings"];
    let made = cluster.tool("org.apache.kafka.tools.TopicCommand", &create);
    assert!(made.status.success(), "{}{}", said(&made.stdout), said(&made.stderr));

    a_whole_cluster_lets_any_one_sleep(&cluster);
    a_killed_broker_keeps_the_others_awake(&mut cluster);
    plain_kafka_lets_the_last_in_sync_replica_go_and_the_plan_would_not(&mut cluster);
    println!("all in {:?}", began.elapsed());
}

fn a_whole_cluster_lets_any_one_sleep(cluster: &KafkaCluster) {
    let plan = until(cluster, "all are in sync", |plan| may_sleep(plan) == [1, 2, 3]);
    assert_eq!(obstacles(&plan), "[]");
    assert_eq!((&plan["now"]["count"], &plan["k_max"]["count"]), (&1.into(), &1.into()));
    assert_eq!(plan["k_max"]["proven"], true);
    assert_eq!(plan["k_max_in_watch_gear"], 2);
    assert_eq!(
        plan["advice"].to_string(),
        "[]",
        "three brokers with three copies are as good as it gets"
    );
    // A third of 0.8 × (100 W − 6 W), over 0.8 × 100 W + 0.2 × 180 W.
    assert_eq!(plan["savings"][1]["saving_permille_max"], 216);
    let began = Instant::now();
    let page = text(cluster);
    println!("planned in {:?}\n{page}", began.elapsed());
    for part in [
        "G1",
        "yes",
        "with this layout  1 of 3",
        "modelled",
        "in watch gear 2 of 3",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

fn a_killed_broker_keeps_the_others_awake(cluster: &mut KafkaCluster) {
    cluster.kill9(3);
    let plan = until(cluster, "broker 3 is seen to be down", |plan| {
        broker(plan, 3)["state"] == "down"
    });
    assert_eq!(may_sleep(&plan), [0; 0]);
    assert!(obstacles(&plan).contains("broker 3 is down"), "{plan}");
    assert!(why(&plan, 3).contains("it is down"), "{plan}");
    for id in [1, 2] {
        assert!(
            why(&plan, id).contains("would keep 1 in-sync copy awake and needs 2"),
            "{plan}"
        );
    }
    assert_eq!((&plan["now"]["count"], &plan["k_max"]["count"]), (&0.into(), &1.into()));
    let page = text(cluster);
    println!("{page}");
    assert!(page.contains("nobody may sleep until this is over"), "{page}");
    cluster.restart(3);
    until(cluster, "broker 3 is back in sync", |plan| may_sleep(plan) == [1, 2, 3]);
}

/// The first half of T5: what the plan refuses, Kafka grants.
fn plain_kafka_lets_the_last_in_sync_replica_go_and_the_plan_would_not(cluster: &mut KafkaCluster) {
    let by_itself = "Kafka grants the shutdown: the broker ends by itself";
    cluster.stop(1).expect(by_itself);
    let plan = until(cluster, "broker 1 is gone", |plan| broker(plan, 1)["state"] == "down");
    assert_eq!(may_sleep(&plan), [0; 0]);
    assert!(
        why(&plan, 2).contains("would keep 1 in-sync copy awake and needs 2"),
        "{plan}"
    );

    cluster.stop(2).expect(by_itself);
    let plan = until(cluster, "broker 2 is gone", |plan| broker(plan, 2)["state"] == "down");
    assert!(
        why(&plan, 3).contains("would keep 0 in-sync copies awake and needs 2"),
        "{plan}"
    );
    let refused = write(cluster);
    assert!(refused.contains("NotEnoughReplicas"), "{refused}");

    cluster.stop(3).expect(by_itself);
    let error = try_json(cluster).expect_err("nobody is left to ask");
    assert!(error.contains("no broker of"), "{error}");

    // The last copy was let go: with only broker 1 back, which left before, nobody may lead.
    cluster.restart(1);
    let plan = until(cluster, "broker 1 is back", |plan| broker(plan, 1)["state"] == "awake");
    assert!(obstacles(&plan).contains("without a leader"), "{plan}");
    assert_eq!(broker(&plan, 1)["leads"], 0);
    cluster.restart(3);
    until(cluster, "there are leaders again", |plan| {
        !obstacles(plan).contains("without a leader")
    });
    wait_until("a write is taken again", PATIENCE, || {
        !write(cluster).contains("Exception")
    });
}

/// Writes one record with `acks=all`, once. What the writer said; an exception if the record was refused.
fn write(cluster: &KafkaCluster) -> String {
    let bootstrap = format!("bootstrap.servers={}", cluster.bootstrap());
    let one = [
        "--topic",
        "readings",
        "--num-records",
        "1",
        "--record-size",
        "9",
        "--throughput",
        "-1",
    ];
    let once = [
        "--producer-props",
        &bootstrap,
        "acks=all",
        "retries=0",
        "enable.idempotence=false",
    ];
    let output = cluster.tool(
        "org.apache.kafka.tools.ProducerPerformance",
        &[&one[..], &once[..]].concat(),
    );
    said(&output.stderr) + &said(&output.stdout)
}

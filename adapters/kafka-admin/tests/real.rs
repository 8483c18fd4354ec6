//! Against a real Apache Kafka cluster of three controllers and three brokers; Kafka's own tools are the oracle.
//!
//! One cluster for all, as it takes seconds to start: each part leaves it whole.

mod relay;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pehra_core::sleep::coverage::{Rules, assess};
use pehra_kafka_admin::{Admin, Limits, Move, Outcome, TopicPartition, TopicView, View};
use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};
use relay::Relay;

const PATIENCE: Duration = Duration::from_secs(30);

/// A test's limits: what is frozen should be noticed soon.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    request: Duration::from_secs(3),
    frame_max: 1 << 20,
};

#[tokio::test]
async fn a_real_cluster_is_read_and_changed_as_kafkas_own_tools_see_it() {
    let began = Instant::now();
    let mut cluster = KafkaCluster::start(&ClusterOptions {
        racks: ["G0", "G1", "G2"].map(String::from).into(),
        ..ClusterOptions::default()
    });
    println!("started in {:?}", began.elapsed());
    for (topic, copies) in [("readings", "3"), ("pairs", "2")] {
        make(&cluster, topic, copies);
    }
    let mut admin = Admin::connect(&cluster.bootstrap(), LIMITS)
        .await
        .expect("a broker answers");

    it_says_what_kafkas_own_tools_say(&cluster, &mut admin).await;
    logs_end_where_the_writer_left_them(&cluster, &mut admin).await;
    a_stopped_broker_is_seen_and_its_leaderships_come_back(&mut cluster, &mut admin).await;
    copies_move_and_their_number_stays(&mut cluster, &mut admin).await;
    a_lost_controller_is_seen(&mut cluster, &mut admin).await;
    a_frozen_broker_costs_a_deadline_and_no_more(&cluster, &mut admin).await;
    of_a_broker_that_is_cut_off_nothing_is_taken(&cluster).await;
    println!("all in {:?}", began.elapsed());
}

fn make(cluster: &KafkaCluster, topic: &str, copies: &str) {
    let bootstrap = cluster.bootstrap();
    let arguments = ["--create", "--bootstrap-server", &bootstrap, "--topic", topic];
    let shape = ["--partitions", "3", "--replication-factor", copies];
    run(
        cluster,
        "org.apache.kafka.tools.TopicCommand",
        &[&arguments[..], &shape[..]].concat(),
    );
}

/// Runs one of Kafka's tools, which has to succeed. What it said.
fn run(cluster: &KafkaCluster, class: &str, arguments: &[&str]) -> String {
    let output = cluster.tool(class, arguments);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{class} {arguments:?}:\n{out}{err}");
    out.into_owned()
}

/// Writes so many records with `acks=all`.
fn write(cluster: &KafkaCluster, topic: &str, records: u32) {
    let (records, bootstrap) = (
        records.to_string(),
        format!("bootstrap.servers={}", cluster.bootstrap()),
    );
    let arguments = [
        "--topic",
        topic,
        "--num-records",
        &records,
        "--record-size",
        "20",
        "--throughput",
        "-1",
    ];
    let to = ["--producer-props", &bootstrap, "acks=all"];
    run(
        cluster,
        "org.apache.kafka.tools.ProducerPerformance",
        &[&arguments[..], &to[..]].concat(),
    );
}

fn topic<'a>(view: &'a View, name: &str) -> &'a TopicView {
    view.topics
        .iter()
        .find(|topic| topic.name == name)
        .expect("the topic is there")
}

/// Reads until it is so.
async fn until(admin: &mut Admin, what: &str, is_so: impl Fn(&View) -> bool) -> View {
    let began = Instant::now();
    loop {
        match admin.view().await {
            Ok(view) if is_so(&view) => return view,
            outcome => assert!(
                began.elapsed() < PATIENCE,
                "waited in vain: {what}; at last {outcome:#?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_whole(view: &View) -> bool {
    let mut partitions = view.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.all(|it| it.replicas.len() == it.in_sync.len() && it.leader.is_some() && !it.is_moving)
        && view.brokers.iter().all(|broker| !broker.is_fenced)
        && view.quorum.voters.iter().all(pehra_kafka_admin::VoterView::is_awake)
}

async fn it_says_what_kafkas_own_tools_say(cluster: &KafkaCluster, admin: &mut Admin) {
    let began = Instant::now();
    let view = admin.view().await.expect("it can be read");
    println!("read in {:?}", began.elapsed());
    assert!(is_whole(&view), "{view:#?}");
    assert!(view.keeps_eligible, "on for new clusters since 4.1");
    let racks: Vec<_> = view.brokers.iter().map(|it| (it.id, it.rack.as_deref())).collect();
    assert_eq!(racks, [(1, Some("G0")), (2, Some("G1")), (3, Some("G2"))]);
    let addresses: Vec<&str> = view.brokers.iter().map(|it| it.address.as_str()).collect();
    assert_eq!(addresses.join(","), cluster.bootstrap());
    let voters: Vec<i32> = view.quorum.voters.iter().map(|voter| voter.id).collect();
    assert_eq!(voters, [101, 102, 103]);
    assert!(topic(&view, "readings").in_sync_min == 2 && !topic(&view, "readings").unclean_election);

    let bootstrap = cluster.bootstrap();
    let told = run(
        cluster,
        "org.apache.kafka.tools.TopicCommand",
        &[
            "--describe",
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            "readings|pairs",
        ],
    );
    for name in ["readings", "pairs"] {
        for it in &topic(&view, name).partitions {
            let (leader, ids) = (it.leader.expect("it has one"), |ids: &[i32]| {
                ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
            });
            let line = format!(
                "Topic: {name}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
                it.partition,
                ids(&it.replicas),
                ids(&it.in_sync)
            );
            assert!(told.contains(&line), "{line}\nis not in\n{told}");
        }
    }
}

async fn logs_end_where_the_writer_left_them(cluster: &KafkaCluster, admin: &mut Admin) {
    write(cluster, "readings", 60);
    let partitions: Vec<_> = (0..3).map(|at| TopicPartition::new("readings", at)).collect();
    let ends = admin.log_ends(&partitions).await.expect("they can be read");
    assert_eq!(ends.len(), 9, "three copies of three partitions");
    let mut by_broker: BTreeMap<i32, i64> = BTreeMap::new();
    for end in &ends {
        *by_broker.entry(end.broker).or_default() += end.end.expect("every copy is there");
    }
    assert_eq!(by_broker, BTreeMap::from([(1, 60), (2, 60), (3, 60)]), "{ends:?}");
    let nothing = admin.log_ends(&[TopicPartition::new("nothing", 0)]).await;
    assert!(
        nothing
            .expect_err("there is no such topic")
            .to_string()
            .contains("nothing-0")
    );
}

async fn a_stopped_broker_is_seen_and_its_leaderships_come_back(cluster: &mut KafkaCluster, admin: &mut Admin) {
    println!("stopped in {:?}", cluster.stop(1).expect("it ends by itself"));
    let view = until(admin, "broker 1 is fenced", |view| view.brokers[0].is_fenced).await;
    for it in &topic(&view, "readings").partitions {
        assert_eq!(BTreeSet::from_iter(it.in_sync.iter().copied()), BTreeSet::from([2, 3]));
        assert!(it.leader.is_some_and(|leader| leader != 1) && it.eligible.is_empty());
    }
    // A topic with two copies of which both are needed now has an eligible leader that sleeps.
    let pairs = topic(&view, "pairs")
        .partitions
        .iter()
        .filter(|it| it.replicas.contains(&1));
    assert!(pairs.clone().count() > 0);
    assert!(pairs.clone().all(|it| it.eligible == [1]), "{view:#?}");

    let mine: Vec<TopicPartition> = topic(&view, "readings")
        .partitions
        .iter()
        .filter(|it| it.replicas.first() == Some(&1))
        .map(|it| TopicPartition::new("readings", it.partition))
        .collect();
    assert_eq!(mine.len(), 1);
    let early = admin.elect_preferred(&mine).await.expect("it answers");
    assert!(
        matches!(early[0].1, Outcome::Refused { code: 80, .. }),
        "it is not there: {early:?}"
    );
    write(cluster, "readings", 30);
    let ends = admin.log_ends(&mine).await.expect("they can be read");
    let unknown: Vec<i32> = ends.iter().filter(|it| it.end.is_none()).map(|it| it.broker).collect();
    assert_eq!(unknown, [1], "{ends:?}");

    println!("back in {:?}", cluster.restart(1));
    until(admin, "all is whole again", is_whole).await;
    let ends = admin.log_ends(&mine).await.expect("they can be read");
    assert!(
        ends.iter().all(|it| it.end == ends[0].end && it.end.is_some()),
        "{ends:?}"
    );
    let elected = admin.elect_preferred(&mine).await.expect("it answers");
    assert_eq!(elected, [(mine[0].clone(), Outcome::Accepted)]);
    let again = admin.elect_preferred(&mine).await.expect("it answers");
    assert_eq!(again, [(mine[0].clone(), Outcome::NotNeeded)]);
}

async fn copies_move_and_their_number_stays(cluster: &mut KafkaCluster, admin: &mut Admin) {
    let view = admin.view().await.expect("it can be read");
    let pair = topic(&view, "pairs")
        .partitions
        .iter()
        .find(|it| !it.replicas.contains(&3));
    let pair = pair.expect("three pairs of three brokers are all pairs");
    let of = TopicPartition::new("pairs", pair.partition);
    let to = |replicas: &[i32]| Move {
        of: of.clone(),
        replicas: replicas.to_vec(),
    };
    for wrong in [&[1, 2, 3][..], &[1], &[1, 9], &[]] {
        let refused = admin.reassign(&[to(wrong)]).await.expect("it answers");
        assert!(
            matches!(refused[0].1, Outcome::Refused { .. }),
            "{wrong:?}: {refused:?}"
        );
    }
    // A move to a broker that is gone stays under way.
    cluster.kill9(3);
    until(admin, "broker 3 is fenced", |view| view.brokers[2].is_fenced).await;
    let begun = admin.reassign(&[to(&[pair.replicas[0], 3])]).await.expect("it answers");
    assert_eq!(begun[0].1, Outcome::Accepted);
    let moving = admin.reassignments().await.expect("they can be listed");
    assert_eq!(moving.len(), 1);
    assert_eq!((&moving[0].of, &moving[0].adding[..]), (&of, &[3][..]));
    let view = admin.view().await.expect("it can be read");
    let numbered = view.numbered(&BTreeSet::new()).expect("few nodes");
    let coverage = assess(&numbered.topology, &Rules::LEAN);
    assert!(!coverage.obstacles.is_empty() && coverage.now.sleepers.is_empty());
    let back = admin.cancel_moves(&[of]).await.expect("it answers");
    assert_eq!(back[0].1, Outcome::Accepted);
    assert_eq!(admin.reassignments().await.expect("they can be listed"), []);
    println!("back after kill -9 in {:?}", cluster.restart(3));
    until(admin, "all is whole again", is_whole).await;
}

async fn a_lost_controller_is_seen(cluster: &mut KafkaCluster, admin: &mut Admin) {
    let leader = admin.quorum().await.expect("it can be read").leader;
    let lost = cluster.controllers().into_iter().find(|id| i32::from(*id) != leader);
    let lost = lost.expect("one of three leads");
    cluster.kill9(lost);
    let asleep = |view: &View| {
        let voters = view.quorum.voters.iter().filter(|voter| !voter.is_awake());
        voters.map(|voter| voter.id).collect::<Vec<i32>>()
    };
    until(admin, "the controller counts as gone", |view| {
        asleep(view) == [i32::from(lost)]
    })
    .await;
    cluster.restart(lost);
    until(admin, "all is whole again", is_whole).await;
}

async fn a_frozen_broker_costs_a_deadline_and_no_more(cluster: &KafkaCluster, admin: &mut Admin) {
    cluster.freeze(2);
    let began = Instant::now();
    let one = [TopicPartition::new("readings", 0)];
    let ends = admin.log_ends(&one).await.expect("the others answer");
    let took = began.elapsed();
    // Also if it is the first that is asked.
    let frozen_first = format!("{},{}", cluster.address(2), cluster.address(1));
    let connected = Admin::connect(&frozen_first, LIMITS).await;
    cluster.thaw(2);
    connected
        .expect("the second one answers")
        .brokers()
        .await
        .expect("it goes on with the second");
    let unknown: Vec<i32> = ends.iter().filter(|it| it.end.is_none()).map(|it| it.broker).collect();
    assert_eq!(unknown, [2], "{ends:?}");
    assert!(took < 4 * LIMITS.request, "it took {took:?}");
}

/// It answers, and knows of the partitions what held when it was cut off.
async fn of_a_broker_that_is_cut_off_nothing_is_taken(cluster: &KafkaCluster) {
    let cut_off = Relay::start(&cluster.address(2), true).await;
    let whole = Relay::start(&cluster.address(1), false).await;
    let both = format!("{},{}", cut_off.address, whole.address);
    let began = Instant::now();
    let mut admin = Admin::connect(&both, LIMITS).await.expect("a broker answers");
    let view = admin.view().await.expect("the other one can be read");
    let took = began.elapsed();
    println!("read past a broker that is cut off in {took:?}");
    assert!(is_whole(&view), "{view:#?}");
    assert!(took < 2 * LIMITS.request, "it took {took:?}");
    // Versions, settings, moves, the quorum, the cluster, partitions: all that makes a reading.
    let of_the_other = whole.asked();
    assert_eq!(of_the_other, BTreeSet::from([18, 32, 46, 55, 60, 75]));
    let begun = cut_off.asked();
    assert!(
        begun.contains(&46) && !begun.contains(&55),
        "it was not cut off: {begun:?}"
    );
    // The next reading begins where this one ended.
    assert_eq!(admin.read_at(), Some(&*whole.address));
    cut_off.forget();
    let began = Instant::now();
    assert!(is_whole(&admin.view().await.expect("it can be read again")));
    println!("read again in {:?}", began.elapsed());
    assert_eq!(cut_off.asked(), BTreeSet::new(), "it was asked first again");
    // A single question goes past it as well.
    assert_eq!(admin.quorum().await.expect("the other answers").voters.len(), 3);
    let alone = Admin::connect(&cut_off.address, LIMITS).await;
    let error = alone.expect("it answers").view().await.expect_err("it is cut off");
    assert_eq!(error.problem, pehra_kafka_admin::Problem::Silent(LIMITS.request));
}

//! The abstract Kafka of the models, held against a real cluster of three controllers and three brokers.
//!
//! The same is done to both: brokers stopped, killed and started, records written. The abstract one says every state in which
//! it may come to rest; what the real one shows then (leader, ISR, ELR, who led last) has to be one of them, and those that it
//! is not are given up. Whether a write is taken has to agree as well. A difference is a mistake in the abstract one.
//!
//! While no broker runs nobody can be asked; the next step's reading then stands for both.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pehra_core::types::NodeId;
use pehra_kafka_admin::{Admin, Limits, PartitionView, View};
use pehra_models::kafka::{BROKERS, Kafka, PARTITIONS, Partition, RECORDS, Setup, Step, properties};
use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// For the real one to come to rest.
const PATIENCE: Duration = Duration::from_secs(40);

/// Longer than the testbed's `broker.session.timeout.ms`, with what the controllers need to act on it.
const SESSION: Duration = Duration::from_secs(8);

/// Topics of one partition each, so that a write goes where it is meant to.
const TOPICS: [&str; 2] = ["readings", "tuples"];

/// What is done. Brokers are numbered from 0 here, from 1 in Kafka.
#[derive(Clone, Copy, Debug)]
enum Do {
    Stop(u8),
    Kill(u8),
    Start(u8),
    Write(u8),
}

/// Both Kafkas.
struct Pair {
    cluster: KafkaCluster,
    setup: Setup,
    /// The states that the abstract one may be in.
    may: BTreeSet<Kafka>,
    running: BTreeSet<u8>,
}

/// What both can say of a partition.
type Shown = (Option<i32>, BTreeSet<i32>, BTreeSet<i32>, Vec<i32>);

impl Pair {
    async fn start() -> Self {
        let cluster = KafkaCluster::start(&ClusterOptions {
            // Else leaderships move by themselves every five minutes.
            settings: vec![("auto.leader.rebalance.enable".into(), "false".into())],
            ..ClusterOptions::default()
        });
        for topic in TOPICS {
            let bootstrap = cluster.bootstrap();
            let create = [
                "--create",
                "--bootstrap-server",
                &bootstrap,
                "--partitions",
                "1",
                "--topic",
                topic,
            ];
            let made = cluster.tool("org.apache.kafka.tools.TopicCommand", &create);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let mut setup = Setup::new(3, 2, 3, 2);
        let is_whole = |view: &View| {
            partitions(view).is_some_and(|all| all.iter().all(|it| it.in_sync.len() == 3 && it.leader.is_some()))
        };
        let view = until(&cluster, is_whole).await.expect("all copies come to be in sync");
        assert!(view.keeps_eligible, "a new cluster keeps eligible replicas");
        for (place, partition) in setup
            .assignment
            .iter_mut()
            .zip(partitions(&view).expect("both are there"))
        {
            for (copy, id) in place.iter_mut().zip(&partition.replicas) {
                *copy = u8::try_from(id - 1).expect("few brokers");
            }
        }
        let start = Kafka::new(&setup);
        let pair = Self {
            cluster,
            setup,
            may: BTreeSet::from([start]),
            running: (0..3).collect(),
        };
        assert_eq!(shown_by(&pair.setup, &start), seen(&view).expect("both are there"));
        pair
    }

    async fn act(&mut self, what: Do) {
        let began = Instant::now();
        match what {
            Do::Stop(broker) => {
                self.running.remove(&broker);
                self.step(Step::Stop(broker));
                let ended = self.cluster.stop(u16::from(broker) + 1);
                assert!(ended.is_some(), "broker {broker} had to be killed");
            }
            Do::Kill(broker) => {
                self.running.remove(&broker);
                self.step(Step::Kill(broker));
                self.cluster.kill9(u16::from(broker) + 1);
                if self.running.is_empty() {
                    // Nobody can tell when it is fenced.
                    tokio::time::sleep(SESSION).await;
                }
            }
            Do::Start(broker) => {
                self.running.insert(broker);
                self.step(Step::Start(broker));
                self.cluster.restart(u16::from(broker) + 1);
            }
            Do::Write(partition) => self.write(partition),
        }
        self.settle(what).await;
        println!("{what:?}: {:?}, {} states possible", began.elapsed(), self.may.len());
    }

    fn step(&mut self, step: Step) {
        let next = self
            .may
            .iter()
            .filter_map(|kafka| kafka.step(&self.setup, step))
            .collect();
        self.may = next;
    }

    /// Writes one record, once. Both have to say the same of it.
    fn write(&mut self, partition: u8) {
        let bootstrap = format!("bootstrap.servers={}", self.cluster.bootstrap());
        let one = [
            "--num-records",
            "1",
            "--record-size",
            "9",
            "--throughput",
            "-1",
            "--topic",
        ];
        let props = [
            "--producer-props",
            &bootstrap,
            "acks=all",
            "retries=0",
            "max.block.ms=5000",
        ];
        let arguments = [
            &one[..],
            &[TOPICS[usize::from(partition)]],
            &props,
            &["enable.idempotence=false"],
        ]
        .concat();
        let output = self
            .cluster
            .tool("org.apache.kafka.tools.ProducerPerformance", &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let is_taken = output.status.success() && !said.contains("Exception");
        let setup = self.setup;
        let agrees = |kafka: &Kafka| kafka.is_writable(&setup, partition) == is_taken;
        assert!(
            self.may.iter().any(agrees),
            "a write was {} and should not have been:\n{:?}\n{said}",
            if is_taken { "taken" } else { "refused" },
            self.may
        );
        self.may.retain(agrees);
        if is_taken {
            self.step(Step::Produce(partition));
        }
    }

    /// Waits until the real one shows one of the states in which the abstract one comes to rest.
    async fn settle(&mut self, what: Do) {
        let ends: BTreeSet<Kafka> = self.may.iter().flat_map(|kafka| kafka.settled(&self.setup)).collect();
        assert!(
            !ends.is_empty(),
            "{what:?} is not possible in the abstract one: {:?}",
            self.may
        );
        self.may = ends;
        if self.running.is_empty() {
            return;
        }
        let (setup, may) = (self.setup, self.may.clone());
        let agrees =
            |view: &View| seen(view).is_some_and(|seen| may.iter().any(|kafka| shown_by(&setup, kafka) == seen));
        let outcome = until(&self.cluster, agrees).await;
        let view = outcome.unwrap_or_else(|last| {
            let expected: BTreeSet<_> = may.iter().map(|kafka| shown_by(&setup, kafka)).collect();
            panic!("after {what:?} the real one is in no state that is allowed:\n{expected:?}\n{last}")
        });
        let seen = seen(&view).expect("it was there");
        self.may.retain(|kafka| shown_by(&setup, kafka) == seen);
        for kafka in &self.may {
            assert!(properties::leaders_are_in_sync(&setup, kafka));
            assert!(properties::no_record_is_lost(&setup, kafka), "{kafka:?}");
        }
    }

    /// Brings everybody back.
    async fn heal(&mut self) {
        for broker in 0..3 {
            if !self.running.contains(&broker) {
                self.act(Do::Start(broker)).await;
            }
        }
    }
}

/// Reads, from whoever runs, until it is so; or says what was read last.
async fn until(cluster: &KafkaCluster, is_so: impl Fn(&View) -> bool) -> Result<View, String> {
    let limits = Limits {
        connect: Duration::from_secs(1),
        request: Duration::from_secs(3),
        frame_max: 1 << 20,
    };
    let (began, mut last) = (Instant::now(), String::new());
    while began.elapsed() < PATIENCE {
        // A new client each time: the broker that an old one talked to may be gone.
        let read = async { Admin::connect(&cluster.bootstrap(), limits).await?.view().await };
        match read.await {
            Ok(view) if is_so(&view) => return Ok(view),
            Ok(view) => last = format!("{:?}", seen(&view)),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(last)
}

fn partitions(view: &View) -> Option<Vec<&PartitionView>> {
    let of = |name: &&str| {
        view.topics
            .iter()
            .find(|topic| topic.name == **name)?
            .partitions
            .first()
    };
    TOPICS.iter().map(of).collect()
}

fn seen(view: &View) -> Option<Vec<Shown>> {
    let shown = |it: &PartitionView| {
        let set = |ids: &[i32]| ids.iter().copied().collect();
        (it.leader, set(&it.in_sync), set(&it.eligible), it.last_eligible.clone())
    };
    Some(partitions(view)?.into_iter().map(shown).collect())
}

fn shown_by(setup: &Setup, kafka: &Kafka) -> Vec<Shown> {
    let id = |node: NodeId| i32::from(node.0) + 1;
    let shown = |it: &Partition| {
        let broker = |broker: u8| i32::from(broker) + 1;
        (
            it.leader.map(broker),
            it.in_sync.iter().map(id).collect(),
            it.eligible.iter().map(id).collect(),
            it.last_leader.map(broker).into_iter().collect(),
        )
    };
    setup
        .all_partitions()
        .map(|number| shown(kafka.partition(number)))
        .collect()
}

const _: () = assert!(BROKERS >= 3 && PARTITIONS >= TOPICS.len());

#[tokio::test]
async fn the_abstract_kafka_does_what_a_real_one_does() {
    let began = Instant::now();
    let mut pair = Pair::start().await;
    println!("started in {:?}", began.elapsed());
    // One after the other until the last copy is let go; then one that may not lead, then one that may.
    for what in [
        Do::Write(0),
        Do::Stop(0),
        Do::Stop(1),
        Do::Write(0),
        Do::Stop(2),
        Do::Start(0),
        Do::Start(2),
        Do::Start(1),
    ] {
        pair.act(what).await;
    }
    // The last one is killed: it is eligible until it comes back, then no more, and leads as the one who led last.
    for what in [
        Do::Stop(0),
        Do::Kill(1),
        Do::Kill(2),
        Do::Start(0),
        Do::Start(2),
        Do::Start(1),
        Do::Write(1),
    ] {
        pair.act(what).await;
    }
    println!("all in {:?}", began.elapsed());
}

#[tokio::test]
#[ignore = "deep: random sequences on a real cluster take minutes; ./run deep runs it"]
async fn random_sequences_agree() {
    let seeds = std::env::var("PEHRA_SEEDS").map_or(4, |text| text.parse().expect("PEHRA_SEEDS is a number"));
    for seed in 0..seeds {
        let mut random = StdRng::seed_from_u64(seed);
        let mut pair = Pair::start().await;
        let mut writes = [0; TOPICS.len()];
        for _ in 0..16 {
            let broker = random.random_range(0..3_u8);
            let partition = random.random_range(0..2_u8);
            let what = match (random.random_range(0..4_u8), pair.running.contains(&broker)) {
                (0, _) if !pair.running.is_empty() && writes[usize::from(partition)] < RECORDS => {
                    writes[usize::from(partition)] += 1;
                    Do::Write(partition)
                }
                (1, true) => Do::Kill(broker),
                (_, true) => Do::Stop(broker),
                (_, false) => Do::Start(broker),
            };
            println!("seed {seed}: {what:?}");
            pair.act(what).await;
        }
        pair.heal().await;
    }
}

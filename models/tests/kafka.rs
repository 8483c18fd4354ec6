//! The gates of the abstract Kafka, and wrong uses of Kafka that have to lose a record in it.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::{Reason, Rules, assess};
use pehra_core::types::NodeId;
use pehra_models::kafka::{Bounds, Kafka, Misuse, Presence, Setup, Step, World, properties};
use pehra_models::{Gate, Hunt, Report, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let gate = Gate::new(World::new(bounds))
        .name(name)
        .bounds(bounds.words())
        .states_max(8_000_000)
        .golden(states);
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

fn loses(name: &str, bounds: Bounds) {
    let catch = Hunt::new(&World::new(bounds))
        .name(name)
        .states_max(8_000_000)
        .run()
        .expect("a small world");
    println!("{name}: {} steps\n{}", catch.steps, catch.trace.join("\n"));
    catch.require(properties::S5);
}

const NAMES: [&str; 5] = [
    "kafka: stops and starts in any order",
    "kafka: stops and a power loss",
    "kafka: two partitions",
    "kafka: frozen brokers",
    "kafka: sleepers lose their power",
];

fn three() -> Setup {
    Setup::new(3, 1, 3, 2)
}

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "kafka: ", &NAMES);
}

#[test]
fn stops_and_starts_in_any_order() {
    let bounds = Bounds {
        stops: 4,
        prefers: true,
        ..Bounds::new(three(), 2)
    };
    passes(NAMES[0], bounds, 61_985);
}

/// One broker's power is what `min.insync.replicas` 2 is made for. Not with a kill beside it: see
/// [`a_kill_and_a_power_loss_lose_a_record_that_a_disk_still_has`].
#[test]
fn stops_and_a_power_loss() {
    let bounds = Bounds {
        stops: 3,
        power_losses: 1,
        ..Bounds::new(three(), 2)
    };
    passes(NAMES[1], bounds, 216_912);
}

#[test]
fn two_partitions() {
    let bounds = Bounds {
        stops: 2,
        kills: 1,
        ..Bounds::new(Setup::new(3, 2, 3, 2), 1)
    };
    passes(NAMES[2], bounds, 112_652);
}

#[test]
fn frozen_brokers() {
    let bounds = Bounds {
        stops: 1,
        freezes: 2,
        kills: 1,
        ..Bounds::new(three(), 2)
    };
    passes(NAMES[3], bounds, 473_340);
}

/// The right way to sleep, beside [`freezing_instead_of_stopping_loses_a_record`]: the same losses, and all is kept.
#[test]
fn sleepers_lose_their_power() {
    let bounds = Bounds {
        stops: 3,
        power_losses: 1,
        dark_sleepers: true,
        ..Bounds::new(three(), 1)
    };
    passes(NAMES[4], bounds, 33_292);
}

/// A frozen broker holds in memory what it acknowledged, and leaves no mark on its disk.
#[test]
fn freezing_instead_of_stopping_loses_a_record() {
    let bounds = Bounds {
        freezes: 2,
        power_losses: 1,
        dark_sleepers: true,
        ..Bounds::new(three(), 1)
    };
    loses("freeze instead of stop", bounds);
}

#[test]
fn an_unclean_election_loses_a_record() {
    let setup = Setup {
        misuse: Some(Misuse::UncleanElection),
        ..three()
    };
    let bounds = Bounds {
        stops: 3,
        ..Bounds::new(setup, 1)
    };
    loses("unclean election", bounds);
}

/// The last replica standing (KIP-966): the others left first, and it alone may lead, whatever became of its disk.
#[test]
fn without_eligible_replicas_one_power_loss_loses_a_record() {
    let setup = Setup {
        keeps_eligible: false,
        ..three()
    };
    let bounds = Bounds {
        stops: 2,
        power_losses: 1,
        ..Bounds::new(setup, 1)
    };
    loses("eligible replicas not kept", bounds);
}

#[test]
fn an_unclean_start_that_is_not_noticed_loses_a_record() {
    let setup = Setup {
        misuse: Some(Misuse::UncleanUnnoticed),
        ..three()
    };
    let bounds = Bounds {
        stops: 2,
        power_losses: 1,
        ..Bounds::new(setup, 1)
    };
    loses("unclean start not noticed", bounds);
}

#[test]
fn what_the_leader_alone_has_is_lost_with_it() {
    let setup = Setup {
        misuse: Some(Misuse::AcksByLeader),
        ..three()
    };
    let bounds = Bounds {
        stops: 1,
        ..Bounds::new(setup, 1)
    };
    loses("acknowledged by the leader alone", bounds);
}

/// Whoever lowers `min.insync.replicas` while others sleep has records on one disk.
#[test]
fn one_in_sync_copy_is_not_enough() {
    let bounds = Bounds {
        stops: 2,
        power_losses: 1,
        ..Bounds::new(Setup::new(3, 1, 3, 1), 1)
    };
    loses("min.insync.replicas 1", bounds);
}

/// Kafka with eligible replicas kept, used as meant: the killed one comes back, is eligible no more although its disk has
/// all, and who led last is made leader although its disk has not (`canElectLastKnownLeader`).
#[test]
fn a_kill_and_a_power_loss_lose_a_record_that_a_disk_still_has() {
    let bounds = Bounds {
        kills: 1,
        power_losses: 1,
        ..Bounds::new(three(), 1)
    };
    loses("a kill and a power loss", bounds);
}

/// No rule of Kafka helps against this; it is why the bounds above have one power loss.
#[test]
fn two_power_losses_are_one_too_many() {
    let bounds = Bounds {
        stops: 1,
        power_losses: 2,
        ..Bounds::new(three(), 1)
    };
    loses("two power losses", bounds);
}

fn after(setup: &Setup, kafka: Kafka, steps: &[Step]) -> Kafka {
    steps.iter().fold(kafka, |kafka, step| {
        kafka
            .step(setup, *step)
            .unwrap_or_else(|| panic!("{step:?} is not possible in {kafka:?}"))
    })
}

fn set(ids: &[u16]) -> NodeSet {
    ids.iter().copied().map(NodeId).collect()
}

/// The table that was measured on Kafka 4.3.0, line by line.
#[test]
fn the_last_in_sync_copy_may_leave() {
    let setup = three();
    let mut kafka = Kafka::new(&setup);
    let seen = |kafka: &Kafka| {
        let partition = kafka.partition(0);
        (partition.leader, partition.in_sync, partition.eligible)
    };
    for (broker, expected) in [
        (0, (Some(1), set(&[1, 2]), set(&[]))),
        (1, (Some(2), set(&[2]), set(&[1]))),
        (2, (None, set(&[]), set(&[1, 2]))),
    ] {
        kafka = after(&setup, kafka, &[Step::Stop(broker), Step::Stopped(broker)]);
        assert_eq!(seen(&kafka), expected, "after n{broker}");
    }
    assert_eq!(kafka.partition(0).last_leader, Some(2));
    kafka = after(&setup, kafka, &[Step::Start(0), Step::Unfence(0)]);
    assert_eq!(seen(&kafka), (None, set(&[]), set(&[1, 2])));
    kafka = after(&setup, kafka, &[Step::Start(2)]);
    let ends = kafka.settled(&setup);
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(seen(&ends[0]), (Some(2), set(&[0, 2]), set(&[])));
}

/// Deployed coverage reads the state, and refuses what Kafka grants.
#[test]
fn coverage_refuses_what_kafka_grants() {
    let setup = three();
    let kafka = Kafka::new(&setup);
    let may = |kafka: &Kafka, asleep: NodeSet| {
        let verdicts = assess(&kafka.topology(&setup, asleep), &Rules::LEAN).verdicts;
        let free = verdicts.into_iter().filter(|it| it.reasons.is_empty());
        free.map(|it| it.broker).collect::<NodeSet>()
    };
    assert_eq!(may(&kafka, NodeSet::EMPTY), set(&[0, 1, 2]));
    let kafka = after(&setup, kafka, &[Step::Stop(0), Step::Stopped(0)]);
    assert_eq!(may(&kafka, set(&[0])), NodeSet::EMPTY);
    let assessment = assess(&kafka.topology(&setup, set(&[0])), &Rules::LEAN);
    assert!(assessment.obstacles.is_empty(), "{:?}", assessment.obstacles);
    assert!(
        matches!(
            assessment.verdicts[1].reasons[..],
            [Reason::Uncovered { left: 1, need: 2, .. }]
        ),
        "{:?}",
        assessment.verdicts
    );
    // Kafka does not ask.
    assert_eq!(
        kafka.step(&setup, Step::Stop(1)).map(|next| next.broker(1)),
        Some(Presence::ShuttingDown)
    );
}

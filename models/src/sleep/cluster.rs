//! The abstract Kafka beneath the brokers of a world, where there is one.
//!
//! What joins them: a guard that says "stop" is a SIGTERM, which Kafka grants to anybody; a broker that is wanted up is started once it
//! is down, and is up when it runs, is let in and is in sync in all its partitions; a machine that crashes takes its broker with it; a
//! machine that sleeps stands still with whatever runs on it.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::{Gear, Presence, Topology};
use pehra_core::sleep::guard::{Guard, State as Broker};
use pehra_core::types::NodeId;

use super::bounds::Cluster;
use super::properties::broken;
use super::state::{Action, State};
use super::world::World;
use crate::kafka::{self, Kafka, Step};

/// What the deployed coverage reads, for one who counts on these to be awake and takes all others to be asleep.
pub(super) fn topology(cluster: &Cluster, kafka: &Kafka, awake: NodeSet) -> Topology {
    let mut topology = kafka.topology(&cluster.setup, NodeSet::EMPTY);
    for broker in &mut topology.brokers {
        if !awake.contains(broker.id) {
            broker.presence = Presence::Asleep;
        }
    }
    topology
}

/// Whether the others are enough for every partition, as far as Kafka can know: one whose session has not run out counts, dead or not.
pub(super) fn covers_without(cluster: &Cluster, kafka: &Kafka, (gear, member): (Gear, u8)) -> bool {
    cluster.setup.all_partitions().all(|number| {
        let in_sync = kafka.partition(number).in_sync.without(NodeId(member.into()));
        let active = |id: &NodeId| kafka.broker(u8::try_from(id.0).expect("few")).is_active();
        u32::try_from(in_sync.iter().filter(active).count()).expect("few") >= need(cluster, gear)
    })
}

/// How many in-sync copies each partition needs.
fn need(cluster: &Cluster, gear: Gear) -> u32 {
    match gear {
        Gear::Watch => 1,
        Gear::Full | Gear::Lean => cluster.setup.enough(),
    }
}

impl World {
    /// Whether this member's broker runs, is let in, and is in sync in all its partitions.
    pub(super) fn is_in_sync(&self, state: &State, member: u8) -> bool {
        self.bounds().kafka.is_none_or(|cluster| {
            let is_in = |partition: u8| {
                let has_copy = cluster.setup.replicas(partition).contains(&member);
                !has_copy || state.kafka.partition(partition).in_sync.contains(NodeId(member.into()))
            };
            state.kafka.broker(member) == kafka::Presence::Up && cluster.setup.all_partitions().all(is_in)
        })
    }

    /// What Kafka, its clients and the agents may do now.
    pub(super) fn cluster_steps(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = self.bounds();
        let Some(cluster) = &bounds.kafka else { return };
        let mut steps = Vec::new();
        state.kafka.own_steps(&cluster.setup, &mut steps);
        steps.retain(|step| match step {
            // Leaderships that come back show nothing new; the agent says when a broker has stopped.
            Step::Prefer(_) | Step::Stopped(_) => false,
            Step::Shrink(..) => cluster.shrinks && !state.calm,
            _ => true,
        });
        actions.extend(steps.into_iter().map(Action::Kafka));
        if state.writes > 0 {
            actions.extend(
                cluster
                    .setup
                    .all_partitions()
                    .map(|it| Action::Kafka(Step::Produce(it))),
            );
        }
        for member in self.members() {
            let down = matches!(
                state.kafka.broker(member),
                kafka::Presence::Stopped | kafka::Presence::Dead
            );
            if state.at(member).wanted_up && down {
                actions.push(Action::Kafka(Step::Start(member)));
            }
            if state.kafka.broker(member) == kafka::Presence::Frozen && state.at(member).wanted_up {
                actions.push(Action::Kafka(Step::Thaw(member)));
            }
            if state.left.crashes > 0 && bounds.crash_at.contains(NodeId(member.into())) {
                actions.extend((1..=cluster.torn).map(|records| Action::PowerLoss(member, records)));
            }
        }
    }

    /// A broker is told to stop: what stays in sync is as many as are needed, but for those that crashed or lag.
    pub(super) fn of_stop(&self, state: &State) -> u16 {
        if self.bounds().kafka.is_none() || self.keeps_enough(state) {
            0
        } else {
            broken::S3_STOP
        }
    }

    /// Whether each partition has as many in-sync copies on brokers that run as it needs, but for those that crashed or lag.
    pub(super) fn keeps_enough(&self, state: &State) -> bool {
        let bounds = self.bounds();
        let Some(cluster) = &bounds.kafka else { return true };
        let crashed = u32::from(bounds.crashes - if state.calm { 0 } else { state.left.crashes });
        cluster.setup.all_partitions().all(|number| {
            let partition = state.kafka.partition(number);
            let runs = |member: u8| state.kafka.broker(member) == kafka::Presence::Up;
            let copies = cluster.setup.replicas(number).iter().copied();
            let (mut in_sync, mut lagging) = (0, 0);
            for member in copies.filter(|member| runs(*member)) {
                match partition.in_sync.contains(NodeId(member.into())) {
                    true => in_sync += 1,
                    // One that has slept and is catching up lags for a good reason, and is not counted on.
                    false if cluster.shrinks && state.guard(member).state() == Broker::Active => lagging += 1,
                    false => {}
                }
            }
            in_sync + crashed + lagging >= need(cluster, bounds.gear)
        })
    }

    /// Whether a partition that takes no write does so for a good reason: one crashed, or lags.
    pub(super) fn refuses_for_a_reason(&self, state: &State) -> bool {
        let Some(cluster) = &self.bounds().kafka else {
            return true;
        };
        let crashed = self.bounds().crashes > 0 && (state.calm || state.left.crashes < self.bounds().crashes);
        let mut partitions = cluster.setup.all_partitions();
        crashed || cluster.shrinks || partitions.all(|number| state.kafka.is_writable(&cluster.setup, number))
    }

    /// Whether every partition has a leader.
    pub(super) fn all_are_led(&self, state: &State) -> bool {
        let Some(cluster) = &self.bounds().kafka else {
            return true;
        };
        let mut partitions = cluster.setup.all_partitions();
        partitions.all(|number| state.kafka.partition(number).leader.is_some())
    }

    /// Whoever is Active has a broker that runs, and is in sync unless copies may lag here.
    pub(super) fn whoever_is_up_is_in_sync(&self, state: &State) -> bool {
        let Some(cluster) = &self.bounds().kafka else {
            return true;
        };
        self.members().all(|member| {
            let runs = state.kafka.broker(member) == kafka::Presence::Up;
            let is_up = state.guard(member).state() == Broker::Active;
            !is_up || runs && (cluster.shrinks || self.is_in_sync(state, member))
        })
    }

    /// Whoever sleeps left a broker that has ended cleanly.
    pub(super) fn sleepers_have_stopped(&self, state: &State) -> bool {
        self.bounds().kafka.is_none()
            || self.members().all(|member| {
                state.guard(member).state() != Broker::Sleeping
                    || state.kafka.broker(member) == kafka::Presence::Stopped
            })
    }

    /// A reading that was asked for before the grant says nothing about the time after it. Noted where there is a Kafka to read.
    pub(super) fn looked_before(&self, state: &mut State, member: u8, before: &Guard) {
        if self.bounds().kafka.is_none() {
            return;
        }
        let draining = |guard: &Guard| matches!(guard.state(), Broker::Draining { .. });
        let granted = !draining(before) && draining(state.guard(member));
        let was_looking = before.is_looking();
        let around = &mut state.around[usize::from(member)];
        if granted && was_looking {
            around.looked_before = true;
        } else if around.look.is_none() {
            around.looked_before = false;
        }
    }
}

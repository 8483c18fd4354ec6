//! What a state of the cluster holds.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::{self, Controllers, Topology};
use pehra_core::types::NodeId;

use super::log::Log;
use super::setup::{BROKERS, PARTITIONS, Setup};

/// A broker's process, and what the controllers think of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// It runs and takes part.
    #[default]
    Up,
    /// It runs and is kept out: it has just started, or has been frozen for too long.
    Fenced,
    /// It runs, leads nothing and is about to end.
    ShuttingDown,
    /// It ended cleanly: its log is on disk, with a mark that says so.
    Stopped,
    /// Its process is gone and the controllers do not know yet.
    Lost,
    /// Its process is gone, and the controllers know.
    Dead,
    /// It stands still and the controllers do not know yet.
    Frozen,
    /// It stands still and is kept out.
    FrozenOut,
}

impl Presence {
    /// Whether the controllers would make it a leader or let it into the in-sync ones (`ClusterControlManager.isActive`: not
    /// fenced, not in controlled shutdown). They may be wrong about it.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Up | Self::Lost | Self::Frozen)
    }

    /// Whether its process does anything.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Up | Self::Fenced | Self::ShuttingDown)
    }

    /// Whether there is a process.
    #[must_use]
    pub const fn has_process(self) -> bool {
        !matches!(self, Self::Stopped | Self::Lost | Self::Dead)
    }
}

/// One partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Who leads it, as the controllers have it.
    pub leader: Option<u8>,
    /// Who led it last, kept from the moment when nobody was left in sync until there is a leader again.
    pub last_leader: Option<u8>,
    /// The in-sync copies (ISR).
    pub in_sync: NodeSet,
    /// Those who may lead when nobody is in sync (ELR).
    pub eligible: NodeSet,
    /// The copies' logs, by broker.
    pub logs: [Log; BROKERS],
    /// Where the leader's log ended when it became leader: who joins must have reached that.
    pub led_from: u8,
    /// How many records there have been.
    pub written: u8,
    /// Those that were acknowledged, as bits.
    pub acknowledged: u16,
}

impl Partition {
    /// A broker's log.
    #[must_use]
    pub const fn log(&self, broker: u8) -> Log {
        self.logs[broker as usize]
    }

    /// Whether this log has every record that was acknowledged.
    #[must_use]
    pub fn has_acknowledged(&self, log: Log) -> bool {
        let held = log.records().fold(0, |bits, record| bits | 1_u16 << record);
        self.acknowledged & !held == 0
    }
}

/// A cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kafka {
    /// The brokers; places beyond the last stay as they were.
    pub brokers: [Presence; BROKERS],
    /// The partitions; the same.
    pub partitions: [Partition; PARTITIONS],
}

impl Kafka {
    /// Everybody up and in sync, preferred leaders, nothing written.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let mut partitions = [Partition::default(); PARTITIONS];
        for (number, partition) in setup.all_partitions().zip(&mut partitions) {
            let replicas = setup.replicas(number);
            partition.leader = replicas.first().copied();
            partition.in_sync = replicas.iter().map(|id| node(*id)).collect();
        }
        Self {
            brokers: [Presence::Up; BROKERS],
            partitions,
        }
    }

    /// What a broker is doing.
    #[must_use]
    pub const fn broker(&self, broker: u8) -> Presence {
        self.brokers[broker as usize]
    }

    /// A partition.
    #[must_use]
    pub const fn partition(&self, partition: u8) -> &Partition {
        &self.partitions[partition as usize]
    }

    /// Who leads this partition and really serves.
    #[must_use]
    pub fn serving(&self, partition: u8) -> Option<u8> {
        let leader = self.partition(partition).leader?;
        (self.broker(leader) == Presence::Up).then_some(leader)
    }

    /// Whether a write with `acks=all` is taken now.
    #[must_use]
    pub fn is_writable(&self, setup: &Setup, partition: u8) -> bool {
        self.serving(partition).is_some() && self.partition(partition).in_sync.count() >= setup.enough()
    }

    /// The cluster as the deployed coverage reads it, from what the controllers know. `asleep` are those who were put to
    /// sleep on purpose. The controllers are always awake here, and are nodes of their own behind the brokers.
    #[must_use]
    pub fn topology(&self, setup: &Setup, asleep: NodeSet) -> Topology {
        let presence = |broker: u8| match self.broker(broker).is_active() {
            true => coverage::Presence::Awake,
            false if asleep.contains(node(broker)) => coverage::Presence::Asleep,
            false => coverage::Presence::Down,
        };
        let brokers = setup.all_brokers().map(|broker| coverage::Broker {
            id: node(broker),
            presence: presence(broker),
            rack: None,
        });
        let partitions = setup.all_partitions().map(|number| {
            let partition = self.partition(number);
            coverage::Partition {
                topic: number.into(),
                leader: partition.leader.map(node),
                replicas: setup.replicas(number).iter().map(|id| node(*id)).collect(),
                in_sync: partition.in_sync.iter().collect(),
                eligible: partition.eligible.iter().collect(),
                in_sync_min: setup.in_sync_min.into(),
                unclean_election: setup.misuse == Some(super::Misuse::UncleanElection),
                moving: false,
            }
        });
        let voters: Vec<NodeId> = (setup.brokers..setup.brokers + 3).map(node).collect();
        Topology {
            brokers: brokers.collect(),
            partitions: partitions.collect(),
            controllers: Controllers {
                awake: voters.clone(),
                voters,
            },
            keeps_eligible: setup.keeps_eligible,
        }
    }
}

/// A broker as a member.
pub(super) const fn node(broker: u8) -> NodeId {
    NodeId(broker as u16)
}

//! One reading of a cluster, in Kafka's own words, and the same as the core's coverage wants it.

use std::collections::{BTreeMap, BTreeSet};

use pehra_core::sleep::coverage::{Broker, Controllers, Partition, Presence, Topology};
use pehra_core::types::NodeId;

/// How long a controller may not have fetched, or not have caught up, and still counts as awake, in milliseconds. By then a
/// leader that hears of no majority has resigned (one and a half times its fetch timeout, 2 s by default).
const VOTER_SILENCE_MAX_MS: i64 = 3000;

/// A cluster at about one moment: partitions first, then brokers, so that a broker that dies meanwhile is seen as gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The cluster's id.
    pub cluster: String,
    /// All registered brokers, fenced ones too, by id.
    pub brokers: Vec<BrokerView>,
    /// All topics that we may see, by name.
    pub topics: Vec<TopicView>,
    /// The controllers.
    pub quorum: QuorumView,
    /// Whether eligible leader replicas are kept (KIP-966).
    pub keeps_eligible: bool,
}

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerView {
    /// `node.id`.
    pub id: i32,
    /// Where it listens.
    pub address: String,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Whether the controllers keep it out: it is down, starting, or shutting down.
    pub is_fenced: bool,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its name.
    pub name: String,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// `min.insync.replicas` as it holds for this topic.
    pub in_sync_min: u16,
    /// `unclean.leader.election.enable` as it holds for this topic.
    pub unclean_election: bool,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionView>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// Its number in the topic.
    pub partition: i32,
    /// Who leads it.
    pub leader: Option<i32>,
    /// How many leaderships it has seen.
    pub leader_epoch: i32,
    /// Who should have a copy, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Whose copy is complete.
    pub in_sync: Vec<i32>,
    /// Who left the in-sync ones when they were too few, and may still lead.
    pub eligible: Vec<i32>,
    /// Who was eligible last, when nobody is.
    pub last_eligible: Vec<i32>,
    /// Whether its copies are being moved.
    pub is_moving: bool,
}

/// The controllers, as their leader sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumView {
    /// Who leads.
    pub leader: i32,
    /// How many leaderships there were.
    pub epoch: i32,
    /// Up to where the metadata log is decided.
    pub high_watermark: i64,
    /// All who vote, by id.
    pub voters: Vec<VoterView>,
}

/// A controller that votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterView {
    /// `node.id`.
    pub id: i32,
    /// Where its metadata log ends; none if the leader does not know.
    pub log_end: Option<i64>,
    /// For how long it has not fetched; none if it never has under this leader.
    pub silent_ms: Option<i64>,
    /// For how long it has lagged behind the leader's log; none if it never caught up under this leader.
    pub behind_ms: Option<i64>,
}

impl VoterView {
    /// Whether it is up and keeps up.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        let recent = |ms: Option<i64>| ms.is_some_and(|ms| ms <= VOTER_SILENCE_MAX_MS);
        recent(self.silent_ms) && recent(self.behind_ms)
    }
}

/// A view as the core's coverage wants it, and what its numbers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The cluster in numbers.
    pub topology: Topology,
    ids: Vec<i32>,
    partitions: Vec<(usize, usize)>,
}

impl Numbered {
    /// Kafka's id of a node.
    #[must_use]
    pub fn id(&self, node: NodeId) -> Option<i32> {
        self.ids.get(usize::from(node.0)).copied()
    }

    /// The topic's place in the view, and the partition's place in the topic.
    #[must_use]
    pub fn partition(&self, place: usize) -> Option<(usize, usize)> {
        self.partitions.get(place).copied()
    }
}

impl View {
    /// The same in numbers. `asleep` are brokers that were put to sleep on purpose: their copies lag, and that is no fault.
    ///
    /// # Errors
    /// If there are more than 65,536 nodes.
    pub fn numbered(&self, asleep: &BTreeSet<i32>) -> Result<Numbered, String> {
        let ids = self.ids();
        let node = numbers(&ids)?;
        let nodes = |all: &[i32]| {
            all.iter()
                .filter_map(|id| node.get(id).copied())
                .collect::<Vec<NodeId>>()
        };
        let racks: BTreeSet<&str> = self
            .brokers
            .iter()
            .filter_map(|broker| broker.rack.as_deref())
            .collect();
        let racks: BTreeMap<&str, u16> = racks.into_iter().zip(0..).collect();
        let brokers = self.brokers.iter().filter_map(|broker| {
            Some(Broker {
                id: *node.get(&broker.id)?,
                presence: match broker.is_fenced {
                    false => Presence::Awake,
                    true if asleep.contains(&broker.id) => Presence::Asleep,
                    true => Presence::Down,
                },
                rack: broker.rack.as_deref().and_then(|rack| racks.get(rack).copied()),
            })
        });
        let (mut partitions, mut places) = (Vec::new(), Vec::new());
        for ((at, topic), number) in self.topics.iter().enumerate().zip(0..) {
            for (place, partition) in topic.partitions.iter().enumerate() {
                places.push((at, place));
                partitions.push(Partition {
                    topic: number,
                    leader: partition.leader.and_then(|leader| node.get(&leader).copied()),
                    replicas: nodes(&partition.replicas),
                    in_sync: nodes(&partition.in_sync),
                    eligible: nodes(&partition.eligible),
                    in_sync_min: topic.in_sync_min,
                    unclean_election: topic.unclean_election,
                    moving: partition.is_moving,
                });
            }
        }
        let voters = &self.quorum.voters;
        let all: Vec<i32> = voters.iter().map(|voter| voter.id).collect();
        let awake: Vec<i32> = voters.iter().filter(|it| it.is_awake()).map(|it| it.id).collect();
        let topology = Topology {
            brokers: brokers.collect(),
            partitions,
            controllers: Controllers {
                voters: nodes(&all),
                awake: nodes(&awake),
            },
            keeps_eligible: self.keeps_eligible,
        };
        Ok(Numbered {
            topology,
            ids,
            partitions: places,
        })
    }

    /// All nodes that are named anywhere, by id: a partition may name a broker that is no longer registered.
    fn ids(&self) -> Vec<i32> {
        let partitions = || self.topics.iter().flat_map(|topic| &topic.partitions);
        let replicas = partitions().flat_map(|it| {
            it.replicas
                .iter()
                .chain(&it.in_sync)
                .chain(&it.eligible)
                .chain(&it.leader)
        });
        let named = replicas.copied().chain(self.brokers.iter().map(|broker| broker.id));
        let ids: BTreeSet<i32> = named.chain(self.quorum.voters.iter().map(|voter| voter.id)).collect();
        ids.into_iter().collect()
    }
}

fn numbers(ids: &[i32]) -> Result<BTreeMap<i32, NodeId>, String> {
    let number = |at: usize| u16::try_from(at).map(NodeId);
    let numbered = ids.iter().enumerate().map(|(at, id)| Ok((*id, number(at)?)));
    let numbered: Result<_, std::num::TryFromIntError> = numbered.collect();
    numbered.map_err(|_| format!("the cluster has {} nodes, and at most 65,536 can be counted", ids.len()))
}

//! Small Kafka clusters, for the tests of coverage.

use pehra_core::sleep::coverage::{Broker, Controllers, Partition, Presence, Topology};
use pehra_core::types::NodeId;

pub fn nodes(ids: &[u16]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// Healthy: all awake, all in sync, three controllers of their own. Replicas as given, the first one leads.
pub fn cluster(brokers: u16, placement: &[&[u16]], in_sync_min: u16) -> Topology {
    let partition = |(topic, replicas): (u32, &&[u16])| Partition {
        topic,
        leader: replicas.first().copied().map(NodeId),
        replicas: nodes(replicas),
        in_sync: nodes(replicas),
        eligible: Vec::new(),
        in_sync_min,
        unclean_election: false,
        moving: false,
    };
    Topology {
        brokers: (1..=brokers)
            .map(|id| Broker {
                id: NodeId(id),
                presence: Presence::Awake,
                rack: None,
            })
            .collect(),
        partitions: (0..).zip(placement).map(partition).collect(),
        controllers: Controllers {
            voters: nodes(&[101, 102, 103]),
            awake: nodes(&[101, 102, 103]),
        },
        keeps_eligible: true,
    }
}

/// Takes a broker down as Kafka sees it: out of all in-sync sets, its leaderships moved.
pub fn down(topology: &mut Topology, id: u16, presence: Presence) {
    let id = NodeId(id);
    for broker in topology.brokers.iter_mut().filter(|broker| broker.id == id) {
        broker.presence = presence;
    }
    for partition in &mut topology.partitions {
        partition.in_sync.retain(|replica| *replica != id);
        if partition.leader == Some(id) {
            partition.leader = partition.in_sync.first().copied();
        }
    }
}

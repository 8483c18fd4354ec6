//! What bounds the sleepers: of a set of brokers, at least so many stay awake.

use alloc::vec::Vec;

use super::{Presence, Rules, Topology, controllers, count};
use crate::types::NodeId;

/// What a limit is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sleep) enum Of {
    /// Somebody has to be awake.
    Everybody,
    /// The controllers' majority and spare.
    Controllers,
    /// The in-sync copies of a partition: a place in the topology.
    Partition(usize),
}

/// Of these brokers, who are awake, at least `need` stay so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sleep) struct Limit {
    pub of: Of,
    /// Awake brokers, by id, each once.
    pub among: Vec<NodeId>,
    /// How many others are awake that count too, and are no brokers: controllers on nodes of their own.
    pub others: u32,
    pub need: u32,
}

impl Limit {
    /// How many count now.
    pub fn awake(&self) -> u32 {
        count(self.among.len()).saturating_add(self.others)
    }

    /// How many of `among` may sleep.
    pub fn slack(&self) -> u32 {
        self.awake().saturating_sub(self.need)
    }
}

/// All limits of a cluster.
pub(in crate::sleep) fn limits(topology: &Topology, rules: &Rules) -> Vec<Limit> {
    let awake = awake(topology);
    let mut limits = Vec::with_capacity(topology.partitions.len().saturating_add(2));
    limits.push(Limit {
        of: Of::Everybody,
        among: awake.clone(),
        others: 0,
        need: 1,
    });
    let (controllers_awake, need) = controllers(topology, rules);
    let among = members(&topology.controllers.voters, |id| {
        topology.controllers.awake.contains(&id) && awake.binary_search(&id).is_ok()
    });
    limits.push(Limit {
        of: Of::Controllers,
        others: controllers_awake.saturating_sub(count(among.len())),
        among,
        need,
    });
    for (at, partition) in topology.partitions.iter().enumerate() {
        limits.push(Limit {
            of: Of::Partition(at),
            among: members(&partition.in_sync, |id| awake.binary_search(&id).is_ok()),
            others: 0,
            need: rules.need(partition),
        });
    }
    limits
}

fn awake(topology: &Topology) -> Vec<NodeId> {
    let brokers = topology.brokers.iter();
    let mut awake: Vec<NodeId> = brokers
        .filter(|broker| broker.presence == Presence::Awake)
        .map(|broker| broker.id)
        .collect();
    awake.sort_unstable();
    awake.dedup();
    awake
}

fn members(all: &[NodeId], counts: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
    let mut members: Vec<NodeId> = all.iter().copied().filter(|id| counts(*id)).collect();
    members.sort_unstable();
    members.dedup();
    members
}

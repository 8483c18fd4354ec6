//! What bounds the sleepers: of a set of brokers, at least so many stay awake.

use alloc::vec::Vec;

#[cfg(seeded_bugs)]
use super::bugs::Bug;
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
    #[cfg(seeded_bugs)]
    for limit in &mut limits {
        seed(limit, topology, rules);
    }
    limits
}

/// What a seeded bug makes of a limit.
#[cfg(seeded_bugs)]
fn seed(limit: &mut Limit, topology: &Topology, rules: &Rules) {
    let Some(bug) = rules.bug else { return };
    let awake = awake(topology);
    let of = match limit.of {
        Of::Partition(at) => topology.partitions.get(at),
        Of::Everybody | Of::Controllers => None,
    };
    match (bug, limit.of, of) {
        (Bug::NodesAreCounted, _, Some(_)) => limit.among = awake,
        (Bug::LaggingCopiesCount, _, Some(partition)) => {
            limit.among = members(&partition.replicas, |id| awake.binary_search(&id).is_ok());
        }
        (Bug::DrainingCounts, _, Some(partition)) => {
            let draining = |id: &&NodeId| super::presence(topology, **id) == Presence::Asleep;
            limit.others = count(partition.in_sync.iter().filter(draining).count());
        }
        (Bug::NeedOffByOne, _, Some(_)) => limit.need = limit.need.saturating_sub(1),
        (Bug::SpareIsForgotten, Of::Controllers, _) => {
            limit.need = limit.need.saturating_sub(u32::from(rules.controller_spare));
        }
        (Bug::LastMayGo, Of::Everybody, _) => limit.need = 0,
        (Bug::BystandersStay, _, Some(partition)) if partition.in_sync.len() > 1 => {
            // As if each broker had a copy that the partition cannot spare.
            let missing = count(awake.len()).saturating_sub(limit.awake());
            limit.need = limit.need.saturating_add(missing);
            limit.among = awake;
        }
        _ => {}
    }
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

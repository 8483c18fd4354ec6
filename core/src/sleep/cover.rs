//! Coverage as the protocol carries it: of these members, at least so many stay up.

use alloc::vec::Vec;

use super::coverage::{Presence, Rules, Topology, limits, most, obstacles};
use crate::members::NodeSet;
use crate::types::NodeId;

/// One limit: of `among`, at least `need` stay up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cover {
    /// Those who count now: awake, and in sync where a partition is meant.
    pub among: NodeSet,
    /// Those who would count once they are awake again. Where a partition has no leader, only those who may lead it.
    pub others: NodeSet,
    /// How many must be there. More than 64 can never be.
    pub need: u8,
}

impl Cover {
    /// Whether enough of these are there.
    #[must_use]
    pub const fn holds(&self, there: NodeSet) -> bool {
        self.among.and(there).count() >= self.need as u32
    }

    /// Whether enough would be there if all were awake.
    #[must_use]
    pub const fn can_hold(&self) -> bool {
        self.among.or(self.others).count() >= self.need as u32
    }

    /// Whom of these who are able to wake so that enough are there, the lowest numbers first; all of them that could help, if these
    /// are too few.
    #[must_use]
    pub fn wake(&self, there: NodeSet, woken: NodeSet, able: NodeSet) -> NodeSet {
        let lacks = usize::try_from(self.lacks(there, woken)).unwrap_or(usize::MAX);
        self.others.and(able).minus(woken).iter().take(lacks).collect()
    }

    /// All of these who are able that could help, if too few are there or on their way.
    #[must_use]
    pub const fn wake_all(&self, there: NodeSet, on_their_way: NodeSet, able: NodeSet) -> NodeSet {
        if self.lacks(there, on_their_way) == 0 {
            return NodeSet::EMPTY;
        }
        self.others.and(able)
    }

    /// How many are missing, if those of the others count who have come up since the reading, or will.
    const fn lacks(&self, there: NodeSet, woken: NodeSet) -> u32 {
        let has = self.among.and(there).or(self.others.and(there.or(woken))).count();
        (self.need as u32).saturating_sub(has)
    }
}

/// What a member of the protocol is told of one reading of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// What must hold, in the gear that was asked for.
    pub covers: Vec<Cover>,
    /// Who might sleep: a suggestion, which is checked.
    pub sleepers: NodeSet,
    /// Nothing is wrong: no copy out of sync but those of sleepers, no partition without leader.
    pub healthy: bool,
}

impl View {
    /// Of this reading, under these rules. Whoever is in `keep` is not suggested to sleep.
    #[must_use]
    pub fn of(topology: &Topology, rules: &Rules, keep: NodeSet) -> Self {
        let limits = limits::limits(topology, rules);
        let kept = limits.iter().cloned().map(|mut limit| {
            // They stay up, so they count on the other side.
            let before = limit.among.len();
            limit.among.retain(|node| !keep.contains(*node));
            let kept = u32::try_from(before.saturating_sub(limit.among.len())).unwrap_or(u32::MAX);
            limit.others = limit.others.saturating_add(kept);
            limit
        });
        let mut others = topology.clone();
        others.brokers.retain(|broker| !keep.contains(broker.id));
        let healthy = obstacles(topology, rules).is_empty();
        let most = most::most(&others, &kept.collect::<Vec<_>>(), rules);
        Self {
            covers: covers(topology, rules),
            sleepers: if healthy {
                most.sleepers.into_iter().collect()
            } else {
                NodeSet::EMPTY
            },
            healthy,
        }
    }
}

/// What must hold in this reading of a cluster, each limit once. Members that are no brokers and controllers of their own are
/// counted as there. A broker whose number no member can have counts for nothing.
#[must_use]
pub fn covers(topology: &Topology, rules: &Rules) -> Vec<Cover> {
    let asleep = topology
        .brokers
        .iter()
        .filter(|broker| broker.presence == Presence::Asleep);
    let asleep: NodeSet = asleep.map(|broker| broker.id).collect();
    let mut covers: Vec<Cover> = limits::limits(topology, rules)
        .into_iter()
        .map(|limit| Cover {
            among: limit.among.iter().copied().collect(),
            others: could_help(topology, limit.of).and(asleep),
            need: u8::try_from(limit.need.saturating_sub(limit.others)).unwrap_or(u8::MAX),
        })
        .collect();
    covers.sort_unstable();
    covers.dedup();
    covers
}

fn could_help(topology: &Topology, of: limits::Of) -> NodeSet {
    let all = |nodes: &[NodeId]| nodes.iter().copied().collect();
    match of {
        limits::Of::Everybody => topology.brokers.iter().map(|broker| broker.id).collect(),
        limits::Of::Controllers => all(&topology.controllers.voters),
        limits::Of::Partition(at) => topology.partitions.get(at).map_or(NodeSet::EMPTY, |partition| {
            if partition.leader.is_some() {
                return all(&partition.replicas);
            }
            // Nobody else may lead it without losing records.
            let (in_sync, eligible): (NodeSet, NodeSet) = (all(&partition.in_sync), all(&partition.eligible));
            in_sync.or(eligible)
        }),
    }
}

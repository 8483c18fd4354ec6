//! Coverage: which brokers may sleep *now*, and the reason why not.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `coverage/C1` Whoever may sleep leaves every partition that it holds an in-sync copy of as many others awake as it needs.
//! * `coverage/C2` Whoever may sleep leaves the controllers their majority and the spare.
//! * `coverage/C3` Whoever may sleep leaves somebody awake.
//! * `coverage/C4` Nobody may sleep while anything else is wrong.
//! * `coverage/C5` The sleepers of the largest set may all sleep at once, and no set is larger than its bound.
//! * `coverage/C6` Whom none of these keeps awake may sleep.
//!
//! # How
//! Kafka itself does not ask this question: it lets the last in-sync replica of a partition shut down. So it is asked here,
//! before anyone is put to sleep, over one reading of the cluster:
//!
//! * **Every partition keeps enough copies awake.** With x asleep, the in-sync replicas on awake brokers still number at
//!   least the need: in lean gear `min.insync.replicas` and a spare, so that writes with `acks=all` go on; in watch gear one.
//! * **The controllers keep their majority**, and a spare.
//! * **Somebody stays awake**, even where there is nothing to cover.
//! * **Nothing else is wrong.** A partition without leader, a copy that is out of sync, a move under way, unclean elections
//!   switched on, a controller that is missing: each keeps everybody awake until it is over.
//!
//! The first three are limits of one kind: of a set of brokers, at most so many may sleep. How many brokers can sleep at
//! once is then the largest set that breaks no limit; [`Most`] is found by branch and bound, within an effort that is given,
//! and says how far it is proven.
//!
//! Who counts as awake is the caller's to say. For a look at a live cluster it is whoever is up; in the protocol it is only
//! whoever has *promised* to stay awake in the highest decided term, so that nobody rests on a broker that may leave.
//!
//! Nothing here reads a cluster or knows a name: topics and racks are numbers that the caller gave.

mod advice;
#[cfg(seeded_bugs)]
pub mod bugs;
mod energy;
pub(super) mod limits;
pub(super) mod most;
mod topology;

use alloc::vec::Vec;

use crate::types::NodeId;

pub use advice::{Advice, Aligned, aligned};
pub use energy::{Watts, saving_permille_max};
pub use most::Most;
pub use topology::{Broker, Controllers, Gear, Partition, Presence, Rules, Topology};

use limits::{Limit, limits};

/// What keeps everybody awake until it is over. Partitions are places in [`Topology::partitions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// The gear is full.
    Full,
    /// A partition has no leader.
    NoLeader {
        /// Which.
        partition: usize,
    },
    /// A copy is not in sync, and its broker is not asleep on purpose.
    OutOfSync {
        /// Of which partition.
        partition: usize,
        /// On which broker.
        replica: NodeId,
    },
    /// Copies are being moved.
    Moving {
        /// Of which partition.
        partition: usize,
    },
    /// A copy that is not in sync may be made leader.
    UncleanElection {
        /// Of which topic, the caller's number.
        topic: u32,
    },
    /// Too few controllers are up.
    FewControllers {
        /// So many are.
        awake: u32,
        /// So many have to be.
        need: u32,
    },
    /// Watch gear, and the cluster does not keep eligible leader replicas.
    NoEligibleLeaders,
}

/// Why this one broker may not sleep, obstacles apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is asleep already.
    Asleep,
    /// It is down, and comes back by itself or not at all.
    Down,
    /// Partitions would keep too few awake in-sync copies.
    Uncovered {
        /// One of them, the worst: a place in [`Topology::partitions`].
        partition: usize,
        /// So many copies it would keep.
        left: u32,
        /// So many it needs.
        need: u32,
        /// So many partitions are concerned in all.
        partitions: u32,
    },
    /// Too few controllers would be awake.
    Controller {
        /// So many would be.
        left: u32,
        /// So many have to be.
        need: u32,
    },
    /// It is the last one that is awake.
    LastAwake,
}

/// What was found out about one broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Which.
    pub broker: NodeId,
    /// Why it may not sleep; empty if nothing of its own keeps it awake.
    pub reasons: Vec<Reason>,
}

/// What was found out about a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coverage {
    /// What keeps everybody awake.
    pub obstacles: Vec<Obstacle>,
    /// Each broker, in the order of the topology.
    pub verdicts: Vec<Verdict>,
    /// A largest set that may go to sleep now, beside those that are asleep; nobody while there is an obstacle.
    pub now: Most,
    /// The same for this layout of replicas if all were up and in sync: how many can sleep at once (k_max).
    pub layout: Most,
    /// What would let more sleep, the cheapest first.
    pub advice: Vec<Advice>,
}

impl Coverage {
    /// Whether this broker may go to sleep now, as the next one.
    #[must_use]
    pub fn may_sleep(&self, broker: NodeId) -> bool {
        let verdict = self.verdicts.iter().find(|verdict| verdict.broker == broker);
        self.obstacles.is_empty() && verdict.is_some_and(|verdict| verdict.reasons.is_empty())
    }
}

/// Finds out who may sleep.
#[must_use]
pub fn assess(topology: &Topology, rules: &Rules) -> Coverage {
    let obstacles = obstacles(topology, rules);
    let limits = limits(topology, rules);
    let verdicts = topology.brokers.iter().map(|broker| Verdict {
        broker: broker.id,
        reasons: reasons(broker, &limits),
    });
    let now = if obstacles.is_empty() {
        most::most(topology, &limits, rules)
    } else {
        Most::nobody()
    };
    let healed = healed(topology);
    let layout = most_of(&healed, rules);
    Coverage {
        verdicts: verdicts.collect(),
        advice: advice::advice(&healed, rules, &layout),
        obstacles,
        now,
        layout,
    }
}

/// A largest set that may sleep at once, whatever else is wrong.
fn most_of(topology: &Topology, rules: &Rules) -> Most {
    most::most(topology, &limits(topology, rules), rules)
}

/// The same cluster if all were up and in sync.
fn healed(topology: &Topology) -> Topology {
    let mut healed = topology.clone();
    for broker in &mut healed.brokers {
        broker.presence = Presence::Awake;
    }
    for partition in &mut healed.partitions {
        partition.in_sync.clone_from(&partition.replicas);
    }
    healed.controllers.awake.clone_from(&healed.controllers.voters);
    healed
}

pub(super) fn obstacles(topology: &Topology, rules: &Rules) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if rules.gear == Gear::Full {
        found.push(Obstacle::Full);
    }
    if rules.gear == Gear::Watch && !topology.keeps_eligible {
        found.push(Obstacle::NoEligibleLeaders);
    }
    let (awake, need) = controllers(topology, rules);
    if awake < need {
        found.push(Obstacle::FewControllers { awake, need });
    }
    for (at, partition) in topology.partitions.iter().enumerate() {
        if partition.leader.is_none() {
            found.push(Obstacle::NoLeader { partition: at });
        }
        if partition.moving {
            found.push(Obstacle::Moving { partition: at });
        }
        let topic = partition.topic;
        if partition.unclean_election && !found.contains(&Obstacle::UncleanElection { topic }) {
            found.push(Obstacle::UncleanElection { topic });
        }
        for replica in &partition.replicas {
            if !partition.in_sync.contains(replica) && presence(topology, *replica) != Presence::Asleep {
                found.push(Obstacle::OutOfSync {
                    partition: at,
                    replica: *replica,
                });
            }
        }
    }
    #[cfg(seeded_bugs)]
    found.retain(|obstacle| {
        !matches!(
            (rules.bug, obstacle),
            (Some(bugs::Bug::LagIsExcused), Obstacle::OutOfSync { .. })
                | (Some(bugs::Bug::UncleanIsExcused), Obstacle::UncleanElection { .. })
        )
    });
    found.sort_unstable();
    found
}

/// How many controllers are up, and have to be.
fn controllers(topology: &Topology, rules: &Rules) -> (u32, u32) {
    let Controllers { voters, awake } = &topology.controllers;
    let awake = awake.iter().filter(|id| voters.contains(id)).count();
    (count(awake), rules.controllers_need(count(voters.len())))
}

/// What a broker is doing; one that is not registered is down.
fn presence(topology: &Topology, id: NodeId) -> Presence {
    let broker = topology.brokers.iter().find(|broker| broker.id == id);
    broker.map_or(Presence::Down, |broker| broker.presence)
}

fn reasons(broker: &Broker, limits: &[Limit]) -> Vec<Reason> {
    match broker.presence {
        Presence::Asleep => return [Reason::Asleep].into(),
        Presence::Down => return [Reason::Down].into(),
        Presence::Awake => {}
    }
    let mut found = Vec::new();
    let broken = limits
        .iter()
        .filter(|limit| limit.slack() == 0 && limit.among.contains(&broker.id));
    let mut worst: Option<Reason> = None;
    for limit in broken {
        let (left, need) = (limit.awake().saturating_sub(1), limit.need);
        match (limit.of, &mut worst) {
            (limits::Of::Everybody, _) => found.push(Reason::LastAwake),
            (limits::Of::Controllers, _) => found.push(Reason::Controller { left, need }),
            (
                limits::Of::Partition(partition),
                Some(Reason::Uncovered {
                    partition: old,
                    left: old_left,
                    need: old_need,
                    partitions,
                }),
            ) => {
                *partitions = partitions.saturating_add(1);
                if need.saturating_sub(left) > old_need.saturating_sub(*old_left) {
                    (*old, *old_left, *old_need) = (partition, left, need);
                }
            }
            (limits::Of::Partition(partition), _) => {
                worst = Some(Reason::Uncovered {
                    partition,
                    left,
                    need,
                    partitions: 1,
                });
            }
        }
    }
    found.extend(worst);
    found.sort_unstable();
    found
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

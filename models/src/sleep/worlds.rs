//! Worlds that more than one test walks: a gate, where the right code must pass in them, and the hunt, where a bug must show in the
//! very same. What only one test walks stands there.
//!
//! All begin as [`Bounds::lean`] does: three brokers with one partition, of whose three copies two are needed, and all are idle.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::Timer;
use pehra_core::types::NodeId;

use super::bounds::{Bounds, Cluster, Copies};
use crate::kafka::Setup;

/// These nodes.
#[must_use]
pub fn set(nodes: &[u16]) -> NodeSet {
    nodes.iter().map(|node| NodeId(*node)).collect()
}

impl Cluster {
    /// Three brokers, three copies of each partition, two needed. A crash leaves every disk whole, and no copy lags.
    #[must_use]
    pub fn three(partitions: u8, records: u8) -> Self {
        Self::whole(Setup::new(3, partitions, 3, 2), records)
    }

    fn whole(setup: Setup, records: u8) -> Self {
        Self {
            setup,
            records,
            torn: 0,
            shrinks: false,
        }
    }
}

/// What is left out.
impl Bounds {
    /// Three brokers where these timers never go off.
    #[must_use]
    pub fn lean_without(timers: &[Timer]) -> Self {
        Self {
            without: timers.to_vec(),
            ..Self::lean()
        }
    }

    /// Nothing comes too late or by itself but what the world is about.
    #[must_use]
    pub fn plain() -> Self {
        Self::lean_without(&[Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer])
    }

    /// The same, and nobody is idle again who was woken or has started.
    #[must_use]
    pub fn plainer() -> Self {
        Self::lean_without(&[
            Timer::Idle,
            Timer::Probe,
            Timer::Alarm,
            Timer::Drain,
            Timer::Wake,
            Timer::Answer,
        ])
    }
}

/// What a world is about.
impl Bounds {
    /// In gear watch, with one voter: all but the Pehredar may sleep.
    #[must_use]
    pub fn watched(self) -> Self {
        Self {
            gear: Gear::Watch,
            voters: set(&[0]),
            ..self
        }
    }

    /// For liveness: there is a moment after which nothing more goes wrong, and a sleeper hears nothing but calls to wake.
    #[must_use]
    pub fn calming(self) -> Self {
        Self {
            calms: true,
            deaf: true,
            ..self
        }
    }

    /// One is woken from outside. No wake takes too long, and whoever is called answers.
    #[must_use]
    pub fn woken() -> Self {
        Self {
            wakes: 1,
            ..Self::lean_without(&[Timer::Wake, Timer::Answer])
        }
    }

    /// Traffic is seen once, by this broker; else [`plain`](Self::plain).
    #[must_use]
    pub fn needed(at: u16) -> Self {
        Self {
            traffic: 1,
            traffic_at: set(&[at]),
            ..Self::plain()
        }
    }

    /// One loses its leader from sight, or its own leadership. These timers never go off.
    #[must_use]
    pub fn lost(timers: &[Timer]) -> Self {
        Self {
            losses: 1,
            ..Self::lean_without(timers)
        }
    }

    /// Four brokers and three partitions whose copies overlap; the reading suggests two that may not both sleep. Else
    /// [`plain`](Self::plain).
    #[must_use]
    pub fn four_brokers() -> Self {
        let partitions = [[0, 1, 2], [1, 2, 3], [0, 1, 3]].map(|replicas| Copies {
            replicas: set(&replicas),
            in_sync_min: 2,
        });
        Self {
            brokers: 4,
            voters: set(&[0, 1, 2, 3]),
            partitions: partitions.to_vec(),
            suggests: vec![set(&[2, 3])],
            ..Self::plain()
        }
    }

    /// All but the Pehredar sleep when it sees traffic, and the one with the lowest number, who is called first, sleeps for good.
    ///
    /// Nobody is idle again, looks for a Pehredar, wakes by its alarm clock or takes too long to stop; nor does this timer go off:
    /// either no wake is given up, or nobody waits for an answer. No letter comes twice.
    #[must_use]
    pub fn one_is_dead(never: Timer) -> Self {
        Self {
            traffic: 1,
            traffic_at: set(&[0]),
            gone: set(&[1]),
            repeats: false,
            never: &["traffic call"],
            ..Self::lean_without(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, never])
        }
        .watched()
        .calming()
    }

    /// [`one_is_dead`](Self::one_is_dead), with room for the plans that a wake in vain leads to. Nobody waits for an answer.
    #[must_use]
    pub fn given_up() -> Self {
        Self {
            decrees: 6,
            ..Self::one_is_dead(Timer::Answer)
        }
    }

    /// [`one_is_dead`](Self::one_is_dead), and before the calm one wake is given up though the other one lives: both are known to be
    /// silent. Nobody waits for an answer.
    #[must_use]
    pub fn given_up_by_mistake() -> Self {
        Self {
            hasty: 1,
            ..Self::one_is_dead(Timer::Answer)
        }
    }

    /// A round of maintenance, calm from the start, of two brokers, who may not sleep: the Pehredar is worked on last, by its
    /// successor.
    ///
    /// No letter comes twice, and no call to wake is repeated. With three brokers one may have to be, and the states are too many.
    #[must_use]
    pub fn round_of_two() -> Self {
        let mut bounds = Self {
            brokers: 2,
            voters: set(&[0, 1]),
            partitions: vec![Copies {
                replicas: set(&[0, 1]),
                in_sync_min: 1,
            }],
            calm_from_start: true,
            rounds: 1,
            terms: 2,
            headroom: 1,
            hands_over: true,
            stands: vec![set(&[1])],
            votes: vec![set(&[0, 1])],
            decrees: 20,
            repeats: false,
            never: &["stopped"],
            ..Self::plain()
        };
        bounds.without.extend([Timer::Idle, Timer::Rouse]);
        bounds.calming()
    }

    /// Of two brokers over the abstract Kafka one watches and the other may sleep. All who do not sleep crash at one moment, and start
    /// again; from then on it is calm, and there is a second term.
    ///
    /// No disk loses anything, no letter comes twice, and else it is [`plainer`](Self::plainer). Three brokers are more than 6 million
    /// states.
    #[must_use]
    pub fn all_were_down() -> Self {
        Self {
            all_down: true,
            repeats: false,
            voters: set(&[0]),
            crashes: 2,
            crash_at: NodeSet::EMPTY,
            terms: 2,
            headroom: 1,
            stands: vec![set(&[0])],
            ..Self::plainer()
        }
        .calming()
        .on(Cluster::whole(Setup::new(2, 1, 2, 1), 1))
    }

    /// Over the abstract Kafka the Pehredar, whose broker leads the partition, loses its power and the newest record of its disk, or
    /// its process only. Then one on duty is elected by any majority, calls those who sleep, and makes a plan of its own, under which
    /// one may sleep.
    ///
    /// Left out: another is elected only after the crash, one member may stand, and nobody else crashes; else it is
    /// [`plainer`](Self::plainer).
    #[must_use]
    pub fn pehredar_without_power() -> Self {
        Self {
            loyal: true,
            terms: 2,
            decrees: 4,
            stands: vec![set(&[2])],
            crashes: 1,
            crash_at: set(&[0]),
            never: &["rouse timer"],
            ..Self::plainer()
        }
        .on(Cluster {
            torn: 1,
            ..Cluster::three(1, 1)
        })
    }
}

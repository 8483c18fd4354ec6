//! What a member is told once, and the rules that the numbers must keep.

use core::fmt;

use crate::members::NodeSet;
use crate::types::{NodeId, Ticks};

/// The waits of an election, all in milliseconds of boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// H: a leader says that it leads, so often.
    pub heartbeat: Ticks,
    /// T: silence after which a leader counts as gone, and answers without which a leader gives up.
    pub election: Ticks,
    /// d: how much later each next successor stands; where it asks first, half of that. It covers two round trips and one
    /// durable write.
    pub rank_step: Ticks,
    /// L: how long a leader may act on a majority's last answer, from the moment its question left.
    pub lease: Ticks,
}

/// By how much two clocks may run apart, in thousandths: a lease must end before the promise it rests on, also when
/// its holder's clock is slow and the promiser's fast by this much.
pub const DRIFT_PERMILLE: u32 = 100;

impl Timing {
    /// For tests on one machine.
    pub const TEST: Self = Self::new(10, 60, 8, 45);
    /// One site. Needs disks that write within 75 ms.
    pub const LAN: Self = Self::new(50, 300, 25, 240);
    /// Several zones, round trips below 10 ms.
    pub const ZONES: Self = Self::new(60, 500, 40, 400);
    /// Continents, round trips below 250 ms.
    pub const WAN: Self = Self::new(300, 2500, 600, 2000);
    /// Links that lose much, members that sleep.
    pub const EDGE: Self = Self::new(1000, 10_000, 1000, 8000);

    /// The profiles, by name.
    pub const PROFILES: [(&'static str, Self); 5] = [
        ("test", Self::TEST),
        ("lan", Self::LAN),
        ("zones", Self::ZONES),
        ("wan", Self::WAN),
        ("edge", Self::EDGE),
    ];

    const fn new(heartbeat: u32, election: u32, rank_step: u32, lease: u32) -> Self {
        Self {
            heartbeat: Ticks(heartbeat),
            election: Ticks(election),
            rank_step: Ticks(rank_step),
            lease: Ticks(lease),
        }
    }

    /// The profile of this name.
    #[must_use]
    pub fn profile(name: &str) -> Option<Self> {
        Self::PROFILES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, timing)| *timing)
    }

    /// The longest lease that goes with an election timeout: L (1 + r) ≤ T (1 − r).
    #[must_use]
    pub fn lease_max(election: Ticks) -> Ticks {
        let t = u64::from(election.0);
        let longest = t
            .saturating_mul(u64::from(1000_u32.saturating_sub(DRIFT_PERMILLE)))
            .checked_div(u64::from(1000_u32.saturating_add(DRIFT_PERMILLE)))
            .unwrap_or(0);
        Ticks(u32::try_from(longest).unwrap_or(u32::MAX))
    }

    /// Whether the waits fit each other.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        let Self {
            heartbeat,
            election,
            rank_step,
            lease,
        } = *self;
        if heartbeat.0 == 0 {
            return Err(Invalid::HeartbeatZero);
        }
        if election < heartbeat.times(5) {
            return Err(Invalid::ElectionTooShort { heartbeat, election });
        }
        if rank_step.0 == 0 || rank_step > election {
            return Err(Invalid::RankStep { rank_step, election });
        }
        let longest = Self::lease_max(election);
        if lease > longest {
            return Err(Invalid::LeaseTooLong {
                lease,
                longest,
                election,
            });
        }
        if lease <= heartbeat {
            return Err(Invalid::LeaseTooShort { lease, heartbeat });
        }
        Ok(())
    }
}

/// How long one leadership may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenure {
    /// From its beginning to its end.
    pub length: Ticks,
    /// How long before the end the hand-over begins.
    pub margin: Ticks,
    /// What happens when nobody takes over: a strict tenure ends, a soft one begins again.
    pub strict: bool,
}

/// What a member is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This member.
    pub me: NodeId,
    /// Who votes and leads.
    pub voters: NodeSet,
    /// Who follows without voting.
    pub observers: NodeSet,
    /// The waits.
    pub timing: Timing,
    /// Ask before standing, so that nobody raises the term who cannot win. Off only for comparison.
    pub pre_vote: bool,
    /// The leader holds a lease. Then a hint that its process is gone must not free its followers early.
    pub lease: bool,
    /// The end of a leadership, if it has one.
    pub tenure: Option<Tenure>,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<super::bugs::Bug>,
}

impl Config {
    /// A voter among these, with the defaults.
    #[must_use]
    pub const fn new(me: NodeId, voters: NodeSet, timing: Timing) -> Self {
        Self {
            me,
            voters,
            observers: NodeSet::EMPTY,
            timing,
            pre_vote: true,
            lease: false,
            tenure: None,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// Whether the whole of it makes sense.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        self.timing.check()?;
        if self.voters.is_empty() {
            return Err(Invalid::NoVoters);
        }
        if let Some(node) = self.voters.and(self.observers).iter().next() {
            return Err(Invalid::BothRoles(node));
        }
        if !self.voters.or(self.observers).contains(self.me) {
            return Err(Invalid::NotAMember(self.me));
        }
        let election = self.timing.election;
        match self.tenure {
            Some(Tenure { length, .. }) if length < election.times(10) => {
                Err(Invalid::TenureTooShort { length, election })
            }
            Some(Tenure { length, margin, .. }) if margin < election || margin > length.half() => {
                Err(Invalid::TenureMargin {
                    margin,
                    length,
                    election,
                })
            }
            _ => Ok(()),
        }
    }

    /// Whether this member votes.
    #[must_use]
    pub const fn is_voter(&self) -> bool {
        self.voters.contains(self.me)
    }

    /// All voters but this member.
    #[must_use]
    pub const fn peers(&self) -> NodeSet {
        self.voters.without(self.me)
    }

    #[cfg(seeded_bugs)]
    pub(super) fn has(&self, bug: super::bugs::Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// A rule that the numbers break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// No pause between heartbeats.
    HeartbeatZero,
    /// T < 5 H.
    ElectionTooShort {
        /// H.
        heartbeat: Ticks,
        /// T.
        election: Ticks,
    },
    /// d is 0 or longer than T.
    RankStep {
        /// d.
        rank_step: Ticks,
        /// T.
        election: Ticks,
    },
    /// L > T (1 − r) / (1 + r).
    LeaseTooLong {
        /// L.
        lease: Ticks,
        /// The longest that goes with T.
        longest: Ticks,
        /// T.
        election: Ticks,
    },
    /// L ≤ H: it would run out between two heartbeats.
    LeaseTooShort {
        /// L.
        lease: Ticks,
        /// H.
        heartbeat: Ticks,
    },
    /// A cluster that nobody can lead.
    NoVoters,
    /// A member is voter and observer.
    BothRoles(NodeId),
    /// This member is neither.
    NotAMember(NodeId),
    /// Leaderships would be mostly hand-over.
    TenureTooShort {
        /// Of the tenure.
        length: Ticks,
        /// T.
        election: Ticks,
    },
    /// The hand-over needs at least T, and may take half of the tenure at most.
    TenureMargin {
        /// Of the tenure.
        margin: Ticks,
        /// Of the tenure.
        length: Ticks,
        /// T.
        election: Ticks,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HeartbeatZero => f.write_str("a heartbeat every 0 ms would never pause; write at least 1"),
            Self::ElectionTooShort { heartbeat, election } => write!(
                f,
                "an election timeout of {} ms is shorter than five heartbeats of {} ms: a single late one would end a \
                 leadership; make the timeout at least {}",
                election.0,
                heartbeat.0,
                heartbeat.times(5).0
            ),
            Self::RankStep { rank_step, election } => write!(
                f,
                "a rank step of {} ms must be between 1 and the election timeout ({} ms); two round trips and one \
                 durable write are right",
                rank_step.0, election.0
            ),
            Self::LeaseTooLong {
                lease,
                longest,
                election,
            } => write!(
                f,
                "a lease of {} ms could outlive its followers' promise of {} ms when clocks run apart by {} in 1000; \
                 write at most {}",
                lease.0, election.0, DRIFT_PERMILLE, longest.0
            ),
            Self::LeaseTooShort { lease, heartbeat } => write!(
                f,
                "a lease of {} ms would run out before the next heartbeat ({} ms)",
                lease.0, heartbeat.0
            ),
            Self::NoVoters => f.write_str("a cluster without voters can have no leader"),
            Self::BothRoles(node) => write!(f, "{node} cannot be voter and observer"),
            Self::NotAMember(node) => write!(f, "{node} is not among the members"),
            Self::TenureTooShort { length, election } => write!(
                f,
                "a tenure of {} ms is shorter than ten election timeouts; write at least {}",
                length.0,
                election.times(10).0
            ),
            Self::TenureMargin {
                margin,
                length,
                election,
            } => write!(
                f,
                "a margin of {} ms must be between the election timeout ({} ms) and half of the tenure ({} ms)",
                margin.0,
                election.0,
                length.half().0
            ),
        }
    }
}

impl core::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_keeps_the_rules() {
        for (name, timing) in Timing::PROFILES {
            assert_eq!(timing.check(), Ok(()), "{name}");
            assert_eq!(Timing::profile(name), Some(timing));
        }
        assert_eq!(Timing::profile("moon"), None);
    }

    #[test]
    fn each_broken_rule_is_named() {
        let lan = Timing::LAN;
        let with = |change: fn(&mut Timing)| {
            let mut timing = lan;
            change(&mut timing);
            timing.check().expect_err("broken")
        };
        assert_eq!(with(|t| t.heartbeat = Ticks(0)), Invalid::HeartbeatZero);
        assert!(matches!(
            with(|t| t.election = Ticks(249)),
            Invalid::ElectionTooShort { .. }
        ));
        assert!(matches!(with(|t| t.rank_step = Ticks(0)), Invalid::RankStep { .. }));
        assert!(matches!(with(|t| t.rank_step = Ticks(301)), Invalid::RankStep { .. }));
        // 300 × 0.9 / 1.1 = 245.45…
        assert!(matches!(
            with(|t| t.lease = Ticks(246)),
            Invalid::LeaseTooLong {
                longest: Ticks(245),
                ..
            }
        ));
        assert!(matches!(with(|t| t.lease = Ticks(50)), Invalid::LeaseTooShort { .. }));

        let config = Config::new(NodeId(0), NodeSet::first(3), lan);
        let with = |change: fn(&mut Config)| {
            let mut config = config.clone();
            change(&mut config);
            config.check().expect_err("broken")
        };
        assert_eq!(config.check(), Ok(()));
        assert_eq!(with(|c| c.voters = NodeSet::EMPTY), Invalid::NoVoters);
        assert_eq!(with(|c| c.observers = NodeSet::first(1)), Invalid::BothRoles(NodeId(0)));
        assert_eq!(with(|c| c.me = NodeId(3)), Invalid::NotAMember(NodeId(3)));
        let tenure = |length, margin| {
            Some(Tenure {
                length: Ticks(length),
                margin: Ticks(margin),
                strict: true,
            })
        };
        let check = |tenure| {
            Config {
                tenure,
                ..config.clone()
            }
            .check()
        };
        assert!(matches!(check(tenure(2999, 300)), Err(Invalid::TenureTooShort { .. })));
        assert!(matches!(check(tenure(3000, 299)), Err(Invalid::TenureMargin { .. })));
        assert!(matches!(check(tenure(3000, 1501)), Err(Invalid::TenureMargin { .. })));
        assert_eq!(check(tenure(3000, 1500)), Ok(()));
    }
}

//! What a member is told once.

use core::fmt;

use crate::members::NodeSet;
use crate::sleep::coverage::Gear;
use crate::types::{NodeId, Ticks};

/// Whom traffic wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WakeRule {
    /// As few as serve it.
    Needed,
    /// Everybody: the rule of the original protocol.
    All,
}

/// How long things take, in ticks of a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Without traffic for so long, and awake for so long, a member may be let sleep.
    pub idle: Ticks,
    /// How often a member tells the Pehredar how it stands, and the Pehredar reads the cluster.
    pub tell: Ticks,
    /// How long to look for a Pehredar before taking over its smallest part: waking.
    pub probe: Ticks,
    /// A stop that takes longer is given up.
    pub drain: Ticks,
    /// The first ring of the alarm clock comes in the member's slot of this, which is drawn; each further one after all of it.
    pub alarm: Ticks,
    /// How often a wake is repeated.
    pub rouse: Ticks,
    /// Whoever is called and has not answered by then may be dead: all others that would do are called too. Long enough for a
    /// machine to come up.
    pub answer: Ticks,
    /// A wake that takes longer has failed: a person is told.
    pub wake: Ticks,
}

impl Timing {
    /// For servers that are suspended: those who vote and have no broker are awake and look after the sleepers, so that an alarm
    /// clock is for the worst case only.
    pub const SERVERS: Self = Self {
        idle: Ticks(300_000),
        tell: Ticks(1000),
        probe: Ticks(3000),
        drain: Ticks(60_000),
        alarm: Ticks(1_800_000),
        rouse: Ticks(2000),
        answer: Ticks(15_000),
        wake: Ticks(60_000),
    };
    /// In seconds what takes minutes otherwise, for tests with brokers that stop and start.
    pub const TEST: Self = Self {
        idle: Ticks(2000),
        tell: Ticks(250),
        probe: Ticks(1500),
        drain: Ticks(20_000),
        alarm: Ticks(60_000),
        rouse: Ticks(500),
        answer: Ticks(1000),
        wake: Ticks(60_000),
    };
    /// Sets of times, by name.
    pub const PROFILES: [(&'static str, Self); 2] = [("servers", Self::SERVERS), ("test", Self::TEST)];
    /// The alarm clock where only sleepers vote, so that nobody may be awake to miss the Pehredar.
    pub const ALARM_ALONE: Ticks = Ticks(120_000);

    /// Whether these times go together.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        let all = [
            self.idle,
            self.tell,
            self.probe,
            self.drain,
            self.alarm,
            self.rouse,
            self.answer,
            self.wake,
        ];
        let Self {
            idle,
            tell,
            probe,
            alarm,
            rouse,
            answer,
            wake,
            ..
        } = *self;
        let rules = [
            (all.contains(&Ticks(0)), Invalid::Zero),
            (tell > idle, Invalid::TellTooLong { tell, idle }),
            (rouse >= wake, Invalid::RouseTooLong { rouse, wake }),
            (answer >= wake, Invalid::AnswerTooLong { answer, wake }),
            (probe >= alarm, Invalid::ProbeTooLong { probe, alarm }),
        ];
        rules
            .into_iter()
            .find(|(broken, _)| *broken)
            .map_or(Ok(()), |(_, rule)| Err(rule))
    }
}

/// A configuration that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A time is 0.
    Zero,
    /// Who would sleep is asked less often than it would be let.
    TellTooLong {
        /// The one.
        tell: Ticks,
        /// The other.
        idle: Ticks,
    },
    /// A wake would be given up before it is repeated.
    RouseTooLong {
        /// The one.
        rouse: Ticks,
        /// The other.
        wake: Ticks,
    },
    /// A wake would be given up before anybody else is called.
    AnswerTooLong {
        /// The one.
        answer: Ticks,
        /// The other.
        wake: Ticks,
    },
    /// The alarm clock would ring again before the look for a Pehredar is over.
    ProbeTooLong {
        /// The one.
        probe: Ticks,
        /// The other.
        alarm: Ticks,
    },
    /// Nobody has a broker.
    NoBrokers,
    /// Nobody votes.
    NoVoters,
    /// This one neither votes nor has a broker.
    NotAMember(NodeId),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Zero => f.write_str("a time of 0 ms; write at least 1"),
            Self::TellTooLong { tell, idle } => {
                write!(
                    f,
                    "members tell how they stand every {} ms, and are idle after {} ms; tell more often, or wait longer",
                    tell.0, idle.0
                )
            }
            Self::RouseTooLong { rouse, wake } => {
                write!(
                    f,
                    "a wake is repeated every {} ms, and given up after {} ms; repeat it more often, or wait longer",
                    rouse.0, wake.0
                )
            }
            Self::AnswerTooLong { answer, wake } => {
                write!(
                    f,
                    "whoever is called has {} ms to answer, and its wake is given up after {} ms; call others sooner, or wait longer",
                    answer.0, wake.0
                )
            }
            Self::ProbeTooLong { probe, alarm } => {
                write!(
                    f,
                    "a sleeper whose alarm clock rings every {} ms looks for a Pehredar for {} ms; write a longer alarm",
                    alarm.0, probe.0
                )
            }
            Self::NoBrokers => f.write_str("no member has a broker; give at least one node a broker"),
            Self::NoVoters => f.write_str("nobody votes; give at least one node role = \"voter\""),
            Self::NotAMember(node) => write!(f, "{node} neither votes nor has a broker; give it one of both"),
        }
    }
}

impl core::error::Error for Invalid {}

/// What a member is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who it is.
    pub me: NodeId,
    /// Those who elect and decide.
    pub voters: NodeSet,
    /// Those who have a broker beside them. Only these sleep.
    pub brokers: NodeSet,
    /// Awake voters beyond a majority, as far as there are so many.
    pub voter_spare: u8,
    /// The lowest gear.
    pub gear: Gear,
    /// Whom traffic wakes.
    pub wake: WakeRule,
    /// Traffic switches all off, after all are awake; an admin switches on again.
    pub disable_on_traffic: bool,
    /// This member never sleeps, unless it is told otherwise.
    pub stay_awake: bool,
    /// How long things take.
    pub timing: Timing,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<super::bugs::Bug>,
}

impl Config {
    /// The lean gear, waking as few as are needed, one voter to spare.
    #[must_use]
    pub const fn new(me: NodeId, voters: NodeSet, brokers: NodeSet, timing: Timing) -> Self {
        Self {
            me,
            voters,
            brokers,
            voter_spare: 1,
            gear: Gear::Lean,
            wake: WakeRule::Needed,
            disable_on_traffic: false,
            stay_awake: false,
            timing,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// Whether it can work.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.brokers.is_empty() {
            return Err(Invalid::NoBrokers);
        }
        if self.voters.is_empty() {
            return Err(Invalid::NoVoters);
        }
        if !self.members().contains(self.me) {
            return Err(Invalid::NotAMember(self.me));
        }
        self.timing.check()
    }

    /// All members.
    #[must_use]
    pub const fn members(&self) -> NodeSet {
        self.voters.or(self.brokers)
    }

    /// How many voters have to stay awake, so that the next Pehredar can be elected without waking anybody.
    #[must_use]
    pub const fn voters_need(&self) -> u32 {
        let all = self.voters.count();
        let wanted = (all / 2).saturating_add(1).saturating_add(self.voter_spare as u32);
        if wanted < all { wanted } else { all }
    }

    #[cfg(seeded_bugs)]
    pub(super) fn has(&self, bug: super::bugs::Bug) -> bool {
        self.bug == Some(bug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_keeps_the_rules() {
        for (name, timing) in Timing::PROFILES {
            assert_eq!(timing.check(), Ok(()), "{name}");
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let with = |change: fn(&mut Timing)| {
            let mut timing = Timing::TEST;
            change(&mut timing);
            timing.check().expect_err("broken")
        };
        assert_eq!(with(|t| t.drain = Ticks(0)), Invalid::Zero);
        assert!(matches!(
            with(|t| t.tell = t.idle.plus(Ticks(1))),
            Invalid::TellTooLong { .. }
        ));
        assert!(matches!(with(|t| t.rouse = t.wake), Invalid::RouseTooLong { .. }));
        assert!(matches!(with(|t| t.answer = t.wake), Invalid::AnswerTooLong { .. }));
        assert!(matches!(with(|t| t.probe = t.alarm), Invalid::ProbeTooLong { .. }));
    }

    #[test]
    fn a_member_is_somebody_and_there_are_brokers_and_voters() {
        let (me, none) = (NodeId(1), NodeSet::EMPTY);
        let check = |voters, brokers| Config::new(me, voters, brokers, Timing::SERVERS).check();
        let (own, other) = (NodeSet::only(me), NodeSet::only(NodeId(2)));
        assert_eq!(check(own, other), Ok(()));
        assert_eq!(check(other, own), Ok(()));
        assert_eq!(check(own, none), Err(Invalid::NoBrokers));
        assert_eq!(check(none, own), Err(Invalid::NoVoters));
        assert_eq!(check(other, other), Err(Invalid::NotAMember(me)));
    }
}

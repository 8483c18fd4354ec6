//! What a member is told once.

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
    /// The first ring of the alarm clock comes in the member's slot of this, each further one after all of it.
    pub alarm: Ticks,
    /// How often a wake is repeated.
    pub rouse: Ticks,
    /// A wake that takes longer has failed: a person is told.
    pub wake: Ticks,
}

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

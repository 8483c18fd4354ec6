//! The five known failures, each as a question to the checker, and what excludes it in our protocol.

use stateright::Property;

use super::state::{Node, State};
use super::world::World;
use crate::lasso::Leads;

/// What steps can show to be wrong, as bits of a ghost.
pub(super) mod wrong {
    pub const TASK_ASLEEP: u8 = 1;
    pub const SLEPT_IN_TRAFFIC: u8 = 2;
    pub const REFUSED: u8 = 4;
}

/// A failure of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// A task is given to a node that sleeps.
    TaskAsleep,
    /// "0 then 1": nodes are put to sleep after traffic has come.
    ZeroThenOne,
    /// The watchman is alone with a partition that takes no write.
    LoneWatchman,
    /// Both sides of a partition have a watchman.
    TwoWatchmen,
    /// The watchman is gone, alarm clocks ring, and nothing comes of it.
    DeafAlarm,
}

/// What keeps a failure out of our protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// Claims of the ledger.
    pub claims: &'static [&'static str],
    /// Seeded bugs of core that bring the failure back, each caught by one of these claims.
    pub bugs: &'static [&'static str],
    /// How, in a sentence.
    pub how: &'static str,
}

impl Failure {
    /// All five.
    pub const ALL: [Self; 5] = [
        Self::TaskAsleep,
        Self::ZeroThenOne,
        Self::LoneWatchman,
        Self::TwoWatchmen,
        Self::DeafAlarm,
    ];

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TaskAsleep => "task to a sleeping node",
            Self::ZeroThenOne => "0 then 1",
            Self::LoneWatchman => "lone watchman refuses writes",
            Self::TwoWatchmen => "two watchmen after a partition",
            Self::DeafAlarm => "alarm with no effect",
        }
    }

    /// What should hold.
    #[must_use]
    pub const fn asks(self) -> &'static str {
        match self {
            Self::TaskAsleep => "as written/A1 a task goes to a node that is awake",
            Self::ZeroThenOne => "as written/A2 nobody is put to sleep after traffic has come",
            Self::LoneWatchman => "as written/A3 while all live, a write with acks=all is taken",
            Self::TwoWatchmen => "as written/A4 at most one node watches",
            Self::DeafAlarm => {
                "as written/A5 when the watchman is gone or out of reach, somebody watches again or all are awake"
            }
        }
    }

    /// What in our protocol excludes it.
    #[must_use]
    pub const fn excluded(self) -> Excluded {
        match self {
            Self::TaskAsleep => Excluded {
                claims: &["sleep/S3"],
                bugs: &["P2AssumesAwake", "P16AllUpCount"],
                how: "Only those who have said that they are awake, and promised to stay so, are counted on.",
            },
            Self::ZeroThenOne => Excluded {
                claims: &["sleep/S7", "sleep/S10"],
                bugs: &["P18GrantsWhileBusy", "P4LockOutlivesWake"],
                how: "Traffic draws a new lock, so that what was granted before it fits nobody, and ends the idle time of all.",
            },
            Self::LoneWatchman => Excluded {
                claims: &["sleep/S3"],
                bugs: &["P8NothingCovered", "P17CountsMembers"],
                how: "In gear lean every partition keeps as many in-sync copies awake as a write needs; gear watch is for those who \
                      ask for it, and there a proxy holds the write until the wake is done.",
            },
            Self::TwoWatchmen => Excluded {
                claims: &["election/I1", "election/I4", "sleep/S1", "sleep/S8"],
                bugs: &["P9KeepsWatching", "P20TemporaryGrants", "E14SilenceIsAbsence"],
                how: "Whoever watches was elected by a majority of all voters, sleepers among them; without one, whoever wakes may \
                      wake others and nothing else.",
            },
            Self::DeafAlarm => Excluded {
                claims: &["sleep/S12", "sleep/L2", "sleep/L3"],
                bugs: &["P5NoAlarm", "NoTemporary"],
                how: "No sleep without an alarm clock; whoever it wakes looks for the Pehredar, and wakes all if there is none.",
            },
        }
    }

    /// The question, where it is one about what must come.
    #[must_use]
    pub fn query(self) -> Option<Leads<World>> {
        (self == Self::DeafAlarm).then_some(Leads {
            name: Self::DeafAlarm.asks(),
            from: |_, state| is_unwatched(state) && !state.traffic,
            to: |_, state| !is_unwatched(state),
        })
    }
}

/// Somebody sleeps, and of those whom it can reach nobody watches.
fn is_unwatched(state: &State) -> bool {
    let watched =
        |sleeper: u8| (0..super::state::NODES).any(|node| state.reaches(sleeper, node) && state.is_watched_by(node));
    state.all(Node::Asleep).any(|sleeper| !watched(sleeper))
}

pub(super) fn asked(failure: Failure) -> Vec<Property<World>> {
    let name = failure.asks();
    let always = match failure {
        Failure::TaskAsleep => Property::always(name, |_, state: &State| state.wrong & wrong::TASK_ASLEEP == 0),
        Failure::ZeroThenOne => Property::always(name, |_, state: &State| state.wrong & wrong::SLEPT_IN_TRAFFIC == 0),
        Failure::LoneWatchman => Property::always(name, |_, state: &State| state.wrong & wrong::REFUSED == 0),
        Failure::TwoWatchmen => Property::always(name, |_, state: &State| {
            (0..super::state::NODES)
                .filter(|node| state.is_watched_by(*node))
                .count()
                < 2
        }),
        // Asked as a query; this only says what a state is.
        Failure::DeafAlarm => Property::always("as written/check clocks belong to sleepers", |_, state: &State| {
            let asleep: pehra_core::members::NodeSet = state
                .all(Node::Asleep)
                .map(|node| pehra_core::types::NodeId(node.into()))
                .collect();
            state.clocks.is_within(asleep)
        }),
    };
    vec![always]
}

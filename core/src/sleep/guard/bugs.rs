//! Seeded bugs of guard duty. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models, or be listed as
//! equivalent with the argument. Numbers are those of the catalogue of mistakes that the project keeps.
//!
//! # The catalogue, and what stands for each of its mistakes
//! Bugs without a module are of this one; the others are of the part of the protocol that would make the mistake here.
//!
//! | no. | mistake | bugs |
//! | --- | --- | --- |
//! | P1 | a sleeper is left out of the election's majority, or so many sleep that there is none | election: `E14SilenceIsAbsence`; `VotersUncounted` |
//! | P2 | a new Pehredar takes all to be awake | `P2AssumesAwake` |
//! | P3 | an order of an older term is obeyed | `P3StrangerObeyed` |
//! | P4 | an order is good more than once, or after a wake | `P4NoLock`, `P4LockOutlivesWake` |
//! | P5 | no alarm clock | `P5NoAlarm` |
//! | P6 | a term is used twice | election: `E6SecondVote`, `E21LostIsFresh` |
//! | P7 | whoever must stay awake is let sleep | `P7DutySleeps` |
//! | P8 | nothing is kept awake | `P8NothingCovered` |
//! | P9 | an old Pehredar goes on | `P9KeepsWatching` |
//! | P10 | the term is forgotten in sleep | election: `E3VoteForgottenAtStart`, `E1VoteNotPersisted` |
//! | P11 | whoever is out of sight is never asked again | no probes here: members tell by themselves; what is lost on the way to them is `GrantNotRepeated` |
//! | P12 | a look after the sleeper revokes its order, for ever | `P12RepeatRevokes` |
//! | P13 | a wake that is lost is not repeated | `P13WakeNotRepeated`; one that nobody hears has nobody called in its place: `NobodyInItsPlace`, `ChoiceForgetsSilent` |
//! | P14 | a wake needs the right sender | `P14WakeNeedsPehredar` |
//! | P15 | maintenance takes what is needed | `P15MaintenanceUnchecked` |
//! | P16 | whoever is on its way down, or may be let go, counts as awake | `P16AllUpCount`; coverage: `DrainingCounts` |
//! | P17 | nodes are counted, not each partition's copies | `P17CountsMembers`; coverage: `NodesAreCounted` |
//! | P18 | sleep is granted in traffic, or during a wake | `P18GrantsWhileBusy` |
//! | P19 | an order outlives its plan | `P19OutlivesItsPlan`, `P19OldPlanTaken` |
//! | P20 | a temporary Pehredar grants | `P20TemporaryGrants` |
//! | P21 | a machine sleeps with its broker running | `P21SleepsUnstopped` |
//! | P22 | a change that is given up leaves somebody down | `P22AbortLeavesDown`, `ActiveUnstarted` |
//! | P23 | traffic is looked for where it cannot be seen | `P23TrafficUntold`; traffic: `ProduceIsIdle` |
//! | P24 | duty goes on with a stale view | `P24OldPromisesCount`, `StaleReadingTaken`, `EarlyReadingKept` |
//!
//! Others that are asked for by name: *no guard of coverage* is P8; *draining counts as awake* P16; *a majority of the awake* P1; *a grant
//! without a nonce* P4; *freeze instead of stop* P21, and at Kafka itself `models/tests/kafka.rs`, which has *eligible replicas off* too;
//! *a temporary Pehredar that grants* P20; *the original as written* is `models/src/as_written`. *The order of sleep reversed* has no
//! counterpart: nothing rests on the order, as each sleeper is judged by what all others still hold when it goes.

use super::sleeper::{Fitness, Stage};
use super::{Config, Plan};
use crate::members::NodeSet;
use crate::sleep::cover::Cover;

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Everybody on duty counts, whether it has promised or not (a new Pehredar assumes that all are awake).
    P2AssumesAwake,
    /// A grant of another Pehredar than the one that is followed is obeyed.
    P3StrangerObeyed,
    /// A grant is obeyed whatever its lock says.
    P4NoLock,
    /// A wake does not void what was granted before.
    P4LockOutlivesWake,
    /// The alarm clock is not armed.
    P5NoAlarm,
    /// A member that is on duty may sleep.
    P7DutySleeps,
    /// Nothing is covered: whoever is willing may sleep.
    P8NothingCovered,
    /// Whoever is up counts, also those who may be let sleep.
    P16AllUpCount,
    /// Coverage is a number of members, not of each partition's copies.
    P17CountsMembers,
    /// Grants go on while traffic was seen or a wake is under way.
    P18GrantsWhileBusy,
    /// A grant is carried out although its plan was replaced.
    P19OutlivesItsPlan,
    /// A grant of an older plan is taken.
    P19OldPlanTaken,
    /// The sleeper does not look for itself whether it is covered.
    SleeperTrusts,
    /// Nobody looks after the broker has stopped.
    NoLookAfter,
    /// An old order switches on.
    OldEpochEnables,
    /// What is switched off grants all the same.
    OffGrants,
    /// Voters do not count: so many may sleep that nobody can be elected.
    VotersUncounted,
    /// A Pehredar goes on after its leadership is over.
    P9KeepsWatching,
    /// A wake is called once.
    P13WakeNotRepeated,
    /// A wake counts only if the Pehredar sends it.
    P14WakeNeedsPehredar,
    /// Maintenance does not wait until all others are up.
    P15MaintenanceUnchecked,
    /// A temporary Pehredar does all that a real one does.
    P20TemporaryGrants,
    /// A wake on the way down does not start the broker again.
    P22AbortLeavesDown,
    /// Traffic is not told to the Pehredar.
    P23TrafficUntold,
    /// A promise under an older plan counts (duty rotates with a stale view).
    P24OldPromisesCount,
    /// The Pehredar grants to the next before the last one has come back.
    GrantsWithoutEcho,
    /// A member that has not answered this waking counts as woken.
    AnyWordEndsWaking,
    /// An answer to an earlier waking still counts: as if the last grant were done with.
    TicketOutlivesWaking,
    /// A grant that was lost is not sent again.
    GrantNotRepeated,
    /// Nobody wakes the others when no Pehredar is to be found.
    NoTemporary,
    /// The machine sleeps with its broker running.
    P21SleepsUnstopped,
    /// A reading that was asked for before the grant is good for it.
    StaleReadingTaken,
    /// Whoever is woken when its broker is down already says that it is up, without starting it.
    ActiveUnstarted,
    /// A grant that comes again while it is being carried out ends it.
    P12RepeatRevokes,
    /// Whom to wake is chosen by number alone, so that the place of one who is known to be silent stays empty.
    ChoiceForgetsSilent,
    /// Nobody else is called when the one who was called does not answer.
    NobodyInItsPlace,
    /// A reading that was begun before the need was told is taken to show whom to wake.
    EarlyReadingKept,
    /// Alarm slots go by number, so that everybody can foresee them.
    SlotByNumber,
    /// An alarm slot is a place among all members, of as many as sleep: the last ones have one slot.
    SlotAmongAll,
    /// Whoever starts again leaves its broker down.
    RestartLeavesDown,
    /// A Pehredar that has only itself left to be worked on does not let another lead.
    RoundKeepsPehredar,
    /// That one was worked on is proposed while another decree is under way, and then forgotten.
    VisitOutrunsPlan,
    /// Whoever is known to be silent is not called again, even if nobody else is left.
    SilentForGood,
    /// Of those who are known to be silent as few as would do are called again: always the same, who may be dead.
    SilentOneByOne,
    /// A wake fails, and nobody is told.
    FailedWakeUnsaid,
    /// A wake fails, and whoever was called stays in the plan.
    FailedWakeKept,
}

impl Bug {
    /// All that the models hunt.
    pub const HUNTED: [Self; 46] = [
        Self::P2AssumesAwake,
        Self::P3StrangerObeyed,
        Self::P4NoLock,
        Self::P4LockOutlivesWake,
        Self::P5NoAlarm,
        Self::P7DutySleeps,
        Self::P8NothingCovered,
        Self::P16AllUpCount,
        Self::P17CountsMembers,
        Self::P18GrantsWhileBusy,
        Self::P19OutlivesItsPlan,
        Self::P19OldPlanTaken,
        Self::SleeperTrusts,
        Self::NoLookAfter,
        Self::OldEpochEnables,
        Self::OffGrants,
        Self::VotersUncounted,
        Self::P9KeepsWatching,
        Self::P13WakeNotRepeated,
        Self::P14WakeNeedsPehredar,
        Self::P15MaintenanceUnchecked,
        Self::P20TemporaryGrants,
        Self::P22AbortLeavesDown,
        Self::P23TrafficUntold,
        Self::P24OldPromisesCount,
        Self::GrantsWithoutEcho,
        Self::AnyWordEndsWaking,
        Self::TicketOutlivesWaking,
        Self::GrantNotRepeated,
        Self::NoTemporary,
        Self::P21SleepsUnstopped,
        Self::StaleReadingTaken,
        Self::ActiveUnstarted,
        Self::P12RepeatRevokes,
        Self::ChoiceForgetsSilent,
        Self::NobodyInItsPlace,
        Self::EarlyReadingKept,
        Self::SlotByNumber,
        Self::SlotAmongAll,
        Self::RestartLeavesDown,
        Self::RoundKeepsPehredar,
        Self::VisitOutrunsPlan,
        Self::SilentForGood,
        Self::SilentOneByOne,
        Self::FailedWakeUnsaid,
        Self::FailedWakeKept,
    ];
}

/// Whether this reason to stay awake is overlooked.
pub(super) fn overlooks(config: &Config, why: Fitness) -> bool {
    match config.bug {
        Some(Bug::P3StrangerObeyed) => matches!(why, Fitness::Stranger | Fitness::OldPlan),
        Some(Bug::P4NoLock) => why == Fitness::AnotherLock,
        Some(Bug::P7DutySleeps) => why == Fitness::OnDuty,
        Some(Bug::P18GrantsWhileBusy) => why == Fitness::Busy,
        Some(Bug::P19OldPlanTaken) => why == Fitness::AnotherPlan,
        Some(Bug::OffGrants) => why == Fitness::SwitchedOff,
        _ => false,
    }
}

/// Whether this look is believed without looking.
pub(super) fn trusts(config: &Config, stage: Stage) -> bool {
    match config.bug {
        Some(Bug::SleeperTrusts) => true,
        Some(Bug::NoLookAfter) => stage == Stage::Settling,
        _ => false,
    }
}

/// Another verdict on coverage.
pub(super) fn covered(config: &Config, covers: &[Cover], there: NodeSet) -> Option<bool> {
    match config.bug {
        Some(Bug::P8NothingCovered) => Some(true),
        Some(Bug::VotersUncounted) => Some(covers.iter().all(|cover| cover.holds(there))),
        Some(Bug::P17CountsMembers) => Some(
            covers
                .iter()
                .all(|cover| there.and(config.brokers).count() >= u32::from(cover.need)),
        ),
        _ => None,
    }
}

/// Who counts.
pub(super) fn counted(config: &Config, counted: NodeSet, (plan, up): (Plan, NodeSet)) -> NodeSet {
    match config.bug {
        Some(Bug::P2AssumesAwake) => plan.watch,
        Some(Bug::P16AllUpCount) => up,
        _ => counted,
    }
}

/// Who comes before this member, among whom.
pub(super) fn ahead(config: &Config, (ahead, sleepers): (NodeSet, NodeSet)) -> NodeSet {
    match config.bug {
        Some(Bug::SlotByNumber) => NodeSet::first(config.me.0).and(sleepers),
        Some(Bug::SlotAmongAll) => ahead,
        _ => ahead.and(sleepers),
    }
}

/// Of those whose wake has failed, who is known to be silent, and of whom a person is told.
pub(super) fn failed(config: &Config, failed: NodeSet) -> (NodeSet, NodeSet) {
    match config.bug {
        Some(Bug::FailedWakeUnsaid) => (failed, NodeSet::EMPTY),
        Some(Bug::FailedWakeKept) => (NodeSet::EMPTY, failed),
        _ => (failed, failed),
    }
}

/// What keeps a Pehredar from granting.
pub(super) fn quiet(config: &Config, (quiet, idle, on): (bool, bool, bool)) -> (bool, bool, bool) {
    match config.bug {
        Some(Bug::P18GrantsWhileBusy) => (true, true, on),
        Some(Bug::OffGrants) => (quiet, idle, true),
        _ => (quiet, idle, on),
    }
}

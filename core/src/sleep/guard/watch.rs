//! What only a Pehredar does: it looks, plans, and lets sleep. How it wakes is in `rousing`, what people ask of it in `asked`.

use alloc::vec::Vec;
use core::mem;

use super::member::{Fx, Guard, Role};
use super::{Claim, Config, Decree, Doing, Event, Plan, Purpose, Standing, State};
use crate::members::NodeSet;
use crate::replication::LogId;
use crate::sleep::cover::{Cover, View};
use crate::sleep::coverage::Gear;
use crate::types::{NodeId, Term};

/// A grant that has not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Given {
    /// To whom.
    pub node: NodeId,
    /// With this lock.
    pub lock: u64,
    /// What for.
    pub purpose: Purpose,
}

/// A Pehredar's view of the others. All of it is of this term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    /// One decree is under way.
    pub(super) proposed: bool,
    /// Those who said last that they are up.
    pub(super) active: NodeSet,
    /// Those of them who have promised to stay awake under the latest plan.
    promised: NodeSet,
    /// Those who said last that they have seen traffic.
    pub(super) busy: NodeSet,
    /// Those who said last that they would sleep.
    willing: NodeSet,
    /// Their locks.
    locks: Vec<(NodeId, u64)>,
    pub(super) given: Option<Given>,
    /// Those who are being woken, until they say that they are up.
    pub(super) rousing: NodeSet,
    /// Those of them who have not answered yet.
    pub(super) unheard: NodeSet,
    /// Some have not answered in time: all that would do are called.
    pub(super) late: bool,
    /// Names this waking; zero until one is drawn.
    pub(super) ticket: u64,
    /// Those who do not wake up.
    pub(super) silent: NodeSet,
    /// Somebody needs more than is awake; the next reading tells whom to wake.
    pub(super) wanted: bool,
    /// It has watched for a while: whoever has not said by now how it stands may be asleep.
    pub(super) listened: bool,
    /// All is to be switched off as soon as all are awake.
    pub(super) disabling: bool,
    /// Those of the round who were worked on, while that is not decided.
    pub(super) visited: NodeSet,
}

impl Watch {
    /// Who was granted something, and has not come back.
    #[must_use]
    pub const fn given(&self) -> Option<Given> {
        self.given
    }

    /// Those who have promised to stay awake under the latest plan.
    #[must_use]
    pub const fn promised(&self) -> NodeSet {
        self.promised
    }

    /// Those who said last that they are up.
    #[must_use]
    pub const fn active(&self) -> NodeSet {
        self.active
    }

    /// Those who are being woken.
    #[must_use]
    pub const fn rousing(&self) -> NodeSet {
        self.rousing
    }

    /// Those who do not wake up.
    #[must_use]
    pub const fn silent(&self) -> NodeSet {
        self.silent
    }

    /// All but the locks: a copy of these would take memory at every word of a member.
    const fn but_locks(&self) -> Self {
        Self {
            proposed: self.proposed,
            active: self.active,
            promised: self.promised,
            busy: self.busy,
            willing: self.willing,
            locks: Vec::new(),
            given: self.given,
            rousing: self.rousing,
            unheard: self.unheard,
            late: self.late,
            ticket: self.ticket,
            silent: self.silent,
            wanted: self.wanted,
            listened: self.listened,
            disabling: self.disabling,
            visited: self.visited,
        }
    }

    fn lock_of(&self, member: NodeId) -> Option<u64> {
        let found = self.locks.iter().find(|(node, _)| *node == member);
        found.map(|(_, lock)| *lock)
    }

    pub(super) fn decided(&mut self, id: LogId, term: Term) {
        // A promise names a plan; what was promised under another does not count.
        self.promised = NodeSet::EMPTY;
        if id.term == term {
            self.proposed = false;
        }
    }

    /// Those who are up. If somebody needs more, whoever may be on its way down by a grant does not count.
    pub(super) fn awake(&self, config: &Config, own: State, wanted: bool) -> NodeSet {
        let mut awake = self.active;
        if own == State::Active {
            awake.insert(config.me);
        }
        match self.given {
            Some(given) if wanted && given.purpose == Purpose::Sleep => awake.without(given.node),
            Some(_) | None => awake,
        }
    }

    /// Whether somebody needs more than is awake.
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// By the rules of which gear the cluster is read: one higher if somebody needs more than is awake.
    pub(super) const fn gear_wanted(&self, config: &Config) -> Gear {
        match (self.wanted, config.gear) {
            (false, gear) => gear,
            (true, Gear::Watch) => Gear::Lean,
            (true, Gear::Full | Gear::Lean) => Gear::Full,
        }
    }
}

/// Whether all of these hold, and enough voters are among them.
pub(super) fn covered(config: &Config, covers: &[Cover], there: NodeSet) -> bool {
    #[cfg(seeded_bugs)]
    if let Some(verdict) = super::bugs::covered(config, covers, there) {
        return verdict;
    }
    let voters = config.voters.and(there).count() >= config.voters_need();
    voters && covers.iter().all(|cover| cover.holds(there))
}

/// Those who are there without as many of these as is covered: whoever was suggested first goes on duty last.
fn smallest_watch(config: &Config, covers: &[Cover], there: NodeSet, may_sleep: NodeSet) -> NodeSet {
    let mut may_sleep = may_sleep.and(there);
    while !may_sleep.is_empty() && !covered(config, covers, there.minus(may_sleep)) {
        let last = may_sleep.iter().last();
        may_sleep = last.map_or(NodeSet::EMPTY, |last| may_sleep.without(last));
    }
    there.minus(may_sleep)
}

impl Guard {
    pub(super) fn look_as_pehredar(&mut self, config: &Config, fx: Fx<'_>) {
        if matches!(self.role, Role::Pehredar(_)) && !self.looking {
            self.look(config, fx);
        }
    }

    /// The cluster was read, or could not be.
    pub(super) fn on_view(&mut self, config: &Config, view: Option<View>, fx: Fx<'_>) {
        if !mem::take(&mut self.looking) {
            return;
        }
        let too_early = mem::take(&mut self.look_again);
        #[cfg(seeded_bugs)]
        let too_early = too_early && !config.has(super::bugs::Bug::StaleReadingTaken);
        if too_early {
            self.look(config, fx);
            return;
        }
        match view {
            // What cannot be seen is not relied on.
            None => {
                if matches!(self.state, State::Draining { .. }) {
                    self.wake_up(config, fx);
                }
                if let Role::Pehredar(watch) = &mut self.role
                    && mem::take(&mut watch.wanted)
                {
                    self.wake_up_all(config, fx);
                }
            }
            Some(view) if matches!(self.state, State::Draining { .. }) => self.on_own_view(config, &view, fx),
            Some(view) => self.watch_over(config, &view, fx),
        }
    }

    /// One look around: wakes if too few are awake, else plans, else works on the round of maintenance or lets one sleep.
    fn watch_over(&mut self, config: &Config, view: &View, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let wanted = mem::take(&mut watch.wanted);
        let there = watch.awake(config, self.state, wanted);
        let missing = self.missing(config, view, there, wanted);
        if wanted || self.has_listened() {
            self.rouse(config, missing, fx);
        }
        if self.finish_disabling(fx)
            || self.go_on_with_round(config, fx)
            || self.plan_anew(config, view, (there, wanted), fx)
        {
            return;
        }
        self.grant(config, view, fx);
    }

    /// A new Pehredar would wake everybody, since nobody has told it anything yet.
    const fn has_listened(&self) -> bool {
        matches!(&self.role, Role::Pehredar(watch) if watch.listened)
    }

    /// Proposes a plan if there is none of this term, if somebody on duty is not up, if those on duty cannot cover all and those
    /// who are there can, or if fewer are enough. Whether it did, or waits for one.
    fn plan_anew(&mut self, config: &Config, view: &View, (there, wanted): (NodeSet, bool), fx: Fx<'_>) -> bool {
        let current = self.current_plan();
        let idle = self.idle;
        let Role::Pehredar(watch) = &mut self.role else {
            return true;
        };
        if watch.proposed {
            return true;
        }
        let members = config.brokers.minus(watch.silent);
        let may_sleep = if idle && self.round.is_empty() && view.healthy {
            view.sleepers.and(config.brokers).without(config.me)
        } else {
            NodeSet::EMPTY
        };
        let watchers = smallest_watch(config, &view.covers, there, may_sleep);
        let plan = Plan {
            gear: config.gear,
            watch: watchers,
            members,
        };
        // The Pehredar is up anyway, on duty or not: a plan that was made while its broker started has it not.
        let stays = |current: Plan| {
            if there.contains(config.me) {
                current.watch.with(config.me)
            } else {
                current.watch
            }
        };
        let needed = current.is_none_or(|current| {
            // The first plan of a term may be older than the start of the brokers. A reading by the rules of a higher gear says nothing
            // about duty in this one.
            let too_few =
                !wanted && !covered(config, &view.covers, current.watch) && covered(config, &view.covers, watchers);
            too_few
                || !current.watch.is_within(there)
                || current.members != members
                || (watch.given.is_none() && watchers.count() < stays(current).count())
        });
        if needed {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Plan(plan)));
        }
        needed
    }

    /// Lets one member sleep, or be worked on, if all holds that must.
    fn grant(&mut self, config: &Config, view: &View, fx: Fx<'_>) {
        let Some((plan, current)) = self.plan.filter(|(id, _)| id.term == self.term) else {
            return;
        };
        let counted = self.counted(config, current);
        let purpose = if self.round.is_empty() {
            Purpose::Sleep
        } else {
            Purpose::Maintenance
        };
        let (idle, on, round, up) = (self.idle, self.on, self.round, self.state == State::Active);
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let quiet = watch.rousing.is_empty() && !watch.wanted && !watch.disabling;
        #[cfg(seeded_bugs)]
        let (quiet, idle, on) = super::bugs::quiet(config, (quiet, idle, on));
        let may = match purpose {
            Purpose::Sleep => on && idle && quiet && watch.busy.is_empty() && covered(config, &view.covers, counted),
            // All others are up, and nothing is wrong: then one may be taken down by a person.
            Purpose::Maintenance => quiet && up && config.brokers.without(config.me).is_within(watch.active),
        };
        #[cfg(seeded_bugs)]
        let may = may || config.has(super::bugs::Bug::P15MaintenanceUnchecked) && purpose == Purpose::Maintenance;
        if !may || !view.healthy {
            return;
        }
        let next = match watch.given {
            // It may have been lost; whoever has it already will not take it twice.
            #[cfg(seeded_bugs)]
            Some(_) if config.has(super::bugs::Bug::GrantNotRepeated) => None,
            Some(given) => (given.purpose == purpose).then_some((given.node, given.lock)),
            None => watch.next(purpose, config, current, round),
        };
        let Some((node, lock)) = next else {
            let is_last = purpose == Purpose::Maintenance && round == NodeSet::only(config.me);
            #[cfg(seeded_bugs)]
            let is_last = is_last && !config.has(super::bugs::Bug::RoundKeepsPehredar);
            if is_last {
                fx.emit(Event::Yield);
            }
            return;
        };
        watch.given = Some(Given { node, lock, purpose });
        let grant = Claim::Grant {
            purpose,
            plan,
            lock,
            counted,
        };
        fx.claim(node, grant);
    }

    /// Who has promised to stay awake: the members on duty who said so, and this one.
    fn counted(&self, config: &Config, plan: Plan) -> NodeSet {
        let Role::Pehredar(watch) = &self.role else {
            return NodeSet::EMPTY;
        };
        let own = if self.state == State::Active {
            NodeSet::only(config.me)
        } else {
            NodeSet::EMPTY
        };
        let counted = watch.promised.or(own).and(plan.watch);
        #[cfg(seeded_bugs)]
        let counted = super::bugs::counted(config, counted, (plan, watch.active.or(own)));
        counted
    }

    /// Another member says how it stands.
    pub(super) fn on_standing(&mut self, config: &Config, from: NodeId, standing: Standing, fx: Fx<'_>) {
        let plan = self.current_plan();
        let known = self.known;
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let heard = watch.ticket != 0 && standing.echo == watch.ticket;
        #[cfg(seeded_bugs)]
        let heard = heard || config.has(super::bugs::Bug::AnyWordEndsWaking);
        if heard {
            watch.unheard.remove(from);
        }
        let (before, lock_before) = (watch.but_locks(), watch.lock_of(from));
        let is = |holds: bool, set: NodeSet| if holds { set.with(from) } else { set.without(from) };
        let up = standing.doing == Doing::Active;
        #[cfg(seeded_bugs)]
        let known = if config.has(super::bugs::Bug::P24OldPromisesCount) {
            standing.known
        } else {
            known
        };
        let on_duty = up && standing.known == known && plan.is_some_and(|plan| plan.watch.contains(from));
        watch.active = is(up, watch.active);
        watch.promised = is(on_duty, watch.promised);
        watch.busy = is(standing.busy, watch.busy);
        watch.willing = is(standing.willing, watch.willing);
        watch.locks.retain(|(node, _)| *node != from);
        if standing.lock != 0 {
            let at = watch.locks.partition_point(|(node, _)| *node < from);
            watch.locks.insert(at, (from, standing.lock));
        }
        if heard && up {
            watch.rousing.remove(from);
        }
        if up {
            watch.silent.remove(from);
        }
        let over = watch.given.filter(|given| {
            let back = match given.purpose {
                Purpose::Sleep => !matches!(standing.doing, Doing::Draining),
                Purpose::Maintenance => !matches!(standing.doing, Doing::Draining | Doing::Maintenance | Doing::Waking),
            };
            given.node == from && back && (standing.echo == given.lock || heard)
        });
        #[cfg(seeded_bugs)]
        let over = over.or(watch.given.filter(|_| config.has(super::bugs::Bug::GrantsWithoutEcho)));
        if let Some(given) = over {
            watch.given = None;
            if given.purpose == Purpose::Maintenance && standing.carried_out && standing.echo == given.lock {
                watch.visited.insert(from);
            }
        }
        if watch.rousing.is_empty() && !before.rousing.is_empty() {
            watch.end_rousing(config, fx);
        }
        self.go_on_with_round(config, fx);
        // Its own word of it may have been lost.
        if standing.busy && !before.busy.contains(from) {
            self.on_traffic_elsewhere(config, from, fx);
        }
        // Nobody else's lock was touched.
        if matches!(&self.role, Role::Pehredar(watch) if watch.but_locks() != before || watch.lock_of(from) != lock_before)
        {
            self.look_as_pehredar(config, fx);
        }
    }
}

impl Watch {
    pub(super) fn rename(&mut self, name: &impl Fn(u64) -> u64) {
        for (_, lock) in &mut self.locks {
            *lock = name(*lock);
        }
        if let Some(given) = &mut self.given {
            given.lock = name(given.lock);
        }
        self.ticket = name(self.ticket);
    }

    pub(super) fn tokens(&self, mut visit: impl FnMut(u64)) {
        for (_, lock) in &self.locks {
            visit(*lock);
        }
        visit(self.given.map_or(0, |given| given.lock));
        visit(self.ticket);
    }

    /// Who is next, and its lock: the lowest number first.
    fn next(&self, purpose: Purpose, config: &Config, plan: Plan, round: NodeSet) -> Option<(NodeId, u64)> {
        let fits = |node: NodeId| match purpose {
            #[cfg(seeded_bugs)]
            Purpose::Sleep if config.has(super::bugs::Bug::P7DutySleeps) => self.willing.contains(node),
            Purpose::Sleep => self.willing.contains(node) && plan.members.contains(node) && !plan.watch.contains(node),
            Purpose::Maintenance => round.contains(node) && self.active.contains(node),
        };
        let mut able = self.locks.iter().filter(|(node, _)| *node != config.me && fits(*node));
        able.next().copied()
    }
}

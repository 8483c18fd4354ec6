//! What only a Pehredar does: it plans, lets sleep, and wakes.

use alloc::vec::Vec;
use core::mem;

use super::member::{Fx, Guard, Role};
use super::{Claim, Config, Decree, Doing, Event, Plan, Purpose, Refusal, Report, Standing, State, Timer, WakeRule};
use crate::members::NodeSet;
use crate::protocol::Draw;
use crate::replication::LogId;
use crate::sleep::cover::{Cover, View};
use crate::sleep::coverage::Gear;
use crate::types::{Delay, NodeId, RequestId, Term};

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
    active: NodeSet,
    /// Those of them who have promised to stay awake under the latest plan.
    promised: NodeSet,
    /// Those who said last that they have seen traffic.
    busy: NodeSet,
    /// Those who said last that they would sleep.
    willing: NodeSet,
    /// Their locks.
    locks: Vec<(NodeId, u64)>,
    given: Option<Given>,
    /// Those who are being woken, until they say that they are up.
    rousing: NodeSet,
    /// Names this waking; zero until one is drawn.
    ticket: u64,
    /// Those who do not wake up.
    silent: NodeSet,
    /// Somebody needs more than is awake; the next reading tells whom to wake.
    wanted: bool,
    /// It has watched for a while: whoever has not said by now how it stands may be asleep.
    pub(super) listened: bool,
    /// All is to be switched off as soon as all are awake.
    disabling: bool,
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
            ticket: self.ticket,
            silent: self.silent,
            wanted: self.wanted,
            listened: self.listened,
            disabling: self.disabling,
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
        let asleep = self.asleep(config);
        let missing = Self::missing(config, view, there, asleep, wanted);
        // Who does not wake up is called again only when somebody needs all.
        let silent = match &self.role {
            Role::Pehredar(watch) => watch.silent,
            Role::None | Role::Temporary => NodeSet::EMPTY,
        };
        if wanted || self.has_listened() {
            self.rouse(config, missing.minus(silent), fx);
        }
        if self.finish_disabling(config, fx) || self.plan_anew(config, view, (there, wanted), fx) {
            return;
        }
        self.grant(config, view, fx);
    }

    /// A new Pehredar would wake everybody, since nobody has told it anything yet.
    const fn has_listened(&self) -> bool {
        matches!(&self.role, Role::Pehredar(watch) if watch.listened)
    }

    /// Brokers that are not known to be up, whatever they do.
    fn asleep(&self, config: &Config) -> NodeSet {
        let Role::Pehredar(watch) = &self.role else {
            return NodeSet::EMPTY;
        };
        let away = config.brokers.minus(watch.active).without(config.me);
        watch.given.map_or(away, |given| away.with(given.node))
    }

    /// Whom it takes so that enough are up.
    fn missing(config: &Config, view: &View, there: NodeSet, asleep: NodeSet, wanted: bool) -> NodeSet {
        let mut woken = NodeSet::EMPTY;
        for cover in &view.covers {
            // A gear in which nobody sleeps asks for more than there are.
            woken = woken.or(cover.wake(there, woken).and(asleep));
        }
        let lacks_voters = config.voters.and(there.or(woken)).count() < config.voters_need();
        if lacks_voters {
            woken = woken.or(asleep.and(config.voters));
        }
        match config.wake {
            WakeRule::All if wanted => asleep,
            WakeRule::Needed | WakeRule::All => woken,
        }
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
            if purpose == Purpose::Maintenance && round == NodeSet::only(config.me) {
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
        let heard = watch.ticket != 0 && standing.echo == watch.ticket;
        #[cfg(seeded_bugs)]
        let heard = heard || config.has(super::bugs::Bug::AnyWordEndsWaking);
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
        let mut visited = NodeSet::EMPTY;
        if let Some(given) = over {
            watch.given = None;
            if given.purpose == Purpose::Maintenance && standing.carried_out && standing.echo == given.lock {
                visited.insert(from);
            }
        }
        if watch.rousing.is_empty() && !before.rousing.is_empty() {
            watch.end_rousing(config, fx);
        }
        self.go_on_with_round(visited, fx);
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

    // --- waking -----------------------------------------------------------------------------------------------------

    /// Another member has seen traffic.
    pub(super) fn on_traffic_elsewhere(&mut self, config: &Config, from: NodeId, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        watch.busy.insert(from);
        self.saw_traffic(config, fx);
        self.on_need(config, fx);
    }

    /// Somebody needs more than is awake.
    pub(super) fn on_need(&mut self, config: &Config, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        if config.disable_on_traffic && self.on {
            watch.disabling = true;
            self.wake_up_all(config, fx);
            return;
        }
        match config.wake {
            WakeRule::All => self.wake_up_all(config, fx),
            WakeRule::Needed => {
                watch.wanted = true;
                self.look(config, fx);
            }
        }
    }

    /// `wakeUpAll`: a Pehredar wakes until all are up; anybody else calls once.
    pub(super) fn wake_up_all(&mut self, config: &Config, fx: Fx<'_>) {
        self.wake_up(config, fx);
        match self.role {
            Role::Pehredar(_) => self.rouse(config, config.brokers.without(config.me), fx),
            Role::None => Self::call(config.members().without(config.me), config, 0, fx),
            Role::Temporary => self.call_all(config, fx),
        }
    }

    /// Wakes these, and again, until each has said that it is up.
    fn rouse(&mut self, config: &Config, whom: NodeSet, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let worked_on = watch.given.filter(|given| given.purpose == Purpose::Maintenance);
        let worked_on = worked_on.map_or(NodeSet::EMPTY, |given| NodeSet::only(given.node));
        let new = whom.minus(watch.rousing).minus(worked_on);
        if new.is_empty() {
            return;
        }
        if watch.rousing.is_empty() {
            // A ticket of its own: what was said before this waking does not end it.
            watch.ticket = 0;
            fx.draw(Draw::Nonce);
            fx.arm(Timer::Wake, Delay::exactly(config.timing.wake));
            // Not armed anew by those who join: traffic that goes on would put the next call off for ever.
            fx.arm(Timer::Rouse, Delay::exactly(config.timing.rouse));
        }
        watch.rousing = watch.rousing.or(new);
        if watch.ticket != 0 {
            Self::call(new, config, watch.ticket, fx);
        }
    }

    /// A number was drawn: it also names the waking that has no name yet.
    pub(super) fn ticket_is(&mut self, config: &Config, nonce: u64, fx: Fx<'_>) {
        if let Role::Pehredar(watch) = &mut self.role
            && watch.ticket == 0
            && !watch.rousing.is_empty()
        {
            watch.ticket = nonce;
            Self::call(watch.rousing, config, nonce, fx);
        }
    }

    pub(super) fn rouse_again(&mut self, config: &Config, fx: Fx<'_>) {
        match &self.role {
            Role::None => {}
            Role::Temporary => self.call_all(config, fx),
            Role::Pehredar(watch) => {
                #[cfg(seeded_bugs)]
                if config.has(super::bugs::Bug::P13WakeNotRepeated) {
                    return;
                }
                if !watch.rousing.is_empty() {
                    Self::call(watch.rousing, config, watch.ticket, fx);
                    fx.arm(Timer::Rouse, Delay::exactly(config.timing.rouse));
                }
            }
        }
    }

    /// "Alert inactive, remove": who does not wake up leaves the plan until it is back, and a person is told.
    pub(super) fn on_wake_failed(&mut self, config: &Config, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let failed = mem::take(&mut watch.rousing);
        watch.silent = watch.silent.or(failed);
        for node in failed.iter() {
            fx.report(Report::Alert { node });
        }
        let stuck = watch.given.is_some_and(|given| failed.contains(given.node));
        watch.end_rousing(config, fx);
        if stuck {
            // Whether it has its grant will not be known in this term.
            fx.emit(Event::Yield);
        }
        self.look_as_pehredar(config, fx);
    }

    // --- what people ask for ----------------------------------------------------------------------------------------

    /// Refuses what only a Pehredar can do that has read the log to its end.
    fn as_pehredar(&mut self, request: RequestId, fx: Fx<'_>) -> Option<&mut Watch> {
        let settled = self.current_plan().is_some();
        let refusal = match &mut self.role {
            Role::Pehredar(watch) if settled && !watch.proposed => return Some(watch),
            Role::Pehredar(_) => Refusal::Busy,
            Role::None | Role::Temporary => Refusal::NotPehredar { leader: self.pehredar },
        };
        fx.report(Report::Refused { request, refusal });
        None
    }

    /// `enablePehra`: an admin's order, with all awake.
    pub(super) fn enable_pehra(&mut self, config: &Config, request: RequestId, epoch: u64, fx: Fx<'_>) {
        let last = self.epoch;
        let up = self.state == State::Active;
        let Some(watch) = self.as_pehredar(request, fx) else {
            return;
        };
        let mut asleep = config.brokers.minus(watch.active).without(config.me);
        if !up && config.brokers.contains(config.me) {
            asleep.insert(config.me);
        }
        #[cfg(seeded_bugs)]
        let last = if config.has(super::bugs::Bug::OldEpochEnables) {
            0
        } else {
            last
        };
        let refusal = if epoch <= last {
            Refusal::OldEpoch { last }
        } else if asleep.is_empty() {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Switch { epoch, on: true }));
            return;
        } else {
            Refusal::NotAwake { asleep }
        };
        fx.report(Report::Refused { request, refusal });
        if epoch > last {
            self.rouse(config, asleep.without(config.me), fx);
        }
    }

    /// `disablePehra`: anybody may ask, since it only wakes.
    pub(super) fn disable_pehra(&mut self, config: &Config, request: RequestId, fx: Fx<'_>) {
        let epoch = self.epoch;
        if matches!(self.role, Role::Pehredar(_)) {
            self.wake_up_all(config, fx);
        }
        if let Some(watch) = self.as_pehredar(request, fx) {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Switch { epoch, on: false }));
        }
    }

    /// Traffic switches off, by policy: when all are awake.
    fn finish_disabling(&mut self, config: &Config, fx: Fx<'_>) -> bool {
        let epoch = self.epoch;
        let settled = self.current_plan().is_some();
        let Role::Pehredar(watch) = &mut self.role else {
            return false;
        };
        if !watch.disabling || watch.proposed || !settled || !watch.rousing.is_empty() {
            return false;
        }
        watch.disabling = false;
        watch.proposed = true;
        fx.emit(Event::Propose(Decree::Switch { epoch, on: false }));
        let _ = config;
        true
    }

    /// `maintenance`: one after the other, this one last, by another Pehredar.
    pub(super) fn maintenance(&mut self, config: &Config, request: RequestId, nodes: NodeSet, fx: Fx<'_>) {
        let under_way = !self.round.is_empty();
        let Some(watch) = self.as_pehredar(request, fx) else {
            return;
        };
        let refusal = if under_way {
            Refusal::InMaintenance
        } else if nodes.is_empty() || !nodes.is_within(config.brokers) {
            Refusal::Unknown
        } else {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Round { left: nodes }));
            self.wake_up_all(config, fx);
            return;
        };
        fx.report(Report::Refused { request, refusal });
    }

    fn go_on_with_round(&mut self, visited: NodeSet, fx: Fx<'_>) {
        let left = self.round.minus(visited);
        if left == self.round {
            return;
        }
        if let Role::Pehredar(watch) = &mut self.role {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Round { left }));
        }
    }
}

impl Watch {
    /// All are up. What was said about this waking means nothing from here on: grants may follow it.
    fn end_rousing(&mut self, config: &Config, fx: Fx<'_>) {
        let _ = config;
        fx.disarm(Timer::Rouse);
        fx.disarm(Timer::Wake);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TicketOutlivesWaking) {
            return;
        }
        self.ticket = 0;
    }

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

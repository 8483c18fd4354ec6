//! Whom a Pehredar wakes, how often it calls, and when it gives up.

use core::mem;

use super::member::{Fx, Guard, Role};
use super::watch::Watch;
use super::{Config, Event, Purpose, Report, Timer, WakeRule};
use crate::members::NodeSet;
use crate::protocol::Draw;
#[cfg(seeded_bugs)]
use crate::sleep::cover::Cover;
use crate::sleep::cover::View;
use crate::types::{Delay, NodeId};

impl Guard {
    /// Brokers that are not known to be up, whatever they do.
    pub(super) fn asleep(&self, config: &Config) -> NodeSet {
        let Role::Pehredar(watch) = &self.role else {
            return NodeSet::EMPTY;
        };
        let away = config.brokers.minus(watch.active).without(config.me);
        watch.given.map_or(away, |given| away.with(given.node))
    }

    /// Whom it takes so that enough are up. Those who are known to be silent come last, and only while there is traffic: their calls may
    /// have been lost, but where nobody waits, whoever is dead would be called for ever.
    pub(super) fn missing(&self, config: &Config, view: &View, there: NodeSet, wanted: bool) -> NodeSet {
        let Role::Pehredar(watch) = &self.role else {
            return NodeSet::EMPTY;
        };
        let asleep = self.asleep(config);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::ChoiceForgetsSilent) {
            return watch.choice(config, view, (there, asleep), wanted).minus(watch.silent);
        }
        let others = watch.choice(config, view, (there, asleep.minus(watch.silent)), wanted);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::SilentForGood) {
            return others;
        }
        let silent = asleep.and(watch.silent);
        if self.idle || silent.is_empty() {
            return others;
        }
        let coming = others.or(watch.rousing.minus(watch.unheard));
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::SilentOneByOne) {
            let fills = |woken: NodeSet, cover: &Cover| woken.or(cover.wake(there, woken, silent));
            return view.covers.iter().fold(coming, fills);
        }
        // All of them, as some are dead; but what asks for more than there are is not served by them either.
        let lacking = view.covers.iter().filter(|cover| cover.can_hold());
        let too = lacking.map(|cover| cover.wake_all(there, coming, silent));
        too.fold(others, NodeSet::or)
    }

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
            WakeRule::Needed => self.want_more(config, fx),
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
    pub(super) fn rouse(&mut self, config: &Config, whom: NodeSet, fx: Fx<'_>) {
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
            fx.arm(Timer::Answer, Delay::exactly(config.timing.answer));
            // Not armed anew by those who join: traffic that goes on would put the next call off for ever.
            fx.arm(Timer::Rouse, Delay::exactly(config.timing.rouse));
        }
        watch.rousing = watch.rousing.or(new);
        watch.unheard = watch.unheard.or(new);
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

    /// Whoever has not answered may be dead. That is not waited for: all others that would do are called too.
    pub(super) fn on_unanswered(&mut self, config: &Config, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::NobodyInItsPlace) {
            return;
        }
        if watch.unheard.is_empty() {
            // They come up. Whoever is called later has its time too.
            fx.arm(Timer::Answer, Delay::exactly(config.timing.answer));
            return;
        }
        watch.late = true;
        self.want_more(config, fx);
    }

    /// The next reading tells whom to wake, by the rules of the higher gear. One that was begun before the need was first told is
    /// thrown away; one that was begun since is kept, or traffic that goes on would throw away each of them.
    fn want_more(&mut self, config: &Config, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let told_before = mem::replace(&mut watch.wanted, true);
        #[cfg(seeded_bugs)]
        let told_before = told_before || config.has(super::bugs::Bug::EarlyReadingKept);
        if !(told_before && self.looking) {
            self.look(config, fx);
        }
    }

    /// "Alert inactive, remove": who does not wake up leaves the plan until it is back, and a person is told. Others are woken in its
    /// place.
    pub(super) fn on_wake_failed(&mut self, config: &Config, fx: Fx<'_>) {
        let Role::Pehredar(watch) = &mut self.role else {
            return;
        };
        let failed = mem::take(&mut watch.rousing);
        #[cfg(not(seeded_bugs))]
        let (silent, told) = (failed, failed);
        #[cfg(seeded_bugs)]
        let (silent, told) = super::bugs::failed(config, failed);
        watch.silent = watch.silent.or(silent);
        for node in told.iter() {
            fx.report(Report::Alert { node });
        }
        let stuck = watch.given.is_some_and(|given| failed.contains(given.node));
        watch.end_rousing(config, fx);
        if stuck {
            // Whether it has its grant will not be known in this term.
            fx.emit(Event::Yield);
        }
        self.want_more(config, fx);
    }
}

impl Watch {
    /// Whom of these who are able it takes: as few as will do; all that would, if some who were called have not answered in time.
    fn choice(&self, config: &Config, view: &View, (there, able): (NodeSet, NodeSet), wanted: bool) -> NodeSet {
        let answered = self.rousing.minus(self.unheard);
        let mut woken = NodeSet::EMPTY;
        for cover in &view.covers {
            // A gear in which nobody sleeps asks for more than there are.
            let these = if self.late {
                cover.wake_all(there, answered, able)
            } else {
                cover.wake(there, woken, able)
            };
            woken = woken.or(these);
        }
        let lacks_voters = config.voters.and(there.or(woken)).count() < config.voters_need();
        if lacks_voters {
            woken = woken.or(able.and(config.voters));
        }
        match config.wake {
            WakeRule::All if wanted => able,
            WakeRule::Needed | WakeRule::All => woken,
        }
    }

    /// All are up. What was said about this waking means nothing from here on: grants may follow it.
    pub(super) fn end_rousing(&mut self, config: &Config, fx: Fx<'_>) {
        let _ = config;
        fx.disarm(Timer::Rouse);
        fx.disarm(Timer::Wake);
        fx.disarm(Timer::Answer);
        (self.unheard, self.late) = (NodeSet::EMPTY, false);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TicketOutlivesWaking) {
            return;
        }
        self.ticket = 0;
    }
}

//! A member's own broker: how it goes to sleep, and how it wakes.

use core::{fmt, mem};

use super::member::{Fx, Guard, Role};
use super::watch::covered;
use super::{Claim, Config, Doing, Event, Purpose, Report, Standing, Timer};
use crate::members::{self, NodeSet};
use crate::protocol::Draw;
use crate::replication::LogId;
use crate::sleep::cover::View;
use crate::sleep::coverage::Gear;
use crate::types::{Delay, NodeId, Term, Ticks};

/// How far it is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Looks whether it is not needed.
    Looking,
    /// The broker stops.
    Stopping,
    /// The broker is down; looks whether it is not missed.
    Settling,
}

/// What a member's broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Up, and in sync in all its partitions.
    Active,
    /// Holds a grant.
    Draining {
        /// How far it is.
        stage: Stage,
        /// Those who stay awake meanwhile.
        counted: NodeSet,
    },
    /// Asleep: broker down, alarm armed.
    Sleeping,
    /// The alarm clock rang: the machine is up, the broker is not.
    Ringing,
    /// Starting, or catching up.
    Waking,
    /// Down, and worked on.
    Maintenance,
}

/// Why a member does not sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fitness {
    /// It has no broker, or is not in the plan.
    TakesNoPart,
    /// All is switched off.
    SwitchedOff,
    /// A person wants it awake.
    StayAwake,
    /// The agent's own checks failed.
    Unfit,
    /// It is the Pehredar, or looks for one.
    Watches,
    /// It knows no plan of the term of the Pehredar that it follows.
    OldPlan,
    /// It is on duty.
    OnDuty,
    /// It has seen traffic, or has been awake for too short a time.
    Busy,
    /// A round of maintenance is under way.
    InMaintenance,
    /// Its broker is not up, or not asleep with a ringing alarm.
    NotActive,
    /// The grant is not of the Pehredar that it follows.
    Stranger,
    /// The grant is of another plan.
    AnotherPlan,
    /// The grant is for another moment.
    AnotherLock,
}

impl Guard {
    /// Whether it would sleep if it were let: it takes part, its plan is current, it is healthy and idle. The reason, if not.
    ///
    /// # Errors
    /// The first reason to stay awake.
    pub fn self_check(&self, config: &Config) -> Result<(), Fitness> {
        let plan = self.current_plan();
        let takes_part = config.brokers.contains(config.me) && plan.is_none_or(|plan| plan.members.contains(config.me));
        let on_duty = plan.is_some_and(|plan| plan.watch.contains(config.me));
        let reasons = [
            (!takes_part, Fitness::TakesNoPart),
            (!self.on, Fitness::SwitchedOff),
            (self.stay_awake, Fitness::StayAwake),
            (!self.fit, Fitness::Unfit),
            (!matches!(self.role, Role::None), Fitness::Watches),
            (plan.is_none(), Fitness::OldPlan),
            (on_duty, Fitness::OnDuty),
            (!self.idle || self.fresh, Fitness::Busy),
            (!self.round.is_empty(), Fitness::InMaintenance),
            (
                !matches!(self.state, State::Active | State::Ringing),
                Fitness::NotActive,
            ),
        ];
        #[cfg(seeded_bugs)]
        let reasons = reasons.map(|(holds, why)| (holds && !super::bugs::overlooks(config, why), why));
        reasons
            .into_iter()
            .find(|(holds, _)| *holds)
            .map_or(Ok(()), |(_, why)| Err(why))
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, config: &Config) -> Standing {
        Standing {
            known: self.known,
            doing: match self.state {
                State::Active => Doing::Active,
                State::Draining { .. } => Doing::Draining,
                State::Sleeping => Doing::Asleep,
                State::Ringing => Doing::Ringing,
                State::Waking => Doing::Waking,
                State::Maintenance => Doing::Maintenance,
            },
            willing: self.self_check(config).is_ok(),
            busy: self.tells_traffic(config),
            lock: match self.state {
                State::Active | State::Ringing => self.lock,
                State::Draining { .. } | State::Sleeping | State::Waking | State::Maintenance => 0,
            },
            echo: self.echo,
            carried_out: self.carried_out,
        }
    }

    fn tells_traffic(&self, config: &Config) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P23TrafficUntold) {
            return false;
        }
        let _ = config;
        !self.idle
    }

    /// A grant has come. Whatever is wrong with it, it is answered: the Pehredar waits for the echo of its lock.
    pub(super) fn on_grant(
        &mut self,
        config: &Config,
        from: NodeId,
        purpose: Purpose,
        (plan, lock, counted): (LogId, u64, NodeSet),
        fx: Fx<'_>,
    ) {
        let taken = self.may_take(config, from, purpose, (plan, lock));
        if let Err(why) = taken {
            fx.report(Report::Declined { why });
            if why == Fitness::Stranger {
                return;
            }
            let fresh = lock == self.lock;
            if fresh {
                self.renew_lock(fx);
            }
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::P12RepeatRevokes) && self.carries_out(lock) {
                self.wake_up(config, fx);
            }
            // What it is doing under this very grant is answered when it is done.
            if !self.carries_out(lock) {
                self.echo_of(lock, false);
            }
            self.tell(config, fx);
            return;
        }
        self.echo = lock;
        self.carried_out = false;
        self.lock = 0;
        match (purpose, self.state) {
            (Purpose::Maintenance, _) => {
                self.state = State::Maintenance;
                fx.emit(Event::Maintain);
            }
            (Purpose::Sleep, State::Ringing) => {
                fx.disarm(Timer::Probe);
                self.again = true;
                self.drain(config, Stage::Settling, counted, fx);
            }
            (Purpose::Sleep, _) => self.drain(config, Stage::Looking, counted, fx),
        }
        self.tell(config, fx);
    }

    fn may_take(
        &self,
        config: &Config,
        from: NodeId,
        purpose: Purpose,
        (plan, lock): (LogId, u64),
    ) -> Result<(), Fitness> {
        let right = [
            (self.pehredar != Some(from), Fitness::Stranger),
            (self.plan.is_none_or(|(id, _)| id != plan), Fitness::AnotherPlan),
            (lock == 0 || lock != self.lock, Fitness::AnotherLock),
        ];
        #[cfg(seeded_bugs)]
        let right = right.map(|(holds, why)| (holds && !super::bugs::overlooks(config, why), why));
        if let Some((_, why)) = right.into_iter().find(|(holds, _)| *holds) {
            return Err(why);
        }
        match purpose {
            Purpose::Sleep => self.self_check(config),
            // Work is done on whoever is up, on duty or not; all others are.
            Purpose::Maintenance if self.state != State::Active => Err(Fitness::NotActive),
            Purpose::Maintenance if !self.round.contains(config.me) => Err(Fitness::TakesNoPart),
            Purpose::Maintenance => self.current_plan().map_or(Err(Fitness::OldPlan), |_| Ok(())),
        }
    }

    /// Whether the grant with this lock is being carried out.
    fn carries_out(&self, lock: u64) -> bool {
        self.echo == lock && matches!(self.state, State::Draining { .. } | State::Maintenance)
    }

    /// It is done with this lock or ticket.
    pub(super) fn echo_of(&mut self, token: u64, carried_out: bool) {
        if self.echo != token {
            self.echo = token;
            self.carried_out = carried_out;
        }
    }

    fn drain(&mut self, config: &Config, stage: Stage, counted: NodeSet, fx: Fx<'_>) {
        self.state = State::Draining { stage, counted };
        match stage {
            Stage::Looking | Stage::Settling => self.look(config, fx),
            Stage::Stopping => fx.emit(Event::Stop),
        }
        fx.arm(Timer::Drain, Delay::exactly(config.timing.drain));
    }

    /// The cluster was read for this member's own sake.
    pub(super) fn on_own_view(&mut self, config: &Config, view: &View, fx: Fx<'_>) {
        let State::Draining { stage, counted } = self.state else {
            return;
        };
        let left = counted.without(config.me);
        let covered = view.healthy && covered(config, &view.covers, left);
        #[cfg(seeded_bugs)]
        let covered = covered || super::bugs::trusts(config, stage);
        match stage {
            #[cfg(seeded_bugs)]
            Stage::Looking if covered && config.has(super::bugs::Bug::P21SleepsUnstopped) => {
                self.fall_asleep(config, fx);
            }
            Stage::Looking if covered => self.drain(config, Stage::Stopping, counted, fx),
            Stage::Settling if covered => self.fall_asleep(config, fx),
            Stage::Looking | Stage::Settling => self.wake_up(config, fx),
            Stage::Stopping => {}
        }
    }

    /// The broker has stopped.
    pub(super) fn on_stopped(&mut self, config: &Config, fx: Fx<'_>) {
        if let State::Draining {
            stage: Stage::Stopping,
            counted,
        } = self.state
        {
            self.drain(config, Stage::Settling, counted, fx);
        }
    }

    /// `sleepCycle`: the broker is down and nobody misses it.
    fn fall_asleep(&mut self, config: &Config, fx: Fx<'_>) {
        let alarm = if mem::take(&mut self.again) {
            config.timing.alarm
        } else {
            self.alarm_slot(config)
        };
        self.state = State::Sleeping;
        self.carried_out = true;
        fx.disarm(Timer::Drain);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P5NoAlarm) {
            self.tell(config, fx);
            fx.emit(Event::Sleep { alarm: Ticks(u32::MAX) });
            return;
        }
        fx.arm(Timer::Alarm, Delay::exactly(alarm));
        self.tell(config, fx);
        fx.emit(Event::Sleep { alarm });
    }

    /// The order of a term is drawn: the same for all members, so that no two sleepers have one place. An older one is no news.
    pub(super) fn take_place(&mut self, config: &Config, term: Term, order: &members::Order) {
        if self.ahead.is_none_or(|(known, _)| known <= term) {
            let place = order.contains(config.me).then(|| order.ahead_of(config.me));
            self.ahead = place.map(|ahead| (term, ahead));
        }
    }

    /// The first rings of those who go to sleep together are spread over the period: with n of them, some clock rings every n-th of it.
    /// Whose comes when was drawn with the term. Whoever has no place in that order rings last.
    fn alarm_slot(&self, config: &Config) -> Ticks {
        let Ticks(period) = config.timing.alarm;
        let (sleepers, ahead) = match (self.plan, self.ahead) {
            (Some((id, plan)), Some((term, ahead))) if id.term == term => (plan.members.minus(plan.watch), ahead),
            _ => return Ticks(period),
        };
        #[cfg(not(seeded_bugs))]
        let ahead = ahead.and(sleepers);
        #[cfg(seeded_bugs)]
        let ahead = super::bugs::ahead(config, (ahead, sleepers));
        let (slot, of) = (ahead.count().saturating_add(1), sleepers.count().max(1));
        let part = period.checked_div(of).unwrap_or(period);
        Ticks(part.saturating_mul(slot).clamp(1, period.max(1)))
    }

    /// `alarmClock`: it rings, or the machine came up by itself. Looks for a Pehredar, and for one who waits; the broker is not
    /// started yet.
    pub(super) fn alarm_clock(&mut self, config: &Config, fx: Fx<'_>) {
        if self.state != State::Sleeping {
            return;
        }
        self.state = State::Ringing;
        fx.disarm(Timer::Alarm);
        self.renew_lock(fx);
        fx.arm(Timer::Probe, Delay::about(config.timing.probe));
        self.tell(config, fx);
    }

    /// Wakes its own broker, whatever it does. No state refuses, and nothing is asked.
    pub(super) fn wake_up(&mut self, config: &Config, fx: Fx<'_>) {
        match self.state {
            // Who is worked on is not asleep, and must not start under somebody's hands.
            State::Active | State::Waking | State::Maintenance => return,
            State::Draining {
                stage: Stage::Looking, ..
            } => {
                self.state = State::Active;
                self.renew_lock(fx);
            }
            #[cfg(seeded_bugs)]
            State::Draining {
                stage: Stage::Settling, ..
            } if config.has(super::bugs::Bug::ActiveUnstarted) => {
                self.state = State::Active;
                self.renew_lock(fx);
            }
            #[cfg(seeded_bugs)]
            State::Draining { .. } if config.has(super::bugs::Bug::P22AbortLeavesDown) => self.state = State::Waking,
            State::Draining { .. } | State::Sleeping | State::Ringing => self.start(fx),
        }
        fx.disarm(Timer::Drain);
        fx.disarm(Timer::Alarm);
        self.tell(config, fx);
    }

    fn start(&mut self, fx: Fx<'_>) {
        self.state = State::Waking;
        self.again = false;
        fx.report(Report::Start);
    }

    /// Up, and in sync.
    pub(super) fn on_up(&mut self, config: &Config, fx: Fx<'_>) {
        if self.state != State::Waking {
            return;
        }
        self.state = State::Active;
        self.fresh = true;
        self.renew_lock(fx);
        fx.arm(Timer::Idle, Delay::exactly(config.timing.idle));
        self.tell(config, fx);
        self.look_as_pehredar(config, fx);
    }

    /// The broker went down by itself.
    pub(super) fn on_down(&mut self, config: &Config, fx: Fx<'_>) {
        match self.state {
            State::Active
            | State::Draining {
                stage: Stage::Looking, ..
            } => {
                self.start(fx);
                fx.disarm(Timer::Drain);
                self.tell(config, fx);
                self.look_as_pehredar(config, fx);
            }
            State::Draining { .. } | State::Sleeping | State::Ringing | State::Waking | State::Maintenance => {}
        }
    }

    /// The work is done.
    pub(super) fn on_done(&mut self, config: &Config, fx: Fx<'_>) {
        if self.state == State::Maintenance {
            self.carried_out = true;
            self.start(fx);
            self.tell(config, fx);
        }
    }

    /// The idle time begins anew, and no grant that is under way fits any more.
    pub(super) fn saw_traffic(&mut self, config: &Config, fx: Fx<'_>) {
        self.idle = false;
        self.renew_lock(fx);
        fx.arm(Timer::Idle, Delay::exactly(config.timing.idle));
    }

    /// No grant that is under way fits any more.
    pub(super) fn renew_lock(&mut self, fx: Fx<'_>) {
        self.lock = 0;
        fx.draw(Draw::Nonce);
    }

    /// Tells the Pehredar how it stands.
    pub(super) fn tell(&self, config: &Config, fx: Fx<'_>) {
        if let Some(pehredar) = self.pehredar
            && pehredar != config.me
        {
            fx.claim(pehredar, Claim::Standing(self.standing(config)));
        }
    }

    /// Asks for a reading of the cluster that begins now. One that is under way began too early, and is thrown away.
    pub(super) fn look(&mut self, config: &Config, fx: Fx<'_>) {
        if self.looking {
            self.look_again = true;
            return;
        }
        self.looking = true;
        let (gear, awake) = match (self.state, &self.role) {
            (State::Draining { counted, .. }, _) => (self.gear(config), counted),
            (_, Role::Pehredar(watch)) => (
                watch.gear_wanted(config),
                watch.awake(config, self.state, watch.is_wanted()),
            ),
            (_, Role::None | Role::Temporary) => (self.gear(config), NodeSet::EMPTY),
        };
        fx.emit(Event::Look { gear, awake });
    }

    /// The gear of the plan that it knows.
    pub(super) fn gear(&self, config: &Config) -> Gear {
        self.plan.map_or(config.gear, |(_, plan)| plan.gear)
    }
}

impl fmt::Display for Fitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TakesNoPart => "it takes no part",
            Self::SwitchedOff => "all is switched off",
            Self::StayAwake => "a person wants it awake",
            Self::Unfit => "its own checks failed",
            Self::Watches => "it watches",
            Self::OldPlan => "it knows no plan of this term",
            Self::OnDuty => "it is on duty",
            Self::Busy => "it was needed a moment ago",
            Self::InMaintenance => "a round of maintenance is under way",
            Self::NotActive => "its broker is not up",
            Self::Stranger => "the grant is not of its Pehredar",
            Self::AnotherPlan => "the grant is of another plan",
            Self::AnotherLock => "the grant is for another moment",
        })
    }
}

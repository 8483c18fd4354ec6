//! What people ask of a Pehredar: to switch on and off, and a round of maintenance.

use super::member::{Fx, Guard, Role};
use super::watch::Watch;
use super::{Config, Decree, Event, Refusal, Report, State};
use crate::members::NodeSet;
use crate::types::RequestId;

impl Guard {
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
    pub(super) fn finish_disabling(&mut self, fx: Fx<'_>) -> bool {
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

    /// Proposes that those who were worked on leave the round. Nothing else is planned or granted before that is decided, and it waits for
    /// a decree that is under way: or they would be worked on again. Whether there is something to wait for.
    pub(super) fn go_on_with_round(&mut self, config: &Config, fx: Fx<'_>) -> bool {
        let round = self.round;
        let Role::Pehredar(watch) = &mut self.role else {
            return false;
        };
        watch.visited = watch.visited.and(round);
        if watch.visited.is_empty() {
            return false;
        }
        #[cfg(seeded_bugs)]
        let waits = watch.proposed && !config.has(super::bugs::Bug::VisitOutrunsPlan);
        #[cfg(not(seeded_bugs))]
        let waits = watch.proposed;
        let _ = config;
        if !waits {
            watch.proposed = true;
            fx.emit(Event::Propose(Decree::Round {
                left: round.minus(watch.visited),
            }));
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::VisitOutrunsPlan) {
                watch.visited = NodeSet::EMPTY;
            }
        }
        true
    }
}

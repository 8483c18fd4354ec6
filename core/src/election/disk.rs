//! Term and vote on their way to the disk, and a disk that is slow or full.

use super::{Config, Election, HardState, Loyalty, Note, Position, Report, Role, Timer, Why};
use crate::protocol::{Draw, Effects};
use crate::types::{Delay, Term};

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Election<L> {
    /// Enters a higher term. Its vote is open.
    pub(super) fn enter(&mut self, term: Term, fx: Fx<'_, L>) {
        self.term = term;
        #[cfg(seeded_bugs)]
        let kept = self.vote;
        self.vote = None;
        #[cfg(seeded_bugs)]
        if self.keeps_vote {
            self.vote = kept;
        }
        self.heard_round = 0;
        self.ahead = None;
        if matches!(self.loyalty, Loyalty::To(_)) {
            self.loyalty = Loyalty::Free;
        }
        fx.draw(Draw::Order { term });
    }

    /// Writes term and vote, and watches the disk.
    pub(super) fn save(&mut self, config: &Config, fx: Fx<'_, L>) {
        if self.health.writes == 0 {
            fx.arm(Timer::Write, Delay::exactly(config.timing.election.half()));
        }
        self.health.writes = self.health.writes.saturating_add(1);
        fx.persist(HardState {
            term: self.term,
            vote: self.vote,
        });
        fx.note(Note::Written);
    }

    pub(super) fn on_written(&mut self, config: &Config, fx: Fx<'_, L>) {
        self.health.writes = self.health.writes.saturating_sub(1);
        if self.health.writes > 0 {
            fx.arm(Timer::Write, Delay::exactly(config.timing.election.half()));
            return;
        }
        fx.disarm(Timer::Write);
        if self.health.late {
            self.health.late = false;
            fx.report(Report::WriteBack);
        }
    }

    pub(super) fn on_write_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        if self.health.writes == 0 || self.health.late {
            return;
        }
        self.health.late = true;
        fx.report(Report::WriteLate);
        if matches!(self.role, Role::Leader(_)) {
            self.resign(config, Why::DiskLate, fx);
        }
    }

    pub(super) fn on_stalled(&mut self, config: &Config, full: bool, fx: Fx<'_, L>) {
        self.health.full = full;
        if full && matches!(self.role, Role::Leader(_)) {
            self.resign(config, Why::DiskFull, fx);
        }
    }
}

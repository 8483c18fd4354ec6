//! Following a leader: what it says, that it is gone, and what a standstill makes of both.

use super::{Claim, Config, Election, Event, Leader, Loyalty, Notice, Position, Role, Timer, Why};
use crate::protocol::Effects;
use crate::types::{Broken, Delay, NodeId, Term, Ticks};

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Election<L> {
    pub(super) fn on_heartbeat(&mut self, config: &Config, from: NodeId, term: Term, round: u64, fx: Fx<'_, L>) {
        if term < self.term {
            fx.claim(from, Claim::Nack { term: self.term });
            return;
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::E13CandidateIgnoresLeader) && matches!(self.role, Role::Candidate { .. }) {
            return;
        }
        if term > self.term {
            if matches!(self.role, Role::Leader(_)) {
                self.stop_leading(config, Why::HigherTerm, fx);
            }
            self.enter(term, fx);
            self.save(config, fx);
        } else if matches!(self.role, Role::Leader(_)) {
            fx.fault(Broken("election: another leads the term that this member leads"));
            return;
        }
        if !matches!(self.role, Role::Observer) {
            self.role = Role::Follower;
        }
        if self.loyalty != Loyalty::To(from) {
            self.loyalty = Loyalty::To(from);
            fx.emit(Event::Following { leader: from, term });
        }
        self.heard_round = self.heard_round.max(round);
        fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        // A voter that has lost its store does not know what it has promised to whom: its word is worth nothing.
        if !(config.is_voter() && matches!(self.role, Role::Observer)) {
            fx.claim(from, Claim::Ack { term, round });
        }
    }

    pub(super) fn on_resign(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
        // Also after a restart: what was promised in an earlier life was promised to this one, or to one before it.
        let freed = match self.loyalty {
            Loyalty::To(leader) => leader == from,
            Loyalty::Unknown => true,
            Loyalty::Free => false,
        };
        #[cfg(seeded_bugs)]
        let freed = freed && !config.has(super::bugs::Bug::E19ResignDoesNotFree);
        if term == self.term && freed && !matches!(self.role, Role::Leader(_)) {
            self.let_go_of_leader(fx);
            self.await_rank(config, Some(from), fx);
        }
    }

    pub(super) fn on_nack(&mut self, config: &Config, term: Term, fx: Fx<'_, L>) {
        // An old answer must not end a promise that was made since.
        if term <= self.term || self.loyalty != Loyalty::Free {
            return;
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::E12NackIsIgnored) {
            return;
        }
        match &self.role {
            Role::Leader(_) => self.stop_leading(config, Why::HigherTerm, fx),
            // It asks again, in the term after the one it has learnt. Whoever refused it may be about to lead.
            Role::PreCandidate { .. } | Role::Candidate { .. } => Self::await_other(config, fx),
            Role::Follower | Role::Observer => {}
        }
        if !matches!(self.role, Role::Observer) {
            self.role = Role::Follower;
        }
        self.enter(term, fx);
        self.save(config, fx);
    }

    pub(super) fn on_transfer(&mut self, config: &Config, from: NodeId, term: Term, round: u64, fx: Fx<'_, L>) {
        let follows = matches!(self.role, Role::Follower) && self.loyalty == Loyalty::To(from);
        let is_let_go = self.is_let_go(config, round);
        #[cfg(seeded_bugs)]
        let is_let_go = is_let_go || config.has(super::bugs::Bug::LateTransferStands);
        if term == self.term && follows && is_let_go && self.may_stand() {
            self.become_candidate(config, Some(round), fx);
        }
    }

    pub(super) fn on_link(&mut self, config: &Config, peer: NodeId, up: bool, fx: Fx<'_, L>) {
        if let Some(round) = self.leadership().map(Leader::round) {
            if up {
                fx.notice(peer, Notice::Heartbeat { term: self.term, round });
            }
            return;
        }
        // A lease rests on the promise to wait for T, whatever seems to have happened to the leader.
        let promised = config.lease;
        #[cfg(seeded_bugs)]
        let promised = promised && !config.has(super::bugs::Bug::HintEndsPromise);
        if !up && !promised && self.loyalty == Loyalty::To(peer) {
            let gone = self.let_go_of_leader(fx);
            self.await_rank(config, gone, fx);
        }
    }

    pub(super) fn on_paused(&mut self, config: &Config, fx: Fx<'_, L>) {
        if matches!(self.role, Role::Leader(_)) {
            self.ask_anew(config, fx);
        } else {
            // What the leader said meanwhile still waits in the mailbox.
            fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        }
    }

    /// Waits for T: for the leader that it does not know yet, or for others to try first.
    pub(super) fn await_others(config: &Config, fx: Fx<'_, L>) {
        let Ticks(half_step) = config.timing.rank_step.half();
        fx.arm(Timer::Election, Delay::spread(config.timing.election, Ticks(half_step)));
    }
}

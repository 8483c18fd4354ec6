//! Nobody stands without having asked who would vote: waiting for silence, then for the own turn, then asking.

use super::{Claim, Config, Election, Event, Loyalty, Notice, Position, Report, Role, Timer};
use crate::members::NodeSet;
use crate::protocol::Effects;
use crate::types::{Broken, Delay, NodeId, Term, Ticks};

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Election<L> {
    pub(super) fn on_election_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        if let Loyalty::To(_) | Loyalty::Unknown = self.loyalty {
            let gone = self.let_go_of_leader(fx);
            self.await_rank(config, gone, fx);
        } else if !self.may_stand() {
            if !matches!(self.role, Role::Observer) {
                self.role = Role::Follower;
            }
            fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        } else {
            match &self.role {
                Role::Observer => {}
                Role::Leader(_) => {}
                #[cfg(seeded_bugs)]
                Role::PreCandidate { .. } if config.has(super::bugs::Bug::E20PreCandidateGivesUp) => {}
                #[cfg(seeded_bugs)]
                Role::Candidate { granted } if super::bugs::on_candidate_timeout(config, *granted) => {
                    if config.has(super::bugs::Bug::E14SilenceIsAbsence) {
                        self.become_leader(config, NodeSet::only(config.me), fx);
                    } else {
                        self.become_candidate(config, None, fx);
                    }
                }
                #[cfg(seeded_bugs)]
                Role::PreCandidate { gives_way: true, .. } if config.has(super::bugs::Bug::StandsAfterGivingWay) => {
                    self.become_candidate(config, None, fx);
                }
                // It has let another try, of whom nothing has come.
                Role::PreCandidate { granted, .. } if granted.is_majority_of(config.voters) => {
                    self.become_candidate(config, None, fx);
                }
                Role::Candidate { .. } | Role::PreCandidate { .. } | Role::Follower => {
                    self.become_pre_candidate(config, fx);
                }
            }
        }
    }

    /// The leader counts as gone. Who it was.
    pub(super) fn let_go_of_leader(&mut self, fx: Fx<'_, L>) -> Option<NodeId> {
        let gone = match self.loyalty {
            Loyalty::To(leader) => {
                fx.report(Report::LeaderLost {
                    leader,
                    term: self.term,
                });
                Some(leader)
            }
            Loyalty::Free | Loyalty::Unknown => None,
        };
        self.loyalty = Loyalty::Free;
        gone
    }

    /// Who asks first harms nobody if another does too: then the ranks may stand closer.
    fn step_between(config: &Config) -> Ticks {
        if config.pre_vote {
            config.timing.rank_step.half()
        } else {
            config.timing.rank_step
        }
    }

    /// The successors stand one after the other, so that two seldom stand at once. Whoever is gone has no place.
    pub(super) fn await_rank(&self, config: &Config, gone: Option<NodeId>, fx: Fx<'_, L>) {
        let step = Self::step_between(config);
        let before = match self.ahead {
            Some(ahead) => gone.map_or(ahead, |gone| ahead.without(gone)).count(),
            None => 0,
        };
        // Without an order everybody stands at a moment of its own.
        let spread = match self.ahead {
            Some(_) => step.half(),
            None => step.times(config.voters.count()),
        };
        fx.arm(Timer::Election, Delay::spread(step.times(before), spread));
    }

    /// Time for another, who may be about to stand, to be elected and say so. Not long: it may reach nobody else.
    pub(super) fn await_other(config: &Config, fx: Fx<'_, L>) {
        let half_step = config.timing.rank_step.half();
        fx.arm(Timer::Election, Delay::spread(half_step, half_step.half()));
    }

    pub(super) const fn may_stand(&self) -> bool {
        !self.drained && !self.health.late && !self.health.full
    }

    pub(super) fn become_pre_candidate(&mut self, config: &Config, fx: Fx<'_, L>) {
        if !config.pre_vote {
            self.become_candidate(config, None, fx);
            return;
        }
        let Some(term) = self.term.next() else {
            fx.fault(Broken("election: no term is left"));
            return;
        };
        let granted = NodeSet::only(config.me);
        self.role = Role::PreCandidate {
            granted,
            behind: NodeSet::EMPTY,
            best: None,
            gives_way: false,
        };
        self.loyalty = Loyalty::Free;
        if granted.is_majority_of(config.voters) {
            self.become_candidate(config, None, fx);
            return;
        }
        for voter in config.peers().iter() {
            fx.notice(voter, Notice::PreVote { term, last: self.last });
        }
        let step = Self::step_between(config);
        let rank = self.ahead.map_or(0, NodeSet::count);
        fx.arm(Timer::Election, Delay::spread(step.times(rank.saturating_add(2)), step));
    }

    pub(super) fn on_pre_vote(&mut self, config: &Config, from: NodeId, term: Term, last: L, fx: Fx<'_, L>) {
        if matches!(self.role, Role::Observer) {
            return;
        }
        #[cfg(seeded_bugs)]
        if super::bugs::on_pre_vote(self, config, from, term, fx) {
            return;
        }
        if term <= self.term {
            fx.claim(from, Claim::Nack { term: self.term });
        } else if self.is_loyal() {
            // Silence: whoever asks hears the leader's heartbeat, or asks again.
        } else if self.is_ahead_of(config, last) {
            fx.claim(from, Claim::Behind { term, last: self.last });
        } else {
            fx.notice(from, Notice::PreVoted { term });
            let better = self.ahead.is_some_and(|ahead| ahead.contains(from));
            #[cfg(seeded_bugs)]
            let better = better && !config.has(super::bugs::Bug::NobodyGivesWay);
            if better
                && let Role::PreCandidate { gives_way, .. } = &mut self.role
                && !*gives_way
            {
                // Once in a round: whoever asks again and again does not keep it waiting.
                *gives_way = true;
                Self::await_other(config, fx);
            }
        }
    }

    pub(super) fn on_pre_voted(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
        let Role::PreCandidate {
            granted,
            behind,
            gives_way,
            ..
        } = &mut self.role
        else {
            return;
        };
        let waits = *gives_way;
        if self.term.next() != Some(term) {
            return;
        }
        let asked = granted.or(*behind).is_majority_of(config.voters);
        granted.insert(from);
        if granted.is_majority_of(config.voters) {
            if !waits {
                self.become_candidate(config, None, fx);
            }
        } else if !asked {
            self.ask_for_log(config, fx);
        }
    }

    pub(super) fn on_behind(&mut self, config: &Config, from: NodeId, term: Term, last: L, fx: Fx<'_, L>) {
        let asked = self.term.next() == Some(term);
        let Role::PreCandidate {
            granted, behind, best, ..
        } = &mut self.role
        else {
            return;
        };
        if !asked || last <= self.last {
            return;
        }
        let copies = granted.or(*behind).is_majority_of(config.voters);
        behind.insert(from);
        let better = best.is_none_or(|(_, known)| known < last);
        if better {
            *best = Some((from, last));
        }
        // Once in each round, or all comes as often as there are voters; but a log that goes further is worth another.
        if better || !copies {
            self.ask_for_log(config, fx);
        }
    }

    pub(super) fn ask_for_log(&self, config: &Config, fx: Fx<'_, L>) {
        if let Role::PreCandidate {
            granted, behind, best, ..
        } = &self.role
            && let Some((from, last)) = *best
            && granted.or(*behind).is_majority_of(config.voters)
        {
            fx.emit(Event::NeedsLog { from, last });
        }
    }
}

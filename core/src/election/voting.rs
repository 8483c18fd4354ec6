//! Standing for a term, voting in it, and counting the votes.

use super::{Claim, Config, Election, Loyalty, Note, Position, Role, Timer, Why};
use crate::members::NodeSet;
use crate::protocol::Effects;
use crate::types::{Broken, Delay, NodeId, Term};

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Election<L> {
    pub(super) fn become_candidate(&mut self, config: &Config, token: Option<u64>, fx: Fx<'_, L>) {
        let Some(term) = self.term.next() else {
            fx.fault(Broken("election: no term is left"));
            return;
        };
        self.enter(term, fx);
        self.loyalty = Loyalty::Free;
        self.vote = Some(config.me);
        self.role = Role::Candidate {
            granted: NodeSet::EMPTY,
        };
        self.save(config, fx);
        let last = self.last;
        for voter in config.peers().iter() {
            #[cfg(seeded_bugs)]
            if super::bugs::asks_early(config) {
                fx.claim_early(voter, Claim::Vote { term, last, token });
                continue;
            }
            fx.claim(voter, Claim::Vote { term, last, token });
        }
        fx.note(Note::Own { term });
        let step = config.timing.rank_step;
        fx.arm(Timer::Election, Delay::spread(step.times(2), step));
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::E5OwnVoteEarly) {
            self.count_vote(config, config.me, fx);
        }
    }

    pub(super) fn on_vote(
        &mut self,
        config: &Config,
        from: NodeId,
        stands: (Term, L),
        token: Option<u64>,
        fx: Fx<'_, L>,
    ) {
        let (term, last) = stands;
        if matches!(self.role, Role::Observer) {
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::E15ObserverVotes) && term > self.term {
                self.enter(term, fx);
                self.save(config, fx);
                fx.claim(from, Claim::Voted { term });
            }
            return;
        }
        if term < self.term {
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::E11StaleIsAnswered) {
                fx.claim(from, Claim::Nack { term: self.term });
            }
            return;
        }
        if self.is_loyal() && !self.is_released_by(config, from, term, token) {
            return;
        }
        let newer = term > self.term;
        #[cfg(seeded_bugs)]
        let newer = newer && !super::bugs::grants_without_adopting(self, config, from, term, fx);
        if newer {
            if let Role::Leader(leader) = &self.role {
                let why = if leader.hands_over_to(from) {
                    Why::HandedOver
                } else {
                    Why::HigherTerm
                };
                self.stop_leading(config, why, fx);
            }
            self.enter(term, fx);
            self.role = Role::Follower;
        }
        let fresh = last >= self.last;
        let free = self.vote.is_none_or(|vote| vote == from);
        #[cfg(seeded_bugs)]
        let (fresh, free) = (
            fresh || config.has(super::bugs::Bug::L2VoteIgnoresLog),
            free || config.has(super::bugs::Bug::E6SecondVote),
        );
        let grants = fresh && free && term == self.term;
        let changes = newer || (grants && self.vote.is_none());
        if grants {
            self.vote = Some(from);
        }
        if changes {
            #[cfg(seeded_bugs)]
            if super::bugs::saves_vote_otherwise(self, config, from, grants, fx) {
                return;
            }
            self.save(config, fx);
        }
        if grants {
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::E2VotedEarly) {
                fx.claim_early(from, Claim::Voted { term });
                return;
            }
            fx.claim(from, Claim::Voted { term });
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::E22TimerNotRearmed) {
                fx.disarm(Timer::Election);
                return;
            }
            self.await_winner(config, fx);
        }
    }

    /// Whether a promise forbids voting for others: a leader was heard within T, or may have been in an earlier life.
    pub(super) const fn is_loyal(&self) -> bool {
        !matches!(self.loyalty, Loyalty::Free) || matches!(self.role, Role::Leader(_))
    }

    /// Whether this member's log goes further than the asker's.
    pub(super) fn is_ahead_of(&self, config: &Config, last: L) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::E18PreVoteIgnoresLog) {
            return false;
        }
        let _ = config;
        last < self.last
    }

    /// Whether a hand-over in this round of its leader frees it: if it has answered a later one, a lease may rest on that. In
    /// quarantine it cannot know, whatever it has heard since: messages come late and again.
    pub(super) fn is_let_go(&self, config: &Config, round: u64) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TokenFreesRestarted) {
            return matches!(self.loyalty, Loyalty::To(_)) && self.heard_round <= round;
        }
        let _ = config;
        matches!(self.loyalty, Loyalty::To(_)) && self.heard_round <= round && !self.quarantine
    }

    /// Whether the leader itself has released this voter for this candidate: it handed over, and has led no round since.
    pub(super) fn is_released_by(&self, config: &Config, from: NodeId, term: Term, token: Option<u64>) -> bool {
        let Some(round) = token else { return false };
        let current = self.term.next() == Some(term);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TokenNeverAges) {
            return current;
        }
        let _ = config;
        current
            && self.leadership().map_or_else(
                || self.is_let_go(config, round),
                |leader| leader.hands_over_to(from) && leader.round() == round,
            )
    }

    /// Time enough for whom it voted for to win and say so.
    pub(super) fn await_winner(&self, config: &Config, fx: Fx<'_, L>) {
        let step = config.timing.rank_step;
        let rank = self.ahead.map_or(0, NodeSet::count);
        fx.arm(
            Timer::Election,
            Delay::spread(step.times(rank.saturating_add(3)), step.half()),
        );
    }

    pub(super) fn on_voted(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
        let counts = term == self.term;
        #[cfg(seeded_bugs)]
        let counts = counts || config.has(super::bugs::Bug::E8OldVotesCount);
        if counts {
            self.count_vote(config, from, fx);
        }
    }

    pub(super) fn count_vote(&mut self, config: &Config, from: NodeId, fx: Fx<'_, L>) {
        let Role::Candidate { granted } = &mut self.role else {
            return;
        };
        granted.insert(from);
        let granted = *granted;
        #[cfg(seeded_bugs)]
        if super::bugs::is_enough(config, granted) {
            self.become_leader(config, granted, fx);
            return;
        }
        // Its own vote must be among them: without it, its own term might not be durable.
        if granted.contains(config.me) && granted.is_majority_of(config.voters) {
            self.become_leader(config, granted, fx);
        }
    }

    pub(super) fn on_note(&mut self, config: &Config, note: Note, fx: Fx<'_, L>) {
        match note {
            Note::Own { term } if term == self.term => self.count_vote(config, config.me, fx),
            Note::Own { .. } => {}
            Note::Written => self.on_written(config, fx),
            #[cfg(seeded_bugs)]
            Note::Vote { candidate, term } if term == self.term => {
                self.vote = Some(candidate);
                self.save(config, fx);
            }
            #[cfg(seeded_bugs)]
            Note::Vote { .. } => {}
        }
    }
}

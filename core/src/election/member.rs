//! One member of the cluster: its state, and what it does with each input.

use super::leader::Leader;
use super::{Claim, Command, Config, Event, HardState, Message, Note, Notice, Position, Refusal, Report, Timer, Why};
use crate::members::{NodeSet, Order};
use crate::protocol::{Draw, Drawn, Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Delay, Never, NodeId, RequestId, Term, Ticks};

/// What a member is at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role<L> {
    /// Follows, and has no vote.
    Observer,
    /// Follows, or waits for somebody to follow.
    Follower,
    /// Asks who would vote for it.
    PreCandidate {
        /// Who would.
        granted: NodeSet,
        /// Who would but for the log.
        behind: NodeSet,
        /// Whose log goes furthest among those, and to where.
        best: Option<(NodeId, L)>,
    },
    /// Stands.
    Candidate {
        /// Whose votes it has; its own counts once it is durable.
        granted: NodeSet,
    },
    /// Leads.
    Leader(Leader),
}

/// To whom a member has promised not to vote for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loyalty {
    /// To nobody.
    Free,
    /// To somebody, perhaps: it was restarted, and what it promised before is forgotten.
    Unknown,
    /// To the leader, who was heard within T.
    To(NodeId),
}

/// Whether the store does its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Health {
    /// Writes handed over and not yet durable.
    pub writes: u16,
    /// One is pending for longer than T / 2.
    pub late: bool,
    /// The store has no room.
    pub full: bool,
}

/// The election, at one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Election<L> {
    pub(super) term: Term,
    pub(super) vote: Option<NodeId>,
    /// How far its own log goes.
    pub(super) last: L,
    pub(super) role: Role<L>,
    pub(super) loyalty: Loyalty,
    /// The latest round heard from the leader of this term.
    pub(super) heard_round: u64,
    /// Who stands before this member, in the order drawn for this term; `None` until it is drawn.
    pub(super) ahead: Option<NodeSet>,
    pub(super) health: Health,
    pub(super) drained: bool,
    #[cfg(seeded_bugs)]
    pub(super) keeps_vote: bool,
}

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Protocol for Election<L> {
    type Config = Config;
    type Command = Command;
    type Event = Event<L>;
    type Timer = Timer;
    type Heard = Message<L>;
    type Notice = Notice<L>;
    type Claim = Claim<L>;
    type Note = Note;
    type Record = HardState;
    type Durable = HardState;
    type Query = Never;
    type Rows = Never;
    type Report = Report;
    type Parts = ();

    fn recover(config: &Config, recovered: Recovered<HardState>, fx: Fx<'_, L>) -> Self {
        #[cfg(seeded_bugs)]
        let recovered = super::bugs::recovered(config, recovered);
        let (hard, votes) = match recovered {
            Recovered::Known(hard) => (hard, config.is_voter()),
            Recovered::Fresh => (HardState::default(), config.is_voter()),
            Recovered::Lost => {
                fx.report(Report::StoreLost);
                (HardState::default(), false)
            }
        };
        fx.draw(Draw::Order { term: hard.term });
        fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        Self {
            term: hard.term,
            vote: hard.vote,
            last: L::default(),
            role: if votes { Role::Follower } else { Role::Observer },
            loyalty: Loyalty::Unknown,
            heard_round: 0,
            ahead: None,
            health: Health::default(),
            drained: false,
            #[cfg(seeded_bugs)]
            keeps_vote: config.has(super::bugs::Bug::E9VoteKeptInNewTerm),
        }
    }

    fn step(&mut self, config: &Config, input: Input<Self>, fx: Fx<'_, L>) {
        match input {
            Input::Received { from, message } => self.on_message(config, from, message, fx),
            Input::Fired(timer) => self.on_timer(config, timer, fx),
            Input::Commanded(request, command) => self.on_command(config, request, command, fx),
            Input::Fetched { query, .. } => match query {},
            Input::Durable(note) => self.on_note(config, note.into_inner(), fx),
            Input::Drawn(Drawn::Order { term, order }) => self.on_order(config, term, &order, fx),
            Input::Link { peer, up } => self.on_link(config, peer, up, fx),
            Input::Stalled(full) => self.on_stalled(config, full, fx),
            Input::Paused => self.on_paused(config, fx),
            Input::Drawn(Drawn::Nonce(_)) => {}
        }
    }

    fn check(&self, config: &Config) -> Result<(), Broken> {
        let stands = matches!(self.role, Role::Candidate { .. } | Role::Leader(_));
        let holds = [
            (
                !stands || self.vote == Some(config.me),
                "election: stands or leads without its own vote",
            ),
            (
                self.vote.is_none_or(|vote| config.voters.contains(vote)),
                "election: voted for somebody who is no voter",
            ),
            (
                !matches!(self.loyalty, Loyalty::To(leader) if leader == config.me || !config.voters.contains(leader)),
                "election: follows itself, or somebody who is no voter",
            ),
            (
                matches!(self.role, Role::Follower | Role::Observer) || self.loyalty == Loyalty::Free,
                "election: stands or leads while it follows",
            ),
            (
                config.is_voter() || matches!(self.role, Role::Observer),
                "election: an observer votes",
            ),
        ];
        if let Role::Leader(leader) = &self.role {
            leader.check(config)?;
        }
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

impl<L: Position> Election<L> {
    /// The term.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Who has its vote in this term.
    #[must_use]
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// The role.
    #[must_use]
    pub const fn role(&self) -> &Role<L> {
        &self.role
    }

    /// Its promise.
    #[must_use]
    pub const fn loyalty(&self) -> Loyalty {
        self.loyalty
    }

    /// The store's health.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Whether it was told not to stand.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.drained
    }

    /// The leadership, if it has one.
    #[must_use]
    pub const fn leadership(&self) -> Option<&Leader> {
        if let Role::Leader(leader) = &self.role {
            Some(leader)
        } else {
            None
        }
    }

    /// Who leads, as far as it knows: itself, or whom it heard within T. Nothing to rest on; see [`Command::Confirm`].
    #[must_use]
    pub const fn leader(&self, config: &Config) -> Option<NodeId> {
        match (&self.role, self.loyalty) {
            (Role::Leader(_), _) => Some(config.me),
            (_, Loyalty::To(leader)) => Some(leader),
            _ => None,
        }
    }

    fn on_message(&mut self, config: &Config, from: NodeId, message: Message<L>, fx: Fx<'_, L>) {
        if !config.voters.contains(from) || from == config.me {
            // An observer may tell a leader of the past that its term is over, and answers heartbeats.
            let known = config.observers.contains(from) && from != config.me;
            match message {
                Message::Claim(Claim::Nack { term }) if known => self.on_nack(config, term, fx),
                Message::Claim(Claim::Ack { .. }) if known => {}
                #[cfg(seeded_bugs)]
                Message::Claim(Claim::Voted { term }) if config.has(super::bugs::Bug::E15ObserverVotes) => {
                    self.on_voted(config, from, term, fx);
                }
                _ => fx.report(Report::Misbehaved {
                    from,
                    what: "what only a voter may say",
                }),
            }
            return;
        }
        match message {
            Message::Notice(Notice::PreVote { term, last }) => self.on_pre_vote(config, from, term, last, fx),
            Message::Notice(Notice::PreVoted { term }) => self.on_pre_voted(config, from, term, fx),
            Message::Notice(Notice::Heartbeat { term, round }) => self.on_heartbeat(config, from, term, round, fx),
            Message::Notice(Notice::Resign { term }) => self.on_resign(config, from, term, fx),
            Message::Claim(Claim::Vote { term, last, token }) => self.on_vote(config, from, (term, last), token, fx),
            Message::Claim(Claim::Voted { term }) => self.on_voted(config, from, term, fx),
            Message::Claim(Claim::Ack { term, round }) => self.on_ack(config, from, term, round, fx),
            Message::Claim(Claim::Nack { term }) => self.on_nack(config, term, fx),
            Message::Claim(Claim::Transfer { term, round }) => self.on_transfer(config, from, term, round, fx),
            Message::Claim(Claim::Behind { term, last }) => self.on_behind(config, from, term, last, fx),
        }
    }

    fn on_timer(&mut self, config: &Config, timer: Timer, fx: Fx<'_, L>) {
        match timer {
            Timer::Election => self.on_election_timer(config, fx),
            Timer::Heartbeat => self.on_heartbeat_timer(config, fx),
            Timer::Peer(peer) => self.on_peer_timer(config, peer, fx),
            Timer::Lease(slot) => self.on_lease_timer(config, slot, fx),
            Timer::HandOver => self.on_hand_over_timer(config, fx),
            Timer::Tenure => self.on_tenure_timer(config, fx),
            Timer::Write => self.on_write_timer(config, fx),
        }
    }

    // --- asking first -----------------------------------------------------------------------------------------------

    fn on_election_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
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
                Role::Candidate { .. } | Role::PreCandidate { .. } | Role::Follower => {
                    self.become_pre_candidate(config, fx);
                }
            }
        }
    }

    /// The leader counts as gone. Who it was.
    fn let_go_of_leader(&mut self, fx: Fx<'_, L>) -> Option<NodeId> {
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

    /// The successors stand one after the other, so that two seldom stand at once. Whoever is gone has no place.
    fn await_rank(&self, config: &Config, gone: Option<NodeId>, fx: Fx<'_, L>) {
        let step = config.timing.rank_step;
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

    /// Time enough for whom it voted for to win and say so.
    fn await_winner(&self, config: &Config, fx: Fx<'_, L>) {
        let step = config.timing.rank_step;
        let rank = self.ahead.map_or(0, NodeSet::count);
        fx.arm(
            Timer::Election,
            Delay::spread(step.times(rank.saturating_add(3)), step.half()),
        );
    }

    const fn may_stand(&self) -> bool {
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
        };
        self.loyalty = Loyalty::Free;
        if granted.is_majority_of(config.voters) {
            self.become_candidate(config, None, fx);
            return;
        }
        for voter in config.peers().iter() {
            fx.notice(voter, Notice::PreVote { term, last: self.last });
        }
        let step = config.timing.rank_step;
        let rank = self.ahead.map_or(0, NodeSet::count);
        fx.arm(Timer::Election, Delay::spread(step.times(rank.saturating_add(2)), step));
    }

    fn on_pre_vote(&mut self, config: &Config, from: NodeId, term: Term, last: L, fx: Fx<'_, L>) {
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
            if better && matches!(self.role, Role::PreCandidate { .. }) {
                self.role = Role::Follower;
                // Not for long: the other may reach nobody else.
                let step = config.timing.rank_step;
                fx.arm(Timer::Election, Delay::spread(step, step.half()));
            }
        }
    }

    fn on_pre_voted(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
        let Role::PreCandidate { granted, .. } = &mut self.role else {
            return;
        };
        if self.term.next() != Some(term) {
            return;
        }
        granted.insert(from);
        if granted.is_majority_of(config.voters) {
            self.become_candidate(config, None, fx);
        } else {
            self.ask_for_log(config, fx);
        }
    }

    fn on_behind(&mut self, config: &Config, from: NodeId, term: Term, last: L, fx: Fx<'_, L>) {
        let asked = self.term.next() == Some(term);
        let Role::PreCandidate { behind, best, .. } = &mut self.role else {
            return;
        };
        if !asked || last <= self.last {
            return;
        }
        behind.insert(from);
        if best.is_none_or(|(_, known)| known < last) {
            *best = Some((from, last));
        }
        self.ask_for_log(config, fx);
    }

    fn ask_for_log(&self, config: &Config, fx: Fx<'_, L>) {
        if let Role::PreCandidate { granted, behind, best } = &self.role
            && let Some((from, last)) = *best
            && granted.or(*behind).is_majority_of(config.voters)
        {
            fx.emit(Event::NeedsLog { from, last });
        }
    }

    // --- standing and voting ----------------------------------------------------------------------------------------

    fn become_candidate(&mut self, config: &Config, token: Option<u64>, fx: Fx<'_, L>) {
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

    fn on_vote(&mut self, config: &Config, from: NodeId, stands: (Term, L), token: Option<u64>, fx: Fx<'_, L>) {
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
    const fn is_loyal(&self) -> bool {
        !matches!(self.loyalty, Loyalty::Free) || matches!(self.role, Role::Leader(_))
    }

    /// Whether this member's log goes further than the asker's.
    fn is_ahead_of(&self, config: &Config, last: L) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::E18PreVoteIgnoresLog) {
            return false;
        }
        let _ = config;
        last < self.last
    }

    /// Whether the leader itself has released this voter for this candidate: it handed over, and has led no round since.
    fn is_released_by(&self, config: &Config, from: NodeId, term: Term, token: Option<u64>) -> bool {
        let Some(round) = token else { return false };
        let current = self.term.next() == Some(term);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::TokenNeverAges) {
            return current;
        }
        let _ = config;
        current
            && self.leadership().map_or_else(
                || matches!(self.loyalty, Loyalty::To(_)) && self.heard_round <= round,
                |leader| leader.hands_over_to(from) && leader.round() == round,
            )
    }

    fn on_voted(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
        let counts = term == self.term;
        #[cfg(seeded_bugs)]
        let counts = counts || config.has(super::bugs::Bug::E8OldVotesCount);
        if counts {
            self.count_vote(config, from, fx);
        }
    }

    fn count_vote(&mut self, config: &Config, from: NodeId, fx: Fx<'_, L>) {
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

    fn on_note(&mut self, config: &Config, note: Note, fx: Fx<'_, L>) {
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

    // --- following --------------------------------------------------------------------------------------------------

    fn on_heartbeat(&mut self, config: &Config, from: NodeId, term: Term, round: u64, fx: Fx<'_, L>) {
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

    fn on_resign(&mut self, config: &Config, from: NodeId, term: Term, fx: Fx<'_, L>) {
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

    fn on_nack(&mut self, config: &Config, term: Term, fx: Fx<'_, L>) {
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
            // It asks again at once, in the term after the one it has learnt.
            Role::PreCandidate { .. } | Role::Candidate { .. } => self.await_rank(config, None, fx),
            Role::Follower | Role::Observer => {}
        }
        if !matches!(self.role, Role::Observer) {
            self.role = Role::Follower;
        }
        self.enter(term, fx);
        self.save(config, fx);
    }

    fn on_transfer(&mut self, config: &Config, from: NodeId, term: Term, round: u64, fx: Fx<'_, L>) {
        let follows = matches!(self.role, Role::Follower) && self.loyalty == Loyalty::To(from);
        if term == self.term && follows && self.may_stand() {
            self.become_candidate(config, Some(round), fx);
        }
    }

    // --- what the driver tells --------------------------------------------------------------------------------------

    fn on_order(&mut self, config: &Config, term: Term, order: &Order, fx: Fx<'_, L>) {
        if term != self.term {
            return;
        }
        self.ahead = Some(order.ahead_of(config.me).and(config.voters));
        self.choose_successor(config, order, fx);
    }

    fn on_link(&mut self, config: &Config, peer: NodeId, up: bool, fx: Fx<'_, L>) {
        if let Some(round) = self.leadership().map(Leader::round) {
            if up {
                fx.notice(peer, Notice::Heartbeat { term: self.term, round });
            }
        } else if !up && !config.lease && self.loyalty == Loyalty::To(peer) {
            // A lease rests on the promise to wait for T, whatever seems to have happened to the leader.
            let gone = self.let_go_of_leader(fx);
            self.await_rank(config, gone, fx);
        }
    }

    fn on_stalled(&mut self, config: &Config, full: bool, fx: Fx<'_, L>) {
        self.health.full = full;
        if full && matches!(self.role, Role::Leader(_)) {
            self.resign(config, Why::DiskFull, fx);
        }
    }

    fn on_paused(&mut self, config: &Config, fx: Fx<'_, L>) {
        if matches!(self.role, Role::Leader(_)) {
            self.ask_anew(config, fx);
        } else {
            // What the leader said meanwhile still waits in the mailbox.
            fx.arm(Timer::Election, Delay::exactly(config.timing.election));
        }
    }

    fn on_command(&mut self, config: &Config, request: RequestId, command: Command, fx: Fx<'_, L>) {
        if let Command::Drain(drained) = command {
            self.drained = drained;
            if drained && matches!(self.role, Role::Leader(_)) {
                self.hand_over(config, request, None, fx);
            }
            return;
        }
        if !matches!(self.role, Role::Leader(_)) {
            let leader = self.leader(config);
            fx.report(Report::Refused {
                request,
                refusal: Refusal::NotLeader { leader },
            });
            return;
        }
        match command {
            Command::Confirm => self.on_question(config, request, fx),
            Command::Transfer(to) => self.hand_over(config, request, to, fx),
            Command::Resign => self.resign(config, Why::Asked, fx),
            Command::Drain(_) => {}
        }
    }

    // --- the store --------------------------------------------------------------------------------------------------

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

    fn on_written(&mut self, config: &Config, fx: Fx<'_, L>) {
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

    fn on_write_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        if self.health.writes == 0 || self.health.late {
            return;
        }
        self.health.late = true;
        fx.report(Report::WriteLate);
        if matches!(self.role, Role::Leader(_)) {
            self.resign(config, Why::DiskLate, fx);
        }
    }

    /// Waits for T: for the leader that it does not know yet, or for others to try first.
    pub(super) fn await_others(config: &Config, fx: Fx<'_, L>) {
        let Ticks(half_step) = config.timing.rank_step.half();
        fx.arm(Timer::Election, Delay::spread(config.timing.election, Ticks(half_step)));
    }
}

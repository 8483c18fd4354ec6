//! One member of the cluster: its state, and to whom each input goes.

use super::leader::Leader;
use super::{Claim, Command, Config, Event, HardState, Message, Note, Notice, Position, Refusal, Report, Timer, Why};
use crate::members::{NodeSet, Order};
use crate::protocol::{Draw, Drawn, Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Delay, Never, NodeId, RequestId, Term};

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
        /// It lets another try first, and stands when that one has had its time, if a majority would vote for it.
        gives_way: bool,
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
    /// Started less than T ago, where there are leases: what it has answered in an earlier life is forgotten.
    pub(super) quarantine: bool,
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
        if config.lease {
            fx.arm(Timer::Quarantine, Delay::exactly(config.timing.election));
        }
        Self {
            term: hard.term,
            vote: hard.vote,
            last: L::default(),
            role: if votes { Role::Follower } else { Role::Observer },
            #[cfg(not(seeded_bugs))]
            loyalty: Loyalty::Unknown,
            #[cfg(seeded_bugs)]
            loyalty: super::bugs::at_start(config),
            heard_round: 0,
            ahead: None,
            health: Health::default(),
            drained: false,
            quarantine: config.lease,
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
                !matches!(self.role, Role::PreCandidate { granted, gives_way: false, .. } if granted.is_majority_of(config.voters)),
                "election: a majority would vote, and it neither stands nor gives way",
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
            Timer::Quarantine => self.quarantine = false,
        }
    }

    fn on_order(&mut self, config: &Config, term: Term, order: &Order, fx: Fx<'_, L>) {
        if term != self.term {
            return;
        }
        self.ahead = Some(order.ahead_of(config.me).and(config.voters));
        self.choose_successor(config, order, fx);
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
}

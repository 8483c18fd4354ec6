//! What only a leader does: heartbeats, questions, the lease, the check that a majority still listens, handing over.

use super::{Claim, Config, Election, Event, Notice, Position, Refusal, Report, Role, Tenure, Timer, Why};
use crate::members::{NodeSet, Order};
use crate::protocol::{Draw, Effects};
use crate::types::{Broken, Delay, NodeId, RequestId, Term, Ticks};

/// A hand-over under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HandOver {
    /// The successor is being drawn.
    Drawing,
    /// This one was asked to stand.
    To(NodeId),
}

/// A leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leader {
    /// Voters that answered within T.
    pub(super) fresh: NodeSet,
    /// Counts rounds of questions in this term.
    pub(super) round: u64,
    /// Who has answered the open round.
    acks: NodeSet,
    /// Whether the last round still waits for a majority.
    open: bool,
    /// In which of the two slots the open round's lease would run.
    slot: bool,
    /// In which slot the lease runs, if there is one.
    held: Option<bool>,
    /// The latest question that the open round answers.
    asked: Option<RequestId>,
    /// The latest question that came after the open round had left.
    waiting: Option<RequestId>,
    handing: Option<HandOver>,
    /// Who could not win, as the host says: its log lacks something.
    pub(super) lacking: NodeSet,
    /// Who was asked to stand and did not, in this hand-over.
    tried: NodeSet,
    /// The person or host that asked for the hand-over named the successor: nobody else will do.
    named: bool,
    /// The hand-over before the end of the tenure has begun.
    ending: bool,
}

impl Leader {
    /// Voters that answered within T.
    #[must_use]
    pub const fn fresh(&self) -> NodeSet {
        self.fresh
    }

    /// The last round of questions.
    #[must_use]
    pub const fn round(&self) -> u64 {
        self.round
    }

    /// Whether the lease is valid.
    #[must_use]
    pub const fn is_leased(&self) -> bool {
        self.held.is_some()
    }

    /// The timer that ends the lease, if there is one.
    #[must_use]
    pub const fn lease(&self) -> Option<Timer> {
        match self.held {
            Some(slot) => Some(Timer::Lease(slot)),
            None => None,
        }
    }

    /// Whether the last round still waits for a majority.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.open
    }

    /// The hand-over under way.
    #[must_use]
    pub const fn hand_over(&self) -> Option<HandOver> {
        self.handing
    }

    pub(super) fn hands_over_to(&self, node: NodeId) -> bool {
        self.handing == Some(HandOver::To(node))
    }

    pub(super) fn check(&self, config: &Config) -> Result<(), Broken> {
        let holds = [
            (
                self.fresh.is_within(config.peers()),
                "election: a leader listens to somebody who is no voter",
            ),
            (
                self.held.is_none() || config.lease,
                "election: a lease where there are none",
            ),
            (
                !matches!(self.handing, Some(HandOver::To(_))) || (self.held.is_none() && !self.open),
                "election: a lease or a question while handing over",
            ),
            (
                !self.open || !self.acks.is_majority_of(config.voters),
                "election: a round that a majority answered is still open",
            ),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

type Fx<'a, L> = &'a mut Effects<Election<L>>;

impl<L: Position> Election<L> {
    pub(super) const fn leading(&mut self) -> Option<&mut Leader> {
        if let Role::Leader(leader) = &mut self.role {
            Some(leader)
        } else {
            None
        }
    }

    // --- beginning and end ------------------------------------------------------------------------------------------

    pub(super) fn become_leader(&mut self, config: &Config, granted: NodeSet, fx: Fx<'_, L>) {
        let fresh = granted.without(config.me);
        self.role = Role::Leader(Leader {
            fresh,
            ..Leader::default()
        });
        fx.disarm(Timer::Election);
        for voter in fresh.iter() {
            fx.arm(Timer::Peer(voter), Delay::exactly(config.timing.election));
        }
        if let Some(Tenure { length, margin, .. }) = config.tenure {
            let begins = length.0.saturating_sub(margin.0);
            fx.arm(Timer::Tenure, Delay::exactly(Ticks(begins)));
        }
        fx.emit(Event::Leading { term: self.term });
        if config.lease {
            self.open_round(config, fx);
        } else {
            self.beat(config, fx);
        }
    }

    /// Ends the leadership here. The caller says what comes next.
    pub(super) fn stop_leading(&mut self, config: &Config, why: Why, fx: Fx<'_, L>) {
        let term = self.term;
        let Some(leader) = self.leading() else { return };
        let unanswered = leader.asked.max(leader.waiting);
        fx.report(Report::StoppedLeading { term, why });
        if let Some(upto) = unanswered {
            fx.report(Report::Unconfirmed { upto });
        }
        self.role = Role::Follower;
        for timer in [
            Timer::Heartbeat,
            Timer::Lease(false),
            Timer::Lease(true),
            Timer::HandOver,
            Timer::Tenure,
        ] {
            fx.disarm(timer);
        }
        for voter in config.peers().iter() {
            fx.disarm(Timer::Peer(voter));
        }
        Self::await_others(config, fx);
    }

    /// Ends the leadership and says so to all: their promise to this leader is void.
    pub(super) fn resign(&mut self, config: &Config, why: Why, fx: Fx<'_, L>) {
        let term = self.term;
        self.stop_leading(config, why, fx);
        for node in config.peers().or(config.observers).iter() {
            fx.notice(node, Notice::Resign { term });
        }
    }

    // --- heartbeats and their answers -------------------------------------------------------------------------------

    pub(super) fn on_heartbeat_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        if config.lease && !leader.open && !matches!(leader.handing, Some(HandOver::To(_))) {
            self.open_round(config, fx);
        } else {
            self.beat(config, fx);
        }
    }

    fn beat(&mut self, config: &Config, fx: Fx<'_, L>) {
        let term = self.term;
        let Some(Leader { round, .. }) = self.leading().copied() else {
            return;
        };
        for node in config.peers().or(config.observers).iter() {
            fx.notice(node, Notice::Heartbeat { term, round });
        }
        fx.arm(Timer::Heartbeat, Delay::exactly(config.timing.heartbeat));
    }

    /// Begins a round: whoever answers it has heard this leader after now.
    fn open_round(&mut self, config: &Config, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        let Some(round) = leader.round.checked_add(1) else {
            self.resign(config, Why::Asked, fx);
            return;
        };
        leader.round = round;
        leader.open = true;
        leader.acks = NodeSet::only(config.me);
        leader.asked = leader.asked.max(leader.waiting.take());
        leader.slot = !leader.held.unwrap_or(true);
        let (slot, alone) = (leader.slot, leader.acks.is_majority_of(config.voters));
        #[cfg(seeded_bugs)]
        let from_answer = config.has(super::bugs::Bug::E23LeaseFromAnswer);
        #[cfg(not(seeded_bugs))]
        let from_answer = false;
        if config.lease && !from_answer {
            // Before the heartbeats leave: the lease is counted from here.
            fx.arm(Timer::Lease(slot), Delay::exactly(config.timing.lease));
        }
        self.beat(config, fx);
        if alone {
            self.close_round(config, fx);
        }
    }

    /// A majority has answered the open round.
    fn close_round(&mut self, config: &Config, fx: Fx<'_, L>) {
        let term = self.term;
        let Some(leader) = self.leading() else { return };
        leader.open = false;
        if config.lease {
            let slot = leader.slot;
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::E23LeaseFromAnswer) {
                fx.arm(Timer::Lease(slot), Delay::exactly(config.timing.lease));
            }
            fx.disarm(Timer::Lease(!slot));
            let round = leader.round;
            if leader.held.replace(slot).is_none() {
                fx.emit(Event::Leased { term, round });
            }
        }
        if let Some(upto) = leader.asked.take() {
            fx.emit(Event::Confirmed { upto, term });
        }
        if leader.waiting.is_some() {
            self.open_round(config, fx);
        }
    }

    pub(super) fn on_ack(&mut self, config: &Config, from: NodeId, term: Term, round: u64, fx: Fx<'_, L>) {
        let current = term == self.term;
        let Some(leader) = self.leading() else { return };
        if !current || round > leader.round {
            return;
        }
        leader.fresh.insert(from);
        fx.arm(Timer::Peer(from), Delay::exactly(config.timing.election));
        let answers = round == leader.round;
        #[cfg(seeded_bugs)]
        let answers = answers || config.has(super::bugs::Bug::OldAnswersCount);
        if leader.open && answers {
            leader.acks.insert(from);
            if leader.acks.is_majority_of(config.voters) {
                self.close_round(config, fx);
            }
        }
    }

    pub(super) fn on_peer_timer(&mut self, config: &Config, peer: NodeId, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        leader.fresh.remove(peer);
        if !leader.fresh.with(config.me).is_majority_of(config.voters) {
            self.resign(config, Why::QuorumLost, fx);
        }
    }

    pub(super) fn on_lease_timer(&mut self, config: &Config, slot: bool, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        if leader.held == Some(slot) {
            self.drop_lease(config, fx);
        } else if leader.open && leader.slot == slot {
            // Too slow an answer would earn nothing any more.
            self.open_round(config, fx);
        }
    }

    fn drop_lease(&mut self, config: &Config, fx: Fx<'_, L>) {
        let _ = config;
        let term = self.term;
        let Some(leader) = self.leading() else { return };
        // An open round has not earned anything yet, and may do so after this.
        let round = leader.round.saturating_sub(leader.open.into());
        if let Some(slot) = leader.held.take() {
            fx.disarm(Timer::Lease(slot));
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::LeaseEndsSilently) {
                return;
            }
            fx.report(Report::LeaseLost { term, round });
        }
    }

    /// After a standstill nothing that was true before it is: a fresh round decides.
    pub(super) fn ask_anew(&mut self, config: &Config, fx: Fx<'_, L>) {
        self.drop_lease(config, fx);
        let Some(leader) = self.leading() else { return };
        if !matches!(leader.handing, Some(HandOver::To(_))) {
            self.open_round(config, fx);
        }
    }

    // --- questions --------------------------------------------------------------------------------------------------

    pub(super) fn on_question(&mut self, config: &Config, request: RequestId, fx: Fx<'_, L>) {
        let term = self.term;
        let Some(leader) = self.leading() else { return };
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::AnsweredWithoutMajority) {
            fx.emit(Event::Confirmed { upto: request, term });
            return;
        }
        if leader.is_leased() {
            fx.emit(Event::Confirmed { upto: request, term });
            return;
        }
        leader.waiting = leader.waiting.max(Some(request));
        if !leader.open && !matches!(leader.handing, Some(HandOver::To(_))) {
            self.open_round(config, fx);
        }
    }

    // --- handing over -----------------------------------------------------------------------------------------------

    pub(super) fn hand_over(&mut self, config: &Config, request: RequestId, to: Option<NodeId>, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        let refusal = if leader.handing.is_some() {
            Some(Refusal::HandingOver)
        } else {
            to.filter(|to| !leader.fresh.minus(leader.lacking).contains(*to))
                .map(|_| Refusal::NotReady)
        };
        if let Some(refusal) = refusal {
            fx.report(Report::Refused { request, refusal });
            return;
        }
        leader.tried = NodeSet::EMPTY;
        leader.named = to.is_some();
        match to {
            Some(successor) => self.hand_over_to(config, successor, fx),
            None => self.draw_successor(fx),
        }
    }

    fn draw_successor(&mut self, fx: Fx<'_, L>) {
        let term = self.term;
        let Some(leader) = self.leading() else { return };
        leader.handing = Some(HandOver::Drawing);
        fx.draw(Draw::Order { term });
    }

    /// The first in the order that listens, and has not been tried.
    pub(super) fn choose_successor(&mut self, config: &Config, order: &Order, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        if leader.handing != Some(HandOver::Drawing) {
            return;
        }
        let ready = leader.fresh.minus(leader.tried).minus(leader.lacking);
        match order.iter().find(|node| ready.contains(*node)) {
            Some(successor) => self.hand_over_to(config, successor, fx),
            None => self.end_hand_over(config, None, fx),
        }
    }

    fn hand_over_to(&mut self, config: &Config, successor: NodeId, fx: Fx<'_, L>) {
        let term = self.term;
        #[cfg(seeded_bugs)]
        let keeps = config.has(super::bugs::Bug::HandOverKeepsLease);
        #[cfg(not(seeded_bugs))]
        let keeps = false;
        if !keeps {
            self.drop_lease(config, fx);
        }
        let Some(leader) = self.leading() else { return };
        leader.handing = Some(HandOver::To(successor));
        // Questions wait: what happens now may make another the leader.
        leader.open = false;
        leader.waiting = leader.waiting.max(leader.asked.take());
        let slot = leader.slot;
        let round = leader.round;
        if !keeps {
            fx.disarm(Timer::Lease(slot));
        }
        fx.claim(successor, Claim::Transfer { term, round });
        let patience = config.timing.election.half().min(config.timing.rank_step.times(4));
        fx.arm(Timer::HandOver, Delay::exactly(patience));
    }

    /// The successor has not stood up.
    pub(super) fn on_hand_over_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        let Some(HandOver::To(successor)) = leader.handing else {
            return;
        };
        leader.tried.insert(successor);
        if leader.named {
            self.end_hand_over(config, Some(successor), fx);
        } else {
            fx.report(Report::TransferFailed { to: Some(successor) });
            self.draw_successor(fx);
        }
    }

    /// Nobody has taken over: it goes on leading, with a fresh round before anything rests on it.
    fn end_hand_over(&mut self, config: &Config, to: Option<NodeId>, fx: Fx<'_, L>) {
        let Some(leader) = self.leading() else { return };
        leader.handing = None;
        let asked = leader.waiting.is_some();
        fx.report(Report::TransferFailed { to });
        if config.lease || asked {
            self.open_round(config, fx);
        }
    }

    pub(super) fn on_tenure_timer(&mut self, config: &Config, fx: Fx<'_, L>) {
        let Some(Tenure { length, margin, strict }) = config.tenure else {
            return;
        };
        let Some(leader) = self.leading() else { return };
        if !leader.ending {
            leader.ending = true;
            let free = leader.handing.is_none();
            fx.arm(Timer::Tenure, Delay::exactly(margin));
            if free {
                leader.tried = NodeSet::EMPTY;
                leader.named = false;
                self.draw_successor(fx);
            }
        } else if strict {
            self.resign(config, Why::TenureOver, fx);
        } else {
            leader.ending = false;
            let begins = length.0.saturating_sub(margin.0);
            fx.arm(Timer::Tenure, Delay::exactly(Ticks(begins)));
        }
    }
}

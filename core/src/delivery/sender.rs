//! The edge's side: appends rows, sends them in batches, and marks them acknowledged.

use core::marker::PhantomData;

use super::{Alive, Body, Codes, Downlink, Flight, Flights, Heartbeat, ReceiverClaim, Rows, SenderClaim, Seq};
use crate::protocol::{Draw, Drawn, Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Delay, Never, NodeId, RequestId, Ticks};

/// What an edge's sender is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SenderConfig {
    /// The cloud, as messages name it.
    pub cloud: NodeId,
    /// The most rows in one batch.
    pub batch_rows: u32,
    /// The most batches in flight, at most [`super::FLIGHTS_MAX`].
    pub flights: u8,
    /// Silence after which unanswered rows are sent again; doubles up to `retry_max`.
    pub retry: Ticks,
    /// The longest pause between two attempts.
    pub retry_max: Ticks,
    /// Between two heartbeats. The link is suspect after one that went unanswered, down after two.
    pub heartbeat: Ticks,
    /// Acknowledged rows that stay in the store, so that a cloud that lost data can be healed.
    pub retain_rows: u64,
    /// Unacknowledged rows at which nothing more is taken in.
    pub backlog_rows: u64,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<super::bugs::Bug>,
}

impl SenderConfig {
    /// The defaults of a deployed edge.
    #[must_use]
    pub const fn deployed(cloud: NodeId) -> Self {
        Self {
            cloud,
            batch_rows: 1000,
            flights: 4,
            retry: Ticks(1000),
            retry_max: Ticks(10_000),
            heartbeat: Ticks(3000),
            retain_rows: 100_000,
            backlog_rows: 100_000_000,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    #[cfg(seeded_bugs)]
    fn has(&self, bug: super::bugs::Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// Where the sender stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Waits for a nonce.
    Drawing,
    /// Has greeted and waits for the welcome.
    Greeting,
    /// Sends rows.
    Streaming,
    /// Has been refused for good; rows pile up, nothing is sent until a person decides.
    Fenced,
}

/// What the heartbeats say about the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// The last heartbeat was answered.
    Up,
    /// The last heartbeat went unanswered.
    Suspect,
    /// Two heartbeats went unanswered, or the transport lost the peer.
    Down,
}

/// Appends one row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Append<B>(pub B);

/// What the sender says holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenderEvent {
    /// Rows up to here are acknowledged, and the edge has that on disk.
    Acked(Seq),
}

/// The sender's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SenderTimer {
    /// Nothing came back for too long.
    Retry,
    /// Time for a sign of life.
    Heartbeat,
}

/// One change of the edge's outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SenderRecord<B: Body> {
    /// The store's epoch, once.
    Epoch(u64),
    /// A new row, after all others.
    Row {
        /// Its sequence.
        seq: Seq,
        /// Its content.
        body: B,
    },
    /// Rows up to here have been handed to the network.
    Sent(Seq),
    /// Rows up to here are acknowledged, and these codes are known.
    Acked {
        /// The last row acknowledged.
        to: Seq,
        /// Codes that came with it.
        codes: alloc::vec::Vec<(B::Household, B::Code)>,
    },
    /// Rows below this one are gone from the store.
    Trimmed {
        /// The first row that stays.
        oldest: Seq,
    },
    /// The cloud lost rows: only those up to here count as acknowledged.
    Rewound {
        /// The last row still acknowledged.
        to: Seq,
    },
}

/// What recovery starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SenderDurable {
    /// The store's epoch, if it has been drawn.
    pub epoch: Option<u64>,
    /// The newest row.
    pub last: Seq,
    /// Rows up to here were handed to the network.
    pub sent: Seq,
    /// Rows up to here are acknowledged.
    pub acked: Seq,
    /// The first row still in the store.
    pub oldest: Seq,
}

/// Asks the store for rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowsQuery {
    /// The first row wanted.
    pub first: Seq,
    /// How many.
    pub count: u32,
}

/// Why a row was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The disk is nearly full.
    Stalled,
    /// Too many rows are unacknowledged.
    BacklogFull,
}

/// Why the sender is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FenceReason {
    /// The cloud holds rows of this epoch that this store never sent: it was restored from an older copy, or cloned.
    RolledBack,
    /// The cloud has moved on to another epoch of this edge: another store holds this identity.
    Replaced,
}

/// The sender's ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenderReport {
    /// A row was not taken; offer it again later.
    Refused(RequestId, Refusal),
    /// The link's state changed.
    Link(LinkState),
    /// Rows after `from` up to `to` are sent again.
    Resending {
        /// The last row not sent again.
        from: Seq,
        /// The last row sent again.
        to: Seq,
    },
    /// The cloud lost data: flags fall from `from` to `to`, once.
    Rewound {
        /// Acknowledged before.
        from: Seq,
        /// Acknowledged now.
        to: Seq,
    },
    /// The cloud lost rows that are gone here too: all from `from` to `to`.
    Missing {
        /// The first row missing.
        from: Seq,
        /// The last row missing.
        to: Seq,
    },
    /// Nothing will be sent any more.
    Fenced(FenceReason),
    /// The peer said something that it may not say.
    Misbehaved(&'static str),
    /// The store was lost: a new epoch begins, and what was unacknowledged is gone.
    StoreLost,
}

/// The edge's side of delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sender<B> {
    epoch: Option<u64>,
    session: u64,
    phase: Phase,
    /// Newest row; `acked ≤ sent ≤ last`, `oldest ≤ acked + 1`.
    last: Seq,
    sent: Seq,
    acked: Seq,
    oldest: Seq,
    /// The next row to send; volatile, `acked < next ≤ last + 1`.
    next: Seq,
    /// The highest mark that the cloud can truly have: what was in the store at the start, or was sent since.
    reach: Seq,
    flights: Flights,
    /// What the store has been asked and has not answered: never more than one query.
    fetching: Option<RowsQuery>,
    credit: u32,
    /// The cloud's mark was seen below `acked`: stale news, or it lost data. The next retry finds out.
    doubt: bool,
    link: LinkState,
    /// The newest heartbeats that went unanswered, up to 2.
    missed: u8,
    /// Doublings of the pause between retries, up to 15.
    attempts: u8,
    stalled: bool,
    body: PhantomData<B>,
}

impl<B: Body> Protocol for Sender<B> {
    type Config = SenderConfig;
    type Command = Append<B>;
    type Event = SenderEvent;
    type Timer = SenderTimer;
    type Heard = Downlink<B>;
    type Notice = Heartbeat;
    type Claim = SenderClaim<B>;
    type Note = Never;
    type Record = SenderRecord<B>;
    type Durable = SenderDurable;
    type Query = RowsQuery;
    type Rows = Rows<B>;
    type Report = SenderReport;
    type Parts = ();

    fn recover(config: &SenderConfig, recovered: Recovered<SenderDurable>, fx: &mut Effects<Self>) -> Self {
        let durable = match recovered {
            Recovered::Known(durable) => durable,
            Recovered::Fresh => SenderDurable::default(),
            Recovered::Lost => {
                fx.report(SenderReport::StoreLost);
                SenderDurable::default()
            }
        };
        #[cfg(seeded_bugs)]
        let durable = super::bugs::recovered_sender(config, durable);
        let sender = Self {
            epoch: durable.epoch,
            session: 0,
            phase: Phase::Drawing,
            last: durable.last,
            sent: durable.sent,
            acked: durable.acked,
            oldest: durable.oldest.max(Seq(1)),
            next: first_to_send(config, &durable),
            reach: durable.last,
            flights: Flights::default(),
            fetching: None,
            credit: 0,
            doubt: false,
            link: LinkState::Down,
            missed: 0,
            attempts: 0,
            stalled: false,
            body: PhantomData,
        };
        fx.draw(Draw::Nonce);
        fx.arm(SenderTimer::Heartbeat, Delay::exactly(Ticks(0)));
        sender
    }

    fn step(&mut self, config: &SenderConfig, input: Input<Self>, fx: &mut Effects<Self>) {
        match input {
            Input::Received { from, message } if from == config.cloud => self.on_message(config, message, fx),
            Input::Received { .. } => {
                fx.report(SenderReport::Misbehaved("a message from someone who is not the cloud"));
            }
            Input::Fired(SenderTimer::Retry) => self.on_retry_timer(config, fx),
            Input::Fired(SenderTimer::Heartbeat) => self.on_heartbeat_timer(config, fx),
            Input::Commanded(request, Append(body)) => self.on_append(config, request, body, fx),
            Input::Fetched { query, rows } => self.on_fetched(config, query, rows, fx),
            Input::Durable(_) => {}
            Input::Drawn(Drawn::Nonce(nonce)) => self.on_nonce(config, nonce, fx),
            Input::Link { peer, up } => self.on_link(config, peer, up, fx),
            Input::Stalled(stalled) => self.stalled = stalled,
            Input::Paused => self.on_paused(config, fx),
            Input::Drawn(Drawn::Order { .. }) => {}
        }
    }

    fn check(&self, config: &SenderConfig) -> Result<(), Broken> {
        let holds = [
            (
                self.acked <= self.sent && self.sent <= self.last,
                "sender: acked ≤ sent ≤ last",
            ),
            (
                self.oldest <= self.acked.next(),
                "sender: a row left before it was acknowledged",
            ),
            (
                self.acked < self.next && self.next <= self.last.next(),
                "sender: acked < next ≤ last + 1",
            ),
            (self.reach <= self.last, "sender: reach ≤ last"),
            (
                self.flights.count() <= config.flights,
                "sender: too many batches in flight",
            ),
            (
                self.flights.iter().all(|f| f.first <= f.last && f.last < self.next),
                "sender: a flight beyond next",
            ),
            (
                self.flights.iter().all(|f| f.first > self.acked),
                "sender: a flight that was acknowledged",
            ),
            (
                // An edge that starts again can hear that it was fenced before it has its nonce.
                matches!(self.phase, Phase::Drawing | Phase::Fenced) || self.session != 0,
                "sender: no session",
            ),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

impl<B: Body> Sender<B> {
    /// Why a row would be refused now; `None` if it would be taken.
    #[must_use]
    pub fn refusal(&self, config: &SenderConfig) -> Option<Refusal> {
        if self.stalled {
            Some(Refusal::Stalled)
        } else if self.backlog() >= config.backlog_rows {
            Some(Refusal::BacklogFull)
        } else {
            None
        }
    }

    /// Rows not yet acknowledged.
    #[must_use]
    pub const fn backlog(&self) -> u64 {
        self.last.since(self.acked)
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// What the heartbeats say.
    #[must_use]
    pub const fn link(&self) -> LinkState {
        self.link
    }

    /// The newest row.
    #[must_use]
    pub const fn last(&self) -> Seq {
        self.last
    }

    /// Rows up to here are acknowledged.
    #[must_use]
    pub const fn acked(&self) -> Seq {
        self.acked
    }

    /// Rows up to here were handed to the network.
    #[must_use]
    pub const fn sent(&self) -> Seq {
        self.sent
    }

    /// The store's epoch, once drawn.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// The batches in flight.
    #[must_use]
    pub const fn flights(&self) -> &Flights {
        &self.flights
    }

    fn on_append(&mut self, config: &SenderConfig, request: RequestId, body: B, fx: &mut Effects<Self>) {
        if let Some(refusal) = self.refusal(config) {
            fx.report(SenderReport::Refused(request, refusal));
            return;
        }
        self.append(config, body, fx);
    }

    /// Appends a row. A host that has asked [`Sender::refusal`] before it began calls this: what follows from an
    /// input that was taken cannot be refused half-way.
    pub fn append(&mut self, config: &SenderConfig, body: B, fx: &mut Effects<Self>) {
        let seq = self.last.next();
        self.last = seq;
        fx.persist(SenderRecord::Row { seq, body });
        self.pump(config, fx);
    }

    fn on_nonce(&mut self, config: &SenderConfig, nonce: u64, fx: &mut Effects<Self>) {
        if self.phase != Phase::Drawing {
            return;
        }
        self.session = nonce;
        if self.epoch.is_none() {
            self.epoch = Some(nonce);
            fx.persist(SenderRecord::Epoch(nonce));
        }
        self.phase = Phase::Greeting;
        self.greet(config, fx);
    }

    fn on_message(&mut self, config: &SenderConfig, message: Downlink<B>, fx: &mut Effects<Self>) {
        self.on_sign_of_life(fx);
        match message {
            Downlink::Alive(Alive { credit }) => self.on_alive(config, credit, fx),
            Downlink::Claim(claim) => {
                let epoch = match &claim {
                    ReceiverClaim::Welcome { epoch, .. }
                    | ReceiverClaim::Ack { epoch, .. }
                    | ReceiverClaim::Fenced { epoch } => *epoch,
                };
                if self.epoch != Some(epoch) || self.phase == Phase::Fenced {
                    return;
                }
                match claim {
                    ReceiverClaim::Welcome {
                        session, high, credit, ..
                    } => {
                        self.on_welcome(config, session, high, credit, fx);
                    }
                    ReceiverClaim::Ack {
                        high, codes, credit, ..
                    } => self.on_ack(config, high, codes, credit, fx),
                    ReceiverClaim::Fenced { .. } => self.become_fenced(FenceReason::Replaced, fx),
                }
            }
        }
    }

    fn on_alive(&mut self, config: &SenderConfig, credit: u32, fx: &mut Effects<Self>) {
        self.credit = credit;
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O15HeartbeatQuietsRetry) {
            fx.disarm(SenderTimer::Retry);
        }
        self.pump(config, fx);
    }

    fn on_welcome(&mut self, config: &SenderConfig, session: u64, high: Seq, credit: u32, fx: &mut Effects<Self>) {
        if self.phase != Phase::Greeting || session != self.session || self.is_rolled_back(config, high, fx) {
            return;
        }
        if high < self.acked {
            // The oldest row still here decides how far back healing can go; what lies before it is lost on both
            // sides, and both say so.
            let to = high.max(self.oldest.previous());
            if high.next() < self.oldest {
                fx.report(SenderReport::Missing {
                    from: high.next(),
                    to: self.oldest.previous(),
                });
            }
            fx.report(SenderReport::Rewound { from: self.acked, to });
            fx.persist(SenderRecord::Rewound { to });
            self.acked = to;
            self.next = to.next();
        }
        self.credit = credit;
        self.become_streaming(config, fx);
    }

    fn on_ack(
        &mut self,
        config: &SenderConfig,
        high: Seq,
        codes: Option<Codes<B>>,
        credit: u32,
        fx: &mut Effects<Self>,
    ) {
        if self.phase != Phase::Streaming || self.is_rolled_back(config, high, fx) {
            return;
        }
        self.credit = credit;
        // A mark of zero may be that of a store that was lost and does not know this epoch any more. It takes nothing
        // from such a sender but a greeting, so one that has nothing acknowledged must doubt as well.
        self.doubt |= high < self.acked || high == Seq::ZERO;
        // Codes are asked for as long as they are not known, so those that come too late need not be kept.
        let codes = codes.filter(|codes| self.flights.awaits_codes(codes.first));
        let codes_of = codes.as_ref().map(|codes| codes.first);
        #[cfg(seeded_bugs)]
        let high = super::bugs::ack(config, &self.flights, high);
        self.flights.answer(codes_of, high);
        let codes = codes.map_or_else(alloc::vec::Vec::new, |codes| codes.codes);
        if let Some(to) = self.flights.land() {
            self.acked = to;
            self.attempts = 0;
            self.doubt = false;
            fx.persist(SenderRecord::Acked { to, codes });
            fx.emit(SenderEvent::Acked(to));
            self.trim(config, fx);
            self.arm_retry(config, fx);
        } else if !codes.is_empty() {
            fx.persist(SenderRecord::Acked { to: self.acked, codes });
        }
        self.pump(config, fx);
    }

    fn on_fetched(&mut self, config: &SenderConfig, query: RowsQuery, rows: Rows<B>, fx: &mut Effects<Self>) {
        if self.fetching != Some(query) {
            return;
        }
        self.fetching = None;
        if self.phase != Phase::Streaming || query.first != self.next {
            self.pump(config, fx); // asked before a retry moved the cursor
            return;
        }
        if rows.first != self.next || rows.count() != u64::from(query.count) {
            fx.fault(Broken("sender: the store does not hold rows that it reported durable"));
            return;
        }
        let flight = Flight {
            first: rows.first,
            last: rows.last(),
            asks: !rows.asks.is_empty(),
            done: false,
        };
        #[cfg(seeded_bugs)]
        let flight = super::bugs::flight(config, flight);
        if !self.flights.push(flight) {
            fx.fault(Broken("sender: a batch beyond the window"));
            return;
        }
        #[cfg(seeded_bugs)]
        let again = flight.first <= self.reach && self.next <= self.sent;
        self.next = flight.last.next();
        self.reach = self.reach.max(flight.last);
        let Some(epoch) = self.epoch else {
            fx.fault(Broken("sender: streams without an epoch"));
            return;
        };
        #[cfg(seeded_bugs)]
        let rows = super::bugs::batch(config, again, self.last, flight, rows, fx);
        fx.claim(config.cloud, SenderClaim::Batch { epoch, rows });
        if self.flights.count() == 1 {
            self.arm_retry(config, fx);
        }
        self.pump(config, fx);
    }

    fn on_retry_timer(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        // No higher than changes the pause: a count that changes nothing would only multiply the model's states.
        if self.pause(config) < config.retry_max {
            self.attempts = self.attempts.saturating_add(1).min(15);
        }
        match self.phase {
            Phase::Drawing | Phase::Fenced => {}
            Phase::Greeting => self.greet(config, fx),
            Phase::Streaming if self.doubt => self.become_drawing(fx),
            Phase::Streaming => self.go_back(config, fx),
        }
    }

    fn on_heartbeat_timer(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        // The first beat after a start or an answer finds `missed` at 0: nothing was unanswered yet.
        let state = match self.missed {
            0 => self.link,
            1 => self.link.max(LinkState::Suspect),
            _ => LinkState::Down,
        };
        self.missed = self.missed.saturating_add(1).min(2);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O16HalfOpenUnnoticed) {
            self.missed = 0;
        }
        self.see_link(state, fx);
        fx.notice(
            config.cloud,
            Heartbeat {
                backlog: self.backlog(),
            },
        );
        fx.arm(SenderTimer::Heartbeat, Delay::about(config.heartbeat));
    }

    fn on_link(&mut self, config: &SenderConfig, peer: NodeId, up: bool, fx: &mut Effects<Self>) {
        if peer != config.cloud {
            return;
        }
        if !up {
            self.see_link(LinkState::Down, fx);
            return;
        }
        // What was on its way when the old connection ended is likely lost: do not wait for the timer.
        self.attempts = 0;
        match self.phase {
            Phase::Drawing | Phase::Fenced => {}
            Phase::Greeting => self.greet(config, fx),
            Phase::Streaming => self.go_back(config, fx),
        }
    }

    fn on_paused(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        fx.arm(SenderTimer::Heartbeat, Delay::exactly(Ticks(0)));
        if self.phase == Phase::Streaming {
            self.arm_retry(config, fx);
        }
    }

    fn on_sign_of_life(&mut self, fx: &mut Effects<Self>) {
        self.missed = 0;
        self.see_link(LinkState::Up, fx);
    }

    fn see_link(&mut self, state: LinkState, fx: &mut Effects<Self>) {
        if self.link != state {
            self.link = state;
            fx.report(SenderReport::Link(state));
        }
    }

    /// Starts a new greeting. Whatever was in flight is sent again after the welcome.
    fn become_drawing(&mut self, fx: &mut Effects<Self>) {
        self.phase = Phase::Drawing;
        self.doubt = false;
        self.flights.clear();
        self.next = self.acked.next();
        fx.disarm(SenderTimer::Retry);
        fx.draw(Draw::Nonce);
    }

    fn become_streaming(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        self.phase = Phase::Streaming;
        self.attempts = 0;
        self.arm_retry(config, fx);
        self.pump(config, fx);
    }

    fn become_fenced(&mut self, why: FenceReason, fx: &mut Effects<Self>) {
        self.phase = Phase::Fenced;
        self.flights.clear();
        self.next = self.acked.next();
        fx.disarm(SenderTimer::Retry);
        fx.report(SenderReport::Fenced(why));
    }

    /// A mark above all that this store ever sent belongs to another holder of this identity.
    fn is_rolled_back(&mut self, config: &SenderConfig, high: Seq, fx: &mut Effects<Self>) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O14RestoredUnnoticed) {
            return false;
        }
        let _ = config;
        let rolled_back = high > self.reach;
        if rolled_back {
            self.become_fenced(FenceReason::RolledBack, fx);
        }
        rolled_back
    }

    fn greet(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        if let Some(epoch) = self.epoch {
            fx.claim(
                config.cloud,
                SenderClaim::Hello {
                    epoch,
                    session: self.session,
                    oldest: self.oldest,
                },
            );
        }
        self.arm_retry(config, fx);
    }

    /// Sends again from the first unacknowledged row.
    fn go_back(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O17WindowNotReleased) {
            self.arm_retry(config, fx);
            return;
        }
        if self.next > self.acked.next() {
            fx.report(SenderReport::Resending {
                from: self.acked,
                to: self.next.previous(),
            });
        }
        self.flights.clear();
        self.next = self.acked.next();
        self.arm_retry(config, fx);
        self.pump(config, fx);
    }

    /// Asks the store for the next rows, if there is something to send and room to send it.
    fn pump(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        if self.phase != Phase::Streaming || self.fetching.is_some() || self.flights.count() >= config.flights {
            return;
        }
        let unanswered = self.next.previous().since(self.acked);
        let room = u64::from(self.credit).saturating_sub(unanswered);
        let waiting = self.last.next().since(self.next);
        let count = u64::from(config.batch_rows).min(room).min(waiting);
        let Ok(count) = u32::try_from(count) else { return };
        if count == 0 {
            return;
        }
        let through = self.next.plus(u64::from(count)).previous();
        if through > self.sent {
            self.sent = through;
            fx.persist(SenderRecord::Sent(through));
        }
        let query = RowsQuery {
            first: self.next,
            count,
        };
        self.fetching = Some(query);
        fx.fetch(query);
    }

    /// Lets go of acknowledged rows beyond those that are kept for healing.
    fn trim(&mut self, config: &SenderConfig, fx: &mut Effects<Self>) {
        // In steps of an eighth, so that one commit trims many rows.
        let kept = self.acked.next().since(self.oldest);
        if kept <= config.retain_rows.saturating_add(config.retain_rows / 8) {
            return;
        }
        self.oldest = Seq(self.acked.next().0.saturating_sub(config.retain_rows));
        fx.persist(SenderRecord::Trimmed { oldest: self.oldest });
    }

    fn pause(&self, config: &SenderConfig) -> Ticks {
        let doubled = u64::from(config.retry.0) << u32::from(self.attempts.min(15));
        Ticks(u32::try_from(doubled.min(u64::from(config.retry_max.0))).unwrap_or(config.retry_max.0))
    }

    fn arm_retry(&self, config: &SenderConfig, fx: &mut Effects<Self>) {
        if self.phase == Phase::Streaming && self.acked == self.last {
            fx.disarm(SenderTimer::Retry);
            return;
        }
        fx.arm(SenderTimer::Retry, Delay::about(self.pause(config)));
    }
}

/// After a start everything unacknowledged counts as unsent: what was in flight may be lost, and the codes that came
/// with its acknowledgement are.
fn first_to_send(config: &SenderConfig, durable: &SenderDurable) -> Seq {
    #[cfg(seeded_bugs)]
    if config.has(super::bugs::Bug::O6SentStaysSent) {
        return durable.sent.next();
    }
    let _ = config;
    durable.acked.next()
}

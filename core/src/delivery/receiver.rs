//! The cloud's side: applies each row once, in order, and acknowledges what is durable. One for each edge identity.

use alloc::vec::Vec;
use core::marker::PhantomData;

use super::{Alive, Body, Codes, Heartbeat, ReceiverClaim, Rows, SenderClaim, Seq, Uplink};
use crate::protocol::{Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Delay, Never, NodeId, Ticks};

/// The most replaced epochs that are remembered for one edge. An edge gets a new epoch only when its store is made
/// anew, so this many means that something is wrong; then no further epoch is accepted until a person decides.
pub const RETIRED_MAX: usize = 8;

/// What a receiver is told once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverConfig {
    /// The edge, as messages name it.
    pub edge: NodeId,
    /// Silence after which the edge is reported, once.
    pub silence: Ticks,
    /// Rows that the edge may have in flight.
    pub credit: u32,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<super::bugs::Bug>,
}

impl ReceiverConfig {
    /// The defaults of a deployed cloud.
    #[must_use]
    pub const fn deployed(edge: NodeId) -> Self {
        Self {
            edge,
            silence: Ticks(5000),
            credit: 8000,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    #[cfg(seeded_bugs)]
    fn has(&self, bug: super::bugs::Bug) -> bool {
        self.bug == Some(bug)
    }
}

/// Epochs that have been replaced, oldest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Retired {
    epochs: [u64; RETIRED_MAX],
    count: u8,
}

impl Retired {
    /// Whether `epoch` was replaced.
    #[must_use]
    pub fn contains(&self, epoch: u64) -> bool {
        self.iter().any(|retired| retired == epoch)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.epochs.iter().take(usize::from(self.count)).copied()
    }

    /// Whether no more can be remembered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        usize::from(self.count) >= RETIRED_MAX
    }

    /// Adds one; `false` if there is no room.
    pub fn push(&mut self, epoch: u64) -> bool {
        match self.epochs.get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = epoch;
                self.count = self.count.saturating_add(1);
                true
            }
            None => false,
        }
    }
}

/// What the receiver says holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiverEvent {
    /// Rows up to here are durable at the cloud.
    Applied(Seq),
}

/// The receiver's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiverTimer {
    /// The edge has said nothing for too long.
    Silence,
}

/// What the receiver tells itself once durable: nothing. (A seeded bug needs a word here.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiverNote {
    /// The effect is durable, the mark not yet: the seeded bug of two transactions.
    #[cfg(seeded_bugs)]
    Mark {
        /// The mark to store.
        high: Seq,
    },
}

/// One change of the cloud's inbox for one edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReceiverRecord<B: Body> {
    /// This epoch counts from now on; the one before is retired.
    Adopted(u64),
    /// Rows up to `to` will never come: the edge does not hold them any more.
    Skipped {
        /// The first row that is missing.
        from: Seq,
        /// The last row that is missing.
        to: Seq,
    },
    /// Rows take effect, their households get codes if they have none, and the mark moves to the last row.
    Applied {
        /// Sequence of the first row.
        first: Seq,
        /// The rows.
        bodies: Vec<B>,
        /// The mark, durable in the same commit.
        high: Seq,
    },
}

/// What recovery starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReceiverDurable {
    /// The epoch that counts, if any was adopted.
    pub epoch: Option<u64>,
    /// Rows of it up to here are durable.
    pub high: Seq,
    /// Replaced epochs.
    pub retired: Retired,
}

/// Asks the store for codes; carries what is needed to answer the edge, so that the receiver need not remember it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodesQuery<B: Body> {
    /// The epoch that asked.
    pub epoch: u64,
    /// First row of the batch to answer.
    pub first: Seq,
    /// Last row of the batch to answer. The answer's mark goes no further: by the time it leaves, the edge may have
    /// sent a longer batch from the same row, whose codes this answer does not carry.
    pub last: Seq,
    /// Whose codes.
    pub households: Vec<B::Household>,
}

/// The receiver's ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiverReport {
    /// The edge has been silent for too long. Said once.
    Silent,
    /// The edge says that so many rows wait there.
    Backlog(u64),
    /// The edge is back.
    Returned,
    /// A batch did not join on to what is here.
    Gap {
        /// Durable up to here.
        high: Seq,
        /// The batch began there.
        first: Seq,
    },
    /// A batch or a part of one was here already.
    Repeated {
        /// Rows that were not applied again.
        rows: u64,
    },
    /// Rows will never come: the edge does not hold them any more, and this store has lost them.
    Missing {
        /// The first row missing.
        from: Seq,
        /// The last row missing.
        to: Seq,
    },
    /// A holder of a replaced epoch was refused.
    Fenced(u64),
    /// A new epoch was refused, because too many were replaced already.
    EpochsFull(u64),
    /// The edge's store was made anew.
    Adopted(u64),
    /// The edge said something that it may not say.
    Misbehaved(&'static str),
    /// The cloud's own store was lost; edges will be asked to send again.
    StoreLost,
}

/// The cloud's side of delivery, for one edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receiver<B> {
    epoch: Option<u64>,
    /// Rows up to here are in a commit that was handed out; what leaves waits until it is durable.
    high: Seq,
    retired: Retired,
    silent: bool,
    stalled: bool,
    body: PhantomData<B>,
}

impl<B: Body> Protocol for Receiver<B> {
    type Config = ReceiverConfig;
    type Command = Never;
    type Event = ReceiverEvent;
    type Timer = ReceiverTimer;
    type Heard = Uplink<B>;
    type Notice = Alive;
    type Claim = ReceiverClaim<B>;
    type Note = ReceiverNote;
    type Record = ReceiverRecord<B>;
    type Durable = ReceiverDurable;
    type Query = CodesQuery<B>;
    type Rows = Vec<(B::Household, B::Code)>;
    type Report = ReceiverReport;
    type Parts = ();

    fn recover(config: &ReceiverConfig, recovered: Recovered<ReceiverDurable>, fx: &mut Effects<Self>) -> Self {
        let durable = match recovered {
            Recovered::Known(durable) => durable,
            Recovered::Fresh => ReceiverDurable::default(),
            Recovered::Lost => {
                fx.report(ReceiverReport::StoreLost);
                ReceiverDurable::default()
            }
        };
        fx.arm(ReceiverTimer::Silence, Delay::exactly(config.silence));
        Self {
            epoch: durable.epoch,
            high: durable.high,
            retired: durable.retired,
            silent: false,
            stalled: false,
            body: PhantomData,
        }
    }

    fn step(&mut self, config: &ReceiverConfig, input: Input<Self>, fx: &mut Effects<Self>) {
        match input {
            Input::Received { from, message } if from == config.edge => self.on_message(config, message, fx),
            Input::Received { .. } => fx.report(ReceiverReport::Misbehaved(
                "a message from someone who is not this edge",
            )),
            Input::Fired(ReceiverTimer::Silence) => self.on_silence_timer(fx),
            Input::Commanded(_, never) => match never {},
            Input::Fetched { query, rows } => self.on_codes(config, query, rows, fx),
            #[cfg(seeded_bugs)]
            Input::Durable(note) => self.on_note(config, note.into_inner(), fx),
            #[cfg(not(seeded_bugs))]
            Input::Durable(_) => {}
            Input::Stalled(stalled) => self.stalled = stalled,
            Input::Paused => fx.arm(ReceiverTimer::Silence, Delay::exactly(config.silence)),
            Input::Drawn(_) | Input::Link { .. } => {}
        }
    }

    fn check(&self, _: &ReceiverConfig) -> Result<(), Broken> {
        let holds = [
            (
                self.epoch.is_some() || self.high == Seq::ZERO,
                "receiver: rows without an epoch",
            ),
            (
                self.epoch.is_none_or(|epoch| !self.retired.contains(epoch)),
                "receiver: serves a replaced epoch",
            ),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

impl<B: Body> Receiver<B> {
    /// Rows up to here are durable or on their way to the disk.
    #[must_use]
    pub const fn high(&self) -> Seq {
        self.high
    }

    /// The epoch that counts.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// Whether the edge was reported silent.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    fn on_message(&mut self, config: &ReceiverConfig, message: Uplink<B>, fx: &mut Effects<Self>) {
        if self.silent {
            self.silent = false;
            fx.report(ReceiverReport::Returned);
        }
        fx.arm(ReceiverTimer::Silence, Delay::exactly(config.silence));
        match message {
            Uplink::Heartbeat(Heartbeat { backlog }) => {
                fx.report(ReceiverReport::Backlog(backlog));
                fx.notice(
                    config.edge,
                    Alive {
                        credit: self.credit(config),
                    },
                );
            }
            Uplink::Claim(SenderClaim::Hello { epoch, session, oldest }) => {
                self.on_hello(config, epoch, session, oldest, fx);
            }
            Uplink::Claim(SenderClaim::Batch { epoch, rows }) => self.on_batch(config, epoch, rows, fx),
        }
    }

    fn on_hello(&mut self, config: &ReceiverConfig, epoch: u64, session: u64, oldest: Seq, fx: &mut Effects<Self>) {
        if self.epoch != Some(epoch) && !self.adopt(config, epoch, fx) {
            return;
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O3DedupeForgets) {
            self.high = oldest.previous();
        }
        let high = self.high;
        // Rows that the edge no longer holds were once durable here: it lets go of nothing else. This store lost them.
        if high.next() < oldest {
            let (from, to) = (high.next(), oldest.previous());
            fx.report(ReceiverReport::Missing { from, to });
            fx.persist(ReceiverRecord::Skipped { from, to });
            self.high = to;
        }
        fx.claim(
            config.edge,
            ReceiverClaim::Welcome {
                epoch,
                session,
                high,
                credit: self.credit(config),
            },
        );
    }

    /// Makes `epoch` the one that counts, if it is new.
    fn adopt(&mut self, config: &ReceiverConfig, epoch: u64, fx: &mut Effects<Self>) -> bool {
        if self.is_retired(config, epoch) {
            self.refuse_retired(config, epoch, fx);
            return false;
        }
        if let Some(old) = self.epoch {
            if !self.retired.push(old) {
                fx.report(ReceiverReport::EpochsFull(epoch));
                return false;
            }
            fx.report(ReceiverReport::Adopted(epoch));
        }
        self.epoch = Some(epoch);
        self.high = Seq::ZERO;
        fx.persist(ReceiverRecord::Adopted(epoch));
        true
    }

    fn on_batch(&mut self, config: &ReceiverConfig, epoch: u64, mut rows: Rows<B>, fx: &mut Effects<Self>) {
        if self.is_retired(config, epoch) {
            self.refuse_retired(config, epoch, fx);
            return;
        }
        if self.stalled {
            fx.notice(config.edge, Alive { credit: 0 });
            return;
        }
        if self.epoch != Some(epoch) {
            self.acknowledge(config, epoch, Seq::ZERO, None, fx);
            return;
        }
        if rows.bodies.is_empty() || rows.first == Seq::ZERO {
            fx.report(ReceiverReport::Misbehaved("a batch without rows"));
            return;
        }
        let (first, last) = (rows.first, rows.last());
        #[cfg(seeded_bugs)]
        if super::bugs::gap_is_taken(config, first, last, &mut self.high) {
            self.answer(config, epoch, (first, last), rows.asks, fx);
            return;
        }
        if first > self.high.next() {
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::O11HoleIsJumped) {
                self.apply(config, first, rows, fx);
                return;
            }
            fx.report(ReceiverReport::Gap { high: self.high, first });
            self.acknowledge(config, epoch, self.high, None, fx);
            return;
        }
        let known = usize::try_from(self.high.next().since(first))
            .unwrap_or(usize::MAX)
            .min(rows.bodies.len());
        if known > 0 {
            fx.report(ReceiverReport::Repeated {
                rows: u64::try_from(known).unwrap_or(u64::MAX),
            });
        }
        if last <= self.high {
            #[cfg(seeded_bugs)]
            if config.has(super::bugs::Bug::O4RepeatIsNotAnswered) {
                return;
            }
            self.answer(config, epoch, (first, last), rows.asks, fx);
            return;
        }
        rows.bodies.drain(..known);
        self.apply(config, first, rows, fx);
    }

    /// Takes rows that join on to the mark, and answers the batch that began at `first`.
    fn apply(&mut self, config: &ReceiverConfig, first: Seq, rows: Rows<B>, fx: &mut Effects<Self>) {
        let Some(epoch) = self.epoch else { return };
        let from = self.high.next().max(first);
        let high = Seq(from.0.saturating_add(u64::try_from(rows.bodies.len()).unwrap_or(0))).previous();
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O8TwoTransactions) {
            let mark = self.high;
            self.high = high;
            fx.persist(ReceiverRecord::Applied {
                first: from,
                bodies: rows.bodies,
                high: mark,
            });
            fx.note(ReceiverNote::Mark { high });
            return;
        }
        #[cfg(seeded_bugs)]
        let high = if config.has(super::bugs::Bug::O7MarkNotDurable) {
            fx.persist(ReceiverRecord::Applied {
                first: from,
                bodies: rows.bodies,
                high: Seq::ZERO,
            });
            self.high = high;
            self.answer(config, epoch, (first, high), rows.asks, fx);
            return;
        } else {
            high
        };
        self.high = high;
        fx.persist(ReceiverRecord::Applied {
            first: from,
            bodies: rows.bodies,
            high,
        });
        fx.emit(ReceiverEvent::Applied(high));
        self.answer(config, epoch, (first, high), rows.asks, fx);
    }

    /// Answers the batch from `first` to `last`, at once if it asked for nothing, else with the codes.
    fn answer(
        &self,
        config: &ReceiverConfig,
        epoch: u64,
        (first, last): (Seq, Seq),
        asks: Vec<B::Household>,
        fx: &mut Effects<Self>,
    ) {
        if asks.is_empty() {
            self.acknowledge(config, epoch, self.high, None, fx);
        } else {
            fx.fetch(CodesQuery {
                epoch,
                first,
                last,
                households: asks,
            });
        }
    }

    fn on_codes(
        &mut self,
        config: &ReceiverConfig,
        query: CodesQuery<B>,
        codes: Vec<(B::Household, B::Code)>,
        fx: &mut Effects<Self>,
    ) {
        if self.epoch == Some(query.epoch) {
            let high = self.high.min(query.last);
            #[cfg(seeded_bugs)]
            let high = if config.has(super::bugs::Bug::MarkOutrunsCodes) {
                self.high
            } else {
                high
            };
            let codes = Codes {
                first: query.first,
                codes,
            };
            self.acknowledge(config, query.epoch, high, Some(codes), fx);
        }
    }

    fn acknowledge(
        &self,
        config: &ReceiverConfig,
        epoch: u64,
        high: Seq,
        codes: Option<Codes<B>>,
        fx: &mut Effects<Self>,
    ) {
        let claim = ReceiverClaim::Ack {
            epoch,
            high,
            codes,
            credit: self.credit(config),
        };
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::O1AckBeforeDurable) {
            fx.claim_early(config.edge, claim);
            return;
        }
        fx.claim(config.edge, claim);
    }

    #[cfg(seeded_bugs)]
    fn on_note(&self, config: &ReceiverConfig, note: ReceiverNote, fx: &mut Effects<Self>) {
        let ReceiverNote::Mark { high } = note;
        fx.persist(ReceiverRecord::Applied {
            first: high.next(),
            bodies: Vec::new(),
            high,
        });
        if let Some(epoch) = self.epoch {
            self.acknowledge(config, epoch, self.high, None, fx);
        }
    }

    fn on_silence_timer(&mut self, fx: &mut Effects<Self>) {
        if !self.silent {
            self.silent = true;
            fx.report(ReceiverReport::Silent);
        }
    }

    fn is_retired(&self, config: &ReceiverConfig, epoch: u64) -> bool {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::EpochNotFenced) {
            return false;
        }
        let _ = config;
        self.retired.contains(epoch)
    }

    fn refuse_retired(&self, config: &ReceiverConfig, epoch: u64, fx: &mut Effects<Self>) {
        fx.report(ReceiverReport::Fenced(epoch));
        fx.claim(config.edge, ReceiverClaim::Fenced { epoch });
    }

    fn credit(&self, config: &ReceiverConfig) -> u32 {
        if self.stalled { 0 } else { config.credit }
    }
}

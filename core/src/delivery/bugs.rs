//! Seeded bugs of delivery. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models, or be listed
//! as equivalent with the argument.

use super::{Body, Flight, Flights, ReceiverConfig, Rows, Sender, SenderConfig, SenderDurable, SenderRecord, Seq};
use crate::protocol::Effects;

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// The cloud acknowledges before its store says durable.
    O1AckBeforeDurable,
    /// The edge gives rows that it sends again fresh numbers.
    O2ResendWithFreshId,
    /// The cloud forgets at each greeting what it has applied.
    O3DedupeForgets,
    /// The cloud does not answer a batch that it has already.
    O4RepeatIsNotAnswered,
    /// After a crash the edge takes rows that it sent for acknowledged.
    O5SentCountsAsAcked,
    /// After a crash the edge does not send again what it had sent.
    O6SentStaysSent,
    /// The cloud's mark is not durable together with the rows.
    O7MarkNotDurable,
    /// The cloud commits rows and mark one after the other.
    O8TwoTransactions,
    /// The edge takes any acknowledgement for that of its oldest batch.
    O9AckByPosition,
    /// The cloud acknowledges past a hole without having the rows.
    O10AckSkipsHole,
    /// The cloud applies a batch behind a hole, and drops what would fill it.
    O11HoleIsJumped,
    /// A batch sent late makes acknowledged rows unacknowledged.
    O12FlagsFall,
    /// After a crash the edge's sequence starts again when its store is empty.
    O13SequenceRestarts,
    /// An edge restored from a copy does not notice that the cloud knows more.
    O14RestoredUnnoticed,
    /// The heartbeat's answer silences the retry timer.
    O15HeartbeatQuietsRetry,
    /// Unanswered heartbeats are not counted.
    O16HalfOpenUnnoticed,
    /// The window of batches in flight is not released when their answers are lost.
    O17WindowNotReleased,
    /// A replaced epoch is accepted again.
    EpochNotFenced,
    /// A cumulative acknowledgement also ends batches whose codes it does not carry.
    CodesOutrun,
    /// The mark that leaves with a batch's codes goes past that batch.
    MarkOutrunsCodes,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::O1AckBeforeDurable,
        Self::O2ResendWithFreshId,
        Self::O3DedupeForgets,
        Self::O4RepeatIsNotAnswered,
        Self::O5SentCountsAsAcked,
        Self::O6SentStaysSent,
        Self::O7MarkNotDurable,
        Self::O8TwoTransactions,
        Self::O9AckByPosition,
        Self::O10AckSkipsHole,
        Self::O11HoleIsJumped,
        Self::O12FlagsFall,
        Self::O13SequenceRestarts,
        Self::O14RestoredUnnoticed,
        Self::O15HeartbeatQuietsRetry,
        Self::O16HalfOpenUnnoticed,
        Self::O17WindowNotReleased,
        Self::EpochNotFenced,
        Self::CodesOutrun,
        Self::MarkOutrunsCodes,
    ];
}

pub(super) fn recovered_sender(config: &SenderConfig, mut durable: SenderDurable) -> SenderDurable {
    match config.bug {
        Some(Bug::O5SentCountsAsAcked) => durable.acked = durable.sent,
        Some(Bug::O13SequenceRestarts) if durable.oldest > durable.last => {
            durable = SenderDurable {
                epoch: durable.epoch,
                oldest: Seq(1),
                ..SenderDurable::default()
            };
        }
        _ => {}
    }
    durable
}

pub(super) fn ack(config: &SenderConfig, flights: &Flights, high: Seq) -> Seq {
    match config.bug {
        Some(Bug::O9AckByPosition) => flights.iter().next().map_or(high, |oldest| oldest.last),
        _ => high,
    }
}

pub(super) fn batch<B: Body>(
    config: &SenderConfig,
    again: bool,
    last: Seq,
    flight: Flight,
    mut rows: Rows<B>,
    fx: &mut Effects<Sender<B>>,
) -> Rows<B> {
    match config.bug {
        Some(Bug::O2ResendWithFreshId) if again => rows.first = last.next().max(flight.first),
        Some(Bug::O12FlagsFall) if again => fx.persist(SenderRecord::Rewound { to: Seq::ZERO }),
        _ => {}
    }
    rows
}

pub(super) fn gap_is_taken(config: &ReceiverConfig, first: Seq, last: Seq, high: &mut Seq) -> bool {
    let skips = config.bug == Some(Bug::O10AckSkipsHole) && first > high.next();
    if skips {
        *high = last;
    }
    skips
}

pub(super) fn flight(config: &SenderConfig, mut flight: Flight) -> Flight {
    if config.bug == Some(Bug::CodesOutrun) {
        flight.asks = false;
    }
    flight
}

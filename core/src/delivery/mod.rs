//! Delivery: rows leave an edge and are applied at the cloud, each exactly once, whatever crashes, repeats or is lost.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `delivery/OS1` A row marked acknowledged at the edge is durably applied at the cloud.
//! * `delivery/OS2` Every row is applied at most once.
//! * `delivery/OS3` Nothing is applied that was not appended.
//! * `delivery/OS4` The flags 0 new, 1 sent, 2 acknowledged only rise, but for one reported rewind when the cloud lost data.
//! * `delivery/OS5` A row leaves the edge's store only after it is acknowledged durably at both ends.
//! * `delivery/OS6` Rows of one epoch are applied in sequence order, without holes.
//! * `delivery/OS7` A row is flagged 2 only together with its household's code, or when that code was known before.
//! * `delivery/F1` A replaced epoch is refused, and one that was replaced is never served again.
//! * `delivery/OL1` When the network calms down, every appended row is eventually applied and acknowledged.
//! * `delivery/OL2` Then the window of batches in flight is never full for ever.
//! * `delivery/OL3` A dead link is eventually reported down, a live one up.
//!
//! # What it assumes
//! The store keeps what it reported durable, in order, or says that it lost it. A nonce is never drawn twice. The
//! transport may lose, repeat, delay and reorder, but it does not alter or invent.
//!
//! # Identity
//! A row is (edge, epoch, sequence). The epoch is a nonce drawn when the edge's store is made; sequences count from 1
//! without holes. A session is a nonce drawn at each start and each new greeting: a welcome that answers an older
//! greeting is not taken for an answer to this one.
//!
//! # The sender's phases
//! | phase | input | guard | next | effects |
//! | --- | --- | --- | --- | --- |
//! | Drawing | drawn nonce | store was fresh | Greeting | persist epoch; then claim Hello |
//! | Drawing | drawn nonce | – | Greeting | claim Hello |
//! | Greeting | Welcome | this session, mark ≤ what was ever sent | Streaming | send from the first unacknowledged row |
//! | Greeting | Welcome | mark < acknowledged | Streaming | persist and report the rewind |
//! | Greeting | Retry | – | Greeting | claim Hello again |
//! | Streaming | Ack | ends the oldest batch in flight | Streaming | persist flag 2 with the codes; trim; send more |
//! | Streaming | Ack | mark < acknowledged, or 0 | Streaming | doubt: old news, or the cloud lost data |
//! | Streaming | Retry | in doubt | Drawing | draw a new session |
//! | Streaming | Retry | – | Streaming | go back to the first unacknowledged row |
//! | any | a mark above what was ever sent, or Fenced | this epoch | Fenced | report: another holder of this identity |
//!
//! # Messages
//! | message | from | kind | says |
//! | --- | --- | --- | --- |
//! | Heartbeat | edge | notice | I am alive, and so many rows wait |
//! | Hello | edge | claim | this epoch, this session, the oldest row that I still hold |
//! | Batch | edge | claim | rows from `first` on, and the households whose code I do not know |
//! | Alive | cloud | notice | I am alive, and how many rows I am ready to have in flight |
//! | Welcome | cloud | claim | for this session: durable up to this mark |
//! | Ack | cloud | claim | durable up to this mark, whatever became of the batch; the codes it asked for |
//! | Fenced | cloud | claim | refused: this epoch has been replaced |
//!
//! # Flags
//! Row `s` is flagged 2 if `s ≤ acked`, 1 if `s ≤ sent`, else 0. There are no exceptions to keep: the cloud applies or
//! quarantines every row of a batch it takes, so no row is refused alone. Resending moves a volatile cursor of its own.

#[cfg(seeded_bugs)]
pub mod bugs;
mod flights;
mod image;
mod receiver;
mod sender;

pub use flights::{FLIGHTS_MAX, Flight, Flights};
pub use image::{CloudImage, EdgeImage};
pub use receiver::{CodesQuery, ReceiverNote, ReceiverReport, ReceiverTimer, Retired};
pub use receiver::{RETIRED_MAX, Receiver, ReceiverConfig, ReceiverDurable, ReceiverEvent, ReceiverRecord};
pub use sender::{Append, FenceReason, LinkState, Phase, Refusal, Sender, SenderConfig, SenderDurable};
pub use sender::{RowsQuery, SenderEvent, SenderRecord, SenderReport, SenderTimer};

use alloc::vec::Vec;
use core::fmt;

use crate::protocol::Datum;

/// Position of a row in its epoch. Row sequences start at 1; 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first row.
    pub const ZERO: Self = Self(0);

    /// The row after this one. (An epoch would need 2⁶⁴ rows to saturate.)
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The row before this one; 0 stays 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// `rows` further on.
    #[must_use]
    pub const fn plus(self, rows: u64) -> Self {
        Self(self.0.saturating_add(rows))
    }

    /// Rows from `earlier` (exclusive) to here (inclusive); 0 if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The content of a row, opaque to the protocol. Images and hosts may read whose it is.
pub trait Body: Datum {
    /// Whose reading it is.
    type Household: Datum + Ord;
    /// The code that the cloud gives each household, once and for ever.
    type Code: Datum;

    /// Whose it is.
    fn household(&self) -> Self::Household;
    /// The code a household gets when it has none yet, the same wherever it is computed.
    fn first_code(household: &Self::Household) -> Self::Code;
}

/// Rows in sequence, and the households among them whose code the edge does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rows<B: Body> {
    /// Sequence of the first row.
    pub first: Seq,
    /// The rows, without holes.
    pub bodies: Vec<B>,
    /// Sorted, each once.
    pub asks: Vec<B::Household>,
}

impl<B: Body> Rows<B> {
    /// How many rows.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.bodies.len()).unwrap_or(u64::MAX)
    }

    /// Sequence of the last row; the one before `first` if there is none.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.first.plus(self.count()).previous()
    }
}

/// The codes that one batch asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Codes<B: Body> {
    /// The first row of that batch: a later mark may cover it without carrying them.
    pub first: Seq,
    /// Sorted by household.
    pub codes: Vec<(B::Household, B::Code)>,
}

/// What the edge says without resting on anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heartbeat {
    /// Rows that are not acknowledged yet. For people to see, not a mark: nothing rests on it.
    pub backlog: u64,
}

/// What the edge says that rests on its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SenderClaim<B: Body> {
    /// Asks for a welcome.
    Hello {
        /// Of the edge's store.
        epoch: u64,
        /// Of this greeting.
        session: u64,
        /// The first row that the edge still holds.
        oldest: Seq,
    },
    /// Rows to apply.
    Batch {
        /// Of the edge's store.
        epoch: u64,
        /// The rows.
        rows: Rows<B>,
    },
}

/// What the cloud hears.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Uplink<B: Body> {
    /// A notice.
    Heartbeat(Heartbeat),
    /// A claim.
    Claim(SenderClaim<B>),
}

/// What the cloud says without resting on anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alive {
    /// Rows that may be in flight.
    pub credit: u32,
}

/// What the cloud says that rests on its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReceiverClaim<B: Body> {
    /// Answers a greeting.
    Welcome {
        /// Whose.
        epoch: u64,
        /// Which greeting.
        session: u64,
        /// Rows up to here are durable.
        high: Seq,
        /// Rows that may be in flight.
        credit: u32,
    },
    /// Answers a batch, also one that does not join on: this is how far the rows of the epoch go.
    Ack {
        /// Whose.
        epoch: u64,
        /// Rows up to here are durable.
        high: Seq,
        /// The codes that the batch asked for, if it did.
        codes: Option<Codes<B>>,
        /// Rows that may be in flight.
        credit: u32,
    },
    /// Refuses an epoch that has been replaced by another.
    Fenced {
        /// The epoch refused.
        epoch: u64,
    },
}

/// What the edge hears.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Downlink<B: Body> {
    /// A notice.
    Alive(Alive),
    /// A claim.
    Claim(ReceiverClaim<B>),
}

impl<B: Body> From<Heartbeat> for Uplink<B> {
    fn from(heartbeat: Heartbeat) -> Self {
        Self::Heartbeat(heartbeat)
    }
}

impl<B: Body> From<SenderClaim<B>> for Uplink<B> {
    fn from(claim: SenderClaim<B>) -> Self {
        Self::Claim(claim)
    }
}

impl<B: Body> From<Alive> for Downlink<B> {
    fn from(alive: Alive) -> Self {
        Self::Alive(alive)
    }
}

impl<B: Body> From<ReceiverClaim<B>> for Downlink<B> {
    fn from(claim: ReceiverClaim<B>) -> Self {
        Self::Claim(claim)
    }
}

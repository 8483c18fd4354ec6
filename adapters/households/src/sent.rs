//! What a household sent, and why.

use crate::Reading;

/// Why a record was sent, and so what must become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A reading sent at its own time: it must be in its window.
    Fresh,
    /// A reading held back for some seconds: it must be in its window still.
    Late,
    /// A record sent before, sent again: it must count once.
    Repeated,
    /// A reading held back so long that its window was closed: it must be refused and counted.
    TooLate,
    /// An event time far ahead of the clock: it must be refused and move no watermark.
    Future,
    /// Bytes that are no record: they must be refused and stop nothing.
    Malformed,
}

impl Label {
    /// Every label, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Fresh,
        Self::Late,
        Self::Repeated,
        Self::TooLate,
        Self::Future,
        Self::Malformed,
    ];

    /// Whether the reading belongs into its window.
    #[must_use]
    pub const fn counts(self) -> bool {
        matches!(self, Self::Fresh | Self::Late)
    }

    /// One lower-case word, for tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Late => "late",
            Self::Repeated => "repeated",
            Self::TooLate => "too-late",
            Self::Future => "future",
            Self::Malformed => "malformed",
        }
    }
}

/// One record in the order it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// When it was sent, on the simulated clock; also its Kafka timestamp.
    pub now_ms: i64,
    /// The household that sent it; the Kafka key.
    pub household: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// Why it was sent.
    pub label: Label,
    /// What the bytes say; nothing for malformed ones.
    pub reading: Option<Reading>,
}

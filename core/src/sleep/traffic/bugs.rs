//! Seeded bugs of traffic. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models.

use super::{Asked, Meaning, PRODUCE, classify};

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A Produce counts as what idle clients send.
    ProduceIsIdle,
    /// A kind of request that nobody knows counts as idle.
    UnknownKindIsIdle,
    /// A consumer that joins a group counts as one that has joined.
    JoinIsIdle,
    /// A heartbeat by which a member joins its group counts as one of a member that has joined.
    JoiningHeartbeatIsIdle,
    /// Every heartbeat to a group counts as one by which a member joins.
    HeartbeatIsTraffic,
    /// A heartbeat in a version that is not known counts as idle.
    UnknownHeartbeatIsIdle,
    /// An answer is awaited for a Produce that gets none.
    SilentProduceIsAwaited,
    /// An answer to a fetch is idle if its first partition is empty.
    FirstEmptyEndsIt,
    /// An answer to a fetch in a version that is not known counts as idle.
    UnknownVersionIsIdle,
    /// An answer that ends too early counts as idle.
    CutShortIsIdle,
    /// An answer is taken for that of the oldest request, whatever its number.
    OrderUnchecked,
    /// A broker that lacks a version is believed to answer in it.
    FallbackIsForgotten,
    /// The highest version that is offered is what can be read, even if the broker takes less.
    OfferIsRaised,
    /// What a connection passed before does not count.
    EachStretchAlone,
    /// Of what is earned in a stretch only whole bytes are.
    WholeBytesAreEarned,
    /// What was traffic has to be earned before the connection counts as idle again.
    TrafficIsOwed,
    /// After traffic a connection may save up anew, as if nothing had passed.
    TrafficIsForgiven,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::ProduceIsIdle,
        Self::UnknownKindIsIdle,
        Self::JoinIsIdle,
        Self::JoiningHeartbeatIsIdle,
        Self::HeartbeatIsTraffic,
        Self::UnknownHeartbeatIsIdle,
        Self::SilentProduceIsAwaited,
        Self::FirstEmptyEndsIt,
        Self::UnknownVersionIsIdle,
        Self::CutShortIsIdle,
        Self::OrderUnchecked,
        Self::FallbackIsForgotten,
        Self::OfferIsRaised,
        Self::EachStretchAlone,
        Self::WholeBytesAreEarned,
        Self::TrafficIsOwed,
        Self::TrafficIsForgiven,
    ];

    /// What it does to a request that was seen.
    pub(super) fn in_request(self, asked: &mut Asked) {
        // The last kind that Kafka had when this was written.
        const LAST_KIND: i16 = 92;
        const JOIN_GROUP: i16 = 11;
        let is_heartbeat = classify(asked.key) == Meaning::ByEpoch;
        match self {
            Self::ProduceIsIdle if asked.key == PRODUCE => asked.meaning = Meaning::Idle,
            Self::UnknownKindIsIdle if asked.key > LAST_KIND => asked.meaning = Meaning::Idle,
            Self::JoinIsIdle if asked.key == JOIN_GROUP => asked.meaning = Meaning::Idle,
            Self::JoiningHeartbeatIsIdle if is_heartbeat => asked.meaning = Meaning::Idle,
            Self::HeartbeatIsTraffic if is_heartbeat => asked.meaning = Meaning::Traffic,
            Self::SilentProduceIsAwaited => asked.is_answered = true,
            Self::ProduceIsIdle
            | Self::UnknownKindIsIdle
            | Self::JoinIsIdle
            | Self::JoiningHeartbeatIsIdle
            | Self::HeartbeatIsTraffic
            | Self::UnknownHeartbeatIsIdle
            | Self::FirstEmptyEndsIt
            | Self::UnknownVersionIsIdle
            | Self::CutShortIsIdle
            | Self::OrderUnchecked
            | Self::FallbackIsForgotten
            | Self::OfferIsRaised
            | Self::EachStretchAlone
            | Self::WholeBytesAreEarned
            | Self::TrafficIsOwed
            | Self::TrafficIsForgiven => {}
        }
    }

    /// What it does to what is earned in a stretch, in thousandths of a byte.
    pub(super) const fn in_earned(self, earned: u64) -> u64 {
        if matches!(self, Self::WholeBytesAreEarned) {
            (earned / 1000).saturating_mul(1000)
        } else {
            earned
        }
    }

    /// What it makes of what stands on an account: as it would be, and as it is kept.
    pub(super) const fn in_level(self, level: u64, kept: u64) -> u64 {
        if matches!(self, Self::EachStretchAlone) || matches!(self, Self::TrafficIsForgiven) && level > kept {
            0
        } else if matches!(self, Self::TrafficIsOwed) {
            level
        } else {
            kept
        }
    }
}

//! What a client sends: requests, each behind its length.

#[cfg(seeded_bugs)]
use super::bugs::Bug;
use super::field::{Field, said};
use super::versions::readable;
use super::{Meaning, Misframed, PRODUCE, classify};

/// Kind, version and number of a request: what every frame of a client begins with.
const HEAD_BYTES: i32 = 8;

/// The highest version of Produce whose head is known.
pub(super) const PRODUCE_MAX: i16 = 13;

/// The version of Produce from which its fields are flexible, and the first that names a transaction.
const PRODUCE_FLEXIBLE: i16 = 9;
const PRODUCE_TRANSACTIONAL: i16 = 3;

/// A request that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Its kind: Kafka's *api key*.
    pub key: i16,
    /// The version that it is written in.
    pub version: i16,
    /// The number that its answer will carry.
    pub correlation: i32,
    /// Whether the broker answers it: all but a Produce with `acks=0`.
    pub is_answered: bool,
    /// What its kind says, and of a group's heartbeat its epoch: so it is never [`Meaning::ByEpoch`].
    pub meaning: Meaning,
}

/// Finds the requests in what a client sends.
#[derive(Clone, Debug)]
pub struct Requests {
    bytes_max: i32,
    at: At,
    field: Field,
    left: u32,
    asked: Asked,
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Length,
    Key,
    Version,
    Correlation,
    // In a Produce until it is known whether it is answered, in a group's heartbeat up to its epoch.
    ClientLength,
    Client,
    Tags,
    TransactionLength,
    Transaction,
    Acks,
    GroupLength,
    Group,
    MemberLength,
    Member,
    Epoch,
    Rest,
}

impl Requests {
    /// Nothing seen yet. A request longer than `bytes_max` is not one.
    #[must_use]
    pub const fn new(bytes_max: i32) -> Self {
        Self {
            bytes_max,
            at: At::Length,
            field: Field::number(4),
            left: 0,
            asked: Asked {
                key: 0,
                version: 0,
                correlation: 0,
                is_answered: true,
                meaning: Meaning::Traffic,
            },
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub const fn with_bug(mut self, bug: Option<Bug>) -> Self {
        self.bug = bug;
        self
    }

    /// Takes the next bytes, and tells each request whose head is complete with them. It is told before the byte that could
    /// complete the request has been taken by anybody else, so an answer never comes earlier than this.
    ///
    /// # Errors
    /// If these are no requests of Kafka's; what was told before stands.
    pub fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(Asked)) -> Result<(), Misframed> {
        let mut bytes = bytes;
        loop {
            if self.at == At::Rest {
                let passed = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = bytes.get(passed..).unwrap_or(&[]);
                self.left = self.left.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
                if self.left > 0 {
                    return Ok(());
                }
                self.next(At::Length, Field::number(4));
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            let is_length = self.at == At::Length;
            if !is_length {
                self.left = self.left.saturating_sub(1);
            }
            if let Some(value) = self.field.take(*byte) {
                self.advance(value, &mut tell)?;
                while self.field.is_nothing() && self.at != At::Rest {
                    self.advance(0, &mut tell)?;
                }
            }
            // It ends within its head: the broker will refuse it.
            if self.left == 0 && self.at != At::Length && self.at != At::Rest {
                self.done(true, Meaning::Traffic, &mut tell);
            }
        }
    }

    /// Whether the bytes so far ended with a whole request, and nothing after it.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.at == At::Length && matches!(self.field, Field::Number { left: 4, .. })
    }

    fn advance(&mut self, value: u32, tell: &mut impl FnMut(Asked)) -> Result<(), Misframed> {
        let is_heartbeat = classify(self.asked.key) == Meaning::ByEpoch;
        let flexible = is_heartbeat || self.asked.version >= PRODUCE_FLEXIBLE;
        match self.at {
            At::Length => {
                let length = value.cast_signed();
                if length < HEAD_BYTES || length > self.bytes_max {
                    return Err(Misframed { length });
                }
                self.left = value;
                self.next(At::Key, Field::number(2));
            }
            At::Key => {
                self.asked.key = short(value);
                self.next(At::Version, Field::number(2));
            }
            At::Version => {
                self.asked.version = short(value);
                self.next(At::Correlation, Field::number(4));
            }
            At::Correlation => {
                self.asked.correlation = value.cast_signed();
                match classify(self.asked.key) {
                    Meaning::Traffic if self.asked.key == PRODUCE => self.next(At::ClientLength, Field::number(2)),
                    Meaning::ByEpoch if readable(self.asked.key, self.asked.version) => {
                        self.next(At::ClientLength, Field::number(2));
                    }
                    Meaning::ByEpoch => self.done(true, self.unread(), tell),
                    meaning @ (Meaning::Idle | Meaning::Traffic | Meaning::ByAnswer) => self.done(true, meaning, tell),
                }
            }
            At::ClientLength => self.next(At::Client, Field::skip(said(false, 2, value).into())),
            At::Client if flexible => self.next(At::Tags, Field::tags()),
            At::Tags if is_heartbeat => self.next(At::GroupLength, Field::varint()),
            At::GroupLength => self.next(At::Group, Field::skip(said(true, 2, value).into())),
            At::Group => self.next(At::MemberLength, Field::varint()),
            At::MemberLength => self.next(At::Member, Field::skip(said(true, 2, value).into())),
            At::Member => self.next(At::Epoch, Field::number(4)),
            // Who leaves says so by a negative one.
            At::Epoch if value == 0 => self.done(true, Meaning::Traffic, tell),
            At::Epoch => self.done(true, Meaning::Idle, tell),
            At::Client | At::Tags if self.asked.version >= PRODUCE_TRANSACTIONAL => {
                self.next(At::TransactionLength, Field::length(flexible, 2));
            }
            At::TransactionLength => self.next(At::Transaction, Field::skip(said(flexible, 2, value).into())),
            At::Client | At::Tags | At::Transaction => self.next(At::Acks, Field::number(2)),
            At::Acks => self.done(value != 0, Meaning::Traffic, tell),
            At::Rest => {}
        }
        Ok(())
    }

    /// What a heartbeat in a version that is not known is.
    #[cfg(not(seeded_bugs))]
    const fn unread(&self) -> Meaning {
        let _ = self;
        Meaning::Traffic
    }

    #[cfg(seeded_bugs)]
    fn unread(&self) -> Meaning {
        if self.bug == Some(Bug::UnknownHeartbeatIsIdle) {
            Meaning::Idle
        } else {
            Meaning::Traffic
        }
    }

    fn done(&mut self, is_answered: bool, meaning: Meaning, tell: &mut impl FnMut(Asked)) {
        self.asked.is_answered = is_answered;
        self.asked.meaning = meaning;
        #[cfg(seeded_bugs)]
        if let Some(bug) = self.bug {
            bug.in_request(&mut self.asked);
        }
        tell(self.asked);
        self.next(At::Rest, Field::skip(0));
    }

    const fn next(&mut self, at: At, field: Field) {
        self.at = at;
        self.field = field;
    }
}

/// The lower two bytes.
const fn short(value: u32) -> i16 {
    let [_, _, high, low] = value.to_be_bytes();
    i16::from_be_bytes([high, low])
}

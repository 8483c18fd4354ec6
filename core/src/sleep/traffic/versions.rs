//! An answer to ApiVersions: which versions of each kind of request a broker takes. What is read elsewhere in this module
//! is offered only as far as it can be read.
//!
//! Clients use the newest version that both sides know, so one that is not offered is not used. Only the highest version of
//! the kinds in [`READABLE`] is ever changed, and only downwards. It has two bytes whatever it says, so no length changes, and
//! it is changed byte by byte as it passes: nothing is held back.
//!
//! | version of the answer | form |
//! | --- | --- |
//! | 0 | error, then count and (kind, lowest, highest) for each kind |
//! | 1, 2 | the same, and a throttle time behind it |
//! | 3, 4 | the count is a varint, and each entry ends with tags |
//! | newer, with the error "unsupported version" | 0: so brokers answer those who ask in a version that they lack |
//! | newer | unknown, passed untouched; whoever then fetches in a version that cannot be read is traffic |
//!
//! The head of this answer has no tags in any version.

use super::answers::FETCH_MAX;
#[cfg(seeded_bugs)]
use super::bugs::Bug;
use super::field::{Field, said};
use super::requests::PRODUCE_MAX;
use super::{FETCH, PRODUCE};

/// The highest versions that can be read here: of fetches the answer, of a Produce and of groups' heartbeats the head.
pub const READABLE: [(i16, i16); 5] = [(PRODUCE, PRODUCE_MAX), (FETCH, FETCH_MAX), (68, 1), (76, 1), (88, 0)];

/// Whether a request of this kind, which has to be read, can be read in this version.
pub(super) fn readable(key: i16, version: i16) -> bool {
    let mut known = READABLE.iter();
    known.any(|(kind, highest)| *kind == key && (0..=*highest).contains(&version))
}

/// The highest version of this answer whose form is known.
const KNOWN_MAX: i16 = 4;

/// The first version with varints and tags.
const FLEXIBLE: i16 = 3;

/// Kafka's error for a version that a broker lacks.
const UNSUPPORTED_VERSION: u32 = 35;

/// Walks through one answer up to its last entry.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    version: i16,
    at: In,
    field: Field,
    left: u32,
    /// What may be offered of the kind at hand, if it has to be read.
    readable: Option<[u8; 2]>,
    /// The lowest version of the kind at hand.
    lowest: [u8; 2],
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    Error,
    Count,
    Kind,
    Lowest,
    HighestFirst,
    /// The first byte of the highest version was equal to that of what may be offered, or not.
    HighestSecond(FirstByte),
    Tags,
}

/// How the first byte of a version compares with that of what may be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstByte {
    Below,
    Equal,
    Above,
}

impl Offered {
    pub(super) const fn new(version: i16) -> Self {
        Self {
            version,
            at: In::Error,
            field: Field::number(2),
            left: 0,
            readable: None,
            lowest: [0; 2],
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    #[cfg(seeded_bugs)]
    pub(super) const fn seed(&mut self, bug: Option<Bug>) {
        self.bug = bug;
    }

    /// Whether this error says that the answer is in version 0, whatever was asked.
    #[cfg(not(seeded_bugs))]
    const fn is_fallback(&self, error: u32) -> bool {
        let _ = self;
        error == UNSUPPORTED_VERSION
    }

    #[cfg(seeded_bugs)]
    fn is_fallback(&self, error: u32) -> bool {
        error == UNSUPPORTED_VERSION && self.bug != Some(Bug::FallbackIsForgotten)
    }

    /// Takes a byte, and changes it if it is one to change. Whether that was the last that matters.
    pub(super) fn take(&mut self, byte: &mut u8) -> bool {
        match self.at {
            In::HighestFirst => {
                self.at = In::HighestSecond(self.first(byte));
                return false;
            }
            In::HighestSecond(first) => {
                self.second(byte, first);
                if self.version < FLEXIBLE {
                    return self.next_entry();
                }
                self.next(In::Tags, Field::tags());
                return false;
            }
            In::Error | In::Count | In::Kind | In::Lowest | In::Tags => {}
        }
        self.field.take(*byte).is_some_and(|value| self.advance(value))
    }

    fn advance(&mut self, value: u32) -> bool {
        match self.at {
            In::Error => {
                if self.is_fallback(value) {
                    self.version = 0;
                } else if self.version > KNOWN_MAX || self.version < 0 {
                    return true;
                }
                self.next(In::Count, Field::length(self.version >= FLEXIBLE, 4));
                false
            }
            In::Count => {
                self.left = said(self.version >= FLEXIBLE, 4, value);
                self.next_entry()
            }
            In::Kind => {
                self.readable = READABLE
                    .iter()
                    .find(|(kind, _)| u32::from(kind.cast_unsigned()) == value)
                    .map(|(_, highest)| highest.to_be_bytes());
                self.next(In::Lowest, Field::number(2));
                false
            }
            In::Lowest => {
                let [_, _, first, second] = value.to_be_bytes();
                self.lowest = [first, second];
                self.at = In::HighestFirst;
                false
            }
            In::HighestFirst | In::HighestSecond(_) => false,
            In::Tags => self.next_entry(),
        }
    }

    /// The first byte of the highest version.
    fn first(&self, byte: &mut u8) -> FirstByte {
        // If even the lowest is too high, the client could use none: rather one that cannot be read. And a negative version is
        // nobody's.
        let Some([first, _]) = self
            .readable
            .filter(|readable| self.lowest <= *readable && *byte < 0x80)
        else {
            return FirstByte::Below;
        };
        match (*byte).cmp(&first) {
            core::cmp::Ordering::Less => FirstByte::Below,
            core::cmp::Ordering::Equal => FirstByte::Equal,
            core::cmp::Ordering::Greater => {
                *byte = first;
                FirstByte::Above
            }
        }
    }

    fn second(&self, byte: &mut u8, first: FirstByte) {
        let Some([_, second]) = self.readable else {
            return;
        };
        match first {
            FirstByte::Below => {}
            #[cfg(seeded_bugs)]
            FirstByte::Equal if self.bug == Some(Bug::OfferIsRaised) => *byte = second,
            FirstByte::Equal => *byte = (*byte).min(second),
            FirstByte::Above => *byte = second,
        }
    }

    const fn next_entry(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return true;
        };
        self.left = left;
        self.next(In::Kind, Field::number(2));
        false
    }

    const fn next(&mut self, at: In, field: Field) {
        self.at = at;
        self.field = field;
    }
}

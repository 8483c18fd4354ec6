//! What a broker sends: answers, each behind its length; whether an answer to a fetch carries records, and what an answer to
//! ApiVersions may offer.

use super::Misframed;
#[cfg(seeded_bugs)]
use super::bugs::Bug;
use super::field::{Field, said};
use super::flight::Awaited;
use super::versions::Offered;

/// The number of the request: what every answer begins with.
const HEAD_BYTES: i32 = 4;

/// The versions of Fetch whose answers can be read here.
const FETCH_VERSIONS: core::ops::RangeInclusive<i16> = 4..=FETCH_MAX;
pub(super) const FETCH_MAX: i16 = 18;

/// Finds the answers in what a broker sends, and those that tell of traffic.
#[derive(Clone, Debug)]
pub struct Answers {
    field: Field,
    left: u32,
    at: At,
    fetched: Fetched,
    offered: Offered,
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Length,
    Correlation,
    Fetched,
    Offered,
    Rest,
}

impl Answers {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            field: Field::number(4),
            left: 0,
            at: At::Length,
            fetched: Fetched::new(0),
            offered: Offered::new(0),
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

    /// Takes the next bytes. Of each answer that begins in them it asks once, by its number, what it is the answer to. How many
    /// answers told of traffic: fetches with records, and whatever could not be understood.
    ///
    /// It changes nothing but what an answer to ApiVersions offers beyond [`READABLE`](super::READABLE), in place.
    ///
    /// # Errors
    /// If these are no answers of Kafka's.
    pub fn feed(&mut self, bytes: &mut [u8], mut awaited: impl FnMut(i32) -> Awaited) -> Result<u32, Misframed> {
        let (mut bytes, mut traffic) = (bytes, 0_u32);
        loop {
            if self.at == At::Rest {
                let passed = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = bytes.get_mut(passed..).unwrap_or_default();
                self.left = self.left.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
                if self.left > 0 {
                    return Ok(traffic);
                }
                self.next(At::Length, Field::number(4));
            }
            let Some((byte, rest)) = bytes.split_first_mut() else {
                return Ok(traffic);
            };
            bytes = rest;
            if self.at != At::Length {
                self.left = self.left.saturating_sub(1);
            }
            let verdict = match self.at {
                At::Fetched => self.fetched.take(*byte),
                At::Offered => self.offered.take(byte).then_some(false),
                At::Length => {
                    if let Some(value) = self.field.take(*byte) {
                        let length = value.cast_signed();
                        if length < HEAD_BYTES {
                            return Err(Misframed { length });
                        }
                        self.left = value;
                        self.next(At::Correlation, Field::number(4));
                    }
                    continue;
                }
                At::Correlation => match self.field.take(*byte).map(|value| awaited(value.cast_signed())) {
                    None => continue,
                    Some(Awaited::Other) => Some(false),
                    Some(Awaited::Unknown) => Some(true),
                    Some(Awaited::Versions(version)) => {
                        self.offered = Offered::new(version);
                        #[cfg(seeded_bugs)]
                        self.offered.seed(self.bug);
                        self.at = At::Offered;
                        None
                    }
                    Some(Awaited::Fetch(version)) => {
                        self.fetched = Fetched::new(version);
                        #[cfg(seeded_bugs)]
                        self.fetched.seed(self.bug);
                        self.at = At::Fetched;
                        (!FETCH_VERSIONS.contains(&version)).then_some(self.unread(Unread::Version))
                    }
                },
                At::Rest => None,
            };
            // One that ends before it has told is not understood.
            let verdict = verdict.or_else(|| (self.left == 0).then_some(self.unread(Unread::CutShort)));
            if let Some(is_traffic) = verdict {
                traffic = traffic.saturating_add(is_traffic.into());
                self.at = At::Rest;
            }
        }
    }

    /// What cannot be read is traffic, whatever the reason.
    #[cfg(not(seeded_bugs))]
    const fn unread(&self, _why: Unread) -> bool {
        let _ = self;
        true
    }

    #[cfg(seeded_bugs)]
    const fn unread(&self, why: Unread) -> bool {
        !matches!(
            (self.bug, why),
            (Some(Bug::UnknownVersionIsIdle), Unread::Version) | (Some(Bug::CutShortIsIdle), Unread::CutShort)
        )
    }

    const fn next(&mut self, at: At, field: Field) {
        self.at = at;
        self.field = field;
    }
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Version,
    CutShort,
}

impl Default for Answers {
    fn default() -> Self {
        Self::new()
    }
}

/// Walks through an answer to a fetch up to the first partition that carries records, or to the last that does not.
#[derive(Clone, Debug)]
struct Fetched {
    version: i16,
    at: In,
    field: Field,
    topics_left: u32,
    partitions_left: u32,
    aborted_left: u32,
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    HeaderTags,
    /// Throttle time; error and session.
    Top,
    TopicCount,
    TopicName,
    /// The name or the id.
    Topic,
    PartitionCount,
    /// Number, error, and where the log starts and ends.
    Partition,
    AbortedCount,
    Aborted,
    AbortedTags,
    ReadFrom,
    RecordBytes,
    PartitionTags,
    TopicTags,
}

impl Fetched {
    const fn new(version: i16) -> Self {
        let (at, field) = if version >= 12 {
            (In::HeaderTags, Field::tags())
        } else {
            (In::Top, Self::top(version))
        };
        Self {
            version,
            at,
            field,
            topics_left: 0,
            partitions_left: 0,
            aborted_left: 0,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    #[cfg(seeded_bugs)]
    const fn seed(&mut self, bug: Option<Bug>) {
        self.bug = bug;
    }

    const fn top(version: i16) -> Field {
        Field::skip(if version >= 7 { 10 } else { 4 })
    }

    /// Takes a byte. Whether the answer carries records, once that is known.
    fn take(&mut self, byte: u8) -> Option<bool> {
        let value = self.field.take(byte)?;
        let mut verdict = self.advance(value);
        while verdict.is_none() && self.field.is_nothing() {
            verdict = self.advance(0);
        }
        verdict
    }

    fn advance(&mut self, value: u32) -> Option<bool> {
        let flexible = self.version >= 12;
        match self.at {
            In::HeaderTags => self.next(In::Top, Self::top(self.version)),
            In::Top => self.next(In::TopicCount, Field::length(flexible, 4)),
            In::TopicCount => {
                self.topics_left = said(flexible, 4, value);
                return self.next_topic();
            }
            In::TopicName => self.next(In::Topic, Field::skip(said(flexible, 2, value).into())),
            In::Topic => self.next(In::PartitionCount, Field::length(flexible, 4)),
            In::PartitionCount => {
                self.partitions_left = said(flexible, 4, value);
                return self.next_partition();
            }
            In::Partition => self.next(In::AbortedCount, Field::length(flexible, 4)),
            In::AbortedCount => {
                self.aborted_left = said(flexible, 4, value);
                self.next_aborted();
            }
            In::Aborted if flexible => self.next(In::AbortedTags, Field::tags()),
            In::Aborted | In::AbortedTags => self.next_aborted(),
            In::ReadFrom => self.next(In::RecordBytes, Field::length(flexible, 4)),
            In::RecordBytes if said(flexible, 4, value) > 0 => return Some(true),
            #[cfg(seeded_bugs)]
            In::RecordBytes if self.bug == Some(Bug::FirstEmptyEndsIt) => return Some(false),
            In::RecordBytes if flexible => self.next(In::PartitionTags, Field::tags()),
            In::RecordBytes | In::PartitionTags => return self.next_partition(),
            In::TopicTags => return self.next_topic(),
        }
        None
    }

    fn next_topic(&mut self) -> Option<bool> {
        let Some(left) = self.topics_left.checked_sub(1) else {
            return Some(false);
        };
        self.topics_left = left;
        if self.version >= 13 {
            self.next(In::Topic, Field::skip(16));
        } else {
            self.next(In::TopicName, Field::length(self.version >= 12, 2));
        }
        None
    }

    fn next_partition(&mut self) -> Option<bool> {
        if let Some(left) = self.partitions_left.checked_sub(1) {
            self.partitions_left = left;
            self.next(In::Partition, Field::skip(if self.version >= 5 { 30 } else { 22 }));
            None
        } else if self.version >= 12 {
            self.next(In::TopicTags, Field::tags());
            None
        } else {
            self.next_topic()
        }
    }

    const fn next_aborted(&mut self) {
        if let Some(left) = self.aborted_left.checked_sub(1) {
            self.aborted_left = left;
            self.next(In::Aborted, Field::skip(16));
        } else {
            // The replica to read from came with version 11.
            self.next(In::ReadFrom, Field::skip(if self.version >= 11 { 4 } else { 0 }));
        }
    }

    const fn next(&mut self, at: In, field: Field) {
        self.at = at;
        self.field = field;
    }
}

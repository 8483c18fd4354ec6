//! A copy's log, as little of it as tells whether a record is lost.

use std::fmt;

/// The most records of one partition.
pub const RECORDS: u8 = 4;

/// The records of one copy, oldest first. Each is a number that is given once in its partition, so two logs agree up to where
/// their numbers do; leader epochs say the same to a real follower.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log(u16);

impl Log {
    /// How many records.
    #[must_use]
    pub const fn len(self) -> u8 {
        let bits = 16 - self.0.leading_zeros();
        bits.div_ceil(4) as u8
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The records, oldest first.
    pub fn records(self) -> impl Iterator<Item = u8> {
        (0..self.len()).map(move |at| (self.0 >> (4 * at) & 15) as u8)
    }

    /// Whether it holds this record.
    #[must_use]
    pub fn holds(self, record: u8) -> bool {
        self.records().any(|it| it == record)
    }

    /// With one record more.
    #[must_use]
    pub fn with(self, record: u8) -> Self {
        debug_assert!(self.len() < RECORDS && (1..16).contains(&record));
        Self(self.0 | u16::from(record) << (4 * self.len()))
    }

    /// Its first records.
    #[must_use]
    pub const fn first(self, count: u8) -> Self {
        if count >= RECORDS {
            self
        } else {
            Self(self.0 & ((1 << (4 * count)) - 1))
        }
    }

    /// How many first records both have.
    #[must_use]
    pub fn common(self, other: Self) -> u8 {
        let same = self.records().zip(other.records()).take_while(|(a, b)| a == b);
        u8::try_from(same.count()).expect("few records")
    }

    /// Whether the other one begins with all of this.
    #[must_use]
    pub fn is_start_of(self, other: Self) -> bool {
        self.common(other) == self.len()
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.records()).finish()
    }
}

//! Virtual time, in whole microseconds.

use std::fmt;
use std::ops::{Add, Sub};

use pehra_core::types::Ticks;

/// A moment, in microseconds since the world began; also a length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// So many milliseconds.
#[must_use]
pub const fn ms(milliseconds: u64) -> Time {
    Time(milliseconds * 1000)
}

impl From<Ticks> for Time {
    fn from(ticks: Ticks) -> Self {
        ms(u64::from(ticks.0))
    }
}

impl Add for Time {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self(self.0 + more.0)
    }
}

impl Sub for Time {
    type Output = Self;

    /// What lies between; nothing if it is the other way round.
    fn sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}

impl Time {
    /// So many thousandths of it: 1500 is one and a half times.
    #[must_use]
    pub const fn permille(self, thousandths: u64) -> Self {
        Self(self.0 * thousandths / 1000)
    }

    /// How many thousandths of `whole` it is, rounded up: a bound that is kept in this measure is kept.
    #[must_use]
    pub const fn in_permille_of(self, whole: Self) -> u64 {
        (self.0 * 1000).div_ceil(whole.0)
    }
}

impl fmt::Display for Time {
    /// In milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A range of lengths, both ends included, from which one is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The shortest.
    pub min: Time,
    /// The longest.
    pub max: Time,
}

impl Span {
    /// From so many to so many microseconds.
    #[must_use]
    pub const fn us(min: u64, max: u64) -> Self {
        Self {
            min: Time(min),
            max: Time(max),
        }
    }

    /// From so many to so many milliseconds.
    #[must_use]
    pub const fn ms(min: u64, max: u64) -> Self {
        Self {
            min: ms(min),
            max: ms(max),
        }
    }
}

/// How fast a machine's clock runs: so many millionths faster than true time, slower if negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClockRate {
    /// Millionths. ±100 is a poor crystal, ±10 000 a broken one.
    pub ppm: i32,
}

impl ClockRate {
    /// How long it really takes until this clock has advanced by so much.
    #[must_use]
    pub fn really(self, shown: Time) -> Time {
        let per_million = u64::try_from(1_000_000 + i64::from(self.ppm)).unwrap_or(1).max(1);
        Time((shown.0 * 1_000_000).div_ceil(per_million))
    }
}

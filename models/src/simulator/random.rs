//! Where chance comes from: streams of numbers, each named by a seed and a purpose.

use super::time::{Span, Time};

/// A stream of numbers. Every link, disk and node has its own, so that a fault at one of them does not change what
/// happens by chance at the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Random(u64);

/// Spreads every bit of a number over all of it; different numbers stay different (the finisher of SplitMix64).
#[must_use]
pub const fn spread(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream for a purpose.
    #[must_use]
    pub const fn new(seed: u64, purpose: u64) -> Self {
        Self(spread(spread(seed ^ 0x5045_4852_4100_0000).wrapping_add(purpose)))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        spread(self.0)
    }

    /// One of `0..count`; 0 if there is none.
    pub fn below(&mut self, count: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(count);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// One of `min..=max`.
    pub fn between(&mut self, min: u64, max: u64) -> u64 {
        min + self.below(max.saturating_sub(min).saturating_add(1))
    }

    /// A length within a span.
    pub fn within(&mut self, span: Span) -> Time {
        Time(self.between(span.min.0, span.max.0))
    }

    /// True in so many of a thousand cases. Certainties draw nothing.
    pub fn chance(&mut self, permille: u16) -> bool {
        match permille {
            0 => false,
            1000.. => true,
            permille => self.below(1000) < u64::from(permille),
        }
    }
}

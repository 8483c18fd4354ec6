//! A small seeded random source.
//!
//! The generator promises the same bytes for the same seed on every machine and for every later version of this
//! crate. A library generator promises that only per version, so the few lines are here: SplitMix64, whose whole
//! state is one counter and whose output passes the usual statistical batteries.

/// SplitMix64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(u64);

/// The odd constant the counter advances by: 2⁶⁴ divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function: a bijection of the 64-bit numbers that spreads every input bit.
#[must_use]
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// A source that depends on nothing but `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The source of part `index` of something seeded with `seed`; parts are independent of each other.
    #[must_use]
    pub const fn part(seed: u64, index: u64) -> Self {
        Self(mix(seed ^ mix(index.wrapping_add(GOLDEN))))
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in `0..bound`; 0 if `bound` is 0. Multiply-shift: the bias is below 2⁻³² for the bounds used here.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// A number in `low..=high`.
    pub const fn between(&mut self, low: i64, high: i64) -> i64 {
        debug_assert!(low <= high);
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True in `n` of a thousand cases.
    pub const fn per_mille(&mut self, n: u32) -> bool {
        self.below(1_000) < n as u64
    }

    /// True in `n` of a million cases.
    pub const fn per_million(&mut self, n: u64) -> bool {
        self.below(1_000_000) < n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sequence_of_seed_zero() {
        let mut rng = Rng::new(0);
        assert_eq!(rng.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(rng.next_u64(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(rng.next_u64(), 0x06c4_5d18_8009_454f);
    }

    #[test]
    fn bounds_hold_and_are_reached() {
        let mut rng = Rng::new(7);
        let drawn: Vec<i64> = (0..2_000).map(|_| rng.between(-3, 3)).collect();
        assert_eq!(drawn.iter().min(), Some(&-3));
        assert_eq!(drawn.iter().max(), Some(&3));
        assert_eq!(rng.below(0), 0);
        assert_eq!((0..10_000).filter(|_| rng.per_mille(0)).count(), 0);
        let hits = (0..100_000).filter(|_| rng.per_mille(100)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
    }
}

//! A set of times that stays small when the times come at a steady pace.

use std::collections::BTreeMap;

/// A set of times, kept as runs of equal distance: a day of one meter without gaps is one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSet {
    step: i64,
    len: u64,
    /// (time modulo step, time divided by step) of a run's first time -> how many times the run holds. Runs of one
    /// remainder never touch or overlap: they would have been merged.
    runs: BTreeMap<(i64, i64), i64>,
}

impl TimeSet {
    /// An empty set for times about `step_ms` apart.
    #[must_use]
    pub fn new(step_ms: i64) -> Self {
        Self {
            step: step_ms.max(1),
            len: 0,
            runs: BTreeMap::new(),
        }
    }

    /// Adds a time; false if it was there.
    pub fn insert(&mut self, time_ms: i64) -> bool {
        if self.contains(time_ms) {
            return false;
        }
        let (rest, at) = self.split(time_ms);
        let behind = self.runs.remove(&(rest, at + 1)).unwrap_or(0);
        match self.before(rest, at) {
            Some((first, count)) if first + count == at => self.runs.insert((rest, first), count + 1 + behind),
            _ => self.runs.insert((rest, at), 1 + behind),
        };
        self.len += 1;
        true
    }

    /// Whether the time is in the set.
    #[must_use]
    pub fn contains(&self, time_ms: i64) -> bool {
        let (rest, at) = self.split(time_ms);
        self.before(rest, at).is_some_and(|(first, count)| at < first + count)
    }

    /// How many times are in the set.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many runs the set is kept as.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Every time once, run by run: in order of time if all have the same remainder.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        let step = self.step;
        let runs = self.runs.iter();
        runs.flat_map(move |(&(rest, first), &count)| (first..first + count).map(move |at| at * step + rest))
    }

    fn split(&self, time_ms: i64) -> (i64, i64) {
        (time_ms.rem_euclid(self.step), time_ms.div_euclid(self.step))
    }

    fn before(&self, rest: i64, at: i64) -> Option<(i64, i64)> {
        let run = self.runs.range((rest, i64::MIN)..=(rest, at)).next_back();
        run.map(|(&(_, first), &count)| (first, count))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_plain_set(times in prop::collection::vec(-60i64..60, 0..80)) {
            let (mut set, mut plain) = (TimeSet::new(3), BTreeSet::new());
            for time in times {
                prop_assert_eq!(set.insert(time), plain.insert(time));
            }
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), plain.clone());
            for time in -70..70 {
                prop_assert_eq!(set.contains(time), plain.contains(&time));
            }
        }
    }

    #[test]
    fn a_steady_day_is_one_run_however_it_arrives() {
        let mut set = TimeSet::new(2_000);
        for k in (0..43_200).step_by(2).chain((1..43_200).step_by(2)) {
            assert!(set.insert(1_577_145_600_123 + k * 2_000));
        }
        assert_eq!((set.len(), set.runs()), (43_200, 1));
    }
}

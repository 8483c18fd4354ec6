//! Traffic by the number of bytes alone, where what passes cannot be read.

use super::Meaning;

/// What passed in one stretch of time. Stretches have to be of one length, and of ten seconds or more: idle clients commit and
/// send signs of life every few seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Passed {
    /// Bytes, in both directions.
    pub bytes: u64,
    /// Connections that were there for some of it.
    pub connections: u32,
}

/// How many bytes idle connections need, learned while somebody who knows says that all are idle.
///
/// It tells little: a record that is smaller than what idle clients send passes for nothing. So it is for gears in which a
/// broker that sleeps refuses no write, and only where there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Of one connection in one stretch.
    bytes_max: Option<u64>,
    margin_permille: u16,
}

impl Baseline {
    /// Nothing is learned yet, so all is traffic. Later what is more than learned by this share is.
    #[must_use]
    pub const fn new(margin_permille: u16) -> Self {
        Self {
            bytes_max: None,
            margin_permille,
        }
    }

    /// A stretch in which everybody was idle.
    pub fn learn(&mut self, idle: Passed) {
        if idle.connections == 0 {
            return;
        }
        let each = idle.bytes.div_ceil(idle.connections.into());
        self.bytes_max = Some(self.bytes_max.map_or(each, |most| most.max(each)));
    }

    /// What a stretch says: traffic, or nothing.
    #[must_use]
    pub fn meaning(&self, passed: Passed) -> Meaning {
        let idle = self.bytes_max.is_some_and(|each| {
            let most = u128::from(each)
                .saturating_mul(passed.connections.into())
                .saturating_mul(u128::from(self.margin_permille).saturating_add(1000));
            u128::from(passed.bytes).saturating_mul(1000) <= most
        });
        if idle { Meaning::Idle } else { Meaning::Traffic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn passed(bytes: u64, connections: u32) -> Passed {
        Passed { bytes, connections }
    }

    #[test]
    fn all_is_traffic_until_something_is_learned() {
        let mut baseline = Baseline::new(500);
        assert_eq!(baseline.meaning(passed(0, 1)), Meaning::Traffic);
        // Where nobody is, nothing can be learned.
        baseline.learn(passed(1000, 0));
        assert_eq!(baseline.meaning(passed(0, 0)), Meaning::Traffic);
    }

    #[test]
    fn more_than_learned_and_the_margin_is_traffic() {
        let mut baseline = Baseline::new(500);
        baseline.learn(passed(1000, 2));
        baseline.learn(passed(100, 1));
        assert_eq!(baseline.meaning(passed(750, 1)), Meaning::Idle);
        assert_eq!(baseline.meaning(passed(751, 1)), Meaning::Traffic);
        assert_eq!(baseline.meaning(passed(2250, 3)), Meaning::Idle);
        assert_eq!(baseline.meaning(passed(2251, 3)), Meaning::Traffic);
        assert_eq!(baseline.meaning(passed(1, 0)), Meaning::Traffic, "bytes of nobody");
        assert_eq!(baseline.meaning(passed(u64::MAX, u32::MAX)), Meaning::Traffic);
    }
}

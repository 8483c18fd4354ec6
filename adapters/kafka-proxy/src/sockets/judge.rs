//! Whether what passed is more than chatter.

use std::collections::BTreeMap;

use pehra_core::sleep::traffic::{Account, Allowance, Meaning, SAVED_MS};

use super::ledger::{Grown, Stretch};

/// Holds what each connection passes against its allowance.
///
/// A connection that leaves before it is as old as what it may save up leaves its account to one that all such share. So one that comes, asks
/// for a little and goes is idle, and many of them are not.
#[derive(Debug)]
pub struct Judge {
    allowance: Allowance,
    lines: BTreeMap<u64, Line>,
    left: Account,
}

impl Judge {
    /// Nothing has passed yet.
    #[must_use]
    pub const fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            lines: BTreeMap::new(),
            left: Account::NEW,
        }
    }

    /// How often there was traffic in what passed in these milliseconds: of each connection, of those that left early together, and of those
    /// that nothing is known of.
    #[must_use]
    pub fn traffic(&mut self, passed: &Stretch, ms: u32) -> u32 {
        let (mut traffic, mut left) = (0_u32, 0_u64);
        for grown in &passed.connections {
            let line = self.lines.entry(grown.id).or_insert(Line::new(grown));
            let meaning = line.passed(self.allowance, grown.bytes(), ms);
            traffic = traffic.saturating_add((meaning == Meaning::Traffic).into());
            if grown.has_ended {
                if line.age_ms < SAVED_MS {
                    left = left.saturating_add(line.account.bytes());
                }
                self.lines.remove(&grown.id);
            }
        }
        let meaning = self.left.passed(self.allowance, left, ms);
        let unknown = meaning == Meaning::Traffic || passed.is_overrun;
        traffic.saturating_add(unknown.into())
    }

    /// Bytes a second of the busiest connection, lately: what the allowance of idle ones has to be above.
    #[must_use]
    pub fn busiest(&self) -> u64 {
        self.lines.values().map(|line| line.rate).max().unwrap_or(0)
    }
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
struct Line {
    account: Account,
    age_ms: u32,
    /// Since its rate was reckoned last.
    bytes: u64,
    ms: u32,
    rate: u64,
}

impl Line {
    const fn new(grown: &Grown) -> Self {
        Self {
            account: Account::NEW,
            // Who was there from the start is old enough.
            age_ms: if grown.is_new { 0 } else { SAVED_MS },
            bytes: 0,
            ms: 0,
            rate: 0,
        }
    }

    fn passed(&mut self, allowance: Allowance, bytes: u64, ms: u32) -> Meaning {
        self.age_ms = self.age_ms.saturating_add(ms);
        (self.bytes, self.ms) = (self.bytes.saturating_add(bytes), self.ms.saturating_add(ms));
        if self.ms >= SAVED_MS {
            self.rate = self.bytes.saturating_mul(1000) / u64::from(self.ms);
            (self.bytes, self.ms) = (0, 0);
        }
        self.account.passed(allowance, bytes, ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16,000 bytes can be saved up.
    const ALLOWANCE: Allowance = Allowance { bytes_per_second: 1000 };

    fn grown(id: u64, received: u64, sent: u64) -> Grown {
        Grown {
            id,
            received,
            sent,
            is_new: false,
            has_ended: false,
        }
    }

    fn passed(connections: &[Grown]) -> Stretch {
        Stretch {
            connections: connections.to_vec(),
            ..Stretch::default()
        }
    }

    #[test]
    fn each_connection_has_its_own_allowance_in_both_directions_together() {
        let mut judge = Judge::new(ALLOWANCE);
        let idle: Vec<Grown> = (0..100).map(|id| grown(id, 150, 100)).collect();
        for _ in 0..1000 {
            assert_eq!(
                judge.traffic(&passed(&idle), 250),
                0,
                "all are idle, whatever they are together"
            );
        }
        let mut loud = idle;
        loud[7].sent = 17_000;
        loud[8].received = 17_000;
        assert_eq!(judge.traffic(&passed(&loud), 250), 2);
    }

    #[test]
    fn one_that_comes_and_goes_with_little_is_idle_and_many_of_them_are_not() {
        let mut judge = Judge::new(ALLOWANCE);
        let short = |id| Grown {
            is_new: true,
            has_ended: true,
            ..grown(id, 1000, 1000)
        };
        assert_eq!(judge.traffic(&passed(&[short(0)]), 250), 0);
        // One every four seconds is no more than one connection may pass.
        for id in 1..100 {
            assert_eq!(judge.traffic(&passed(&[short(id)]), 4000), 0);
        }
        let traffic = (100..120).map(|id| judge.traffic(&passed(&[short(id)]), 250));
        assert!(traffic.sum::<u32>() > 0);
        assert!(judge.lines.is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn a_broker_that_stops_ends_old_connections_and_that_is_idle() {
        let mut judge = Judge::new(ALLOWANCE);
        let mut all: Vec<Grown> = (0..100).map(|id| grown(id, 1000, 1000)).collect();
        assert_eq!(judge.traffic(&passed(&all), 250), 0);
        for grown in &mut all {
            grown.has_ended = true;
        }
        assert_eq!(judge.traffic(&passed(&all), 250), 0);
    }

    #[test]
    fn what_nothing_is_known_of_is_traffic() {
        let mut judge = Judge::new(ALLOWANCE);
        let unknown = Stretch {
            is_overrun: true,
            ..Stretch::default()
        };
        assert_eq!(judge.traffic(&unknown, 250), 1);
        assert_eq!(judge.traffic(&passed(&[]), 250), 0);
    }
}

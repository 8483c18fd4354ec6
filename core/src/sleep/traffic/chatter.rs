//! What is more than chatter, by the bytes of one connection: where nothing stands in front of the broker and nothing can be read.

use super::Meaning;
#[cfg(seeded_bugs)]
use super::bugs::Bug;

/// How long a connection may save up what it does not use. Idle clients commit every five seconds, ask who leads what every five minutes,
/// and greet when they come: all of that comes at once, and is little over such a time.
pub const SAVED_MS: u32 = 16_000;

/// How much of what a connection passes is what idle clients need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Allowance {
    /// Bytes a second of one connection, in both directions together.
    pub bytes_per_second: u32,
}

impl Allowance {
    /// Measured: `cargo run -p pehra-kafka-proxy --example idle-bytes` says what idle clients of real Kafka pass.
    pub const USUAL: Self = Self { bytes_per_second: 1024 };

    /// The most that can be passed at once, in thousandths of a byte.
    const fn room(self) -> u64 {
        (self.bytes_per_second as u64).saturating_mul(SAVED_MS as u64)
    }
}

/// What a connection has passed of late beyond its allowance: it grows with each byte, and shrinks by the allowance as time goes by.
///
/// # What holds (`traffic/T6`)
/// Whoever keeps to the allowance is idle, whatever was before. Whoever passes more than the allowance of a time and of [`SAVED_MS`] in that
/// time is traffic at least once in it, and nobody else is. More bytes and a smaller allowance are never less traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// In thousandths of a byte.
    level: u64,
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

impl Account {
    /// Nothing has passed.
    pub const NEW: Self = Self {
        level: 0,
        #[cfg(seeded_bugs)]
        bug: None,
    };

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub const fn with_bug(mut self, bug: Option<Bug>) -> Self {
        self.bug = bug;
        self
    }

    /// These bytes passed in these milliseconds, which follow those before.
    #[must_use]
    pub fn passed(&mut self, allowance: Allowance, bytes: u64, ms: u32) -> Meaning {
        let earned = u64::from(allowance.bytes_per_second).saturating_mul(ms.into());
        #[cfg(seeded_bugs)]
        let earned = self.bug.map_or(earned, |bug| bug.in_earned(earned));
        let level = self.level.saturating_add(bytes.saturating_mul(1000));
        let level = level.saturating_sub(earned);
        self.level = level.min(allowance.room());
        #[cfg(seeded_bugs)]
        if let Some(bug) = self.bug {
            self.level = bug.in_level(level, self.level);
        }
        if level > allowance.room() {
            Meaning::Traffic
        } else {
            Meaning::Idle
        }
    }

    /// What stands on it, in bytes, rounded down.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.level / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_A_MS: Allowance = Allowance { bytes_per_second: 2000 };
    /// What such an allowance saves up.
    const ROOM: u64 = 32_000;

    #[test]
    fn what_comes_at_once_may_be_what_is_saved_up_and_not_a_byte_more() {
        let mut account = Account::NEW;
        assert_eq!(account.passed(TWO_A_MS, ROOM, 0), Meaning::Idle);
        assert_eq!(account.bytes(), ROOM);
        assert_eq!(account.passed(TWO_A_MS, 1, 0), Meaning::Traffic);
        assert_eq!(account.bytes(), ROOM, "what was traffic is not owed for longer");
    }

    #[test]
    fn the_allowance_is_earned_as_time_goes_by() {
        let mut account = Account::NEW;
        assert_eq!(account.passed(TWO_A_MS, ROOM + 500, 250), Meaning::Idle);
        assert_eq!(account.passed(TWO_A_MS, 500, 250), Meaning::Idle);
        assert_eq!(account.passed(TWO_A_MS, 501, 250), Meaning::Traffic);
        assert_eq!(account.passed(TWO_A_MS, 0, SAVED_MS), Meaning::Idle);
        assert_eq!(account.bytes(), 0);
        // Nobody saves up more than that.
        assert_eq!(account.passed(TWO_A_MS, 0, u32::MAX), Meaning::Idle);
        assert_eq!(account.passed(TWO_A_MS, ROOM + 1, 0), Meaning::Traffic);
    }

    #[test]
    fn the_largest_numbers_are_traffic() {
        let mut account = Account::NEW;
        assert_eq!(account.passed(Allowance::USUAL, u64::MAX, u32::MAX), Meaning::Traffic);
        let most = Allowance {
            bytes_per_second: u32::MAX,
        };
        assert_eq!(
            account.passed(most, u64::MAX, u32::MAX),
            Meaning::Idle,
            "as much is earned"
        );
        assert_eq!(account.passed(most, u64::MAX, 1), Meaning::Traffic);
    }
}

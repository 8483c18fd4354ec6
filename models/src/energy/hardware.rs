//! What a machine draws, and how long it takes from one state to the other.

use pehra_core::sleep::coverage::Watts;

use crate::simulator::{Span, Time, ms};

/// A kind of machine with a broker on it. Watts are assumed, not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Of the mode in which it sleeps.
    pub name: &'static str,
    /// Awake with nothing to do, in milliwatts.
    pub idle_mw: u32,
    /// Asleep.
    pub asleep_mw: u32,
    /// While the broker stops and the machine goes down.
    pub down_mw: u32,
    /// While the machine comes up and the broker starts.
    pub up_mw: u32,
    /// How long the machine goes down, once its broker has stopped.
    pub down: Time,
    /// How long the machine comes up.
    pub up: Time,
    /// How long a broker stops.
    pub stop: Span,
    /// How long a broker starts.
    pub start: Span,
    /// How long a broker that has started lags behind.
    pub catch_up: Span,
    /// Asleep means off: nothing in memory survives.
    pub off: bool,
}

impl Hardware {
    /// A server that is suspended to memory: about 10 s down and 25 s up.
    pub const S3: Self = Self {
        name: "S3",
        idle_mw: 100_000,
        asleep_mw: 6_000,
        down_mw: 100_000,
        up_mw: 150_000,
        down: ms(7_000),
        up: ms(10_000),
        stop: Span::ms(2_000, 4_000),
        start: Span::ms(10_000, 14_000),
        catch_up: Span::ms(1_000, 3_000),
        off: false,
    };

    /// The same, switched off: about 30 s down and 215 s up.
    pub const S5: Self = Self {
        name: "S5",
        asleep_mw: 8_000,
        down: ms(27_000),
        up: ms(201_000),
        off: true,
        ..Self::S3
    };

    /// By its name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::S3, Self::S5]
            .into_iter()
            .find(|it| it.name.eq_ignore_ascii_case(name))
    }

    /// How long it takes from a broker that is up to a machine that is asleep, at the longest.
    #[must_use]
    pub fn down_max(&self) -> Time {
        self.stop.max + self.down
    }

    /// The same, at the shortest.
    #[must_use]
    pub fn down_min(&self) -> Time {
        self.stop.min + self.down
    }

    /// How long it takes from a machine that is asleep to a broker that is up and in sync, at the longest.
    #[must_use]
    pub fn up_max(&self) -> Time {
        self.up + self.start.max + self.catch_up.max
    }

    /// The same, at the shortest.
    #[must_use]
    pub fn up_min(&self) -> Time {
        self.up + self.start.min + self.catch_up.min
    }

    /// So long a machine has to be without use before sleeping saves anything (t*): the energy of going down and up beyond that of
    /// sleeping, over what a second of sleep saves.
    #[must_use]
    pub fn break_even(&self) -> Time {
        let middle = |span: Span| (span.min.0 + span.max.0) / 2;
        let down = u128::from(middle(self.stop) + self.down.0);
        let up = u128::from(self.up.0 + middle(self.start) + middle(self.catch_up));
        let beyond = |mw: u32| u128::from(mw.saturating_sub(self.asleep_mw));
        let extra = down * beyond(self.down_mw) + up * beyond(self.up_mw);
        Time(u64::try_from(extra / beyond(self.idle_mw).max(1)).unwrap_or(u64::MAX))
    }

    /// Milliwatts at work, if an idle machine draws so many thousandths of it.
    #[must_use]
    pub fn active_mw(&self, idle_of_active_permille: u32) -> u32 {
        let mw = u64::from(self.idle_mw) * 1000 / u64::from(idle_of_active_permille.max(1));
        u32::try_from(mw).unwrap_or(u32::MAX)
    }

    /// As the bound of core wants it.
    #[must_use]
    pub fn watts(&self, idle_of_active_permille: u32) -> Watts {
        Watts {
            idle_mw: self.idle_mw,
            active_mw: self.active_mw(idle_of_active_permille),
            asleep_mw: self.asleep_mw,
        }
    }
}

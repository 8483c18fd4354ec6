//! How long each machine was in which state, and how much it drew.

use super::hardware::Hardware;
use crate::simulator::Time;

/// What a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Draws {
    /// On, its broker up, nothing to do.
    Idle,
    /// On, its broker up, at work.
    Active,
    /// Its broker stops, or it goes down.
    Down,
    /// Asleep.
    Asleep,
    /// It comes up, or its broker starts.
    Up,
    /// On for its alarm clock only, its broker down.
    Lit,
}

/// All of them, and their names.
pub const DRAWS: [(Draws, &str); 6] = [
    (Draws::Idle, "idle"),
    (Draws::Active, "active"),
    (Draws::Down, "going down"),
    (Draws::Asleep, "asleep"),
    (Draws::Up, "coming up"),
    (Draws::Lit, "alarm"),
];

/// How long all machines together were in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times([u64; 6]);

impl Times {
    /// So much more.
    pub fn add(&mut self, draws: Draws, length: Time) {
        self.0[draws as usize] += length.0;
    }

    /// Both.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, more)| *mine += more);
    }

    /// So much less of one, and that instead.
    pub fn replace(&mut self, draws: Draws, length: Time, instead: &Self) {
        self.0[draws as usize] = self.0[draws as usize].saturating_sub(length.0);
        self.merge(instead);
    }

    /// How long in this state.
    #[must_use]
    pub const fn of(&self, draws: Draws) -> Time {
        Time(self.0[draws as usize])
    }

    /// In all.
    #[must_use]
    pub fn all(&self) -> Time {
        Time(self.0.iter().sum())
    }

    /// How many thousandths of the time in this state.
    #[must_use]
    pub fn permille(&self, draws: Draws) -> u64 {
        (self.of(draws).0 * 1000).checked_div(self.all().0).unwrap_or(0)
    }

    /// What was drawn, in joules: each machine's own by its state, and what `work` machine-time of work draws beyond that, at a machine that draws
    /// so many thousandths of its power at work when it idles.
    ///
    /// The work is what there was to do, whoever did it and when: a machine that is still waking up has not saved what it will do, or
    /// another does for it.
    #[must_use]
    pub fn joules(&self, hardware: &Hardware, idle_of_active_permille: u32, work: Time) -> u64 {
        let mw = |draws| match draws {
            Draws::Idle | Draws::Active | Draws::Lit => hardware.idle_mw,
            Draws::Down => hardware.down_mw,
            Draws::Asleep => hardware.asleep_mw,
            Draws::Up => hardware.up_mw,
        };
        let own: u128 = DRAWS
            .iter()
            .map(|(draws, _)| u128::from(self.of(*draws).0) * u128::from(mw(*draws)))
            .sum();
        let working = hardware
            .active_mw(idle_of_active_permille)
            .saturating_sub(hardware.idle_mw);
        let nanojoules = own + u128::from(work.0) * u128::from(working);
        u64::try_from(nanojoules / 1_000_000_000).unwrap_or(u64::MAX)
    }
}

/// A machine's own.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    now: Draws,
    since: Time,
    times: Times,
}

impl Meter {
    /// One that begins in this state.
    #[must_use]
    pub fn new(now: Draws, since: Time) -> Self {
        Self {
            now,
            since,
            times: Times::default(),
        }
    }

    /// From here on in this state.
    pub fn set(&mut self, at: Time, draws: Draws) {
        self.times.add(self.now, at - self.since);
        (self.now, self.since) = (draws, at);
    }

    /// The state.
    #[must_use]
    pub const fn draws(&self) -> Draws {
        self.now
    }

    /// Begins anew: what was before does not count.
    pub fn reset(&mut self, at: Time) {
        *self = Self::new(self.now, at);
    }

    /// What it shows.
    #[must_use]
    pub fn read(&self, at: Time) -> Times {
        let mut times = self.times;
        times.add(self.now, at - self.since);
        times
    }
}

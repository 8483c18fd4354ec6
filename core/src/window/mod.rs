//! Windows: readings become sums over tumbling windows, by event time.
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `window/W1` Every reading is counted in exactly one window or set aside with a reason, never both, never neither.
//! * `window/W2` The tuples depend only on the readings (content, event time, the "now" that came with them) and on the
//!   sweeps that closed something: not on how readings are split into polls, nor on where the process was killed.
//! * `window/W3` The last revision of a window holds exactly the readings that were counted in it.
//! * `window/W4` What lies between two windows of a household is said to be a gap, unless it is filled later.
//!
//! # What it assumes
//! Readings of one household come in one order, the same after every restart (one Kafka partition).
//!
//! # Rules
//! A window is `[k·width, (k+1)·width)` milliseconds since 1970. Each household has a watermark: its newest event time
//! less `slack`. A window closes when the watermark passes its end. A closed window stays for `lateness` more; a reading
//! that comes for it then makes a new revision, which replaces the one before. All numbers are integers.
//!
//! | reading | outcome |
//! | --- | --- |
//! | more than `future` ahead of its "now" | set aside: future; moves no watermark |
//! | power or time beyond belief | set aside: out of range |
//! | its window is gone (end + lateness ≤ watermark) | set aside: too late |
//! | same household and event time as one that is kept, same content | set aside: repeated |
//! | the same with another content | set aside: conflict |
//! | its window holds `readings_max` already, or one household too many | set aside: no room |
//! | its window is open | counted |
//! | its window is closed, or lies in a gap | counted; a new revision leaves at once |

#[cfg(seeded_bugs)]
pub mod bugs;
mod house;
mod totals;
mod tuple;

pub use house::{Closed, House, Kept, WindowImage};
pub use totals::Total;
pub use tuple::{Code, Span, Tuple};

use alloc::vec::Vec;

use crate::protocol::{Effects, Input, Protocol, Recovered};
use crate::types::{Broken, Delay, Household, Never, Ticks};

/// How windows are made. Fixed for the life of the edge's store: a change would cut windows differently.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WindowConfig {
    /// Length of a window, ms.
    pub width_ms: i64,
    /// How far the watermark stays behind the newest event time, ms.
    pub slack_ms: i64,
    /// How long a closed window can still be revised, ms of event time.
    pub lateness_ms: i64,
    /// How far ahead of its "now" an event time may be, ms.
    pub future_ms: i64,
    /// The largest believable power in either direction, mW.
    pub power_max_mw: i64,
    /// Households at the most.
    pub households_max: u32,
    /// Readings in one window at the most.
    pub readings_max: u32,
    /// A household that was silent for between one and two of these has its open windows closed.
    pub idle: Ticks,
    /// The bug that this run has been given.
    #[cfg(seeded_bugs)]
    pub bug: Option<bugs::Bug>,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            width_ms: 5000,
            slack_ms: 2000,
            lateness_ms: 60_000,
            future_ms: 300_000,
            power_max_mw: 1_000_000_000_000,
            households_max: 100_000,
            readings_max: 512,
            idle: Ticks(10_000),
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }
}

/// One reading of one meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reading {
    /// Whose.
    pub household: Household,
    /// When it was measured, ms since 1970.
    pub time_ms: i64,
    /// Power, mW; negative when the household feeds in.
    pub power_mw: i64,
    /// The meter's import register, 10⁻¹⁰ kWh.
    pub register: Option<u64>,
}

/// A reading and the time at which it was handed in, which stands for "now".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Take {
    /// The reading.
    pub reading: Reading,
    /// ms since 1970.
    pub now_ms: i64,
}

/// Why a reading is in no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The same reading again.
    Repeated,
    /// Another value for the same household and time.
    Conflict,
    /// Its window can no longer be revised.
    TooLate,
    /// Its time lies too far ahead.
    Future,
    /// Its power is beyond belief, or its time beyond the calendar.
    OutOfRange,
    /// Too many households, or too many readings in a window.
    NoRoom,
    /// The record could not be read at all.
    Unreadable,
    /// The source no longer has the records.
    Gone,
}

/// No reading was measured further than this from 1970, before or after: ten thousand years, in ms. Near the ends of
/// the number's range a window would have no end that a watermark could pass.
pub const TIME_MAX_MS: u64 = 315_360_000_000_000;

/// Sweeps without a reading after which a household counts as silent.
const IDLE_SWEEPS: u8 = 2;

/// The most households that one sweep closes: what one step can say is bounded, and the next sweep goes on.
pub const SWEPT_MAX: usize = 64;

/// What the windows say to their host, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowEvent {
    /// A tuple to deliver.
    Closed(Tuple),
    /// A reading that is in no window.
    SetAside(Why, Reading),
}

/// The windows' timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowTimer {
    /// Looks for silent households.
    Sweep,
}

/// What the windows tell themselves once it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowNote {
    /// A sweep was cut short, and what it closed is durable: the next one may go on.
    Swept,
}

/// One change of the windows' store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowRecord {
    /// A reading was counted.
    Kept(Reading),
    /// A window was closed, or revised.
    Closed {
        /// Whose.
        household: Household,
        /// Its start, ms.
        start_ms: i64,
        /// Everything before this has been closed, ms.
        until_ms: i64,
        /// Its newest revision.
        revision: u32,
    },
    /// Windows that start before this can no longer be revised; their readings need not be kept.
    Forgotten {
        /// Whose.
        household: Household,
        /// ms.
        before_ms: i64,
    },
}

/// Open and recently closed windows of all households.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Windows {
    /// Sorted by name.
    houses: Vec<House>,
    /// Sweeps since the last reading, for each house: volatile.
    idle: Vec<u8>,
}

impl Protocol for Windows {
    type Config = WindowConfig;
    type Command = Take;
    type Event = WindowEvent;
    type Timer = WindowTimer;
    type Heard = Never;
    type Notice = Never;
    type Claim = Never;
    type Note = WindowNote;
    type Record = WindowRecord;
    type Durable = Vec<House>;
    type Query = Never;
    type Rows = Never;
    type Report = Never;
    type Parts = ();

    fn recover(config: &WindowConfig, recovered: Recovered<Vec<House>>, fx: &mut Effects<Self>) -> Self {
        fx.arm(WindowTimer::Sweep, Delay::exactly(config.idle));
        let houses = match recovered {
            Recovered::Known(houses) => houses,
            Recovered::Fresh | Recovered::Lost => Vec::new(),
        };
        Self {
            idle: alloc::vec![0; houses.len()],
            houses,
        }
    }

    fn step(&mut self, config: &WindowConfig, input: Input<Self>, fx: &mut Effects<Self>) {
        match input {
            Input::Commanded(_, take) => self.on_reading(config, take, fx),
            Input::Fired(WindowTimer::Sweep) => self.on_sweep_timer(config, fx),
            Input::Durable(note) => match note.into_inner() {
                WindowNote::Swept => fx.arm(WindowTimer::Sweep, Delay::exactly(Ticks(0))),
            },
            Input::Received { .. }
            | Input::Fetched { .. }
            | Input::Drawn(_)
            | Input::Link { .. }
            | Input::Stalled(_)
            | Input::Paused => {}
        }
    }

    fn check(&self, config: &WindowConfig) -> Result<(), Broken> {
        if self.houses.len() != self.idle.len() {
            return Err(Broken("window: a household without an idle count"));
        }
        if self.houses.is_sorted_by(|a, b| a.name() < b.name()) {
            self.houses.iter().try_for_each(|house| house.check(config))
        } else {
            Err(Broken("window: households out of order"))
        }
    }
}

impl Windows {
    /// How many households are known.
    #[must_use]
    pub const fn households(&self) -> usize {
        self.houses.len()
    }

    fn on_reading(&mut self, config: &WindowConfig, take: Take, fx: &mut Effects<Self>) {
        let reading = take.reading;
        match self.judge(config, &take) {
            Ok(at) => self.count(config, at, reading, fx),
            #[cfg(seeded_bugs)]
            Err(Why::TooLate) if config.bug == Some(bugs::Bug::TooLateUnsaid) => {}
            Err(why) => {
                fx.emit(WindowEvent::SetAside(why, reading));
                #[cfg(seeded_bugs)]
                if why == Why::Future && config.bug == Some(bugs::Bug::FutureMovesWatermark) {
                    for house in &mut self.houses {
                        house.close_until(config, reading.time_ms, fx);
                    }
                }
            }
        }
    }

    /// Finds the reading's house, or why it cannot be counted.
    fn judge(&mut self, config: &WindowConfig, take: &Take) -> Result<usize, Why> {
        let reading = &take.reading;
        if reading.time_ms > take.now_ms.saturating_add(config.future_ms) {
            return Err(Why::Future);
        }
        let believable = reading.power_mw.unsigned_abs() <= config.power_max_mw.unsigned_abs();
        if !believable || reading.time_ms.unsigned_abs() > TIME_MAX_MS {
            return Err(Why::OutOfRange);
        }
        let at = match self
            .houses
            .binary_search_by(|house| house.name().cmp(&reading.household))
        {
            Ok(at) => at,
            Err(_) if self.houses.len() >= usize::try_from(config.households_max).unwrap_or(usize::MAX) => {
                return Err(Why::NoRoom);
            }
            Err(at) => {
                self.houses.insert(at, House::new(reading.household));
                self.idle.insert(at, 0);
                at
            }
        };
        self.houses
            .get(at)
            .map_or(Err(Why::NoRoom), |house| house.judge(config, reading))
            .map(|()| at)
    }

    fn count(&mut self, config: &WindowConfig, at: usize, reading: Reading, fx: &mut Effects<Self>) {
        let Some(house) = self.houses.get_mut(at) else { return };
        if let Some(idle) = self.idle.get_mut(at) {
            *idle = 0;
        }
        fx.persist(WindowRecord::Kept(reading));
        let start_ms = house::window_start(config, reading.time_ms);
        house.keep(&reading);
        #[cfg(seeded_bugs)]
        let unsaid = config.bug == Some(bugs::Bug::RevisionUnsaid);
        #[cfg(not(seeded_bugs))]
        let unsaid = false;
        if house.is_closed(start_ms) && !unsaid {
            house.revise(config, start_ms, fx);
        }
        let watermark = house.newest_ms().saturating_sub(config.slack_ms);
        house.close_until(config, watermark, fx);
        house.forget(config, fx);
    }

    fn on_sweep_timer(&mut self, config: &WindowConfig, fx: &mut Effects<Self>) {
        // A round that was cut short goes on before the next one counts.
        if !self.any_due() {
            for idle in &mut self.idle {
                *idle = idle.saturating_add(1).min(IDLE_SWEEPS);
            }
        }
        let silent = self.houses.iter_mut().zip(&self.idle);
        let due = silent.filter(|(house, idle)| is_due(house, **idle));
        for (house, _) in due.take(SWEPT_MAX) {
            house.close_until(config, i64::MAX, fx);
        }
        #[cfg(seeded_bugs)]
        if config.bug == Some(bugs::Bug::SweepIsForgotten) {
            fx.records.clear();
        }
        // What a sweep closed waits behind the gate. The next one must wait as well: on a slow disk, sweeps one after the
        // other would fill the gate when many households fall silent at once.
        if self.any_due() {
            fx.note(WindowNote::Swept);
        } else {
            fx.arm(WindowTimer::Sweep, Delay::exactly(config.idle));
        }
    }

    /// Whether a household has been silent for long and still has an open window.
    fn any_due(&self) -> bool {
        self.houses
            .iter()
            .zip(&self.idle)
            .any(|(house, idle)| is_due(house, *idle))
    }
}

fn is_due(house: &House, idle: u8) -> bool {
    idle >= IDLE_SWEEPS && house.has_open()
}

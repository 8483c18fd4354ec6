//! One household's windows, in memory and in the store alike.

use alloc::vec::Vec;

#[cfg(seeded_bugs)]
use super::bugs::Bug;
use super::{Reading, Span, Tuple, Why, WindowConfig, WindowEvent, WindowRecord, Windows};
use crate::protocol::{Effects, Image, Recovered};
use crate::types::{Broken, Household, Never};

/// A reading that was counted, without its household.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kept {
    /// ms since 1970.
    pub time_ms: i64,
    /// mW.
    pub power_mw: i64,
    /// 10⁻¹⁰ kWh.
    pub register: Option<u64>,
}

/// A window that was closed and can still be revised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Closed {
    /// ms since 1970.
    pub start_ms: i64,
    /// Its newest revision.
    pub revision: u32,
}

/// A household: the readings that can still matter, and how far its windows are closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct House {
    name: Household,
    /// Sorted by time.
    kept: Vec<Kept>,
    /// Sorted by start.
    closed: Vec<Closed>,
    /// All windows that start before this are closed; `i64::MIN` when none is.
    until_ms: i64,
}

/// Start of the window that `time_ms` falls into.
pub(super) fn window_start(config: &WindowConfig, time_ms: i64) -> i64 {
    let into = time_ms.checked_rem_euclid(config.width_ms).unwrap_or(0);
    time_ms.saturating_sub(into)
}

impl House {
    /// A household that has said nothing yet.
    #[must_use]
    pub const fn new(name: Household) -> Self {
        Self {
            name,
            kept: Vec::new(),
            closed: Vec::new(),
            until_ms: i64::MIN,
        }
    }

    /// Rebuilds it from a store's rows, each sorted.
    #[must_use]
    pub const fn restore(name: Household, kept: Vec<Kept>, closed: Vec<Closed>, until_ms: i64) -> Self {
        Self {
            name,
            kept,
            closed,
            until_ms,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Household {
        &self.name
    }

    /// The readings that can still matter, sorted by time.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// The windows that are closed and can still be revised, sorted by start.
    #[must_use]
    pub fn closed(&self) -> &[Closed] {
        &self.closed
    }

    /// All windows that start before this are closed, ms; `i64::MIN` when none is.
    #[must_use]
    pub const fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// Its newest event time, ms; `i64::MIN` before the first.
    #[must_use]
    pub fn newest_ms(&self) -> i64 {
        self.kept.last().map_or(i64::MIN, |kept| kept.time_ms)
    }

    /// Windows that end by now can no longer be revised.
    fn horizon_ms(&self, config: &WindowConfig) -> i64 {
        self.newest_ms()
            .saturating_sub(config.slack_ms)
            .saturating_sub(config.lateness_ms)
    }

    /// Whether the window at `start_ms` has been closed, or lies where all has been closed.
    pub(super) const fn is_closed(&self, start_ms: i64) -> bool {
        start_ms < self.until_ms
    }

    fn in_window(&self, config: &WindowConfig, start_ms: i64) -> &[Kept] {
        let end_ms = start_ms.saturating_add(config.width_ms);
        #[cfg(seeded_bugs)]
        let end_ms = end_ms.saturating_add((config.bug == Some(Bug::EndIsInside)).into());
        let from = self.kept.partition_point(|kept| kept.time_ms < start_ms);
        let to = self.kept.partition_point(|kept| kept.time_ms < end_ms);
        self.kept.get(from..to).unwrap_or_default()
    }

    /// Why the reading cannot be counted, if so.
    pub(super) fn judge(&self, config: &WindowConfig, reading: &Reading) -> Result<(), Why> {
        let start_ms = window_start(config, reading.time_ms);
        if start_ms.saturating_add(config.width_ms) <= self.horizon_ms(config) {
            return Err(Why::TooLate);
        }
        if let Ok(at) = self.kept.binary_search_by_key(&reading.time_ms, |kept| kept.time_ms) {
            let same = self
                .kept
                .get(at)
                .is_some_and(|kept| kept.power_mw == reading.power_mw && kept.register == reading.register);
            #[cfg(seeded_bugs)]
            if same && config.bug == Some(Bug::RepeatIsCounted) {
                return Ok(());
            }
            return Err(if same { Why::Repeated } else { Why::Conflict });
        }
        if self.in_window(config, start_ms).len() >= usize::try_from(config.readings_max).unwrap_or(usize::MAX) {
            return Err(Why::NoRoom);
        }
        Ok(())
    }

    /// Adds a reading.
    pub(super) fn keep(&mut self, reading: &Reading) {
        let kept = Kept {
            time_ms: reading.time_ms,
            power_mw: reading.power_mw,
            register: reading.register,
        };
        let at = self.kept.partition_point(|other| other.time_ms < kept.time_ms);
        self.kept.insert(at, kept);
    }

    /// A late reading came for a window that is closed: a new revision leaves at once.
    pub(super) fn revise(&mut self, config: &WindowConfig, start_ms: i64, fx: &mut Effects<Windows>) {
        let revision = match self.closed.binary_search_by_key(&start_ms, |closed| closed.start_ms) {
            Ok(at) => self
                .closed
                .get(at)
                .map_or(1, |closed| closed.revision.saturating_add(1)),
            Err(_) => 1,
        };
        self.settle(config, start_ms, self.until_ms, revision, fx);
    }

    /// Closes every window that ends by `watermark_ms`, oldest first, and names the gaps between them.
    pub(super) fn close_until(&mut self, config: &WindowConfig, watermark_ms: i64, fx: &mut Effects<Windows>) {
        while let Some(start_ms) = self.next_open(config) {
            let end_ms = start_ms.saturating_add(config.width_ms);
            #[cfg(seeded_bugs)]
            let watermark_ms = watermark_ms.saturating_add((config.bug == Some(Bug::ClosesEarly)).into());
            if end_ms > watermark_ms {
                return;
            }
            #[cfg(seeded_bugs)]
            let unsaid = config.bug == Some(Bug::GapUnsaid);
            #[cfg(not(seeded_bugs))]
            let unsaid = false;
            if self.until_ms != i64::MIN && self.until_ms < start_ms && !unsaid {
                let span = Span::Gap { until_ms: start_ms };
                let gap = Tuple {
                    household: self.name,
                    start_ms: self.until_ms,
                    span,
                };
                fx.emit(WindowEvent::Closed(gap));
            }
            self.settle(config, start_ms, end_ms, 0, fx);
        }
    }

    /// Whether a window of it is open.
    pub(super) fn has_open(&self) -> bool {
        self.kept.last().is_some_and(|kept| kept.time_ms >= self.until_ms)
    }

    fn next_open(&self, config: &WindowConfig) -> Option<i64> {
        let at = self.kept.partition_point(|kept| kept.time_ms < self.until_ms);
        self.kept.get(at).map(|kept| window_start(config, kept.time_ms))
    }

    /// Writes down and delivers what the window now holds.
    fn settle(
        &mut self,
        config: &WindowConfig,
        start_ms: i64,
        until_ms: i64,
        revision: u32,
        fx: &mut Effects<Windows>,
    ) {
        self.close(start_ms, until_ms, revision);
        fx.persist(WindowRecord::Closed {
            household: self.name,
            start_ms,
            until_ms,
            revision,
        });
        if let Some(tuple) = self.sum_up(config, start_ms, revision) {
            fx.emit(WindowEvent::Closed(tuple));
        } else {
            fx.fault(Broken("window: closed without a reading"));
        }
    }

    fn close(&mut self, start_ms: i64, until_ms: i64, revision: u32) {
        let closed = Closed { start_ms, revision };
        match self.closed.binary_search_by_key(&start_ms, |closed| closed.start_ms) {
            Ok(at) => {
                if let Some(slot) = self.closed.get_mut(at) {
                    *slot = closed;
                }
            }
            Err(at) => self.closed.insert(at, closed),
        }
        self.until_ms = self.until_ms.max(until_ms);
    }

    fn sum_up(&self, config: &WindowConfig, start_ms: i64, revision: u32) -> Option<Tuple> {
        let readings = self.in_window(config, start_ms);
        #[cfg(seeded_bugs)]
        let readings = if revision > 0 && config.bug == Some(Bug::RevisionLoses) {
            readings.get(1..).unwrap_or_default()
        } else {
            readings
        };
        let span = Span::Window {
            sum_mw: readings
                .iter()
                .fold(0, |sum: i64, kept| sum.saturating_add(kept.power_mw)),
            n: u32::try_from(readings.len()).unwrap_or(u32::MAX),
            min_mw: readings.iter().map(|kept| kept.power_mw).min()?,
            max_mw: readings.iter().map(|kept| kept.power_mw).max()?,
            first_register: readings.iter().find_map(|kept| kept.register),
            last_register: readings.iter().rev().find_map(|kept| kept.register),
            revision,
        };
        Some(Tuple {
            household: self.name,
            start_ms,
            span,
        })
    }

    /// Lets go of windows that can no longer be revised, a few at a time so that few writes are needed.
    pub(super) fn forget(&mut self, config: &WindowConfig, fx: &mut Effects<Windows>) {
        let horizon_ms = self.horizon_ms(config);
        let gone = |closed: &&Closed| closed.start_ms.saturating_add(config.width_ms) <= horizon_ms;
        if self.closed.iter().take_while(gone).count() < 4 {
            return;
        }
        let before_ms = window_start(config, horizon_ms);
        #[cfg(seeded_bugs)]
        let before_ms = match config.bug {
            Some(Bug::LetGoEarly) => before_ms.saturating_add(config.width_ms),
            Some(_) | None => before_ms,
        };
        fx.persist(WindowRecord::Forgotten {
            household: self.name,
            before_ms,
        });
        self.drop_before(before_ms);
    }

    fn drop_before(&mut self, before_ms: i64) {
        let kept = self.kept.partition_point(|kept| kept.time_ms < before_ms);
        self.kept.drain(..kept);
        let closed = self.closed.partition_point(|closed| closed.start_ms < before_ms);
        self.closed.drain(..closed);
    }

    /// Its invariants.
    pub(super) fn check(&self, config: &WindowConfig) -> Result<(), Broken> {
        let holds = [
            (
                self.kept.is_sorted_by(|a, b| a.time_ms < b.time_ms),
                "window: readings out of order",
            ),
            (
                self.closed.is_sorted_by(|a, b| a.start_ms < b.start_ms),
                "window: closed windows out of order",
            ),
            (
                self.closed.iter().all(|closed| self.is_closed(closed.start_ms)),
                "window: closed beyond the mark",
            ),
            (
                self.closed
                    .iter()
                    .all(|closed| !self.in_window(config, closed.start_ms).is_empty()),
                "window: a closed window lost its readings",
            ),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

/// The windows' store as core specifies it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WindowImage {
    /// Sorted by name.
    houses: Vec<House>,
}

impl WindowImage {
    fn house(&mut self, name: &Household) -> Option<&mut House> {
        let at = match self.houses.binary_search_by(|house| house.name.cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                self.houses.insert(at, House::new(*name));
                at
            }
        };
        self.houses.get_mut(at)
    }
}

impl Image<Windows> for WindowImage {
    fn apply(&mut self, record: &WindowRecord) {
        match record {
            WindowRecord::Kept(reading) => {
                if let Some(house) = self.house(&reading.household) {
                    house.keep(reading);
                }
            }
            WindowRecord::Closed {
                household,
                start_ms,
                until_ms,
                revision,
            } => {
                if let Some(house) = self.house(household) {
                    house.close(*start_ms, *until_ms, *revision);
                }
            }
            WindowRecord::Forgotten { household, before_ms } => {
                if let Some(house) = self.house(household) {
                    house.drop_before(*before_ms);
                }
            }
        }
    }

    fn summary(&self) -> Recovered<Vec<House>> {
        if self.houses.is_empty() {
            Recovered::Fresh
        } else {
            Recovered::Known(self.houses.clone())
        }
    }

    fn answer(&self, query: &Never) -> Never {
        match *query {}
    }
}

//! The ledger: what was sent, so what must have arrived.
//!
//! It is fed with every [`Sent`] and needs no knowledge of how the pipeline works; the verdict compares the two.

use std::collections::BTreeMap;

use crate::{Label, STEP_MS, Sent, TimeSet, clock::HOUR_MS};

/// The width of a window in milliseconds, unless told otherwise.
pub const WIDTH_MS: i64 = 5_000;

/// What one window of one household must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The sum of the powers, milliwatts.
    pub sum_mw: i64,
    /// How many readings.
    pub n: u64,
    /// The smallest power.
    pub min_mw: i64,
    /// The largest power.
    pub max_mw: i64,
}

impl Window {
    fn one(power_mw: i64) -> Self {
        Self {
            sum_mw: power_mw,
            n: 1,
            min_mw: power_mw,
            max_mw: power_mw,
        }
    }

    fn add(&mut self, power_mw: i64) {
        self.sum_mw += power_mw;
        self.n += 1;
        self.min_mw = self.min_mw.min(power_mw);
        self.max_mw = self.max_mw.max(power_mw);
    }
}

/// A sum of powers and how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    /// The sum of the powers, milliwatts.
    pub sum_mw: i128,
    /// How many readings.
    pub n: u64,
}

impl Sum {
    fn add(&mut self, power_mw: i64) {
        self.sum_mw += i128::from(power_mw);
        self.n += 1;
    }
}

/// How many records carried each label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; Label::ALL.len()]);

impl Counts {
    /// The records with this label.
    #[must_use]
    pub const fn of(&self, label: Label) -> u64 {
        self.0[label as usize]
    }

    /// All records.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The records that must be in a window: fresh and late ones.
    #[must_use]
    pub fn counted(&self) -> u64 {
        Label::ALL
            .into_iter()
            .filter(|label| label.counts())
            .map(|label| self.of(label))
            .sum()
    }
}

#[derive(Debug, Clone)]
struct House {
    counts: Counts,
    windows: BTreeMap<i64, Window>,
    hours: BTreeMap<i64, Sum>,
    times: Vec<TimeSet>,
    /// Event time and register of the earliest and the latest counted reading that carried one.
    first: Option<(i64, u64)>,
    last: Option<(i64, u64)>,
    /// Whether any counted power was negative, so that the register cannot audit the sum.
    fed_in: bool,
}

/// Everything that was sent.
#[derive(Debug, Clone)]
pub struct Ledger {
    width_ms: i64,
    step_ms: i64,
    houses: BTreeMap<String, House>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new(WIDTH_MS, STEP_MS)
    }
}

impl Ledger {
    /// An empty ledger for windows of `width_ms` over readings about `step_ms` apart.
    #[must_use]
    pub const fn new(width_ms: i64, step_ms: i64) -> Self {
        Self {
            width_ms,
            step_ms,
            houses: BTreeMap::new(),
        }
    }

    /// Enters one record.
    pub fn record(&mut self, sent: &Sent) {
        if !self.houses.contains_key(&sent.household) {
            self.houses.insert(sent.household.clone(), House::new(self.step_ms));
        }
        let Some(house) = self.houses.get_mut(&sent.household) else {
            return;
        };
        house.counts.0[sent.label as usize] += 1;
        let Some(reading) = &sent.reading else { return };
        house.times[sent.label as usize].insert(reading.time_ms);
        if !sent.label.counts() {
            return;
        }
        let (start, hour) = (floor(reading.time_ms, self.width_ms), floor(reading.time_ms, HOUR_MS));
        let window = house.windows.entry(start);
        window
            .and_modify(|window| window.add(reading.power_mw))
            .or_insert_with(|| Window::one(reading.power_mw));
        house.hours.entry(hour).or_default().add(reading.power_mw);
        house.fed_in |= reading.power_mw < 0;
        if let Some(register) = reading.register {
            let at = (reading.time_ms, register);
            house.first = Some(house.first.map_or(at, |first| first.min(at)));
            house.last = Some(house.last.map_or(at, |last| last.max(at)));
        }
    }

    /// The width of a window.
    #[must_use]
    pub const fn width_ms(&self) -> i64 {
        self.width_ms
    }

    /// The households, in the order of their names.
    pub fn households(&self) -> impl Iterator<Item = &str> {
        self.houses.keys().map(String::as_str)
    }

    /// Every expected window: household, start, content.
    pub fn windows(&self) -> impl Iterator<Item = (&str, i64, &Window)> {
        let houses = self.houses.iter();
        houses.flat_map(|(name, house)| {
            house
                .windows
                .iter()
                .map(|(&start, window)| (name.as_str(), start, window))
        })
    }

    /// One expected window.
    #[must_use]
    pub fn window(&self, household: &str, start_ms: i64) -> Option<&Window> {
        self.houses.get(household)?.windows.get(&start_ms)
    }

    /// Every hour: household, start, sum.
    pub fn hours(&self) -> impl Iterator<Item = (&str, i64, Sum)> {
        let houses = self.houses.iter();
        houses.flat_map(|(name, house)| house.hours.iter().map(|(&start, &sum)| (name.as_str(), start, sum)))
    }

    /// The sum over everything a household must have in its windows.
    #[must_use]
    pub fn sum(&self, household: &str) -> Sum {
        let hours = self
            .houses
            .get(household)
            .into_iter()
            .flat_map(|house| house.hours.values());
        hours.fold(Sum::default(), |a, b| Sum {
            sum_mw: a.sum_mw + b.sum_mw,
            n: a.n + b.n,
        })
    }

    /// The sum over all households.
    #[must_use]
    pub fn total(&self) -> Sum {
        let sums = self.households().map(|household| self.sum(household));
        sums.fold(Sum::default(), |a, b| Sum {
            sum_mw: a.sum_mw + b.sum_mw,
            n: a.n + b.n,
        })
    }

    /// How many records a household sent with each label.
    #[must_use]
    pub fn counts(&self, household: &str) -> Counts {
        self.houses.get(household).map(|house| house.counts).unwrap_or_default()
    }

    /// How many records were sent with each label.
    #[must_use]
    pub fn all_counts(&self) -> Counts {
        let mut all = Counts::default();
        for house in self.houses.values() {
            for (sum, count) in all.0.iter_mut().zip(house.counts.0) {
                *sum += count;
            }
        }
        all
    }

    /// Whether a household sent a reading of this time with this label.
    #[must_use]
    pub fn contains(&self, label: Label, household: &str, time_ms: i64) -> bool {
        self.times(label, household)
            .is_some_and(|times| times.contains(time_ms))
    }

    /// The event times a household sent with this label.
    #[must_use]
    pub fn times(&self, label: Label, household: &str) -> Option<&TimeSet> {
        self.houses.get(household).map(|house| &house.times[label as usize])
    }

    /// What the import register rose by between a household's first and last counted reading, units of 10⁻¹⁰ kWh:
    /// a figure that owes nothing to the windows. The first reading's own step lies before it. Nothing for a
    /// household without registers.
    #[must_use]
    pub fn register_difference(&self, household: &str) -> Option<u64> {
        let house = self.houses.get(household)?;
        Some(house.last?.1.saturating_sub(house.first?.1))
    }

    /// Whether a household ever fed in; its register does not tell what its windows must sum to.
    #[must_use]
    pub fn fed_in(&self, household: &str) -> bool {
        self.houses.get(household).is_some_and(|house| house.fed_in)
    }
}

impl House {
    fn new(step_ms: i64) -> Self {
        Self {
            counts: Counts::default(),
            windows: BTreeMap::new(),
            hours: BTreeMap::new(),
            times: Label::ALL.iter().map(|_| TimeSet::new(step_ms)).collect(),
            first: None,
            last: None,
            fed_in: false,
        }
    }
}

/// The start of the window of this width that a time falls into.
#[must_use]
pub const fn floor(time_ms: i64, width_ms: i64) -> i64 {
    time_ms.div_euclid(width_ms) * width_ms
}

/// The energy of `n` readings, `step_ms` apart, whose powers sum to `sum_mw`: milliwatt-seconds. Exact if the step is
/// a whole number of seconds; else cut towards zero.
#[must_use]
pub fn energy_mws(sum_mw: i128, n: u64, step_ms: i64) -> i128 {
    debug_assert!(n > 0 || sum_mw == 0, "a sum of nothing is nothing");
    sum_mw * i128::from(step_ms) / 1_000
}

/// Milliwatt-seconds as kilowatt-hours with `digits` decimals (at most 12), rounded half away from zero.
#[must_use]
pub fn kwh_text(energy_mws: i128, digits: u32) -> String {
    quotient_text(energy_mws, 3_600_000_000, digits)
}

/// Register units of 10⁻¹⁰ kWh as kilowatt-hours with `digits` decimals (at most 12), rounded half away from zero.
#[must_use]
pub fn register_kwh_text(units: u64, digits: u32) -> String {
    quotient_text(i128::from(units), 10_000_000_000, digits)
}

fn quotient_text(value: i128, unit: i128, digits: u32) -> String {
    let scale = 10i128.pow(digits.min(12));
    let rounded = (value.abs() * scale * 2 + unit) / (unit * 2);
    let sign = if value < 0 && rounded > 0 { "-" } else { "" };
    match digits.min(12) as usize {
        0 => format!("{sign}{rounded}"),
        digits => format!("{sign}{}.{:0digits$}", rounded / scale, rounded % scale),
    }
}

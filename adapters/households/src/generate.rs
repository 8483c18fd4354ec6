//! The seeded generator: households that send a reading every two seconds, faults included.
//!
//! The same [`Config`] gives the same records, byte for byte. Households send in the order of their offsets within
//! the step; what was held back follows right behind a later reading of the same household, so a household that sends
//! nothing releases nothing. A gap begins only while nothing but too-late readings is held back: it would stretch a
//! late reading beyond the time it may be late.

use crate::{
    Label, Reading, STEP_MS, Sent,
    faults::{Faults, Malformed},
    meter::Meter,
    record,
    rng::{Rng, mix},
};

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The seed of everything.
    pub seed: u64,
    /// How many households.
    pub households: usize,
    /// When the first step begins, Unix milliseconds.
    pub start_ms: i64,
    /// How many steps of two seconds; none: without end.
    pub steps: Option<u64>,
    /// What goes wrong.
    pub faults: Faults,
    /// The household with a roof, which feeds in at midday.
    pub feeds_in: Option<usize>,
}

impl Config {
    /// Fifty households, faults now and then, the eighth household feeds in, without end.
    #[must_use]
    pub fn new(seed: u64, start_ms: i64) -> Self {
        Self {
            seed,
            households: 50,
            start_ms,
            steps: None,
            faults: Faults::default(),
            feeds_in: Some(7),
        }
    }
}

/// The name of household `index`: `household_` and 64 hexadecimal digits.
#[must_use]
pub fn household_name(seed: u64, index: usize) -> String {
    let mut rng = Rng::part(mix(seed ^ 0x6e61_6d65), index as u64);
    let digits: String = (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect();
    format!("household_{digits}")
}

/// A record that waits for its time.
#[derive(Debug, Clone)]
struct Held {
    due_ms: i64,
    label: Label,
    reading: Reading,
}

#[derive(Debug, Clone)]
struct House {
    name: String,
    /// Where in the step it reads its meter, 0 to 1,999 ms.
    offset_ms: i64,
    meter: Meter,
    /// Decides on faults only, so that faults do not change what the household consumes.
    chance: Rng,
    /// Steps the current gap still lasts.
    gap: i64,
    held: Vec<Held>,
}

/// The generator; an iterator over what is sent, in the order it is sent.
#[derive(Debug, Clone)]
pub struct Generator {
    config: Config,
    /// In the order of their offsets.
    houses: Vec<House>,
    step: u64,
    /// The household whose turn it is.
    next: usize,
    /// What that household sends at its turn, last first.
    ready: Vec<Sent>,
}

impl Generator {
    /// A generator at its first step.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut houses: Vec<House> = (0..config.households)
            .map(|index| {
                let mut chance = Rng::part(mix(config.seed ^ 0x6661_756c_7473), index as u64);
                House {
                    name: household_name(config.seed, index),
                    offset_ms: chance.between(0, STEP_MS - 1),
                    meter: Meter::new(config.seed, index as u64, config.feeds_in == Some(index)),
                    chance,
                    gap: 0,
                    held: Vec::new(),
                }
            })
            .collect();
        houses.sort_by_key(|house| house.offset_ms);
        Self {
            config,
            houses,
            step: 0,
            next: 0,
            ready: Vec::new(),
        }
    }

    /// The names of the households, in the order in which they take turns.
    pub fn households(&self) -> impl Iterator<Item = &str> {
        self.houses.iter().map(|house| house.name.as_str())
    }

    /// Ends the stream. What is still held back was never sent and never will be: it counts nowhere. Returns how
    /// many records that is.
    #[must_use]
    pub fn finish(self) -> usize {
        self.houses.iter().map(|house| house.held.len()).sum()
    }
}

impl Iterator for Generator {
    type Item = Sent;

    fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop() {
                return Some(sent);
            }
            if self.houses.is_empty() || self.config.steps.is_some_and(|steps| self.step >= steps) {
                return None;
            }
            let house = &mut self.houses[self.next];
            let now_ms = self.config.start_ms + self.step as i64 * STEP_MS + house.offset_ms;
            house.turn(now_ms, &self.config.faults, &mut self.ready);
            self.ready.reverse();
            self.next += 1;
            if self.next == self.houses.len() {
                (self.next, self.step) = (0, self.step + 1);
            }
        }
    }
}

impl House {
    /// Reads the meter and sends whatever is to be sent now.
    fn turn(&mut self, now_ms: i64, faults: &Faults, ready: &mut Vec<Sent>) {
        let sample = self.meter.step(now_ms);
        if self.gap > 0 {
            self.gap -= 1;
            return;
        }
        if self.held.iter().all(|held| held.label == Label::TooLate) && self.chance.per_mille(faults.gap) {
            self.gap = self.chance.between(faults.gap_steps.0, faults.gap_steps.1) - 1;
            return;
        }
        let reading = Reading {
            household: self.name.clone(),
            time_ms: now_ms,
            power_mw: sample.power_mw,
            register: Some(sample.register),
        };
        // With something due this turn has to send, or what is due would be held back longer than it may be.
        let free = self.held.iter().all(|held| held.due_ms > now_ms);
        if free && self.chance.per_mille(faults.too_late) {
            self.hold(Label::TooLate, now_ms, faults.too_late_ms, reading);
            return;
        }
        if free && self.chance.per_mille(faults.late) {
            self.hold(Label::Late, now_ms, faults.late_ms, reading);
            return;
        }
        ready.push(self.sent(now_ms, Label::Fresh, reading.clone()));
        self.release(now_ms, ready);
        if self.chance.per_mille(faults.future) {
            let time_ms = now_ms + self.chance.between(faults.future_ms.0, faults.future_ms.1);
            ready.push(self.sent(
                now_ms,
                Label::Future,
                Reading {
                    time_ms,
                    ..reading.clone()
                },
            ));
        }
        if self.chance.per_mille(faults.malformed) {
            let payload = Malformed::any(&mut self.chance).bytes(&self.name);
            let household = self.name.clone();
            ready.push(Sent {
                now_ms,
                household,
                payload,
                label: Label::Malformed,
                reading: None,
            });
        }
        if self.chance.per_mille(faults.repeated) {
            self.hold(Label::Repeated, now_ms, faults.repeated_ms, reading);
        }
    }

    fn hold(&mut self, label: Label, now_ms: i64, wait_ms: (i64, i64), reading: Reading) {
        // Released at the first turn at or after `due_ms`; a step is taken off so that the longest wait is kept.
        let longest = (wait_ms.1 - STEP_MS + 1).max(wait_ms.0);
        let due_ms = now_ms + self.chance.between(wait_ms.0, longest);
        self.held.push(Held { due_ms, label, reading });
    }

    /// Sends what is due, longest due first.
    fn release(&mut self, now_ms: i64, ready: &mut Vec<Sent>) {
        if self.held.iter().all(|held| held.due_ms > now_ms) {
            return;
        }
        let (mut due, held): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(|held| held.due_ms <= now_ms);
        self.held = held;
        due.sort_by_key(|held| (held.due_ms, held.reading.time_ms));
        ready.extend(due.into_iter().map(|held| self.sent(now_ms, held.label, held.reading)));
    }

    fn sent(&self, now_ms: i64, label: Label, reading: Reading) -> Sent {
        let payload = record::to_json(&reading);
        Sent {
            now_ms,
            household: self.name.clone(),
            payload,
            label,
            reading: Some(reading),
        }
    }
}

//! The windows' rules computed plainly: all that was ever counted is kept, and every sum is made anew.
//!
//! It shares no code with core but the names of the outcomes, and it knows one household, which is all the model has.

use std::collections::BTreeMap;

use pehra_core::pipeline::Content;
use pehra_core::types::Household;
use pehra_core::window::{Span, Take, Tuple, Why, WindowConfig};

/// What came so far.
pub(super) struct Plain<'c> {
    config: &'c WindowConfig,
    household: Option<Household>,
    /// Power and register by time.
    counted: BTreeMap<i64, (i64, Option<u64>)>,
    /// The newest revision by start.
    revisions: BTreeMap<i64, u32>,
    until_ms: i64,
    /// The tuples that must be in the outbox, in order.
    pub tuples: Vec<Tuple>,
    /// Why something was set aside, in order.
    pub set_aside: Vec<Why>,
}

impl<'c> Plain<'c> {
    pub(super) const fn new(config: &'c WindowConfig) -> Self {
        Self {
            config,
            household: None,
            counted: BTreeMap::new(),
            revisions: BTreeMap::new(),
            until_ms: i64::MIN,
            tuples: Vec::new(),
            set_aside: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, content: &Content) {
        let outcome = match content {
            Content::Unreadable(_) => Err(Why::Unreadable),
            Content::Gone => Err(Why::Gone),
            Content::Reading(take) => self.outcome(take).map(|()| take.reading),
        };
        let reading = match outcome {
            Ok(reading) => reading,
            Err(why) => return self.set_aside.push(why),
        };
        self.household = Some(reading.household);
        self.counted
            .insert(reading.time_ms, (reading.power_mw, reading.register));
        let start_ms = self.start(reading.time_ms);
        if start_ms < self.until_ms {
            let revision = self.revisions.get(&start_ms).map_or(1, |revision| revision + 1);
            self.tell(start_ms, revision);
        }
        self.close_until(self.newest_ms() - self.config.slack_ms);
    }

    /// The household was silent for long: all its windows close.
    pub(super) fn swept(&mut self) {
        self.close_until(i64::MAX);
    }

    fn start(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.config.width_ms) * self.config.width_ms
    }

    fn newest_ms(&self) -> i64 {
        self.counted
            .last_key_value()
            .map_or(-1_000_000_000, |(time_ms, _)| *time_ms)
    }

    fn outcome(&self, Take { reading, now_ms }: &Take) -> Result<(), Why> {
        if reading.time_ms - now_ms > self.config.future_ms {
            return Err(Why::Future);
        }
        let start_ms = self.start(reading.time_ms);
        let end_ms = start_ms + self.config.width_ms;
        if end_ms + self.config.lateness_ms <= self.newest_ms() - self.config.slack_ms {
            return Err(Why::TooLate);
        }
        let full = self.counted.range(start_ms..end_ms).count() == self.config.readings_max as usize;
        match self.counted.get(&reading.time_ms) {
            None if full => Err(Why::NoRoom),
            None => Ok(()),
            Some(same) if *same == (reading.power_mw, reading.register) => Err(Why::Repeated),
            Some(_) => Err(Why::Conflict),
        }
    }

    fn close_until(&mut self, watermark_ms: i64) {
        let open = self.counted.range(self.until_ms..);
        let mut starts: Vec<i64> = open.map(|(time_ms, _)| self.start(*time_ms)).collect();
        starts.dedup();
        starts.retain(|start_ms| start_ms + self.config.width_ms <= watermark_ms);
        for start_ms in starts {
            if self.until_ms != i64::MIN && self.until_ms < start_ms {
                self.push(self.until_ms, Span::Gap { until_ms: start_ms });
            }
            self.until_ms = start_ms + self.config.width_ms;
            self.tell(start_ms, 0);
        }
    }

    fn tell(&mut self, start_ms: i64, revision: u32) {
        self.revisions.insert(start_ms, revision);
        let end_ms = start_ms + self.config.width_ms;
        let inside: Vec<(i64, Option<u64>)> = self.counted.range(start_ms..end_ms).map(|(_, kept)| *kept).collect();
        self.push(start_ms, summed(&inside, revision));
    }

    fn push(&mut self, start_ms: i64, span: Span) {
        if let Some(household) = self.household {
            self.tuples.push(Tuple {
                household,
                start_ms,
                span,
            });
        }
    }
}

/// A window of these readings: power and register, in the order of their times.
pub(super) fn summed(readings: &[(i64, Option<u64>)], revision: u32) -> Span {
    let powers = || readings.iter().map(|(power_mw, _)| *power_mw);
    let registers: Vec<u64> = readings.iter().filter_map(|(_, register)| *register).collect();
    Span::Window {
        sum_mw: powers().sum(),
        n: readings.len() as u32,
        min_mw: powers().min().unwrap_or(0),
        max_mw: powers().max().unwrap_or(0),
        first_register: registers.first().copied(),
        last_register: registers.last().copied(),
        revision,
    }
}

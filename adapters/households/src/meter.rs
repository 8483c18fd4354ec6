//! One household's meter: three phases, appliances that come and go, an import register that adds up exactly.
//!
//! Everything is integer arithmetic on the household's own [`Rng`], so two machines never disagree. The shape of the
//! day is our own rough curve (quiet night, a peak at breakfast, a higher one in the evening), in UTC.

use crate::{
    STEP_MS,
    clock::{DAY_MS, HOUR_MS},
    rng::Rng,
};

/// Milliwatt-milliseconds in one unit of the register: 10⁻¹⁰ kWh = 360 µJ, and 1 mW · 1 ms = 1 µJ.
pub const MWMS_PER_UNIT: i64 = 360;

/// How lively an hour of the day is, in per mille of the liveliest.
const HOURS: [i64; 24] = [
    280, 230, 210, 200, 220, 330, 560, 720, 650, 560, 540, 600, 690, 610, 540, 560, 700, 900, 1_000, 970, 850, 690,
    500, 360,
];

/// A kind of appliance.
#[derive(Debug)]
struct Kind {
    /// Watts while it runs, lowest and highest.
    watts: (i64, i64),
    /// How long it runs, in steps, lowest and highest.
    steps: (i64, i64),
    /// How often it starts in the liveliest hour, per million steps.
    starts: u64,
    /// Runs by day and night alike (the fridge).
    steady: bool,
    /// Within a run, the share of steps at full power, in per mille (a washing machine heats only at times).
    heats: u32,
}

const KINDS: [Kind; 6] = [
    Kind {
        watts: (70, 130),
        steps: (300, 600),
        starts: 1_800,
        steady: true,
        heats: 1_000,
    },
    Kind {
        watts: (1_800, 2_400),
        steps: (60, 120),
        starts: 700,
        steady: false,
        heats: 1_000,
    },
    Kind {
        watts: (1_900, 3_200),
        steps: (900, 1_800),
        starts: 90,
        steady: false,
        heats: 600,
    },
    Kind {
        watts: (1_700, 2_200),
        steps: (2_700, 3_600),
        starts: 40,
        steady: false,
        heats: 220,
    },
    Kind {
        watts: (80, 220),
        steps: (1_800, 7_200),
        starts: 250,
        steady: false,
        heats: 1_000,
    },
    Kind {
        watts: (900, 1_600),
        steps: (90, 300),
        starts: 300,
        steady: false,
        heats: 800,
    },
];

#[derive(Debug, Clone)]
struct Appliance {
    kind: usize,
    phase: usize,
    milliwatts: i64,
    left: i64,
}

/// What the meter shows after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The sum of the phases.
    pub power_mw: i64,
    /// The three phases, milliwatts each.
    pub phases_mw: [i64; 3],
    /// The import register after this step, units of 10⁻¹⁰ kWh.
    pub register: u64,
}

/// A meter and the household behind it.
#[derive(Debug, Clone)]
pub struct Meter {
    rng: Rng,
    base_mw: [i64; 3],
    appliances: Vec<Appliance>,
    /// Peak of the roof in milliwatts; 0 without one.
    roof_mw: i64,
    /// How clear the sky is, in per mille; wanders.
    sky: i64,
    register: u64,
    /// What the register has not counted yet, below [`MWMS_PER_UNIT`].
    rest: i64,
}

impl Meter {
    /// The meter of household `index`; `feeds_in` puts a roof of about six kilowatts on it.
    #[must_use]
    pub fn new(seed: u64, index: u64, feeds_in: bool) -> Self {
        let mut rng = Rng::part(seed, index);
        let base_mw = core::array::from_fn(|_| rng.between(15_000, 90_000));
        let appliances = (0..KINDS.len())
            .map(|kind| Appliance {
                kind,
                phase: rng.below(3) as usize,
                milliwatts: rng.between(KINDS[kind].watts.0 * 1_000, KINDS[kind].watts.1 * 1_000),
                left: 0,
            })
            .collect();
        let roof_mw = if feeds_in { rng.between(5_000_000, 7_000_000) } else { 0 };
        let register = rng.below(90_000) * 1_000_000_000 * 10 + rng.below(10_000_000_000);
        Self {
            rng,
            base_mw,
            appliances,
            roof_mw,
            sky: 900,
            register,
            rest: 0,
        }
    }

    /// Runs the household for the step that ends at `time_ms` and reads the meter.
    pub fn step(&mut self, time_ms: i64) -> Sample {
        let lively = lively(time_ms);
        let mut phases_mw = [0; 3];
        for (phase, base) in phases_mw.iter_mut().zip(self.base_mw) {
            // The base load follows the hour by half and flickers by three per cent.
            let level = base * (1_000 + lively) / 1_500;
            *phase = level + level * self.rng.between(-30, 30) / 1_000;
        }
        for appliance in &mut self.appliances {
            let kind = &KINDS[appliance.kind];
            if appliance.left == 0 {
                let share = if kind.steady { 1_000 } else { lively };
                if self.rng.per_million(kind.starts * share as u64 / 1_000) {
                    appliance.left = self.rng.between(kind.steps.0, kind.steps.1);
                }
            } else {
                appliance.left -= 1;
                let heats = appliance.left % 100 < i64::from(kind.heats) / 10;
                let level = if heats {
                    appliance.milliwatts
                } else {
                    appliance.milliwatts / 20
                };
                phases_mw[appliance.phase] += level + level * self.rng.between(-10, 10) / 1_000;
            }
        }
        if self.roof_mw > 0 {
            self.sky = (self.sky + self.rng.between(-4, 4)).clamp(300, 1_000);
            let sun = self.roof_mw * sun(time_ms) / 1_000 * self.sky / 1_000;
            for phase in &mut phases_mw {
                *phase -= sun / 3;
            }
        }
        let power_mw = phases_mw.iter().sum();
        self.count(power_mw);
        Sample {
            power_mw,
            phases_mw,
            register: self.register,
        }
    }

    /// Adds one step of import to the register; what is fed in does not count.
    fn count(&mut self, power_mw: i64) {
        self.rest += power_mw.max(0) * STEP_MS;
        self.register += (self.rest / MWMS_PER_UNIT) as u64;
        self.rest %= MWMS_PER_UNIT;
    }
}

/// The liveliness at a time, straight lines between the full hours.
fn lively(time_ms: i64) -> i64 {
    let of_day = time_ms.rem_euclid(DAY_MS);
    let (hour, into) = ((of_day / HOUR_MS) as usize, of_day % HOUR_MS);
    HOURS[hour] + (HOURS[(hour + 1) % 24] - HOURS[hour]) * into / HOUR_MS
}

/// The sun's share at a time in per mille: a parabola from 5 to 19 hours with its top at noon.
fn sun(time_ms: i64) -> i64 {
    let from_noon = (time_ms.rem_euclid(DAY_MS) - DAY_MS / 2) / 60_000;
    (1_000 - 1_000 * from_noon * from_noon / (420 * 420)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2019-12-24 00:00:00.
    const DAY: i64 = 1_577_145_600_000;

    fn day(index: u64, feeds_in: bool) -> Vec<Sample> {
        let mut meter = Meter::new(11, index, feeds_in);
        (0..DAY_MS / STEP_MS).map(|k| meter.step(DAY + k * STEP_MS)).collect()
    }

    #[test]
    fn phases_add_up_and_the_register_is_the_exact_integral_of_import() {
        for (index, feeds_in) in [(0, false), (1, true), (2, false)] {
            let samples = day(index, feeds_in);
            let first = samples[0].register;
            let mut import = 0;
            let mut rest = None;
            for pair in samples.windows(2) {
                assert_eq!(pair[1].phases_mw.iter().sum::<i64>(), pair[1].power_mw);
                import += i128::from(pair[1].power_mw.max(0)) * i128::from(STEP_MS);
                let counted = i128::from(pair[1].register - first) * i128::from(MWMS_PER_UNIT);
                // What is not counted yet stays below two units: the remainder before and the one now.
                let open = import - counted;
                assert!(open.abs() < i128::from(MWMS_PER_UNIT), "{open}");
                if pair[1].power_mw <= 0 {
                    assert_eq!(
                        pair[0].register, pair[1].register,
                        "the register stands still while feeding in"
                    );
                    assert!(rest.is_none_or(|before| before == open));
                    rest = Some(open);
                } else {
                    rest = None;
                }
            }
        }
    }

    #[test]
    fn a_kilowatt_for_an_hour_is_a_kilowatt_hour() {
        let mut meter = Meter::new(1, 1, false);
        let before = meter.register;
        for _ in 0..HOUR_MS / STEP_MS {
            meter.count(1_000_000);
        }
        assert_eq!(meter.register - before, 10_000_000_000);
    }

    #[test]
    fn days_look_like_households() {
        let mut kwh: Vec<u64> = (0..50)
            .map(|index| {
                let samples = day(index, false);
                (samples[samples.len() - 1].register - samples[0].register) / 1_000_000_000
            })
            .collect();
        kwh.sort_unstable();
        // Tenths of a kilowatt-hour a day: between 3 and 30 kWh, the middle one between 7 and 18.
        assert!(kwh[0] > 30 && kwh[49] < 300, "{kwh:?}");
        assert!((70..180).contains(&kwh[25]), "{kwh:?}");
    }

    #[test]
    fn only_the_roof_feeds_in_and_only_by_day() {
        assert!(day(3, false).iter().all(|sample| sample.power_mw > 0));
        let samples = day(1, true);
        let noon = samples.len() / 2;
        assert!(
            samples[noon - 300..noon + 300]
                .iter()
                .filter(|s| s.power_mw < -1_000_000)
                .count()
                > 300
        );
        assert!(samples[..1_000].iter().all(|sample| sample.power_mw > 0));
    }
}

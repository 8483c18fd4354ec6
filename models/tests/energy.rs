//! What sleeping saves, and how long anybody waits: all policies side by side on the same loads.
//!
//! A plain `cargo test` runs few cases, and asserts what must hold in every one. How much of S_max is reached is reported, not
//! asserted. The whole grid takes minutes, so `./run deep` runs it; virtual time is exact, so what is found is held against
//! `models/results/energy.json` and must be equal on every machine:
//!
//! ```text
//! cargo test -p pehra-models --test energy -- --ignored
//! ```

use std::fs;
use std::path::Path;

use pehra_core::sleep::guard::Timing;
use pehra_core::types::Ticks;
use pehra_models::energy::load::{DAY, HOUR, household_day};
use pehra_models::energy::outcome::IDLE_OF_ACTIVE;
use pehra_models::energy::plant::timing as usual;
use pehra_models::energy::{Case, Hardware, Load, Outcome, Policy};
use pehra_models::results;
use pehra_models::simulator::{Time, ms};

const FILE: &str = "energy";
/// The mean of idle runs.
const IDLE_MEAN: Time = ms(2 * 3_600_000);
const SEED: u64 = 1;
const IDLE: [u64; 3] = [500, 800, 950];
/// All but the one that is in each row.
const POLICIES: [Policy; 6] = [
    Policy::AsWritten,
    Policy::Lean,
    Policy::Watch,
    Policy::WatchNeeded,
    Policy::OracleLean,
    Policy::OracleWatch,
];
const TRACE: &str = "traces/household-day.csv";

const fn hours(hours: u64) -> Time {
    ms(hours * 3_600_000)
}

fn outcome(name: &str, case: &Case, policy: Policy) -> Outcome {
    Outcome::of(name, case, policy, &IDLE_OF_ACTIVE).unwrap_or_else(|failure| {
        panic!(
            "{name}, {}: {failure}\nsee it with: cargo run -p pehra -- energy --help",
            policy.name()
        )
    })
}

fn kilojoules(outcome: &Outcome) -> Vec<u64> {
    outcome.energy.iter().map(|energy| energy.kilojoules).collect()
}

/// All policies, and what must hold between them.
fn all(name: &str, case: &Case) -> Vec<Outcome> {
    let found = POLICIES.map(|policy| outcome(name, case, policy));
    let [_, lean, watch, needed, oracle_lean, oracle_watch] = &found;
    for it in [lean, watch, needed] {
        assert!(
            it.is_in_time(),
            "{}: a request waits {:?} ms, and the bound is {} ms",
            it.name,
            it.outage,
            it.bound_ms
        );
    }
    assert_eq!(
        lean.outage.map(|waits| waits.p100),
        lean.outage.map(|_| 0),
        "{}: somebody waits",
        lean.name
    );
    for it in [lean, watch, oracle_lean, oracle_watch] {
        for energy in &it.energy {
            // Both are rounded down: S_max, and the idle time that it is reckoned from.
            assert!(
                energy.saving_permille <= i64::from(energy.saving_permille_max) + 2,
                "{}: more is saved than anybody can: {energy:?}",
                it.name
            );
        }
    }
    let always_on: Vec<u64> = lean.energy.iter().map(|energy| energy.always_on_kilojoules).collect();
    let falls = |more: &[u64], less: &[u64]| more.iter().zip(less).all(|(more, less)| more >= less);
    for (better, row) in [
        ("lean", [&always_on, &kilojoules(lean), &kilojoules(oracle_lean)]),
        ("watch", [&always_on, &kilojoules(watch), &kilojoules(oracle_watch)]),
        ("more sleepers", [&always_on, &kilojoules(lean), &kilojoules(watch)]),
    ] {
        assert!(
            falls(row[0], row[1]) && falls(row[1], row[2]),
            "{name}, {better}: energy does not fall: {row:?}"
        );
    }
    found.into()
}

fn on_off(brokers: u16, hardware: Hardware, length: Time, idle: u64) -> (String, Case) {
    let case = Case::new(brokers, hardware, SEED, |seed| {
        Load::on_off(seed, length, idle, IDLE_MEAN)
    });
    (format!("{}, N = {brokers:04}, f = {}", hardware.name, idle / 10), case)
}

// --- what must hold: in each `cargo test` -------------------------------------------------------------------------------

/// In a quarter of the time of the whole grid, and of each of its kinds something.
fn holds(brokers: u16, hardware: Hardware, length: Time) {
    let (name, case) = on_off(brokers, hardware, length, 800);
    tell(&all(&name, &case));
}

fn tell(outcomes: &[Outcome]) {
    let outcomes: Vec<&Outcome> = outcomes.iter().collect();
    println!("{}", pehra_models::energy::outcome::table(&outcomes));
}

macro_rules! holds {
    ($($name:ident: $brokers:expr, $hardware:expr, $hours:expr;)*) => {
        $(#[test]
        fn $name() {
            holds($brokers, $hardware, hours($hours));
        })*
    };
}

holds! {
    holds_for_3_suspended: 3, Hardware::S3, 24;
    holds_for_3_switched_off: 3, Hardware::S5, 24;
    holds_for_6_suspended: 6, Hardware::S3, 12;
    holds_for_9_switched_off: 9, Hardware::S5, 12;
    holds_for_12_suspended: 12, Hardware::S3, 8;
    holds_for_48_suspended: 48, Hardware::S3, 3;
    holds_for_96_in_two_wards: 96, Hardware::S3, 1;
}

#[test]
fn holds_when_pauses_are_about_as_long_as_the_break_even_time() {
    for hardware in [Hardware::S3, Hardware::S5] {
        let load = |seed| Load::on_off(seed, hours(6), 500, hardware.break_even());
        tell(&all(hardware.name, &Case::new(3, hardware, SEED, load)));
    }
}

#[test]
fn holds_on_recorded_traffic() {
    let load = Load::recorded(&recorded(), 20).expect("it can be read");
    tell(&all(
        "household day",
        &Case::new(3, Hardware::S3, SEED, |_| load.clone()),
    ));
}

// --- the whole grid: ./run deep -----------------------------------------------------------------------------------------

fn run(name: &str, case: &Case) {
    for outcome in all(name, case) {
        results::compare(FILE, &outcome);
    }
}

fn grid(brokers: u16, hardware: Hardware, length: Time) {
    for idle in IDLE {
        let (name, case) = on_off(brokers, hardware, length, idle);
        run(&name, &case);
    }
}

macro_rules! grids {
    ($($name:ident: $brokers:expr, $hardware:expr;)*) => {
        $(#[test]
        #[ignore = "a part of the grid; ./run deep runs it"]
        fn $name() {
            grid($brokers, $hardware, DAY);
        })*
    };
}

grids! {
    s3_3: 3, Hardware::S3;
    s3_6: 6, Hardware::S3;
    s3_9: 9, Hardware::S3;
    s3_12: 12, Hardware::S3;
    s3_48: 48, Hardware::S3;
    s5_3: 3, Hardware::S5;
    s5_6: 6, Hardware::S5;
    s5_9: 9, Hardware::S5;
    s5_12: 12, Hardware::S5;
    s5_48: 48, Hardware::S5;
}

/// Twenty-one wards of 47 or 48.
#[test]
#[ignore = "some minutes; ./run deep runs it"]
fn s3_1000() {
    let (name, case) = on_off(1000, Hardware::S3, hours(12), 800);
    run(&name, &case);
}

/// Gaps shorter than the break-even time among them.
#[test]
#[ignore = "a minute; ./run deep runs it"]
fn patterns() {
    for hardware in [Hardware::S3, Hardware::S5] {
        let patterns: [(&str, &dyn Fn(u64) -> Load); 4] = [
            ("days and nights", &|seed| Load::diurnal(seed, 2)),
            ("requests an hour apart", &|seed| Load::poisson(seed, DAY, HOUR)),
            ("requests five minutes apart", &|seed| {
                Load::poisson(seed, DAY, ms(300_000))
            }),
            ("gaps about as long as the break-even time", &|seed| {
                Load::on_off(seed, DAY, 500, hardware.break_even())
            }),
        ];
        for (name, load) in patterns {
            run(
                &format!("{}, N = 0006, {name}", hardware.name),
                &Case::new(6, hardware, SEED, load),
            );
        }
    }
}

/// The day that is kept, which is the one that its method makes.
fn recorded() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACE);
    let text = fs::read_to_string(&path).unwrap_or_default();
    if text != household_day(1) && std::env::var_os("PEHRA_WRITE_RESULTS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
        fs::write(&path, household_day(1)).expect("it can be written");
        return household_day(1);
    }
    assert_eq!(text, household_day(1), "{TRACE} is not what its method makes");
    text
}

/// Recorded traffic. Any request needs all in watch gear; in lean gear those who are awake take up to so many a minute.
#[test]
#[ignore = "a minute; ./run deep runs it"]
fn trace() {
    let text = recorded();
    for (hardware, mark) in [
        (Hardware::S3, 1),
        (Hardware::S3, 20),
        (Hardware::S5, 1),
        (Hardware::S5, 20),
    ] {
        let load = Load::recorded(&text, mark).expect("it can be read");
        run(
            &format!("{}, N = 0006, household day from {mark} a minute", hardware.name),
            &Case::new(6, hardware, SEED, |_| load.clone()),
        );
    }
}

/// What loses most against the bound: one wait changed at a time.
#[test]
#[ignore = "a minute; ./run deep runs it"]
fn one_wait_at_a_time() {
    let minutes = |minutes: u32| Ticks(minutes * 60_000);
    type Change = fn(&mut Timing, Ticks);
    let idle: Change = |timing, ticks| timing.idle = ticks;
    let alarm: Change = |timing, ticks| timing.alarm = ticks;
    let changes: [(&str, Hardware, Change, [u32; 3]); 4] = [
        ("idle", Hardware::S3, idle, [1, 5, 10]),
        ("alarm", Hardware::S3, alarm, [5, 120, 360]),
        ("idle", Hardware::S5, idle, [2, 6, 18]),
        ("alarm", Hardware::S5, alarm, [5, 60, 6 * 60]),
    ];
    for (what, hardware, change, values) in changes {
        for value in values {
            let mut timing = usual(&hardware);
            change(&mut timing, minutes(value));
            type Loads = fn(u64) -> Load;
            let loads: [(&str, Loads); 2] = [
                ("f = 80", |seed| Load::on_off(seed, DAY, 800, IDLE_MEAN)),
                ("days and nights", |seed| Load::diurnal(seed, 2)),
            ];
            for (load_name, load) in loads {
                let case = Case {
                    timing: Some(timing),
                    ..Case::new(12, hardware, SEED, load)
                };
                let name = format!("{}, N = 0012, {load_name}, {what} {value} min", hardware.name);
                results::compare(FILE, &outcome(&name, &case, Policy::Watch));
            }
        }
    }
}

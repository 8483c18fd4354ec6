//! What sleeping saves, and how long anybody waits: all policies side by side on the same loads.
//!
//! Virtual time is exact, so what is found is held against `models/results/energy.json` and must be equal on every machine. No figure is
//! asserted here: where an aim is not reached, the page says so.

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
const HALF_DAY: Time = ms(12 * 3_600_000);
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

fn run(name: &str, case: &Case) {
    for policy in POLICIES {
        let outcome = Outcome::of(name, case, policy, &IDLE_OF_ACTIVE).unwrap_or_else(|failure| {
            panic!(
                "{name}, {}: {failure}\nsee it with: cargo run -p pehra -- energy --help",
                policy.name()
            )
        });
        results::compare(FILE, &outcome);
    }
}

fn grid(brokers: u16, hardware: Hardware, length: Time) {
    for idle in IDLE {
        let case = Case::new(brokers, hardware, SEED, |seed| {
            Load::on_off(seed, length, idle, IDLE_MEAN)
        });
        run(
            &format!("{}, N = {brokers:04}, f = {}", hardware.name, idle / 10),
            &case,
        );
    }
}

macro_rules! grids {
    ($($name:ident: $brokers:expr, $hardware:expr, $length:expr;)*) => {
        $(#[test]
        fn $name() {
            grid($brokers, $hardware, $length);
        })*
    };
}

grids! {
    s3_3: 3, Hardware::S3, DAY;
    s3_6: 6, Hardware::S3, DAY;
    s3_9: 9, Hardware::S3, DAY;
    s3_12: 12, Hardware::S3, DAY;
    s5_3: 3, Hardware::S5, DAY;
    s5_6: 6, Hardware::S5, DAY;
    s5_9: 9, Hardware::S5, DAY;
    s5_12: 12, Hardware::S5, DAY;
}

#[test]
#[ignore = "a minute: cargo test -p pehra-models --test energy -- --ignored"]
fn s3_48() {
    grid(48, Hardware::S3, HALF_DAY);
}

#[test]
#[ignore = "a minute: cargo test -p pehra-models --test energy -- --ignored"]
fn s5_48() {
    grid(48, Hardware::S5, HALF_DAY);
}

/// Twenty-one wards: minutes, so only in the long run.
#[test]
#[ignore = "two minutes: cargo test -p pehra-models --test energy -- --ignored"]
fn s3_1000() {
    let load = |seed| Load::on_off(seed, HALF_DAY, 800, IDLE_MEAN);
    run("S3, N = 1000, f = 80", &Case::new(1000, Hardware::S3, SEED, load));
}

/// Gaps shorter than the break-even time among them.
#[test]
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

/// Recorded traffic. Any request needs all in watch gear; in lean gear those who are awake take up to so many a minute.
#[test]
fn trace() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACE);
    if std::env::var_os("PEHRA_WRITE_RESULTS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
        fs::write(&path, household_day(1)).expect("it can be written");
    }
    let text = fs::read_to_string(&path).expect("it is committed");
    assert_eq!(text, household_day(1), "{TRACE} is not what its method makes");
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
#[ignore = "a minute: cargo test -p pehra-models --test energy -- --ignored"]
fn one_wait_at_a_time() {
    let minutes = |minutes: u32| Ticks(minutes * 60_000);
    type Change = fn(&mut Timing, Ticks);
    let idle: Change = |timing, ticks| timing.idle = ticks;
    let alarm: Change = |timing, ticks| timing.alarm = ticks;
    let changes: [(&str, Hardware, Change, [u32; 3]); 4] = [
        ("idle", Hardware::S3, idle, [1, 2, 10]),
        ("alarm", Hardware::S3, alarm, [5, 120, 360]),
        ("idle", Hardware::S5, idle, [6, 10, 18]),
        ("alarm", Hardware::S5, alarm, [5, 60, 24 * 60]),
    ];
    for (what, hardware, change, values) in changes {
        for value in values {
            let mut timing = usual(&hardware);
            change(&mut timing, minutes(value));
            let loads: [(&str, fn(u64) -> Load); 2] = [
                ("f = 80", |seed| Load::on_off(seed, DAY, 800, IDLE_MEAN)),
                ("days and nights", |seed| Load::diurnal(seed, 2)),
            ];
            for (load_name, load) in loads {
                let case = Case {
                    timing: Some(timing),
                    ..Case::new(12, hardware, SEED, load)
                };
                let name = format!("{}, N = 0012, {load_name}, {what} {value} min", hardware.name);
                let outcome = Outcome::of(&name, &case, Policy::Watch, &IDLE_OF_ACTIVE)
                    .unwrap_or_else(|failure| panic!("{name}: {failure}"));
                results::compare(FILE, &outcome);
            }
        }
    }
}

//! The generator and the ledger, held against plain re-computations.

use std::collections::{BTreeMap, HashMap, HashSet};

use pehra_households::{
    Label, STEP_MS, Sent,
    faults::Faults,
    generate::{Config, Generator, household_name},
    ledger::{Ledger, Sum, energy_mws, floor, kwh_text, register_kwh_text},
    record,
};

/// 2019-12-24 10:00:00.
const START: i64 = 1_577_181_600_000;

fn config(seed: u64, households: usize, steps: u64) -> Config {
    Config {
        households,
        steps: Some(steps),
        ..Config::new(seed, START)
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let stream = |seed| Generator::new(config(seed, 12, 900)).collect::<Vec<Sent>>();
    assert_eq!(stream(3), stream(3));
    assert_ne!(stream(3), stream(4));
    // The bytes themselves, so that no change goes unnoticed: recordings and reports name seeds.
    let sum = stream(3)
        .iter()
        .flat_map(|sent| &sent.payload)
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    assert_eq!(sum, PINNED, "the generator's bytes changed: {sum:#018x}");
}

const PINNED: u64 = 0xd1da_36fa_8053_c7da;

#[test]
fn names_and_offsets_differ_and_the_order_of_sending_never_goes_back() {
    let mut generator = Generator::new(config(9, 50, 400));
    let names: HashSet<String> = generator.households().map(str::to_owned).collect();
    assert_eq!(names.len(), 50);
    assert!(names.contains(&household_name(9, 0)));
    for name in &names {
        let digits = name.strip_prefix("household_").unwrap();
        assert!(
            digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            "{name}"
        );
    }
    let mut before = START;
    let mut offsets = HashMap::new();
    for sent in generator.by_ref() {
        assert!(sent.now_ms >= before && sent.now_ms < START + 400 * STEP_MS);
        before = sent.now_ms;
        let offset = *offsets.entry(sent.household.clone()).or_insert(sent.now_ms % STEP_MS);
        assert_eq!(offset, sent.now_ms % STEP_MS);
    }
    assert!(offsets.values().collect::<HashSet<_>>().len() > 45);
    let _ = generator.finish();
}

#[test]
fn without_faults_every_step_of_every_household_is_sent_once_and_fresh() {
    let mut generator = Generator::new(Config {
        faults: Faults::none(),
        ..config(1, 5, 1_000)
    });
    let mut ledger = Ledger::default();
    for sent in generator.by_ref() {
        assert_eq!(sent.label, Label::Fresh);
        ledger.record(&sent);
    }
    assert_eq!(generator.finish(), 0);
    assert_eq!(ledger.all_counts().all(), 5_000);
    for household in ledger.households() {
        assert_eq!(
            ledger
                .times(Label::Fresh, household)
                .map(|times| (times.len(), times.runs())),
            Some((1_000, 1))
        );
    }
}

#[test]
fn faults_do_what_their_names_say() {
    let faults = Faults::default();
    let mut generator = Generator::new(config(5, 40, 5_400));
    let mut fresh: HashMap<String, Vec<i64>> = HashMap::new();
    let mut seen: HashSet<(String, i64)> = HashSet::new();
    let mut payloads: HashSet<Vec<u8>> = HashSet::new();
    let mut counts: BTreeMap<Label, u64> = BTreeMap::new();
    for sent in generator.by_ref() {
        *counts.entry(sent.label).or_default() += 1;
        let Some(reading) = &sent.reading else {
            assert!(record::parse(&sent.payload, sent.now_ms).is_err());
            continue;
        };
        assert_eq!(record::parse(&sent.payload, sent.now_ms).as_ref(), Ok(reading));
        assert_eq!(sent.household, reading.household);
        let held_ms = sent.now_ms - reading.time_ms;
        let times = fresh.entry(sent.household.clone()).or_default();
        let key = (sent.household.clone(), reading.time_ms);
        match sent.label {
            Label::Fresh => {
                assert_eq!(held_ms, 0);
                times.push(reading.time_ms);
                assert!(seen.insert(key));
                payloads.insert(sent.payload.clone());
            }
            Label::Late => {
                assert!((faults.late_ms.0..=faults.late_ms.1).contains(&held_ms), "{held_ms}");
                assert!(
                    times.last().is_some_and(|&last| last > reading.time_ms),
                    "others were sent in between"
                );
                assert!(seen.insert(key));
            }
            Label::TooLate => {
                assert!(held_ms > 120_000, "{held_ms}");
                assert!(seen.insert(key));
            }
            Label::Repeated => {
                assert!(held_ms > 0 && held_ms <= faults.repeated_ms.1);
                assert!(!seen.insert(key) && payloads.contains(&sent.payload));
            }
            Label::Future => assert!(-held_ms > 600_000),
            Label::Malformed => unreachable!("malformed records have no reading"),
        }
    }
    let all = 40.0 * 5_400.0;
    for (label, per_mille) in [
        (Label::Late, 5.0),
        (Label::Repeated, 5.0),
        (Label::TooLate, 1.0),
        (Label::Future, 1.0),
        (Label::Malformed, 2.0),
    ] {
        let rate = counts[&label] as f64 * 1_000.0 / all;
        assert!(
            (per_mille * 0.8..per_mille * 1.2).contains(&rate),
            "{label:?}: {rate} per mille"
        );
    }
    let (mut gaps, mut lost) = (0, 0);
    for times in fresh.values() {
        for pair in times.windows(2) {
            let missing = (pair[1] - pair[0]) / STEP_MS - 1;
            if missing >= 3 {
                (gaps, lost) = (gaps + 1, lost + missing);
            }
        }
    }
    // About one gap in a thousand readings, about 31 steps long.
    assert!(
        (130..300).contains(&gaps) && (20..45).contains(&(lost / gaps)),
        "{gaps} gaps, {lost} steps"
    );
    assert!(generator.finish() > 0, "some readings are still held back at the end");
}

#[test]
fn the_ledger_equals_a_plain_recomputation() {
    let sent: Vec<Sent> = Generator::new(config(21, 20, 3_000)).collect();
    let mut ledger = Ledger::default();
    sent.iter().for_each(|sent| ledger.record(sent));

    let mut windows: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    let mut hours: BTreeMap<(String, i64), Sum> = BTreeMap::new();
    for reading in sent
        .iter()
        .filter(|sent| sent.label.counts())
        .filter_map(|sent| sent.reading.as_ref())
    {
        let household = reading.household.clone();
        windows
            .entry((household.clone(), reading.time_ms / 5_000 * 5_000))
            .or_default()
            .push(reading.power_mw);
        let hour = hours
            .entry((household, reading.time_ms / 3_600_000 * 3_600_000))
            .or_default();
        (hour.sum_mw, hour.n) = (hour.sum_mw + i128::from(reading.power_mw), hour.n + 1);
    }
    assert_eq!(ledger.windows().count(), windows.len());
    for (household, start, window) in ledger.windows() {
        let powers = &windows[&(household.to_owned(), start)];
        assert_eq!(window.sum_mw, powers.iter().sum::<i64>());
        assert_eq!(window.n, powers.len() as u64);
        assert_eq!(
            (Some(&window.min_mw), Some(&window.max_mw)),
            (powers.iter().min(), powers.iter().max())
        );
        assert_eq!(ledger.window(household, start), Some(window));
    }
    assert!(
        ledger
            .hours()
            .map(|(name, start, sum)| ((name.to_owned(), start), sum))
            .eq(hours)
    );

    let counts = ledger.all_counts();
    assert_eq!(counts.all(), sent.len() as u64);
    for label in Label::ALL {
        assert_eq!(
            counts.of(label),
            sent.iter().filter(|sent| sent.label == label).count() as u64
        );
    }
    assert_eq!(ledger.total().n, counts.counted());
    for sent in &sent {
        if let Some(reading) = &sent.reading {
            assert!(ledger.contains(sent.label, &sent.household, reading.time_ms));
        }
    }
    assert!(!ledger.contains(Label::Fresh, &sent[0].household, START - 1));
    assert_eq!(ledger.counts("nobody").all(), 0);
}

#[test]
fn the_register_audits_the_windows_of_households_that_only_take() {
    let mut ledger = Ledger::default();
    Generator::new(Config {
        faults: Faults::none(),
        ..config(2, 10, 2_000)
    })
    .for_each(|sent| ledger.record(&sent));
    let (mut audited, mut fed_in) = (0, 0);
    for household in ledger.households() {
        if ledger.fed_in(household) {
            fed_in += 1;
            continue;
        }
        let times = ledger.times(Label::Fresh, household).unwrap();
        let first = floor(times.iter().min().unwrap(), ledger.width_ms());
        // The register rose by everything after the first reading's own step.
        let sum = ledger.sum(household);
        let window = ledger.window(household, first).unwrap();
        let register = i128::from(ledger.register_difference(household).unwrap());
        let expected = |first_mw: i64| energy_mws(sum.sum_mw - i128::from(first_mw), sum.n - 1, STEP_MS) * 1_000 / 360;
        let bounds = expected(window.max_mw) - 1..=expected(window.min_mw) + 1;
        assert!(bounds.contains(&register), "{register} {bounds:?}");
        audited += 1;
    }
    assert_eq!((audited, fed_in), (9, 1));
}

#[test]
fn kilowatt_hours_are_written_exactly() {
    for (mws, digits, text) in [
        (0, 3, "0.000"),
        (3_600_000_000, 3, "1.000"),
        (1_800_000, 3, "0.001"),
        (1_799_999, 3, "0.000"),
        (-1_800_000, 3, "-0.001"),
        (-1_799_999, 3, "0.000"),
        (5_400_000_000, 0, "2"),
        (12_345_678_900_000, 6, "3429.355250"),
        (i128::from(i64::MAX), 2, "2562047788.02"),
    ] {
        assert_eq!(kwh_text(mws, digits), text);
    }
    assert_eq!(register_kwh_text(90_902_114_006_000, 10), "9090.2114006000");
    assert_eq!(register_kwh_text(90_902_114_006_000, 2), "9090.21");
    assert_eq!(energy_mws(1_500, 3, 2_000), 3_000);
    assert_eq!(energy_mws(-1_500, 3, 2_000), -3_000);
}

//! What one reading costs an edge: its windows alone, and the whole pipeline with position and outbox. Criterion's
//! elements are readings.
#![allow(missing_docs)]

mod shared;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pehra_core::delivery::SenderConfig;
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, Taken};
use pehra_core::protocol::Input;
use pehra_core::types::{Household, RequestId};
use pehra_core::window::{Reading, Take, WindowConfig, WindowTimer, Windows};
use shared::{Bench, CLOUD, household, quick};

const HOUSEHOLDS: u64 = 1000;

/// Every household in turn, one reading a second each.
struct Meters {
    names: Vec<Household>,
    at: usize,
    time_ms: i64,
}

impl Meters {
    fn new() -> Self {
        let names = (0..HOUSEHOLDS)
            .map(|n| Household::new(&format!("household-{n:05}")).expect("short enough"))
            .collect();
        Self {
            names,
            at: 0,
            time_ms: 1_700_000_000_000,
        }
    }

    fn read(&mut self) -> Take {
        if self.at == self.names.len() {
            self.at = 0;
            self.time_ms += 1000;
        }
        let reading = Reading {
            household: self.names[self.at],
            time_ms: self.time_ms,
            power_mw: 512_000,
            register: Some(123_456_789_000),
        };
        self.at += 1;
        Take {
            reading,
            now_ms: self.time_ms,
        }
    }
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.throughput(Throughput::Elements(1));
    let mut meters = Meters::new();
    let mut bench = Bench::<Windows>::new(WindowConfig::default());
    // Until as much is kept as ever will be.
    (0..100 * HOUSEHOLDS).for_each(|_| bench.feed(Input::Commanded(RequestId(0), meters.read())));
    group.bench_function(
        "a reading, every fifth of which closes a window of 1000 households",
        |b| {
            b.iter(|| bench.feed(Input::Commanded(RequestId(0), meters.read())));
        },
    );

    // One household whose readings lie a window apart: each one closes the window before.
    let mut bench = Bench::<Windows>::new(WindowConfig::default());
    let mut time_ms = 1_700_000_000_000;
    let name = household(1);
    group.bench_function("a reading that closes a window", |b| {
        b.iter(|| {
            time_ms += 5000;
            let reading = Reading {
                household: name,
                time_ms,
                power_mw: 512_000,
                register: None,
            };
            let take = Take {
                reading,
                now_ms: time_ms,
            };
            bench.feed(Input::Commanded(RequestId(0), take));
        });
    });
    group.finish();
}

fn sweep(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    let mut meters = Meters::new();
    let mut bench = Bench::<Windows>::new(WindowConfig::default());
    (0..HOUSEHOLDS).for_each(|_| bench.feed(Input::Commanded(RequestId(0), meters.read())));
    for _ in 0..40 {
        bench.feed(Input::Fired(WindowTimer::Sweep));
    }
    group.bench_function("a sweep over 1000 households that finds nothing to close", |b| {
        b.iter(|| bench.feed(Input::Fired(WindowTimer::Sweep)));
    });
    group.finish();
}

fn pipeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(1));
    let mut meters = Meters::new();
    let config = PipelineConfig {
        windows: WindowConfig::default(),
        sender: SenderConfig {
            backlog_rows: u64::MAX,
            ..SenderConfig::deployed(CLOUD)
        },
    };
    let mut bench = Bench::<Pipeline>::new(config);
    let mut position = 0;
    let mut read = move || {
        let taken = Taken {
            partition: 0,
            before: position,
            after: position + 1,
            content: Content::Reading(meters.read()),
        };
        position += 1;
        Input::Commanded(RequestId(position), taken)
    };
    (0..100 * HOUSEHOLDS).for_each(|_| bench.feed(read()));
    group.bench_function("a reading of 1000 households, every fifth with a tuple", |b| {
        b.iter(|| bench.feed(read()));
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = windows, sweep, pipeline }
criterion_main!(benches);

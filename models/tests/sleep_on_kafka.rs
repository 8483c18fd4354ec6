//! The gates of guard duty over the abstract Kafka: S3 and S5 where they mean something, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_core::sleep::guard::Timer;
use pehra_models::sleep::{Bounds, Cluster, L5, World, set};
use pehra_models::{Gate, Leads, Report, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    leads(name, bounds, &[], states);
}

fn leads(name: &str, bounds: Bounds, queries: &[Leads<World>], states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let most = std::env::var("PEHRA_STATES_MAX")
        .ok()
        .and_then(|most| most.parse().ok());
    let gate = queries.iter().fold(gate, |gate, query| gate.leads(*query));
    let report = gate.states_max(most.unwrap_or(8_000_000)).run().require();
    println!("{report}");
    results::compare("gates", &report);
}

const NAMES: [&str; 8] = [
    "sleep on kafka: a wake from outside",
    "sleep on kafka: two terms, led by one who may sleep",
    "sleep on kafka: two terms, led by one on duty",
    "sleep on kafka: a power loss of the Pehredar",
    "sleep on kafka: two partitions",
    "sleep on kafka: copies that lag",
    "sleep on kafka: gear watch",
    "sleep on kafka: calm, and all were down",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "sleep on kafka: ", &NAMES);
}

#[test]
fn a_wake_from_outside() {
    let bounds = Bounds {
        never: &["wake call", "rouse timer"],
        ..Bounds::woken()
    };
    passes(NAMES[0], bounds.on(Cluster::three(1, 2)), 41_930);
}

#[test]
fn two_terms_led_by_one_who_may_sleep() {
    let bounds = Bounds {
        never: &["decide", "rouse timer"],
        terms: 2,
        stands: vec![set(&[1])],
        ..Bounds::plainer()
    };
    passes(NAMES[1], bounds.on(Cluster::three(1, 1)), 156_920);
}

#[test]
fn two_terms_led_by_one_on_duty() {
    let bounds = Bounds {
        never: &["decide", "rouse timer"],
        terms: 2,
        stands: vec![set(&[2])],
        ..Bounds::plainer()
    };
    passes(NAMES[2], bounds.on(Cluster::three(1, 1)), 45_150);
}

/// The Pehredar, whose broker leads the partition, loses its power, and the newest record of its disk.
#[test]
fn a_power_loss_of_the_pehredar() {
    let bounds = Bounds {
        never: &["wake call", "decide", "follow", "rouse timer"],
        crashes: 1,
        crash_at: set(&[0]),
        ..Bounds::plainer()
    };
    let torn = Cluster {
        torn: 1,
        ..Cluster::three(1, 1)
    };
    passes(NAMES[3], bounds.on(torn), 3_394);
}

#[test]
fn two_partitions() {
    let bounds = Bounds {
        never: &["wake call", "rouse timer"],
        wakes: 1,
        ..Bounds::lean_without(&[Timer::Wake, Timer::Answer, Timer::Probe, Timer::Drain])
    };
    passes(NAMES[4], bounds.on(Cluster::three(2, 2)), 110_400);
}

#[test]
fn copies_that_lag() {
    let bounds = Bounds {
        never: &["rouse timer"],
        wakes: 1,
        ..Bounds::plainer()
    };
    let lagging = Cluster {
        shrinks: true,
        ..Cluster::three(1, 1)
    };
    passes(NAMES[5], bounds.on(lagging), 131_053);
}

/// All but the Pehredar sleep.
#[test]
fn gear_watch() {
    let bounds = Bounds {
        never: &["rouse timer"],
        traffic: 1,
        traffic_at: set(&[1]),
        ..Bounds::plainer().watched()
    };
    passes(NAMES[6], bounds.on(Cluster::three(1, 1)), 76_249);
}

#[test]
fn after_all_were_down_somebody_watches_and_leaders_are_back() {
    leads(NAMES[7], Bounds::all_were_down(), &[L5], 176_836);
}

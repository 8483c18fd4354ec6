//! The gates of delivery: everything within the bounds, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`.

use pehra_models::delivery::queries::{everything_arrives, the_window_opens};
use pehra_models::delivery::{Bounds, Grain, World};
use pehra_models::{Gate, Report, results};

fn gate(name: &str, bounds: Bounds) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds)).name(name).bounds(words)
}

fn passes(gate: Gate<World>) -> Report {
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
    report
}

const NAMES: [&str; 15] = [
    "delivery: four rows, two crashes a side",
    "delivery: batches of two rows, the cloud crashes",
    "delivery: two households",
    "delivery: every output a step",
    "delivery: no message dropped",
    "delivery: heartbeats",
    "delivery: the cloud's store is lost",
    "delivery: the edge's store is put back",
    "delivery: the edge's store is made anew",
    "delivery: liveness",
    "delivery: liveness, one crash more",
    "delivery: liveness, one row more",
    "delivery: liveness with heartbeats",
    "delivery: liveness after the cloud's store is lost",
    "delivery: batches of two rows, the edge crashes",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "delivery: ", &NAMES);
}

#[test]
fn four_rows_and_two_crashes_a_side() {
    let bounds = Bounds {
        grain: Grain::Split,
        ..Bounds::new(4, 2)
    };
    passes(gate(NAMES[0], bounds).golden(5_812_693));
}

#[test]
fn batches_of_two_rows() {
    let crash_of = |edge_crashes, cloud_crashes| Bounds {
        edge_crashes,
        cloud_crashes,
        ..Bounds::new(3, 0).batches(2)
    };
    passes(gate(NAMES[1], crash_of(0, 1)).golden(2_231_282));
    passes(gate(NAMES[14], crash_of(1, 0)).golden(5_885_821));
}

/// In batches of up to two rows: a batch that is sent again may hold more than the one it replaces, and ask for more.
#[test]
fn two_households() {
    let bounds = Bounds {
        households: 2,
        ..Bounds::new(2, 1).batches(2)
    };
    passes(gate(NAMES[2], bounds).golden(1_408_402));
}

/// A containment test: cutting every output apart finds nothing that the coarser cut has missed.
#[test]
fn every_output_a_step() {
    let bounds = Bounds {
        grain: Grain::Fine,
        ..Bounds::new(2, 1)
    };
    passes(gate(NAMES[3], bounds).golden(443_672));
}

#[test]
fn no_message_dropped() {
    let bounds = Bounds {
        keeps_dead: true,
        ..Bounds::new(2, 1)
    };
    passes(gate(NAMES[4], bounds).golden(1_883_848));
}

#[test]
fn heartbeats() {
    let bounds = Bounds {
        heartbeats: true,
        ..Bounds::new(2, 1)
    };
    passes(gate(NAMES[5], bounds).golden(211_745));
}

fn wiped() -> Bounds {
    let mut bounds = Bounds {
        wipes: 1,
        greetings: 1,
        ..Bounds::new(2, 0)
    };
    bounds.sender.retain_rows = 4;
    bounds.sender.flights = 1;
    bounds
}

#[test]
fn the_clouds_store_is_lost() {
    passes(gate(NAMES[6], wiped()).golden(39_361));
}

#[test]
fn the_edges_store_is_put_back() {
    let bounds = Bounds {
        restores: 1,
        ..Bounds::new(2, 0)
    };
    passes(gate(NAMES[7], bounds).golden(725_839));
}

#[test]
fn the_edges_store_is_made_anew() {
    let bounds = Bounds {
        renewals: 1,
        edge_crashes: 0,
        ..Bounds::new(2, 1)
    };
    passes(gate(NAMES[8], bounds).golden(317_311));
}

fn calm(bounds: Bounds) -> Bounds {
    Bounds { calms: true, ..bounds }
}

/// The verdict must not hang on the bound, so it is asked three times.
#[test]
fn once_calm_everything_arrives() {
    for (name, bounds, states) in [
        (NAMES[9], Bounds::new(2, 1), 108_591),
        (NAMES[10], Bounds::new(2, 2), 496_398),
        (NAMES[11], Bounds::new(3, 1), 589_588),
    ] {
        let gate = gate(name, calm(bounds)).golden(states);
        passes(gate.settles(everything_arrives()).leads(the_window_opens()));
    }
}

#[test]
fn heartbeats_do_not_starve_the_rows() {
    let bounds = Bounds {
        heartbeats: true,
        ..Bounds::new(2, 1)
    };
    let gate = gate(NAMES[12], calm(bounds)).golden(3_288_124);
    passes(gate.settles(everything_arrives()).leads(the_window_opens()));
}

#[test]
fn a_cloud_that_lost_its_store_is_healed() {
    passes(
        gate(NAMES[13], calm(wiped()))
            .golden(1_315_101)
            .settles(everything_arrives()),
    );
}

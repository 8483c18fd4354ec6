//! The gates of the edge as a whole: killed anywhere, fed in any portions, swept at any time, it leaves the same bytes.

use pehra_models::pipeline::World;
use pehra_models::{Gate, Report, results};

const KILLED: &str = "pipeline: twelve records, two kills, sweeps";
const LONG: &str = "pipeline: ten records, windows that are let go of";

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "pipeline: ", &[LONG, KILLED]);
}

#[test]
fn the_store_is_the_same_wherever_the_edge_is_killed() {
    let world = World::new(2, 1);
    let bounds = format!(
        "1 partition, {} records of one household, 2 kills, once read again, commits of any portions, sweeps unlimited",
        world.records()
    );
    let report = Gate::new(world)
        .name(KILLED)
        .bounds(bounds)
        .golden(226_427)
        .run()
        .require();
    println!("{report}");
    results::compare("gates", &report);
}

#[test]
fn windows_are_let_go_of_only_when_nothing_can_revise_them() {
    let world = World::long(1, 1);
    let bounds = format!(
        "1 partition, {} records of one household, windows of 2 readings at the most, 1 kill, once read again, commits \
         of any portions, sweeps unlimited",
        world.records()
    );
    let report = Gate::new(world)
        .name(LONG)
        .bounds(bounds)
        .golden(182_073)
        .run()
        .require();
    println!("{report}");
    results::compare("gates", &report);
}

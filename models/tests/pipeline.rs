//! The gates of the edge as a whole: killed anywhere, fed in any portions, swept at any time, it leaves the same bytes.

use pehra_models::pipeline::World;
use pehra_models::{Gate, Report, results};

const NAME: &str = "pipeline: twelve records, two kills, sweeps";

#[test]
fn the_results_name_exactly_this_gate() {
    results::require_names::<Report>("gates", "pipeline: ", &[NAME]);
}

#[test]
fn the_store_is_the_same_wherever_the_edge_is_killed() {
    let world = World::new(2, 1);
    let bounds = format!(
        "1 partition, {} records of one household, 2 kills, once read again, commits of any portions, sweeps unlimited",
        world.records()
    );
    let report = Gate::new(world)
        .name(NAME)
        .bounds(bounds)
        .golden(226_427)
        .run()
        .require();
    println!("{report}");
    results::compare("gates", &report);
}

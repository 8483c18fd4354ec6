//! The gate of the edge as a whole: killed anywhere, fed in any portions, it leaves the same bytes.

use pehra_models::pipeline::World;
use pehra_models::{Gate, Report, results};

const NAME: &str = "pipeline: seven records, three kills";

#[test]
fn the_results_name_exactly_this_gate() {
    results::require_names::<Report>("gates", "pipeline: ", &[NAME]);
}

#[test]
fn the_store_is_the_same_wherever_the_edge_is_killed() {
    let world = World::new(3, 2);
    let bounds = format!(
        "1 partition, {} records, 3 kills, 2 times read again, commits of any portions",
        world.records()
    );
    let report = Gate::new(world).name(NAME).bounds(bounds).golden(1_690).run().require();
    println!("{report}");
    results::compare("gates", &report);
}

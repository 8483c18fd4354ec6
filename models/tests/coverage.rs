//! The gates of coverage: every small cluster, and all that the deployed rules say of it.

use pehra_models::coverage::Clusters;
use pehra_models::{Gate, Report, results};

const NAMES: [&str; 2] = ["coverage: four brokers", "coverage: three brokers"];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "coverage: ", &NAMES);
}

#[test]
fn whoever_may_sleep_leaves_enough_awake_and_nobody_is_kept_without_a_reason() {
    for (name, clusters, bounds, states) in [
        (
            NAMES[0],
            Clusters::four(1),
            "4 brokers, 2 partitions with any 2 or 3 copies, controllers apart and among them, all gears, 1 failure",
            31_580,
        ),
        (
            NAMES[1],
            Clusters::three(2),
            "3 brokers, 2 partitions with any copies, controllers apart and among them, all gears, 2 failures",
            11_575,
        ),
    ] {
        let gate = Gate::new(clusters).name(name).bounds(bounds).golden(states);
        let report = gate.run().require();
        println!("{report}");
        results::compare("gates", &report);
    }
}

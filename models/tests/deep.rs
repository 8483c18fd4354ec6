//! Larger worlds than the gates have time for. They are left out of a plain `cargo test`:
//!
//! ```text
//! cargo test -p pehra-models --test deep -- --ignored --test-threads 1
//! ```
//!
//! What is found is held against `models/results/deep.json`.

use pehra_models::delivery::{Bounds, Grain, World};
use pehra_models::{Gate, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let report = gate.run().require();
    println!("{report}");
    results::compare("deep", &report);
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn five_rows_and_two_crashes_a_side() {
    passes("deep: five rows, two crashes a side", Bounds::new(5, 2), 3_181_549);
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn three_rows_and_every_output_a_step() {
    let bounds = Bounds {
        grain: Grain::Fine,
        ..Bounds::new(3, 1)
    };
    passes("deep: three rows, every output a step", bounds, 4_265_879);
}

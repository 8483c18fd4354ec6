//! The gates of guard duty.

use pehra_models::Gate;
use pehra_models::sleep::{Bounds, World};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let report = Gate::new(World::new(bounds))
        .name(name)
        .bounds(words)
        .golden(states)
        .run();
    println!("{}", report.require());
}

#[test]
fn one_term() {
    passes("sleep: one term", Bounds::lean(), 1);
}

#[test]
fn show() {
    use stateright::Model;
    let world = World::new(Bounds::lean());
    for state in world.init_states() {
        println!("{state:#?}");
    }
}

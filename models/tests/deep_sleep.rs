//! Larger worlds of guard duty over the abstract Kafka than the gates have time for; `./run deep` walks them. What is found is held
//! against `models/results/deep.json`.

use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::Timer;
use pehra_core::types::NodeId;
use pehra_models::kafka::Setup;
use pehra_models::sleep::{Bounds, Cluster, World};
use pehra_models::{Gate, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let bounds = bounds.on(Cluster {
        setup: Setup::new(3, 1, 3, 2),
        records: 1,
        torn: 0,
        shrinks: false,
    });
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let report = gate.states_max(30_000_000).run().require();
    println!("{report}");
    results::compare("deep", &report);
}

fn without(timers: &[Timer]) -> Bounds {
    Bounds {
        without: timers.to_vec(),
        ..Bounds::lean()
    }
}

/// With a plan of the second term.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn two_terms_and_their_plans() {
    let bounds = Bounds {
        never: &["rouse timer"],
        terms: 2,
        decrees: 4,
        stands: vec![NodeSet::only(NodeId(2))],
        ..without(&[
            Timer::Idle,
            Timer::Probe,
            Timer::Alarm,
            Timer::Drain,
            Timer::Wake,
            Timer::Answer,
        ])
    };
    passes("deep: sleep on kafka, two terms and their plans", bounds, 628_513);
}

/// Who was woken may sleep again.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn gear_watch_and_again() {
    let bounds = Bounds {
        never: &["rouse timer"],
        gear: Gear::Watch,
        voters: NodeSet::only(NodeId(0)),
        traffic: 1,
        traffic_at: NodeSet::only(NodeId(1)),
        ..without(&[Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer])
    };
    passes("deep: sleep on kafka, gear watch and again", bounds, 940_894);
}

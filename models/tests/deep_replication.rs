//! Larger worlds of replication than the gates have time for; `./run deep` walks them. What is found is held against
//! `models/results/deep.json`.

use pehra_models::replication::{Bounds, Disk, Sees, Start, World};
use pehra_models::{Gate, results};

fn passes(name: &str, bounds: Bounds, states: u64) {
    let words = bounds.words();
    let gate = Gate::new(World::new(bounds)).name(name).bounds(words).golden(states);
    let report = gate.states_max(30_000_000).run().require();
    println!("{report}");
    results::compare("deep", &report);
}

/// Each leader appends an empty entry and one of them a command.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn two_leaders_and_a_command() {
    let bounds = Bounds {
        disk: Disk::Instant,
        stands: &[&[0], &[1]],
        sees: &[Sees::AllApply, Sees::Cut, Sees::DecidedLate],
        ..Bounds::new(3, 2).proposals(1)
    };
    passes("deep: replication, two leaders and a command", bounds, 2_657_266);
}

/// It copies from one, then from the other.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn catching_up_from_two() {
    let bounds = Bounds {
        disk: Disk::Instant,
        pre_vote: true,
        start: Start::Logs(vec![vec![1, 2], vec![1, 1], vec![1, 1, 1]]),
        stands: &[&[], &[], &[1]],
        sees: &[Sees::Cut],
        decided: 1,
        ..Bounds::new(3, 3)
    };
    passes("deep: replication, catching up from two", bounds, 3_346_144);
}

#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn two_leaders_and_a_slow_disk() {
    let bounds = Bounds {
        stands: &[&[0], &[1]],
        sees: &[Sees::AllApply, Sees::Cut, Sees::DecidedLate],
        ..Bounds::new(3, 2)
    };
    passes("deep: replication, two leaders and a slow disk", bounds, 1_800_266);
}

/// Whoever lacks what the lost store had stands first, too.
#[test]
#[ignore = "a minute or more; ./run deep runs it"]
fn a_lost_store_and_its_vote() {
    let bounds = Bounds {
        disk: Disk::Instant,
        start: Start::Logs(vec![vec![1, 2], vec![1], vec![]]),
        decided: 2,
        wiped: Some(2),
        stands: &[&[], &[], &[0, 1], &[1]],
        sees: &[Sees::AllApply, Sees::VotesAgain],
        ..Bounds::new(3, 4)
    };
    passes("deep: replication, a lost store and its vote", bounds, 3_545_377);
}

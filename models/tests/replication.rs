//! The gates of replication: everything within the bounds, in two engines, with pinned counts.
//!
//! What is found is held against `models/results/gates.json`; see `pehra_models::results`. A log multiplies the states of
//! an election by hundreds, so each world is narrow in some way that its bounds name: who may stand in which term, what
//! may come between the steps of the disk, with what logs the members begin. Who may stand costs nothing in the first
//! term (members are alike); later it leaves out that others stand at the same time, which is the election's own model.

use pehra_models::election::Shape;
use pehra_models::replication::queries::all_get_the_log;
use pehra_models::replication::{Bounds, Disk, Sees, Start, World};
use pehra_models::{Gate, Report, results};

fn gate(name: &str, bounds: Bounds) -> Gate<World> {
    let words = bounds.words();
    Gate::new(World::new(bounds))
        .name(name)
        .bounds(words)
        .states_max(8_000_000)
}

fn passes(gate: Gate<World>) {
    let report = gate.run().require();
    println!("{report}");
    results::compare("gates", &report);
}

const NAMES: [&str; 18] = [
    "replication: one leader, a command and a crash",
    "replication: one leader, a slow disk and a slow store",
    "replication: a crash between any two steps of the disk",
    "replication: two leaders, one after or beside the other",
    "replication: what an old leader left",
    "replication: logs that differ",
    "replication: a read",
    "replication: a snapshot",
    "replication: a snapshot in two pieces",
    "replication: catching up before standing",
    "replication: liveness around a hub that lacks entries",
    "replication: two leaders that ask first, and a crash",
    "replication: giving way and going on to catch up",
    "replication: liveness around a hub, one term more",
    "replication: a command that no frame holds",
    "replication: a lost store and its vote",
    "replication: a lost store and a crash",
    "replication: liveness with a snapshot",
];

#[test]
fn the_results_name_exactly_these_gates() {
    results::require_names::<Report>("gates", "replication: ", &NAMES);
}

#[test]
fn one_leader_a_command_and_a_crash() {
    let bounds = Bounds {
        disk: Disk::Instant,
        stands: &[&[0]],
        sees: &[Sees::AllApply],
        ..Bounds::new(3, 1).proposals(1).crashes(1)
    };
    passes(gate(NAMES[0], bounds).golden(34_439));
}

#[test]
fn one_leader_and_a_slow_disk() {
    let bounds = Bounds {
        stands: &[&[0]],
        slow_store: true,
        sees: &[Sees::AllApply],
        ..Bounds::new(3, 1)
    };
    passes(gate(NAMES[1], bounds).golden(13_203));
}

#[test]
fn a_crash_between_any_two_steps_of_the_disk() {
    let bounds = Bounds {
        disk: Disk::Split,
        stands: &[&[0]],
        sees: &[Sees::AllApply],
        ..Bounds::new(3, 1).crashes(1)
    };
    passes(gate(NAMES[2], bounds).golden(133_523));
}

#[test]
fn two_leaders() {
    let bounds = Bounds {
        disk: Disk::Instant,
        stands: &[&[0], &[1]],
        sees: &[Sees::AllApply, Sees::Cut, Sees::DecidedLate],
        ..Bounds::new(3, 2).crashes(1)
    };
    passes(gate(NAMES[3], bounds).golden(191_442));
}

/// Two terms, two entries, a crash, with catching up on.
#[test]
fn two_leaders_that_ask_first() {
    let bounds = Bounds {
        disk: Disk::Instant,
        pre_vote: true,
        stands: &[&[0], &[1]],
        sees: &[Sees::AllApply, Sees::Cut],
        ..Bounds::new(3, 2).crashes(1)
    };
    passes(gate(NAMES[11], bounds).golden(606_295));
}

/// Two ask, and the one with the worse rank gives way while it copies.
#[test]
fn giving_way_and_going_on() {
    let bounds = Bounds {
        disk: Disk::Instant,
        pre_vote: true,
        ranks: true,
        start: Start::Logs(vec![vec![1], vec![], vec![]]),
        stands: &[&[], &[1, 2]],
        sees: &[Sees::CopiedAside],
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[12], bounds).golden(836_720));
}

/// Raft's figure 8: an entry of term 2 reaches a majority in term 4, and is still not decided.
#[test]
fn what_an_old_leader_left() {
    let bounds = Bounds {
        disk: Disk::Instant,
        start: Start::Logs(vec![vec![1, 2], vec![1], vec![1, 3]]),
        stands: &[&[], &[], &[], &[0], &[2]],
        sees: &[Sees::AllApply, Sees::Cut, Sees::DecidedLate],
        ..Bounds::new(3, 5)
    };
    passes(gate(NAMES[4], bounds).golden(176_954));
}

/// One holds what was never decided, after what was.
#[test]
fn logs_that_differ() {
    let bounds = Bounds {
        disk: Disk::Instant,
        start: Start::Logs(vec![vec![1, 2, 3], vec![1, 2, 3], vec![1, 2, 2]]),
        stands: &[&[], &[], &[], &[0, 2]],
        sees: &[Sees::AllApply, Sees::Cut, Sees::DecidedLate],
        ..Bounds::new(3, 4)
    };
    passes(gate(NAMES[5], bounds).golden(51_167));
}

#[test]
fn a_read() {
    let bounds = Bounds {
        disk: Disk::Instant,
        reads: 1,
        stands: &[&[0], &[1]],
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[6], bounds).golden(734_192));
}

#[test]
fn a_snapshot() {
    let bounds = Bounds {
        disk: Disk::Instant,
        snapshots: 1,
        stands: &[&[0]],
        sees: &[Sees::AllApply],
        ..Bounds::new(3, 1).proposals(1)
    };
    passes(gate(NAMES[7], bounds).golden(15_825));
}

#[test]
fn a_snapshot_in_two_pieces() {
    let bounds = Bounds {
        disk: Disk::Instant,
        snapshots: 1,
        pieces: 2,
        beats: 1,
        stands: &[&[0]],
        sees: &[Sees::AllApply],
        ..Bounds::new(3, 1).crashes(1)
    };
    passes(gate(NAMES[8], bounds).golden(167_609));
}

#[test]
fn catching_up_before_standing() {
    let bounds = Bounds {
        disk: Disk::Instant,
        pre_vote: true,
        start: Start::Logs(vec![vec![1, 2], vec![1, 1], vec![1]]),
        decided: 1,
        stands: &[&[], &[], &[1]],
        sees: &[Sees::Cut],
        ..Bounds::new(3, 3)
    };
    passes(gate(NAMES[9], bounds).golden(207_515));
}

#[test]
fn once_calm_who_reaches_a_majority_leads_whatever_its_log_lacks() {
    let bounds = |headroom| Bounds {
        disk: Disk::Instant,
        pre_vote: true,
        start: Start::Logs(vec![vec![1, 2], vec![1, 1], vec![1, 2]]),
        headroom,
        calms: vec![Shape::Hub(1)],
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[10], bounds(2)).golden(13_386).settles(all_get_the_log()));
    passes(gate(NAMES[13], bounds(3)).golden(13_386).settles(all_get_the_log()));
}

#[test]
fn a_command_that_no_frame_holds() {
    let bounds = Bounds {
        body_max: 0,
        stands: &[&[0]],
        sees: &[Sees::TooLarge],
        ..Bounds::new(3, 1).proposals(1)
    };
    passes(gate(NAMES[14], bounds).golden(25_931));
}

/// The first place was decided by the first member and the third, whose store is gone. (With a second place: `./run deep`.)
fn lost_store(terms: u8) -> Bounds {
    Bounds {
        disk: Disk::Instant,
        start: Start::Logs(vec![vec![1], vec![], vec![]]),
        decided: 1,
        wiped: Some(2),
        sees: &[Sees::AllApply, Sees::VotesAgain],
        ..Bounds::new(3, terms)
    }
}

#[test]
fn a_lost_store_and_its_vote() {
    let bounds = Bounds {
        stands: &[&[], &[0], &[1]],
        ..lost_store(3)
    };
    passes(gate(NAMES[15], bounds).golden(491_597));
}

#[test]
fn a_lost_store_and_a_crash() {
    let bounds = Bounds {
        stands: &[&[], &[0]],
        ..lost_store(2).crashes(1)
    };
    passes(gate(NAMES[16], bounds).golden(45_036));
}

/// What the third one lacks is in a snapshot only; what it has is more than may be under way at once.
#[test]
fn once_calm_who_needs_a_snapshot_gets_it() {
    let bounds = Bounds {
        disk: Disk::Instant,
        start: Start::Logs(vec![vec![1, 1, 1], vec![1, 1, 1], vec![1, 1]]),
        stands: &[&[], &[0], &[0]],
        snapshots: 1,
        headroom: 1,
        calms: vec![Shape::Hub(0)],
        ..Bounds::new(3, 2)
    };
    passes(gate(NAMES[17], bounds).golden(46_238).settles(all_get_the_log()));
}

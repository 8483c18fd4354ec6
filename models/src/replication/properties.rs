//! What must hold in every state.

use stateright::Property;

use super::bounds::Sees;
use super::state::State;
use super::world::World;

/// On disk, and in memory.
pub const I9: &str = "replication/I9 logs that share an entry are the same up to it";
/// Looked at in the moment of winning.
pub const I10: &str = "replication/I10 a leader holds what was decided in earlier terms";
/// Also of what members apply, and of snapshots.
pub const I11: &str = "replication/I11 each place has one decided entry, and only those are applied, in order";
/// On disk.
pub const I12: &str = "replication/I12 what is decided stays on the disks of a majority";
/// A claim that leaves.
pub const D1: &str = "replication/D1 what is acknowledged is on disk";
/// When a leader counts.
pub const D2: &str = "replication/D2 what is decided is on the disks of a majority";
/// Also what is in a snapshot.
pub const D3: &str = "replication/D3 what is on disk fits a frame";
/// Looked at in the moment in which a store says that its log is whole.
pub const R1: &str = "replication/R1 who votes again holds what was decided in earlier terms";
/// Held against what was decided when it was asked for.
pub const Q2: &str = "replication/Q2 a read sees all that was decided before it";

/// What steps can break, as bits of a ghost.
pub mod broken {
    /// A place with two decided entries.
    pub const TWO_DECIDED: u16 = 1;
    /// Something undecided, or out of order, was applied.
    pub const APPLIED_UNDECIDED: u16 = 2;
    /// Logs that share an entry and differ before it.
    pub const LOGS_DIFFER: u16 = 4;
    /// A leader lacks what was decided.
    pub const LEADER_LACKS: u16 = 8;
    /// A decided entry is on too few disks.
    pub const DECIDED_CUT: u16 = 16;
    /// An acknowledgement of what is not on disk.
    pub const ACK_EARLY: u16 = 32;
    /// Decided without a majority of disks.
    pub const DECIDED_EARLY: u16 = 64;
    /// A read that misses something.
    pub const STALE_READ: u16 = 128;
    /// A snapshot that says something else than was decided.
    pub const WRONG_SNAPSHOT: u16 = 256;
    /// A command or piece that is larger than a frame.
    pub const TOO_LARGE: u16 = 512;
    /// A member votes again that lacks what was decided.
    pub const VOTER_LACKS: u16 = 1024;
}

/// What a step may do that is worth seeing once, as bits of a ghost.
pub mod done {
    /// A read was answered.
    pub const READ: u8 = 1;
    /// A pre-candidate copied something from a voter.
    pub const COPIED: u8 = 2;
    /// A snapshot from a peer was put in place.
    pub const INSTALLED: u8 = 4;
    /// Entries were cut.
    pub const CUT: u8 = 8;
    /// A member that let another ask first copied something.
    pub const ASIDE: u8 = 16;
    /// A command was refused for its size.
    pub const TOO_LARGE: u8 = 32;
    /// A member votes again whose store was lost.
    pub const VOTES_AGAIN: u8 = 64;
}

fn does(state: &State, bit: u8) -> bool {
    state.ghosts.done & bit != 0
}

fn whole(state: &State, bits: u16) -> bool {
    state.ghosts.broken & bits == 0
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let bounds = world.bounds();
    let mut all = vec![
        Property::always(I9, |_, state: &State| whole(state, broken::LOGS_DIFFER)),
        Property::always(I10, |_, state: &State| whole(state, broken::LEADER_LACKS)),
        Property::always(I11, |_, state: &State| {
            whole(
                state,
                broken::TWO_DECIDED | broken::APPLIED_UNDECIDED | broken::WRONG_SNAPSHOT,
            )
        }),
        Property::always(I12, |_, state: &State| whole(state, broken::DECIDED_CUT)),
        Property::always(D1, |_, state: &State| whole(state, broken::ACK_EARLY)),
        Property::always(D2, |_, state: &State| whole(state, broken::DECIDED_EARLY)),
        Property::always(D3, |_, state: &State| whole(state, broken::TOO_LARGE)),
        Property::always(R1, |_, state: &State| whole(state, broken::VOTER_LACKS)),
        Property::always(Q2, |_, state: &State| whole(state, broken::STALE_READ)),
        Property::always(
            "replication/check invariants of all members",
            |world: &World, state: &State| {
                (0..world.bounds().members()).all(|member| {
                    state.members[usize::from(member)]
                        .node
                        .check(world.config(member))
                        .is_ok()
                })
            },
        ),
        Property::sometimes("an entry is decided", |_, state: &State| state.ghosts.highest() > 0),
    ];
    for sees in bounds.sees {
        all.push(match sees {
            Sees::AllApply => Property::sometimes("all members apply an entry", |world: &World, state: &State| {
                let applies = |member| state.members[usize::from(member)].node.state().applied().0 > 0;
                (0..world.bounds().members()).all(applies)
            }),
            Sees::CopiedAside => Property::sometimes("who gave way goes on catching up", |_, state: &State| {
                does(state, done::ASIDE)
            }),
            Sees::Cut => Property::sometimes("entries are cut", |_, state: &State| does(state, done::CUT)),
            Sees::TooLarge => Property::sometimes("a command is refused for its size", |_, state: &State| {
                does(state, done::TOO_LARGE)
            }),
            Sees::VotesAgain => Property::sometimes("who had lost its store votes again", |_, state: &State| {
                does(state, done::VOTES_AGAIN)
            }),
            Sees::DecidedLate => Property::sometimes(
                "what an earlier leader appended is decided by a later one",
                |_, state: &State| {
                    let late = |chosen: &super::ghosts::Chosen| chosen.id.term.0 < u64::from(chosen.term);
                    state.ghosts.chosen.iter().flatten().any(late)
                },
            ),
        });
    }
    if bounds.reads > 0 {
        all.push(Property::sometimes("a read is answered", |_, state: &State| {
            does(state, done::READ)
        }));
    }
    if bounds.snapshots > 0 {
        all.push(Property::sometimes("a snapshot goes to a peer", |_, state: &State| {
            does(state, done::INSTALLED)
        }));
    }
    if bounds.pre_vote {
        all.push(Property::sometimes("a pre-candidate catches up", |_, state: &State| {
            does(state, done::COPIED)
        }));
    }
    all
}

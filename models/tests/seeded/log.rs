//! Bugs of the replicated log, and those of the election that only show with a log.

use pehra_core::{election, replication};
use pehra_models::election as election_model;
use pehra_models::replication as log_model;
use pehra_models::{Catch, Hunt};

use super::judge;

#[test]
fn every_bug_of_replication_is_caught() {
    judge(replication::bugs::Bug::HUNTED.map(hunt_in_the_log));
}

/// What a bug of replication stands for, and the smallest world in which it can show.
fn prey_in_the_log(bug: replication::bugs::Bug) -> (&'static str, log_model::Bounds) {
    use log_model::{Bounds, Disk, Start};
    use replication::bugs::Bug;
    let instant = |bounds: Bounds| Bounds {
        disk: Disk::Instant,
        ..bounds
    };
    let one = |proposals| Bounds {
        stands: &[&[0]],
        ..Bounds::new(3, 1).proposals(proposals)
    };
    let two = Bounds {
        stands: &[&[0], &[1]],
        ..Bounds::new(3, 2)
    };
    let after = |logs: [&[u8]; 3], terms, stands| Bounds {
        start: Start::Logs(logs.map(<[u8]>::to_vec).to_vec()),
        stands,
        ..Bounds::new(3, terms)
    };
    let lost_store = || Bounds {
        wiped: Some(2),
        decided: 2,
        ..after([&[1, 2], &[1], &[]], 4, &[&[], &[], &[0, 1], &[1]])
    };
    match bug {
        Bug::L1CountsOldTerms => (
            "Raft's figure 8: an older term's entry decided by counting its copies",
            instant(after([&[1, 2], &[1], &[1, 3]], 5, &[&[], &[], &[], &[0], &[2]])),
        ),
        Bug::L3OwnCopyEarly => ("a leader that counts itself before its disk is done", one(0)),
        Bug::L4AcknowledgesEarly => ("an entry that is acknowledged before the disk is done", one(0)),
        Bug::L5CutsAfterEach => ("a late, shorter message that cuts the log", instant(one(1).crashes(1))),
        Bug::L6InstallCutsSuffix => (
            "a snapshot that removes what follows it",
            instant(Bounds { snapshots: 1, ..one(1) }),
        ),
        Bug::L9LearnsBeyond => (
            "what was never decided is applied after a change of leader (ZOOKEEPER-4394)",
            instant(after([&[1, 2, 3], &[1, 2, 3], &[1, 2, 2]], 4, &[&[], &[], &[], &[0]])),
        ),
        Bug::L11ReadsUnconfirmed => (
            "a read served by a leader of the past",
            instant(Bounds { reads: 1, ..two }),
        ),
        Bug::ReadsTooFresh => (
            "a read served by a new leader that does not know yet what is decided",
            instant(Bounds { reads: 1, ..two }),
        ),
        Bug::PrevUnchecked => (
            "an entry appended after another one than the leader's",
            instant(after([&[1, 2], &[1, 2], &[1, 1]], 3, &[&[], &[], &[0]])),
        ),
        Bug::CopiesAnyLog => (
            "catching up from whoever answers, also from a log that goes less far",
            instant(Bounds {
                pre_vote: true,
                decided: 2,
                ..after([&[1, 2], &[1, 2], &[1, 1]], 3, &[&[], &[], &[1]])
            }),
        ),
        Bug::AppliesUndecided => ("an entry that is applied before it is decided", instant(one(0))),
        Bug::TakesAnySize => (
            "an entry that no frame holds, and nothing after it arrives",
            Bounds { body_max: 0, ..one(1) },
        ),
        Bug::VotesWhileItLacks => ("a vote from a disk that was replaced", instant(lost_store())),
        Bug::WholeTooEarly => (
            "a vote from a disk that was replaced and has got something back",
            instant(lost_store()),
        ),
        Bug::WindowHoldsSnapshot => (
            "a member that needs a snapshot never gets it, because what it holds looks like entries under way",
            instant(Bounds {
                snapshots: 1,
                headroom: 1,
                calms: vec![election_model::Shape::Hub(0)],
                ..after([&[1, 1, 1], &[1, 1, 1], &[1, 1]], 2, &[&[], &[0], &[0]])
            }),
        ),
    }
}

fn hunt_in_the_log(bug: replication::bugs::Bug) -> Catch {
    let (stands_for, bounds) = prey_in_the_log(bug);
    let world = log_model::World::new(log_model::Bounds {
        bug: Some(bug),
        ..bounds
    });
    let mut hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
    if bug == replication::bugs::Bug::WindowHoldsSnapshot {
        hunt = hunt.settles(log_model::queries::all_get_the_log());
    }
    let mut catch = hunt
        .run()
        .unwrap_or_else(|limit| panic!("{bug:?} in {}: {limit}", world.bounds().words()));
    catch.stands_for = stands_for.into();
    catch
}

/// Bugs of the election that only show with a log.
pub fn hunt_votes_for_short_logs(bug: election::bugs::Bug) -> Catch {
    use log_model::{Bounds, Disk, Start};
    let world = |bounds| {
        log_model::World::new(Bounds {
            disk: Disk::Instant,
            election_bug: Some(bug),
            ..bounds
        })
    };
    let hunt = |world: &log_model::World, live: bool| {
        let mut hunt = Hunt::new(world).name(format!("{bug:?}")).states_max(6_000_000);
        if live {
            hunt = hunt.settles(log_model::queries::all_get_the_log());
        }
        hunt.run().expect("the smallest world fits")
    };
    if bug == election::bugs::Bug::L2VoteIgnoresLog {
        let world = world(Bounds {
            stands: &[&[0], &[1]],
            ..Bounds::new(3, 2)
        });
        let mut catch = hunt(&world, false);
        catch.stands_for = "a vote that does not look at the log".into();
        return catch;
    }
    let world = world(Bounds {
        pre_vote: true,
        start: Start::Logs(vec![vec![1, 2], vec![1, 1], vec![1, 2]]),
        headroom: 2,
        calms: vec![election_model::Shape::Hub(1)],
        ..Bounds::new(3, 2)
    });
    let mut catch = hunt(&world, true);
    catch.stands_for = "a pre-vote that does not look at the log (NuRaft 134, ClickHouse 121252)".into();
    catch
}

//! Every seeded bug must be caught by the properties that the right code passes.
//!
//! The bugs are compiled in only under a cfg, in a target folder of their own, so that nothing else ever holds them:
//!
//! ```text
//! RUSTFLAGS="--cfg seeded_bugs" CARGO_TARGET_DIR=target/seeded cargo test -p pehra-models --test seeded
//! ```
//!
//! Without the cfg this file is empty, and `tests/seeded_table.rs` holds the committed table against the list of bugs.
#![cfg(seeded_bugs)]

use pehra_core::delivery::bugs::Bug;
use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::{coverage, guard, traffic};
use pehra_core::types::NodeId;
use pehra_core::{election, pipeline, replication, window};
use pehra_models::coverage::Clusters;
use pehra_models::delivery::queries::{everything_arrives, the_window_opens};
use pehra_models::delivery::{Bounds, Grain, World};
use pehra_models::election as election_model;
use pehra_models::kafka::Setup;
use pehra_models::link::{self, Link};
use pehra_models::replication as log_model;
use pehra_models::sleep as duty;
use pehra_models::slots::Nights;
use pehra_models::traffic::Conversations;
use pehra_models::{Catch, Hunt, Leads, lease, results};

/// What a bug stands for, and the smallest world in which it can show.
fn prey(bug: Bug) -> (&'static str, Bounds) {
    let calm = |bounds: Bounds| Bounds { calms: true, ..bounds };
    match bug {
        Bug::O1AckBeforeDurable => (
            "an acknowledgement that leaves before the disk is done",
            Bounds::new(2, 1),
        ),
        Bug::O2ResendWithFreshId => ("rows that are sent again under new numbers", Bounds::new(2, 0)),
        Bug::O3DedupeForgets => ("a memory of what was applied that is thrown away", Bounds::new(1, 1)),
        Bug::O4RepeatIsNotAnswered => ("a repeated batch that gets no answer", calm(Bounds::new(2, 0))),
        // The handshake's mark takes most of it back; what stays away is the code that the lost answer carried.
        Bug::O5SentCountsAsAcked => (
            "sent rows that count as acknowledged after a crash",
            Bounds {
                households: 2,
                ..Bounds::new(2, 1)
            },
        ),
        Bug::O6SentStaysSent => (
            "sent rows that are not sent again after a crash",
            calm(Bounds::new(2, 2)),
        ),
        Bug::O7MarkNotDurable => ("a mark that a crash forgets", Bounds::new(2, 1)),
        Bug::O8TwoTransactions => ("rows and mark committed one after the other", Bounds::new(1, 1)),
        Bug::O9AckByPosition => (
            "an acknowledgement taken for that of the oldest batch",
            Bounds {
                keeps_dead: true,
                ..Bounds::new(2, 0)
            },
        ),
        Bug::O10AckSkipsHole => ("an acknowledgement across rows that never came", Bounds::new(3, 0)),
        Bug::O11HoleIsJumped => ("a batch behind a hole that is applied", Bounds::new(2, 0)),
        Bug::O12FlagsFall => ("a late send that takes back an acknowledgement", Bounds::new(2, 0)),
        Bug::O13SequenceRestarts => (
            "a sequence that starts again when the outbox is empty",
            Bounds::new(2, 1),
        ),
        Bug::O14RestoredUnnoticed => (
            "a store put back from a copy that uses numbers twice",
            Bounds {
                restores: 1,
                ..Bounds::new(2, 0)
            },
        ),
        Bug::O15HeartbeatQuietsRetry => (
            "a heartbeat's answer that passes for an answer to the rows",
            calm(Bounds {
                heartbeats: true,
                ..Bounds::new(1, 0)
            }),
        ),
        Bug::O16HalfOpenUnnoticed => ("a link that only listens and still counts as up", Bounds::new(1, 0)),
        Bug::O17WindowNotReleased => (
            "a window that stays full when answers are lost",
            calm(Bounds::new(2, 0)),
        ),
        Bug::EpochNotFenced => (
            "a replaced store that is served again",
            Bounds {
                renewals: 1,
                ..Bounds::new(2, 0)
            },
        ),
        Bug::CodesOutrun => (
            "flag 2 without the household's code",
            Bounds {
                grain: Grain::Fine,
                households: 2,
                ..Bounds::new(2, 0)
            },
        ),
        Bug::MarkOutrunsCodes => (
            "an answer that ends a batch which asked for more codes than it carries",
            Bounds {
                households: 2,
                ..Bounds::new(2, 0).batches(2)
            },
        ),
    }
}

const O6: &str = "A start greets, and a greeting arms the retry timer, which stays armed as long as a row is \
                  unacknowledged. When it goes off the sender goes back to the first unacknowledged row, sent before \
                  or not. So the bug only delays those rows by one pause of the timer: everything still arrives, here \
                  too, over two crashes a side.";

fn hunt(bug: Bug) -> Catch {
    let (stands_for, mut bounds) = prey(bug);
    bounds.sender.bug = Some(bug);
    bounds.receiver.bug = Some(bug);
    let mut catch = if bug == Bug::O16HalfOpenUnnoticed {
        let link = Link::with_bug(bug);
        let hunt = Hunt::new(&link)
            .name(format!("{bug:?}"))
            .leads(link::dead_is_down())
            .leads(link::live_is_up());
        hunt.run().expect("no limit")
    } else {
        let calms = bounds.calms;
        let world = World::new(bounds);
        let mut hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
        if calms {
            hunt = hunt.settles(everything_arrives()).leads(the_window_opens());
        }
        hunt.run().expect("the smallest world fits")
    };
    catch.stands_for = stands_for.into();
    if bug == Bug::O6SentStaysSent {
        catch.equivalent = Some(O6.into());
    }
    catch
}

fn hunt_in_the_pipeline(bug: pipeline::bugs::Bug) -> Catch {
    let world = pehra_models::pipeline::World::with_bug(bug);
    let mut catch = Hunt::new(&world).name(format!("{bug:?}")).run().expect("no limit");
    catch.stands_for = match bug {
        pipeline::bugs::Bug::PositionLags => "a position that is not stored with what was read",
        pipeline::bugs::Bug::PositionUnchecked => "a source that is believed when it hands over a record again",
    }
    .into();
    catch
}

fn hunt_in_the_windows(bug: window::bugs::Bug) -> Catch {
    use window::bugs::Bug;
    let world = match bug {
        Bug::LetGoEarly => pehra_models::pipeline::World::long(1, 1),
        _ => pehra_models::pipeline::World::new(1, 1),
    };
    let world = world.with_bug_in_the_windows(bug);
    let mut catch = Hunt::new(&world).name(format!("{bug:?}")).run().expect("no limit");
    catch.stands_for = match bug {
        Bug::RepeatIsCounted => "a reading that comes again and is counted again",
        Bug::TooLateUnsaid => "a reading that is dropped without a word",
        Bug::RevisionUnsaid => "a late reading that changes a sum which nobody hears of",
        Bug::RevisionLoses => "a revision without a reading that was counted",
        Bug::EndIsInside => "a reading at the edge of two windows that is in both",
        Bug::GapUnsaid => "missing data that looks like no data",
        Bug::FutureMovesWatermark => "a wrong clock at one meter that closes windows",
        Bug::ClosesEarly => "a window's end that is off by one",
        Bug::LetGoEarly => "a clean-up that takes what is still needed",
        Bug::SweepIsForgotten => "a decision of the clock that is taken again after a restart",
    }
    .into();
    catch
}

/// What a bug of leases stands for, and the smallest world in which it can show.
fn prey_among_leases(bug: election::bugs::Bug) -> Option<(&'static str, lease::Bounds)> {
    use election::bugs::Bug;
    use lease::Bounds;
    // One that breaks the claim also breaks what must hold on the way to it: here the claim itself must catch it.
    let once = Bounds {
        claim_alone: true,
        ..Bounds::new(2, 1)
    };
    let handed_over = |rounds| Bounds {
        transfers: 1,
        claim_alone: true,
        ..Bounds::new(2, rounds)
    };
    Some(match bug {
        Bug::E23LeaseFromAnswer => ("a lease that is counted from the answer", once),
        Bug::HandOverKeepsLease => ("a leader that hands over and keeps its lease", handed_over(1)),
        Bug::TokenNeverAges => (
            "a hand-over that was given up and still releases voters",
            handed_over(2),
        ),
        Bug::LateTransferStands => (
            "a hand-over that was given up and still makes its successor stand",
            handed_over(2),
        ),
        Bug::TokenFreesRestarted => (
            "a restarted voter that takes an old heartbeat for all it ever answered",
            Bounds {
                crashes: 1,
                ..handed_over(2)
            },
        ),
        Bug::NoQuarantine => ("a promise that a restart forgets", Bounds { crashes: 1, ..once }),
        Bug::HintEndsPromise => (
            "a promise that ends when the connection does",
            Bounds { hints: 1, ..once },
        ),
        Bug::LeaseEndsSilently => ("a lease whose end nobody is told", Bounds::new(2, 1)),
        _ => return None,
    })
}

/// What a bug of election stands for, and the smallest world in which it can show.
fn prey_in_the_election(bug: election::bugs::Bug) -> (&'static str, election_model::Bounds) {
    use election::bugs::Bug;
    use election_model::{Bounds, Shape};
    let small = Bounds::new(3, 1);
    let two = Bounds::new(3, 2);
    let asking = Bounds {
        pre_vote: true,
        ..Bounds::new(3, 1)
    };
    let calm = |calms: Vec<Shape>| Bounds {
        headroom: 2,
        calms,
        ..Bounds {
            pre_vote: true,
            ..Bounds::new(3, 1)
        }
    };
    let one_gone = || calm((0..3).map(Shape::Without).collect());
    match bug {
        Bug::E1VoteNotPersisted => ("a vote that is never written", small.crashes(1)),
        Bug::E2VotedEarly => (
            "a vote that leaves before it is durable",
            Bounds {
                split: true,
                ..small.crashes(1)
            },
        ),
        Bug::E3VoteForgottenAtStart => ("a vote that a restart forgets", small.crashes(1)),
        Bug::E4TwoWrites => (
            "term and vote in two writes",
            Bounds {
                split: true,
                ..small.crashes(1)
            },
        ),
        Bug::E5OwnVoteEarly => (
            "a candidate that counts its own vote before it is durable",
            two.crashes(1),
        ),
        Bug::E5LeadsUndurable => ("a candidate that leads before its own term is durable", two.crashes(1)),
        Bug::E6SecondVote => ("a second vote in one term", small),
        Bug::E7GrantWithoutAdopting => ("a vote in a term that the voter does not enter", small),
        Bug::E8OldVotesCount => ("votes of an older term that count", two),
        Bug::E9VoteKeptInNewTerm => ("a vote that stays given in the next term", one_gone()),
        Bug::E10HalfIsEnough => ("half of the voters taken for a majority", Bounds::new(4, 1)),
        Bug::E11StaleIsAnswered => ("an answer to a candidate of the past", calm(vec![Shape::All])),
        Bug::E12NackIsIgnored => ("a leader that does not hear that its term is over", one_gone()),
        Bug::E13CandidateIgnoresLeader => ("a candidate that does not yield to the winner", calm(vec![Shape::All])),
        Bug::E14SilenceIsAbsence => ("a majority of those who answer", small),
        Bug::E15ObserverVotes => (
            "an observer whose vote counts",
            Bounds {
                observers: 1,
                ..Bounds::new(2, 1)
            },
        ),
        Bug::E16PreVoteChanges => ("a pre-vote that raises terms", asking),
        Bug::E17LowTermUnanswered => (
            "a pre-vote in an old term that nobody answers (canonical/raft 279)",
            Bounds {
                pre_vote: true,
                outage: &[0, 2, 1, 1, 1],
                headroom: 2,
                calms: vec![Shape::Hub(0)],
                ..Bounds::new(5, 2)
            },
        ),
        Bug::E19ResignDoesNotFree => ("a resignation that frees nobody", Bounds { resigns: 1, ..small }),
        Bug::E20PreCandidateGivesUp => ("a member that asks once and never again", one_gone()),
        Bug::E21LostIsFresh => (
            "a member that comes back with an empty disk and votes",
            Bounds { wipes: 1, ..small },
        ),
        Bug::E22TimerNotRearmed => ("a voter that waits for ever for whom it voted", one_gone()),
        Bug::OldAnswersCount => (
            "an answer to an older question",
            Bounds {
                questions: 1,
                check_quorum: true,
                ..two
            },
        ),
        Bug::AnsweredWithoutMajority => ("a deposed leader that still says me", Bounds { questions: 1, ..two }),
        Bug::PreCandidateRemembersLeader => ("a member that asks and refuses all who ask", one_gone()),
        Bug::PreVoteNeedsEqualTerms => ("pre-votes judged by equal terms", one_gone()),
        Bug::CandidateKeepsRaising => (
            "a candidate whose term climbs while it is cut off",
            Bounds { terms: 2, ..asking },
        ),
        Bug::PreVoteIgnoresLeader => (
            "a pre-vote that unseats a healthy leader",
            Bounds { terms: 2, ..asking },
        ),
        Bug::NobodyGivesWay => (
            "two that ask at once and both stand",
            Bounds {
                ranks: true,
                ..one_gone()
            },
        ),
        Bug::StandsAfterGivingWay => (
            "two that ask at once, and the second stands whoever would vote",
            Bounds { ranks: true, ..asking },
        ),
        _ => ("its model is to come", small),
    }
}

const E11: &str = "The answer is a Nack with the answerer's durable term, which the candidate could have had for any \
                   heartbeat or pre-vote of its own; it gives no vote, and the candidate follows the higher term.";
const E12: &str = "A leader whose term is over also hears so from the heartbeats of the next leader, and loses its \
                   majority's answers; a pre-candidate that learns no higher term is overtaken by those who know it. So \
                   without a log the Nack only saves time.";

const E13: &str = "A candidate that is not elected goes back to asking before it could stand again, in the same term, and \
                   whoever asks does hear the leader of its term. So the bug only delays that by one candidacy.";

const NOBODY: &str = "Two that ask at once may then both stand, and split the votes. Both ask again, each after a wait of its own, and \
                      nothing is decided wrongly: giving way saves that round, and no more. Once calm, no timer of the \
                      model goes off while an answer is under way, so nobody asks at the same time as another there. What \
                      it saves is a matter of time, and so of the simulator.";

fn hunt_in_the_election(bug: election::bugs::Bug, reduced: bool) -> Catch {
    if let Some((stands_for, bounds)) = prey_among_leases(bug) {
        let world = lease::World::new(lease::Bounds {
            bug: Some(bug),
            ..bounds
        });
        let hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
        let mut catch = hunt.run().expect("the smallest world fits");
        catch.stands_for = stands_for.into();
        return catch;
    }
    let (stands_for, bounds) = prey_in_the_election(bug);
    let calms = !bounds.calms.is_empty();
    let world = election_model::World::new(election_model::Bounds {
        bug: Some(bug),
        reduced,
        ..bounds
    });
    let mut hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(6_000_000);
    if calms {
        hunt = hunt.settles(election_model::queries::a_leader_stays());
    }
    let mut catch = hunt.run().expect("the smallest world fits");
    catch.stands_for = stands_for.into();
    catch.equivalent = match bug {
        election::bugs::Bug::E11StaleIsAnswered => Some(E11.into()),
        election::bugs::Bug::E12NackIsIgnored => Some(E12.into()),
        election::bugs::Bug::E13CandidateIgnoresLeader => Some(E13.into()),
        election::bugs::Bug::NobodyGivesWay => Some(NOBODY.into()),
        _ => None,
    };
    catch
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
fn hunt_votes_for_short_logs(bug: election::bugs::Bug) -> Catch {
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

/// What a bug of guard duty stands for, the smallest world in which it can show, and the question that it answers wrongly if it
/// breaks no property of states.
fn prey_on_duty(bug: guard::bugs::Bug) -> (&'static str, duty::Bounds, Option<Leads<duty::World>>) {
    use duty::Bounds;
    use guard::Timer;
    use guard::bugs::Bug;
    let set = |nodes: &[u16]| nodes.iter().map(|node| NodeId(*node)).collect::<NodeSet>();
    let without = |timers: &[Timer]| Bounds {
        without: timers.to_vec(),
        ..Bounds::lean()
    };
    let plain = || without(&[Timer::Probe, Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer]);
    let plainer = || {
        without(&[
            Timer::Idle,
            Timer::Probe,
            Timer::Alarm,
            Timer::Drain,
            Timer::Wake,
            Timer::Answer,
        ])
    };
    let woken = || Bounds {
        wakes: 1,
        ..without(&[Timer::Wake, Timer::Answer])
    };
    let needed = |at: u16| Bounds {
        traffic: 1,
        traffic_at: set(&[at]),
        ..plain()
    };
    let calm = |bounds: Bounds| Bounds {
        calms: true,
        deaf: true,
        ..bounds
    };
    let two_terms = || Bounds {
        terms: 2,
        decrees: 4,
        stands: vec![set(&[2])],
        ..plain()
    };
    // One leads, another, and the first one again, who then hears what was told to it in its first term.
    let back_again = || Bounds {
        terms: 3,
        decrees: 4,
        stands: vec![set(&[2]), set(&[0])],
        votes: vec![set(&[0, 2]), set(&[0, 2])],
        suggests: vec![set(&[1]), set(&[1]), set(&[2])],
        ..plainer()
    };
    let crash = || Bounds {
        decrees: 5,
        crashes: 1,
        crash_at: set(&[2]),
        ..plainer()
    };
    let watch = |bounds: Bounds| Bounds {
        gear: Gear::Watch,
        voters: set(&[0]),
        ..bounds
    };
    // The one who is called first is gone for good; this timer never goes off.
    let one_is_dead = |never: Timer| {
        watch(Bounds {
            traffic: 1,
            traffic_at: set(&[0]),
            gone: set(&[1]),
            repeats: false,
            ..without(&[Timer::Idle, Timer::Probe, Timer::Alarm, Timer::Drain, never])
        })
    };
    let lost = |timers: &[Timer]| Bounds {
        losses: 1,
        ..without(timers)
    };
    let switched = || Bounds {
        switches: 2,
        decrees: 5,
        ..plain()
    };
    let round = || Bounds {
        brokers: 2,
        voters: set(&[0, 1]),
        partitions: vec![duty::Copies {
            replicas: set(&[0, 1]),
            in_sync_min: 1,
        }],
        calms: true,
        calm_from_start: true,
        rounds: 1,
        terms: 2,
        headroom: 1,
        hands_over: true,
        stands: vec![set(&[1])],
        votes: vec![set(&[0, 1])],
        decrees: 20,
        repeats: false,
        ..without(&[
            Timer::Idle,
            Timer::Probe,
            Timer::Alarm,
            Timer::Drain,
            Timer::Wake,
            Timer::Answer,
            Timer::Rouse,
        ])
    };
    let on_kafka = |bounds: Bounds| {
        bounds.on(duty::Cluster {
            setup: Setup::new(3, 1, 3, 2),
            records: 1,
            torn: 0,
            shrinks: false,
        })
    };
    let safe = |says, bounds| (says, bounds, None);
    let live = |says, bounds, question| (says, calm(bounds), Some(question));
    match bug {
        Bug::P2AssumesAwake => safe("a new Pehredar that takes all on duty to be awake", back_again()),
        Bug::P3StrangerObeyed => safe("a grant of an older term that is obeyed", two_terms()),
        Bug::P4NoLock => safe("a grant that is good more than once", woken()),
        Bug::P4LockOutlivesWake => safe("a grant that comes after the wake, and is obeyed", woken()),
        Bug::P5NoAlarm => safe("a sleeper without an alarm clock", woken()),
        Bug::P7DutySleeps => safe("a member on duty that is let sleep", woken()),
        Bug::P8NothingCovered => safe(
            "all but the watchman sleep, whatever that leaves (the original protocol)",
            Bounds {
                suggests: vec![set(&[1, 2])],
                ..plain()
            },
        ),
        Bug::P9KeepsWatching => safe("two that watch, after a partition", two_terms()),
        Bug::P13WakeNotRepeated => live("a wake that is lost and not called again", needed(2), duty::L1),
        Bug::P14WakeNeedsPehredar => safe("a wake that needs the right sender", Bounds { losses: 1, ..woken() }),
        Bug::P15MaintenanceUnchecked => safe(
            "maintenance that does not wait for the others",
            Bounds {
                rounds: 1,
                decrees: 8,
                ..plain()
            },
        ),
        Bug::P16AllUpCount => safe("sleepers to be that count as awake", back_again()),
        Bug::P17CountsMembers => safe(
            "coverage by the number of brokers, not of each partition's copies",
            Bounds {
                brokers: 4,
                voters: set(&[0, 1, 2, 3]),
                partitions: [[0, 1, 2], [1, 2, 3], [0, 1, 3]]
                    .map(|replicas| duty::Copies {
                        replicas: set(&replicas),
                        in_sync_min: 2,
                    })
                    .to_vec(),
                suggests: vec![set(&[2, 3])],
                ..plain()
            },
        ),
        Bug::P18GrantsWhileBusy => safe("sleep while there is traffic (the original's \"0 then 1\")", needed(2)),
        Bug::P19OutlivesItsPlan => safe("a grant that goes on under another Pehredar", two_terms()),
        Bug::P19OldPlanTaken => safe("a grant of a plan that was replaced", crash()),
        Bug::SleeperTrusts => safe("a sleeper that does not look for itself", crash()),
        Bug::NoLookAfter => safe("nobody looks after the broker has stopped", crash()),
        Bug::OldEpochEnables => safe("an old order that switches on again", switched()),
        Bug::OffGrants => safe("sleep after it was switched off", switched()),
        Bug::VotersUncounted => safe(
            "so many sleep that nobody can be elected",
            Bounds {
                partitions: vec![duty::Copies {
                    replicas: set(&[0, 1, 2]),
                    in_sync_min: 1,
                }],
                ..plain()
            },
        ),
        Bug::P20TemporaryGrants => safe(
            "a stand-in that does all that a Pehredar does",
            lost(&[Timer::Wake, Timer::Answer]),
        ),
        Bug::P22AbortLeavesDown => live("a change given up half way", woken(), duty::L8),
        Bug::P23TrafficUntold => live("traffic of which the Pehredar never hears", needed(2), duty::L1),
        Bug::P24OldPromisesCount => safe("a Pehredar that counts on promises of another plan", back_again()),
        Bug::GrantsWithoutEcho => safe("the next is let sleep before the last one has answered", watch(plain())),
        Bug::AnyWordEndsWaking => live(
            "a wake that counts as heard by what was said before it",
            needed(2),
            duty::L1,
        ),
        Bug::TicketOutlivesWaking => safe(
            "an answer to an earlier wake that frees the next grant",
            watch(needed(1)),
        ),
        Bug::P12RepeatRevokes => live(
            "a grant that ends itself when it comes again, and nobody ever sleeps",
            plain(),
            duty::L4,
        ),
        Bug::ChoiceForgetsSilent => live(
            "one who is known to be dead is chosen all the same, and nobody wakes in its place",
            one_is_dead(Timer::Answer),
            duty::L1,
        ),
        Bug::NobodyInItsPlace => live(
            "a call that the dead do not answer, and nobody else is called",
            one_is_dead(Timer::Wake),
            duty::L1,
        ),
        Bug::EarlyReadingKept => live(
            "traffic that is answered by what was read before it",
            needed(0),
            duty::L1,
        ),
        Bug::P21SleepsUnstopped => safe("a machine that sleeps with its broker running", on_kafka(woken())),
        Bug::StaleReadingTaken => safe("a grant that is judged on a stale view", on_kafka(woken())),
        Bug::ActiveUnstarted => safe("a machine that is woken, and a broker that is not", on_kafka(woken())),
        Bug::RestartLeavesDown => (
            "a broker that stays down after a power cut",
            Bounds {
                calms: true,
                all_down: true,
                deaf: true,
                repeats: false,
                voters: set(&[0]),
                crashes: 2,
                crash_at: NodeSet::EMPTY,
                terms: 2,
                headroom: 1,
                stands: vec![set(&[0])],
                ..plainer()
            }
            .on(duty::Cluster {
                setup: Setup::new(2, 1, 2, 1),
                records: 1,
                torn: 0,
                shrinks: false,
            }),
            Some(duty::L5),
        ),
        Bug::RoundKeepsPehredar => live("a round of maintenance that never comes to its last", round(), duty::L6),
        Bug::VisitOutrunsPlan => safe("one that is worked on again and again", round()),
        Bug::FailedWakeUnsaid => live(
            "a machine that does not wake, and nobody hears of it",
            Bounds {
                decrees: 6,
                ..one_is_dead(Timer::Answer)
            },
            duty::L7_PAGED,
        ),
        Bug::FailedWakeKept => live(
            "a machine that does not wake, and is counted on",
            Bounds {
                decrees: 6,
                ..one_is_dead(Timer::Answer)
            },
            duty::L7_PAGED,
        ),
        Bug::SlotByNumber | Bug::SlotAmongAll => safe("its model is that of the slots", plain()),
        Bug::GrantNotRepeated => live("a grant that is lost, and nobody sleeps ever again", plain(), duty::L4),
        Bug::NoTemporary => live(
            "nobody wakes the others when the Pehredar is gone",
            lost(&[Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer]),
            duty::L2,
        ),
    }
}

fn hunt_on_duty(bug: guard::bugs::Bug) -> Catch {
    let (stands_for, bounds, question) = prey_on_duty(bug);
    let world = duty::World::new(duty::Bounds {
        bug: Some(bug),
        ..bounds
    });
    let hunt = Hunt::new(&world).name(format!("{bug:?}")).states_max(8_000_000);
    let hunt = question.into_iter().fold(hunt, Hunt::leads);
    let mut catch = hunt
        .run()
        .unwrap_or_else(|limit| panic!("{bug:?} in {}: {limit}", world.bounds().words()));
    catch.stands_for = stands_for.into();
    catch
}

/// Bugs of alarm slots, in the world where orders are drawn.
fn hunt_in_the_slots(bug: guard::bugs::Bug) -> Option<Catch> {
    use guard::bugs::Bug;
    let stands_for = match bug {
        Bug::SlotByNumber => "sleepers whose next ring everybody can foresee",
        Bug::SlotAmongAll => "two sleepers with one slot",
        _ => return None,
    };
    let nights = Nights::new().with_bug(bug);
    let mut catch = Hunt::new(&nights).name(format!("{bug:?}")).run().expect("no limit");
    catch.stands_for = stands_for.into();
    Some(catch)
}

#[test]
fn every_bug_of_guard_duty_is_caught() {
    judge(guard::bugs::Bug::HUNTED.map(|bug| hunt_in_the_slots(bug).unwrap_or_else(|| hunt_on_duty(bug))));
}

/// Bugs that the worlds without a Kafka catch are caught with one too, by what they come to there.
#[test]
fn bugs_of_guard_duty_are_caught_over_kafka_too() {
    use guard::bugs::Bug;
    let cluster = duty::Cluster {
        setup: Setup::new(3, 1, 3, 2),
        records: 1,
        torn: 0,
        shrinks: false,
    };
    for (bug, by) in [
        (Bug::P8NothingCovered, duty::properties::S3),
        (Bug::P4NoLock, duty::properties::S2),
        (Bug::P18GrantsWhileBusy, duty::properties::S7),
    ] {
        let (_, bounds, _) = prey_on_duty(bug);
        let world = duty::World::new(duty::Bounds {
            bug: Some(bug),
            ..bounds.on(cluster)
        });
        let catch = Hunt::new(&world)
            .name(format!("{bug:?} over Kafka"))
            .states_max(8_000_000)
            .run();
        let catch = catch.expect("it is caught before the limit");
        println!("{}", catch.to_string().lines().next().unwrap_or_default());
        catch.require(by);
    }
}

const LAGGING: &str = "A copy that lags on a broker that is awake is an obstacle by itself: nobody may sleep until it is in sync. \
                       So while anybody may sleep, the copies on awake brokers and the in-sync copies on awake brokers are the \
                       same ones. The bug would show if that obstacle were lifted.";

fn hunt_in_the_coverage(bug: coverage::bugs::Bug) -> Catch {
    use coverage::bugs::Bug;
    let clusters = match bug {
        // With three brokers, whoever shares no limit with another is alone.
        Bug::OneLimitIsEnough => Clusters::four(0),
        _ => Clusters::three(1),
    };
    let clusters = clusters.with_bug(bug);
    let mut catch = Hunt::new(&clusters).name(format!("{bug:?}")).run().expect("no limit");
    catch.stands_for = match bug {
        Bug::NodesAreCounted => "brokers counted in place of each partition's copies",
        Bug::LaggingCopiesCount => "a copy that lags and counts as one",
        Bug::DrainingCounts => "a broker that goes and is still counted on",
        Bug::NeedOffByOne => "a need that is off by one",
        Bug::SpareIsForgotten => "controllers without a spare",
        Bug::LastMayGo => "the last one that goes to sleep",
        Bug::LagIsExcused => "a sleeper more while a failed broker is missing",
        Bug::UncleanIsExcused => "sleep where a lagging copy may be made leader",
        Bug::OneLimitIsEnough => "a largest set that is too large",
        Bug::BystandersStay => "brokers that stay awake for nobody",
    }
    .into();
    if bug == Bug::LaggingCopiesCount {
        catch.equivalent = Some(LAGGING.into());
    }
    catch
}

fn hunt_in_the_traffic(bug: traffic::bugs::Bug) -> Catch {
    use traffic::bugs::Bug;
    let conversations = Conversations::new(2).with_bug(bug);
    let mut catch = Hunt::new(&conversations)
        .name(format!("{bug:?}"))
        .run()
        .expect("no limit");
    catch.stands_for = match bug {
        Bug::ProduceIsIdle => "a write that nobody wakes for",
        Bug::UnknownKindIsIdle => "a new kind of request that counts as idle until somebody lists it",
        Bug::JoinIsIdle => "a new group that cannot be written down, and that nobody wakes for",
        Bug::JoiningHeartbeatIsIdle => "a new group of the newer protocol that nobody wakes for",
        Bug::HeartbeatIsTraffic => "an idle member of a newer group that keeps brokers awake",
        Bug::UnknownHeartbeatIsIdle => "a newer client whose joins are overlooked",
        Bug::SilentProduceIsAwaited => "an idle client that counts as traffic after a write with acks=0",
        Bug::FirstEmptyEndsIt => "records behind an empty partition that are overlooked",
        Bug::UnknownVersionIsIdle => "a newer client whose reads are overlooked",
        Bug::CutShortIsIdle => "half an answer that is taken for an empty one",
        Bug::OrderUnchecked => "an answer taken for that of another request",
        Bug::FallbackIsForgotten => "a newer client that is offered what cannot be read",
        Bug::OfferIsRaised => "a version offered that the broker lacks",
    }
    .into();
    catch
}

/// Each must be caught, or be listed as equivalent; and as the committed table says.
fn judge(catches: impl IntoIterator<Item = Catch>) {
    let catches: Vec<Catch> = catches.into_iter().collect();
    let right = |catch: &&Catch| catch.by.is_some() != catch.equivalent.is_some();
    for catch in &catches {
        println!("{}", catch.to_string().lines().next().unwrap_or_default());
    }
    let wrong: Vec<&str> = catches
        .iter()
        .filter(|catch| !right(catch))
        .map(|catch| &*catch.bug)
        .collect();
    assert!(wrong.is_empty(), "not as it should be: {wrong:?}");
    for catch in &catches {
        results::compare("seeded", catch);
    }
}

#[test]
fn every_bug_of_delivery_is_caught() {
    judge(Bug::ALL.map(hunt));
    judge(pipeline::bugs::Bug::ALL.map(hunt_in_the_pipeline));
    judge(window::bugs::Bug::ALL.map(hunt_in_the_windows));
}

#[test]
fn every_bug_of_election_is_caught() {
    judge(election::bugs::Bug::HUNTED.map(|bug| hunt_in_the_election(bug, false)));
    judge(election::bugs::Bug::WITH_A_LOG.map(hunt_votes_for_short_logs));
}

#[test]
fn every_bug_of_coverage_and_traffic_is_caught() {
    judge(coverage::bugs::Bug::ALL.map(hunt_in_the_coverage));
    judge(traffic::bugs::Bug::ALL.map(hunt_in_the_traffic));
}

#[test]
fn every_bug_of_replication_is_caught() {
    judge(replication::bugs::Bug::HUNTED.map(hunt_in_the_log));
}

/// Larger worlds are walked reduced; what is left out there must not be what shows a bug.
#[test]
fn a_reduced_world_catches_the_same_bugs_of_election() {
    let kept = results::kept::<Catch>("seeded");
    for bug in election::bugs::Bug::HUNTED {
        let found = hunt_in_the_election(bug, true);
        let whole = kept
            .iter()
            .find(|catch| catch.bug == found.bug)
            .expect("each bug is kept");
        println!(
            "{}: {:?} after {} states, whole {}",
            found.bug, found.by, found.states, whole.states
        );
        assert_eq!(found.by.is_some(), whole.by.is_some(), "{bug:?}");
    }
}

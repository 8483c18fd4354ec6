//! Bugs of delivery, of the edge's pipeline and of its windows.

use pehra_core::delivery::bugs::Bug;
use pehra_core::{pipeline, window};
use pehra_models::delivery::queries::{everything_arrives, the_window_opens};
use pehra_models::delivery::{Bounds, Grain, World};
use pehra_models::link::{self, Link};
use pehra_models::{Catch, Hunt};

use super::judge;

#[test]
fn every_bug_of_delivery_is_caught() {
    judge(Bug::ALL.map(hunt));
    judge(pipeline::bugs::Bug::ALL.map(hunt_in_the_pipeline));
    judge(window::bugs::Bug::ALL.map(hunt_in_the_windows));
}

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

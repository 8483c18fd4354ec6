//! Bugs of guard duty.

use pehra_core::sleep::guard;
use pehra_models::sleep as duty;
use pehra_models::slots::Nights;
use pehra_models::{Catch, Hunt, Leads};

use super::judge;

#[test]
fn every_bug_of_guard_duty_is_caught() {
    judge(guard::bugs::Bug::HUNTED.map(|bug| hunt_in_the_slots(bug).unwrap_or_else(|| hunt_on_duty(bug))));
}

/// Bugs that the worlds without a Kafka catch are caught with one too, by what they come to there.
#[test]
fn bugs_of_guard_duty_are_caught_over_kafka_too() {
    use guard::bugs::Bug;
    for (bug, by) in [
        (Bug::P8NothingCovered, duty::properties::S3),
        (Bug::P4NoLock, duty::properties::S2),
        (Bug::P18GrantsWhileBusy, duty::properties::S7),
    ] {
        let (_, bounds, _) = prey_on_duty(bug);
        let world = duty::World::new(duty::Bounds {
            bug: Some(bug),
            ..bounds.on(duty::Cluster::three(1, 1))
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

/// In a world that the right code passes whole (`deep_sleep.rs`): each shows by the end of the Pehredar, and two only once another is
/// elected.
#[test]
fn bugs_of_guard_duty_are_caught_where_the_pehredar_loses_its_power() {
    use duty::properties as claims;
    use guard::bugs::Bug;
    for (bug, by, once_elected) in [
        (Bug::P8NothingCovered, claims::S3_NOW, true),
        (Bug::ActiveUnstarted, claims::S3_UP, true),
        (Bug::SleeperTrusts, claims::S3_NOW, false),
        (Bug::NoLookAfter, claims::S3_NOW, false),
    ] {
        let world = duty::World::new(duty::Bounds {
            bug: Some(bug),
            ..duty::Bounds::pehredar_without_power()
        });
        let catch = Hunt::new(&world)
            .name(format!("{bug:?} without the Pehredar"))
            .states_max(500_000)
            .run();
        let catch = catch.expect("it is caught before the limit").require(by);
        println!("{}", catch.to_string().lines().next().unwrap_or_default());
        let has = |what: &str| catch.trace.iter().any(|line| line.contains(what));
        assert!(
            has("loses its power") || has("of n0 crashes and starts again"),
            "{catch}"
        );
        assert_eq!(has("is elected by"), once_elected, "{catch}");
    }
}

/// What a bug of guard duty stands for, the smallest world in which it can show, and the question that it answers wrongly if it
/// breaks no property of states.
fn prey_on_duty(bug: guard::bugs::Bug) -> (&'static str, duty::Bounds, Option<Leads<duty::World>>) {
    use duty::{Bounds, set};
    use guard::Timer;
    use guard::bugs::Bug;
    let two_terms = || Bounds {
        terms: 2,
        decrees: 4,
        stands: vec![set(&[2])],
        ..Bounds::plain()
    };
    // One leads, another, and the first one again, who then hears what was told to it in its first term.
    let back_again = || Bounds {
        terms: 3,
        decrees: 4,
        stands: vec![set(&[2]), set(&[0])],
        votes: vec![set(&[0, 2]), set(&[0, 2])],
        suggests: vec![set(&[1]), set(&[1]), set(&[2])],
        ..Bounds::plainer()
    };
    let crash = || Bounds {
        decrees: 5,
        crashes: 1,
        crash_at: set(&[2]),
        ..Bounds::plainer()
    };
    let switched = || Bounds {
        switches: 2,
        decrees: 5,
        ..Bounds::plain()
    };
    let on_kafka = |bounds: Bounds| bounds.on(duty::Cluster::three(1, 1));
    let safe = |says, bounds| (says, bounds, None);
    let live = |says, bounds: Bounds, question| (says, bounds.calming(), Some(question));
    match bug {
        Bug::P2AssumesAwake => safe("a new Pehredar that takes all on duty to be awake", back_again()),
        Bug::P3StrangerObeyed => safe("a grant of an older term that is obeyed", two_terms()),
        Bug::P4NoLock => safe("a grant that is good more than once", Bounds::woken()),
        Bug::P4LockOutlivesWake => safe("a grant that comes after the wake, and is obeyed", Bounds::woken()),
        Bug::P5NoAlarm => safe("a sleeper without an alarm clock", Bounds::woken()),
        Bug::P7DutySleeps => safe("a member on duty that is let sleep", Bounds::woken()),
        Bug::P8NothingCovered => safe(
            "all but the watchman sleep, whatever that leaves (the original protocol)",
            Bounds {
                suggests: vec![set(&[1, 2])],
                ..Bounds::plain()
            },
        ),
        Bug::P9KeepsWatching => safe("two that watch, after a partition", two_terms()),
        Bug::P13WakeNotRepeated => live("a wake that is lost and not called again", Bounds::needed(2), duty::L1),
        Bug::P14WakeNeedsPehredar => safe(
            "a wake that needs the right sender",
            Bounds {
                losses: 1,
                ..Bounds::woken()
            },
        ),
        Bug::P15MaintenanceUnchecked => safe(
            "maintenance that does not wait for the others",
            Bounds {
                rounds: 1,
                decrees: 8,
                ..Bounds::plain()
            },
        ),
        Bug::P16AllUpCount => safe("sleepers to be that count as awake", back_again()),
        Bug::P17CountsMembers => safe(
            "coverage by the number of brokers, not of each partition's copies",
            Bounds::four_brokers(),
        ),
        Bug::P18GrantsWhileBusy => safe(
            "sleep while there is traffic (the original's \"0 then 1\")",
            Bounds::needed(2),
        ),
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
                ..Bounds::plain()
            },
        ),
        Bug::P20TemporaryGrants => safe(
            "a stand-in that does all that a Pehredar does",
            Bounds::lost(&[Timer::Wake, Timer::Answer]),
        ),
        Bug::P22AbortLeavesDown => live("a change given up half way", Bounds::woken(), duty::L8),
        Bug::P23TrafficUntold => live("traffic of which the Pehredar never hears", Bounds::needed(2), duty::L1),
        Bug::P24OldPromisesCount => safe("a Pehredar that counts on promises of another plan", back_again()),
        Bug::GrantsWithoutEcho => safe(
            "the next is let sleep before the last one has answered",
            Bounds::plain().watched(),
        ),
        Bug::AnyWordEndsWaking => live(
            "a wake that counts as heard by what was said before it",
            Bounds::needed(2),
            duty::L1,
        ),
        Bug::TicketOutlivesWaking => safe(
            "an answer to an earlier wake that frees the next grant",
            Bounds::needed(1).watched(),
        ),
        Bug::P12RepeatRevokes => live(
            "a grant that ends itself when it comes again, and nobody ever sleeps",
            Bounds::plain(),
            duty::L4,
        ),
        Bug::ChoiceForgetsSilent => live(
            "one who is known to be dead is chosen all the same, and nobody wakes in its place",
            Bounds::one_is_dead(Timer::Answer),
            duty::L1,
        ),
        Bug::NobodyInItsPlace => live(
            "a call that the dead do not answer, and nobody else is called",
            Bounds::one_is_dead(Timer::Wake),
            duty::L1,
        ),
        Bug::EarlyReadingKept => live(
            "traffic that is answered by what was read before it",
            Bounds::needed(0),
            duty::L1,
        ),
        Bug::P21SleepsUnstopped => safe(
            "a machine that sleeps with its broker running",
            on_kafka(Bounds::woken()),
        ),
        Bug::StaleReadingTaken => safe("a grant that is judged on a stale view", on_kafka(Bounds::woken())),
        Bug::ActiveUnstarted => safe(
            "a machine that is woken, and a broker that is not",
            on_kafka(Bounds::woken()),
        ),
        Bug::RestartLeavesDown => (
            "a broker that stays down after a power cut",
            Bounds::all_were_down(),
            Some(duty::L5),
        ),
        Bug::RoundKeepsPehredar => live(
            "a round of maintenance that never comes to its last",
            Bounds::round_of_two(),
            duty::L6,
        ),
        Bug::VisitOutrunsPlan => safe("one that is worked on again and again", Bounds::round_of_two()),
        Bug::SilentForGood => live(
            "a sleeper whose calls were lost once, and that is never called again",
            Bounds::given_up_by_mistake(),
            duty::L1,
        ),
        Bug::SilentOneByOne => live(
            "a dead machine that is called again in the place of one that would hear",
            Bounds::given_up_by_mistake(),
            duty::L1,
        ),
        Bug::FailedWakeUnsaid => live(
            "a machine that does not wake, and nobody hears of it",
            Bounds::given_up(),
            duty::L7_PAGED,
        ),
        Bug::FailedWakeKept => live(
            "a machine that does not wake, and is counted on",
            Bounds::given_up(),
            duty::L7_PAGED,
        ),
        Bug::SlotByNumber | Bug::SlotAmongAll => safe("its model is that of the slots", Bounds::plain()),
        Bug::GrantNotRepeated => live(
            "a grant that is lost, and nobody sleeps ever again",
            Bounds::plain(),
            duty::L4,
        ),
        Bug::NoTemporary => live(
            "nobody wakes the others when the Pehredar is gone",
            Bounds::lost(&[Timer::Alarm, Timer::Drain, Timer::Wake, Timer::Answer]),
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

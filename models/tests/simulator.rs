//! Elections that something goes wrong in: what must hold, and how long it takes, with 200 seeds each.
//!
//! Each row of the table is a scenario in two profiles, `lan` and `wan`: who is there, what must hold, and the harm.
//! The rows `quorum_loss` to `thirty_percent_loss` are those of the partial-connectivity table that the election was
//! designed by. A row whose leader must recover does so within 1.5 T (`lan`) or 2 T (`wan`) of the fault.
//!
//! *Waits for replication*: the constrained election, in which the only voter that sees a majority has a log that is
//! behind. Without a log it is `leader_dies_in_a_star`, which is here.
//!
//! What is found is held against `models/results/simulator.json`: the simulator is exact, so it must be equal on every
//! machine. A failing seed names the command that runs it again with its trace.

mod simulator_trial;

use pehra_core::election::{Command, Tenure};
use pehra_core::types::{NodeId, Ticks};
use pehra_models::results;
use pehra_models::simulator::{Death, Failure, Latency, Quality, Span, ms};
use simulator_trial::Must::{Keep, Lead, Recover};
use simulator_trial::{LAN, Measured, Row, Trial, WAN, World, try_all, voters};

type Run = Result<(), Failure>;

const ONE: simulator_trial::Must = Recover { changes: 1 };

/// The table: name, who is there, what must hold, what happens.
macro_rules! rows {
    ($($name:ident: $world:expr, $must:expr, $says:literal;)*) => {
        const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            says: $says,
            world: $world,
            must: $must,
            script: scripts::$name,
        }),*];
        $(mod $name {
            #[test]
            fn lan() {
                super::row(stringify!($name), &super::LAN);
            }

            #[test]
            fn wan() {
                super::row(stringify!($name), &super::WAN);
            }
        })*
    };
}

fn row(name: &str, profile: &simulator_trial::Profile) {
    let row = ROWS.iter().find(|row| row.name == name).expect("it is in the table");
    try_all(row, profile);
}

#[test]
fn the_results_name_exactly_these_rows() {
    let name = |row: &Row, profile: &str| format!("{}, {profile}", row.name.replace('_', " "));
    let names = ROWS
        .iter()
        .flat_map(|row| ["lan", "wan"].map(|profile| name(row, profile)));
    let names: Vec<String> = names.collect();
    results::require_names::<Measured>("simulator", "", &names.iter().map(String::as_str).collect::<Vec<_>>());
}

const TENURE: World = World {
    tenure: Some(Tenure {
        length: Ticks(30_000),
        margin: Ticks(5000),
        strict: true,
    }),
    ..voters(3)
};
const LEASED: World = World {
    leased: true,
    ..voters(3)
};
const OBSERVED: World = World {
    observers: 2,
    ..voters(3)
};

rows! {
    quorum_loss: voters(5), ONE, "only one follower still sees a majority; the leader sees only that one";
    leader_dies_in_a_star: voters(5), ONE, "the leader is dead, and only one follower sees a majority";
    chained: voters(3), Keep, "one follower sees the leader no more, the other sees both";
    two_outliers: voters(5), Keep, "two followers each see only one other follower";
    line_of_five: voters(5), ONE, "a line, with the leader at its end";
    mesh_of_five: voters(5), Keep, "the leader sees three others; the fifth sees all three but not the leader";
    deaf_leader: voters(3), ONE, "the leader speaks and hears nothing";
    deaf_leader_of_five: voters(5), ONE, "the leader speaks and hears nothing";
    deaf_follower: voters(3), Keep, "one follower speaks and hears nothing";
    follower_returns: voters(3), Keep, "a follower is cut off for 12 T and comes back";
    hub_moves: voters(5), Recover { changes: 5 }, "only one node sees a majority, and every 10 T it is another";
    leader_and_successor_die: voters(5), ONE, "the leader and the first in the order die together";
    thirty_percent_loss: voters(3), Lead, "every link loses 30 of 100 messages";
    thirty_percent_loss_of_five: voters(5), Lead, "every link loses 30 of 100 messages";

    leader_vanishes: voters(3), ONE, "the leader's machine loses its power, nobody is told";
    leader_vanishes_of_five: voters(5), ONE, "the leader's machine loses its power, nobody is told";
    leader_is_killed: voters(3), ONE, "the leader's process dies and its peers are told";
    leader_is_killed_of_five: voters(5), ONE, "the leader's process dies and its peers are told";
    leader_is_killed_with_lease: LEASED, ONE, "the same with leases on: the promise is waited out";
    leader_isolated_and_back: voters(5), ONE, "the leader is cut off, and mended after 10 T";
    mute_leader: voters(3), ONE, "the leader hears and cannot be heard";
    mute_follower: voters(3), Keep, "one follower hears and cannot be heard";
    flapping_follower: voters(3), Keep, "the link between leader and one follower comes and goes";
    flapping_leader: voters(5), Lead, "all links of the leader come and go together";
    one_way_pair: voters(5), Keep, "one follower hears the leader, who does not hear it";
    wrong_hint: voters(3), Keep, "one follower is told that the leader went, who did not";
    slow_disks: voters(3), ONE, "every disk takes up to a twelfth of T, and the leader vanishes";
    successor_with_dead_disk: voters(5), ONE, "the leader vanishes, and the disk of the first in the order stands still";
    stalled_disk_of_leader: voters(3), Keep, "the leader's disk stands still: it has nothing to write";
    full_disk_of_leader: voters(3), ONE, "the leader's store runs out of space";
    clocks_apart: voters(5), Keep, "clocks run apart by a tenth either way";
    clocks_apart_and_a_death: voters(5), ONE, "clocks run apart by a twentieth either way, and the leader vanishes";
    short_pause: voters(3), Keep, "the leader's process is frozen for less than T / 2";
    long_pause: voters(3), ONE, "the leader's process is frozen for 10 T";
    paused_follower: voters(3), Keep, "a follower's process is frozen for 10 T";
    all_pause: voters(3), ONE, "every process is frozen for 10 T at the same time";
    restart_of_all: voters(3), ONE, "every process dies, and all start again";
    restart_of_all_of_five: voters(5), ONE, "every process dies, and all start again";
    rolling_restart: voters(3), Recover { changes: 3 }, "one process after the other is restarted, the leader's last";
    follower_restarts: voters(3), Keep, "a follower's process dies and starts again at once";
    majority_lost_and_back: voters(5), ONE, "three of five die, later one of them starts again";
    one_by_one: voters(5), ONE, "all are down; two start and nobody leads, a third and one leads, the others follow";
    store_lost: voters(5), ONE, "a follower's store is lost, and the leader vanishes";
    messages_repeat_and_overtake: voters(5), ONE, "messages take up to T / 50, a fifth arrives twice; the leader vanishes";
    resigns: voters(3), ONE, "the leader is asked to resign";
    transfers: voters(3), ONE, "the leader is asked to hand over to a follower";
    transfers_to_the_dead: voters(3), Keep, "the leader is asked to hand over to a follower that is frozen";
    drains: voters(3), ONE, "the leader is drained";
    drained_followers: voters(5), ONE, "two followers are drained, and the leader vanishes";
    tenure_ends: TENURE, Lead, "leaderships end after 30 s by handing over";
    observers_come_and_go: OBSERVED, Keep, "observers die, are cut off and start again";
    leader_vanishes_before_observers: OBSERVED, ONE, "the leader vanishes before two observers";
    chaos: voters(3), Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    chaos_of_five: voters(5), Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    chaos_with_leases: LEASED, Lead, "everything at random for 30 T, while clients ask; then calm: a leader in time";
    asked_all_the_time: voters(3), Recover { changes: 3 }, "clients ask everybody who leads, while leaders freeze and are killed";
    asked_with_leases: LEASED, Recover { changes: 3 }, "the same with leases";
}

/// What happens in each row.
mod scripts {
    use super::{Command, Death, Latency, NodeId, Quality, Run, Span, Trial, ms};

    /// Links only `hub` with the others.
    fn star(t: &mut Trial, hub: NodeId) {
        let pairs: Vec<(NodeId, NodeId)> = t.everybody().into_iter().map(|other| (hub, other)).collect();
        t.link_only(&pairs);
    }

    fn speaks(t: &mut Trial, who: NodeId, up: bool) {
        let others = t.everybody().into_iter().filter(|other| *other != who);
        others.for_each(|other| t.link(who, other, up));
    }

    fn hears(t: &mut Trial, who: NodeId, up: bool) {
        let others = t.everybody().into_iter().filter(|other| *other != who);
        others.for_each(|other| t.link(other, who, up));
    }

    pub fn quorum_loss(t: &mut Trial) -> Run {
        let hub = t.followers()?[0];
        t.fault();
        star(t, hub);
        Ok(())
    }

    pub fn leader_dies_in_a_star(t: &mut Trial) -> Run {
        let (leader, hub) = (t.leader()?, t.followers()?[0]);
        t.fault();
        t.kill(leader, Death::Silent);
        star(t, hub);
        Ok(())
    }

    pub fn chained(t: &mut Trial) -> Run {
        let (leader, outsider) = (t.leader()?, t.followers()?[0]);
        t.fault();
        t.cut(leader, outsider);
        Ok(())
    }

    pub fn two_outliers(t: &mut Trial) -> Run {
        let l = t.leader()?;
        let f = t.followers()?;
        t.fault();
        t.link_only(&[(l, f[0]), (l, f[1]), (f[0], f[1]), (f[0], f[2]), (f[1], f[3])]);
        Ok(())
    }

    pub fn line_of_five(t: &mut Trial) -> Run {
        let l = t.leader()?;
        let f = t.followers()?;
        t.fault();
        t.link_only(&[(l, f[0]), (f[0], f[1]), (f[1], f[2]), (f[2], f[3])]);
        Ok(())
    }

    pub fn mesh_of_five(t: &mut Trial) -> Run {
        let l = t.leader()?;
        let f = t.followers()?;
        t.fault();
        t.link_only(&[
            (l, f[0]),
            (l, f[1]),
            (l, f[2]),
            (f[0], f[1]),
            (f[0], f[3]),
            (f[1], f[3]),
            (f[2], f[3]),
        ]);
        Ok(())
    }

    pub fn deaf_leader(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        hears(t, leader, false);
        Ok(())
    }

    pub fn deaf_leader_of_five(t: &mut Trial) -> Run {
        deaf_leader(t)
    }

    pub fn deaf_follower(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.fault();
        hears(t, follower, false);
        Ok(())
    }

    pub fn follower_returns(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.fault();
        t.isolate(follower);
        t.wait(12_000)?;
        t.mend_all();
        Ok(())
    }

    pub fn hub_moves(t: &mut Trial) -> Run {
        for _ in 0..5 {
            let hub = t.followers()?[0];
            t.fault();
            star(t, hub);
            t.wait(10_000)?;
        }
        Ok(())
    }

    pub fn leader_and_successor_die(t: &mut Trial) -> Run {
        let (leader, successor) = (t.leader()?, t.successors()?[0]);
        t.fault();
        t.kill(leader, Death::Silent);
        t.kill(successor, Death::Silent);
        Ok(())
    }

    pub fn thirty_percent_loss(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        let follower = t.followers()?[0];
        let quality = t.quality(leader, follower);
        t.fault();
        t.set_quality_of_all(quality.losing(300));
        Ok(())
    }

    pub fn thirty_percent_loss_of_five(t: &mut Trial) -> Run {
        thirty_percent_loss(t)
    }

    pub fn leader_vanishes(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.kill(leader, Death::Silent);
        Ok(())
    }

    pub fn leader_vanishes_of_five(t: &mut Trial) -> Run {
        leader_vanishes(t)
    }

    pub fn leader_vanishes_before_observers(t: &mut Trial) -> Run {
        leader_vanishes(t)
    }

    pub fn leader_is_killed(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.kill(leader, Death::Seen);
        // A supervisor may start it again; it must not take part in the election that it caused.
        t.wait_some(100, 900)?;
        t.start(leader);
        Ok(())
    }

    pub fn leader_is_killed_of_five(t: &mut Trial) -> Run {
        leader_is_killed(t)
    }

    pub fn leader_is_killed_with_lease(t: &mut Trial) -> Run {
        leader_is_killed(t)
    }

    pub fn leader_isolated_and_back(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.isolate(leader);
        t.wait(10_000)?;
        t.mend_all();
        Ok(())
    }

    pub fn mute_leader(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        speaks(t, leader, false);
        Ok(())
    }

    pub fn mute_follower(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.fault();
        speaks(t, follower, false);
        Ok(())
    }

    pub fn flapping_follower(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        t.fault();
        for _ in 0..20 {
            t.cut(leader, follower);
            t.wait_some(100, 2000)?;
            t.mend(leader, follower);
            t.wait_some(100, 1000)?;
        }
        Ok(())
    }

    pub fn flapping_leader(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        for _ in 0..20 {
            t.isolate(leader);
            t.wait_some(100, 2000)?;
            t.mend_all();
            t.wait_some(100, 1000)?;
        }
        Ok(())
    }

    pub fn one_way_pair(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        t.fault();
        t.link(follower, leader, false);
        Ok(())
    }

    pub fn wrong_hint(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        t.fault();
        for _ in 0..20 {
            t.hint(follower, leader, false);
            t.wait_some(100, 2000)?;
        }
        Ok(())
    }

    pub fn slow_disks(t: &mut Trial) -> Run {
        let slow = Latency::of(Span {
            min: t.t(7),
            max: t.t(83),
        });
        t.everybody().into_iter().for_each(|node| t.set_disk(node, slow));
        leader_vanishes(t)
    }

    pub fn successor_with_dead_disk(t: &mut Trial) -> Run {
        let successor = t.successors()?[0];
        t.stall_disk(successor);
        leader_vanishes(t)
    }

    pub fn stalled_disk_of_leader(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.stall_disk(leader);
        Ok(())
    }

    pub fn full_disk_of_leader(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.short_of_space(leader, true);
        Ok(())
    }

    fn drift(t: &mut Trial, most: u64) {
        for node in t.everybody() {
            let ppm = i32::try_from(t.chance.between(0, 2 * most)).unwrap_or(0) - i32::try_from(most).unwrap_or(0);
            t.set_clock(node, ppm);
        }
    }

    pub fn clocks_apart(t: &mut Trial) -> Run {
        t.fault();
        drift(t, 100_000);
        Ok(())
    }

    pub fn clocks_apart_and_a_death(t: &mut Trial) -> Run {
        drift(t, 50_000);
        t.wait(3000)?;
        leader_vanishes(t)
    }

    pub fn short_pause(t: &mut Trial) -> Run {
        t.fault();
        for _ in 0..10 {
            let leader = t.leader()?;
            t.pause(leader);
            t.wait_some(50, 450)?;
            t.resume(leader);
            t.wait(2000)?;
        }
        Ok(())
    }

    pub fn long_pause(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.pause(leader);
        t.wait(10_000)?;
        t.resume(leader);
        Ok(())
    }

    pub fn paused_follower(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.fault();
        t.pause(follower);
        t.wait(10_000)?;
        t.resume(follower);
        Ok(())
    }

    pub fn all_pause(t: &mut Trial) -> Run {
        let all = t.everybody();
        all.iter().for_each(|node| t.pause(*node));
        t.wait(10_000)?;
        t.fault();
        all.iter().for_each(|node| t.resume(*node));
        Ok(())
    }

    pub fn restart_of_all(t: &mut Trial) -> Run {
        let all = t.everybody();
        all.iter().for_each(|node| t.kill(*node, Death::Silent));
        t.wait(1000)?;
        t.fault();
        all.iter().for_each(|node| t.start(*node));
        Ok(())
    }

    pub fn restart_of_all_of_five(t: &mut Trial) -> Run {
        restart_of_all(t)
    }

    pub fn rolling_restart(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        for follower in t.followers()? {
            t.kill(follower, Death::Seen);
            t.wait(1000)?;
            t.start(follower);
            t.wait(3000)?;
        }
        t.fault();
        t.kill(leader, Death::Seen);
        t.wait(1000)?;
        t.start(leader);
        Ok(())
    }

    pub fn follower_restarts(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.fault();
        t.kill(follower, Death::Seen);
        t.wait_some(10, 100)?;
        t.start(follower);
        let (leader, within) = (t.leader()?, t.t(1100));
        let follows = t.run_until(within, |t| {
            let config = t.machine(follower).config();
            t.state(follower).and_then(|state| state.leader(config)) == Some(leader)
        })?;
        if follows {
            Ok(())
        } else {
            Err(t.failure("V4: a restarted follower does not follow in time"))
        }
    }

    pub fn majority_lost_and_back(t: &mut Trial) -> Run {
        let (leader, followers) = (t.leader()?, t.followers()?);
        for node in [leader, followers[0], followers[1]] {
            t.kill(node, Death::Silent);
        }
        t.wait(5000)?;
        if t.watch.working(t.now()).is_some() {
            return Err(t.failure("somebody leads without a majority"));
        }
        t.fault();
        t.start(followers[0]);
        Ok(())
    }

    pub fn one_by_one(t: &mut Trial) -> Run {
        let followers = t.followers()?;
        t.everybody().into_iter().for_each(|node| t.kill(node, Death::Seen));
        t.start(followers[0]);
        t.wait_some(0, 3000)?;
        t.start(followers[1]);
        t.wait(5000)?;
        let now = t.now();
        if t.watch.working(now).is_some() {
            return Err(t.failure("somebody leads without a majority"));
        }
        t.fault();
        t.start(followers[2]);
        t.wait(4000)?;
        t.start_all();
        Ok(())
    }

    pub fn store_lost(t: &mut Trial) -> Run {
        let follower = t.followers()?[0];
        t.kill(follower, Death::Seen);
        t.image_mut(follower).lost = true;
        t.wait_some(0, 2000)?;
        t.start(follower);
        t.wait(2000)?;
        leader_vanishes(t)
    }

    pub fn messages_repeat_and_overtake(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        let quality = t.quality(leader, follower);
        let latency = Span {
            max: t.t(20),
            ..quality.latency
        };
        t.set_quality_of_all(Quality {
            latency,
            twice_permille: 200,
            ..quality
        });
        t.wait(3000)?;
        leader_vanishes(t)
    }

    pub fn resigns(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.tell(leader, Command::Resign);
        Ok(())
    }

    pub fn transfers(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        t.fault();
        t.tell(leader, Command::Transfer(Some(follower)));
        t.wait(1500)?;
        if t.leader()? == follower {
            Ok(())
        } else {
            Err(t.failure("another than the chosen one leads"))
        }
    }

    pub fn transfers_to_the_dead(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        t.fault();
        t.pause(follower);
        t.tell(leader, Command::Transfer(Some(follower)));
        t.wait(2000)?;
        t.resume(follower);
        Ok(())
    }

    pub fn drains(t: &mut Trial) -> Run {
        let leader = t.leader()?;
        t.fault();
        t.tell(leader, Command::Drain(true));
        t.wait(1500)?;
        if t.leader()? == leader {
            Err(t.failure("a drained node leads"))
        } else {
            Ok(())
        }
    }

    pub fn drained_followers(t: &mut Trial) -> Run {
        let drained = t.successors()?[..2].to_vec();
        drained.iter().for_each(|node| t.tell(*node, Command::Drain(true)));
        t.wait(2000)?;
        leader_vanishes(t)?;
        t.wait(2500)?;
        if drained.contains(&t.leader()?) {
            Err(t.failure("a drained node leads"))
        } else {
            Ok(())
        }
    }

    pub fn tenure_ends(t: &mut Trial) -> Run {
        t.fault();
        t.wait(100_000)
    }

    pub fn observers_come_and_go(t: &mut Trial) -> Run {
        t.fault();
        let (a, b) = (NodeId(3), NodeId(4));
        for _ in 0..5 {
            t.kill(a, Death::Seen);
            t.isolate(b);
            t.wait_some(500, 3000)?;
            t.start(a);
            t.mend_all();
            t.wait_some(500, 3000)?;
        }
        let leader = t.leader()?;
        t.wait(1000)?;
        let follows = |node: NodeId| {
            let config = t.machine(node).config();
            t.state(node).and_then(|state| state.leader(config)) == Some(leader)
        };
        if follows(a) && follows(b) {
            Ok(())
        } else {
            Err(t.failure("an observer does not follow"))
        }
    }

    pub fn asked_all_the_time(t: &mut Trial) -> Run {
        for harm in 0..3 {
            let leader = t.leader()?;
            t.fault();
            match harm {
                0 => t.pause(leader),
                1 => t.isolate(leader),
                _ => t.kill(leader, Death::Seen),
            }
            t.ask_all_for(4000, 37)?;
            t.resume(leader);
            t.start(leader);
            t.mend_all();
            t.ask_all_for(4000, 37)?;
        }
        Ok(())
    }

    pub fn asked_with_leases(t: &mut Trial) -> Run {
        asked_all_the_time(t)
    }

    /// One random harm, or one random repair.
    fn harm(t: &mut Trial) {
        let all = t.everybody();
        let one_of = |t: &mut Trial| all[usize::try_from(t.chance.below(all.len() as u64)).unwrap_or(0)];
        let (node, other) = (one_of(t), one_of(t));
        match t.chance.below(20) {
            0 => t.kill(node, Death::Seen),
            1 => t.kill(node, Death::Silent),
            2..=4 => t.start(node),
            5 => t.pause(node),
            6..=8 => t.resume(node),
            9 if node != other => t.link(node, other, false),
            10 if node != other => t.cut(node, other),
            11 => t.isolate(node),
            12 | 13 => t.mend_all(),
            14 => t.stall_disk(node),
            15 => t.free_disk(node),
            16 if node != other => t.hint(node, other, false),
            17 => t.tell(node, Command::Transfer(None)),
            18 => t.tell(node, Command::Resign),
            19 => {
                let full = t.chance.chance(300);
                t.short_of_space(node, full);
            }
            _ => t.set_clock(node, 0),
        }
    }

    pub fn chaos(t: &mut Trial) -> Run {
        let (leader, follower) = (t.leader()?, t.followers()?[0]);
        let quality = t.quality(leader, follower);
        let latency = Span {
            max: t.t(100),
            ..quality.latency
        };
        let bad = Quality {
            latency,
            loss_permille: 50,
            twice_permille: 50,
            ..quality
        };
        t.set_quality_of_all(bad);
        let slow = Latency::of(Span {
            min: ms(0),
            max: t.t(100),
        });
        t.everybody().into_iter().for_each(|node| t.set_disk(node, slow));
        drift(t, 90_000);
        for _ in 0..150 {
            harm(t);
            t.ask_all_for(200, 100)?;
        }
        t.set_quality_of_all(quality);
        t.mend_all();
        for node in t.everybody() {
            t.resume(node);
            t.start(node);
            t.free_disk(node);
            t.short_of_space(node, false);
            t.set_disk(node, Latency::QUICK);
            t.set_clock(node, 0);
        }
        t.fault();
        let within = t.within();
        let leads = t.run_until(within, |t| t.watch.working(t.now()).is_some())?;
        if leads {
            Ok(())
        } else {
            Err(t.failure("V1: nobody leads in time after it has become calm"))
        }
    }

    pub fn chaos_of_five(t: &mut Trial) -> Run {
        chaos(t)
    }

    pub fn chaos_with_leases(t: &mut Trial) -> Run {
        chaos(t)
    }
}

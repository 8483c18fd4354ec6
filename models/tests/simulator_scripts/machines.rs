//! Processes that die and freeze, disks, clocks.

use pehra_core::types::NodeId;
use pehra_models::simulator::{Death, Latency, Span};

use super::Run;
use crate::simulator_trial::Trial;

pub fn leader_and_successor_die(t: &mut Trial) -> Run {
    let (leader, successor) = (t.leader()?, t.successors()?[0]);
    t.fault();
    t.kill(leader, Death::Silent);
    t.kill(successor, Death::Silent);
    Ok(())
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

pub fn drift(t: &mut Trial, most: u64) {
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

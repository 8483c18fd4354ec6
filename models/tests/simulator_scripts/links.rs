//! Links that fail, one way or both.

use pehra_core::types::NodeId;
use pehra_models::simulator::{Death, Quality, Span};

use super::{Run, leader_vanishes};
use crate::simulator_trial::Trial;

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

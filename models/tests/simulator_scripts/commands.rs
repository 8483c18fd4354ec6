//! What a person asks for, and what clients ask.

use pehra_core::election::Command;
use pehra_models::simulator::Death;

use super::{Run, leader_vanishes};
use crate::simulator_trial::Trial;

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

/// Clocks at the bound that a lease bears, and a leader that learns as late as can be that it is one no more.
pub fn asked_while_clocks_part(t: &mut Trial) -> Run {
    let leader = t.leader()?;
    for node in t.everybody() {
        t.set_clock(node, if node == leader { -100_000 } else { 100_000 });
    }
    t.ask_all_for(3000, 37)?;
    t.fault();
    t.isolate(leader);
    t.ask_all_for(2000, 3)?;
    t.mend_all();
    t.ask_all_for(2000, 37)
}

pub fn leased_while_clocks_part(t: &mut Trial) -> Run {
    asked_while_clocks_part(t)
}

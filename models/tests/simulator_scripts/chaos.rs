//! Everything at once.

use pehra_core::election::Command;
use pehra_models::simulator::{Death, Latency, Quality, Span, ms};

use super::{Run, drift};
use crate::simulator_trial::Trial;

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

//! Somebody who knows how long each pause lasts: as many as may sleep do so at once, or not at all, whichever draws less; the first
//! request wakes them all, as it does for the others.
//!
//! Machines are as quick as they ever are, all go at the same time, and no call is lost. So no policy that wakes all for each
//! request saves more, but for the moment in which a request has not been seen yet.

use super::contest::Run;
use super::hardware::Hardware;
use super::load::Load;
use super::meter::{Draws, Times};
use crate::simulator::Time;

/// A pause in which they sleep.
#[derive(Clone, Copy, Debug)]
struct Nap {
    /// When the brokers are all up and nothing is to be done.
    from: Time,
    /// The first request after it, or the end of all.
    to: Time,
    /// Nobody wakes at the end of all.
    wakes: bool,
    /// The nap before it.
    after: Option<usize>,
    /// What is saved by this and all before it, in millijoules for each machine.
    saved: i128,
}

/// One run of so many brokers, of which so many may sleep. In lean gear nobody waits for those who sleep.
#[must_use]
pub fn run(brokers: u64, sleepers: u64, hardware: &Hardware, load: &Load, clients_wait: bool) -> Run {
    let mut run = always_on(brokers, load);
    let naps = naps(hardware, load);
    let mut at = (0..naps.len()).max_by_key(|at| naps[*at].saved);
    while let Some(nap) = at.map(|at| naps[at]).filter(|nap| nap.saved > 0) {
        let all = |length: Time| Time(length.0 * sleepers);
        let (down, up) = (hardware.down_min(), hardware.up_min());
        let mut gap = Times::default();
        gap.add(Draws::Down, all(down));
        gap.add(Draws::Asleep, all(nap.to - nap.from - down));
        run.times.replace(Draws::Idle, all(nap.to - nap.from), &gap);
        if nap.wakes {
            wake(&mut run.times, load, (nap.to, nap.to + up), sleepers);
            run.counts.calls += sleepers;
            if let Some(nth) = load.episodes.iter().position(|episode| episode.from == nap.to) {
                run.fulls[nth] = up;
                if clients_wait {
                    run.outages[nth] = up;
                }
            }
        }
        at = nap.after;
    }
    run
}

/// From now to then they come up, whatever there is to do meanwhile.
fn wake(times: &mut Times, load: &Load, (from, to): (Time, Time), sleepers: u64) {
    let to = to.min(load.length);
    let common = |(begin, end): (Time, Time)| Time(end.min(to).0.saturating_sub(begin.max(from).0) * sleepers);
    let idle = load.gaps().map(common).fold(Time(0), |sum, part| sum + part);
    let all = Time((to - from).0 * sleepers);
    for (draws, length) in [(Draws::Idle, idle), (Draws::Active, all - idle)] {
        let mut up = Times::default();
        up.add(Draws::Up, length);
        times.replace(draws, length, &up);
    }
}

/// For each pause the best choice of naps that ends with it. A machine that is still coming up when a pause begins goes to sleep later.
fn naps(hardware: &Hardware, load: &Load) -> Vec<Nap> {
    let mut naps: Vec<Nap> = Vec::new();
    for (begin, to) in load.gaps() {
        let wakes = to < load.length;
        let first = Nap {
            from: begin,
            to,
            wakes,
            after: None,
            saved: gain(hardware, to - begin, load.length - to),
        };
        let best = naps.iter().enumerate().map(|(at, before)| {
            let from = begin.max(before.to + hardware.up_min()).min(to);
            Nap {
                from,
                after: Some(at),
                saved: before.saved + gain(hardware, to - from, load.length - to),
                ..first
            }
        });
        naps.push(best.fold(first, |best, nap| if nap.saved > best.saved { nap } else { best }));
    }
    naps
}

/// What a nap in a pause of this length saves, with so much time left after it: in millijoules, less than nothing if it draws more.
fn gain(hardware: &Hardware, pause: Time, left: Time) -> i128 {
    let (down, up) = (hardware.down_min(), hardware.up_min());
    if pause < down {
        // Nobody is asleep before going down.
        return i128::MIN / 4;
    }
    let idle = i128::from(hardware.idle_mw);
    let energy = |mw: u32, length: Time| (idle - i128::from(mw)) * i128::from(length.0) / 1_000_000;
    energy(hardware.down_mw, down) + energy(hardware.asleep_mw, pause - down) + energy(hardware.up_mw, up.min(left))
}

/// Nobody sleeps.
#[must_use]
pub fn always_on(brokers: u64, load: &Load) -> Run {
    let mut times = Times::default();
    times.add(Draws::Idle, Time(load.idle().0 * brokers));
    times.add(Draws::Active, Time((load.length - load.idle()).0 * brokers));
    Run {
        times,
        outages: vec![Time(0); load.episodes.len()],
        fulls: vec![Time(0); load.episodes.len()],
        ..Run::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Random, ms};

    /// Every choice of pauses is tried: none draws less than what the oracle does.
    #[test]
    fn nobody_does_better() {
        for (seed, hardware) in (0..20).flat_map(|seed| [(seed, Hardware::S3), (seed, Hardware::S5)]) {
            let mut chance = Random::new(seed, 1);
            let mean = ms(chance.between(5_000, 900_000));
            let mut load = Load::on_off(seed, Time(mean.0 * 12), 500, mean);
            load.episodes.truncate(8);
            let oracle = run(1, 1, &hardware, &load, true).times;
            assert_eq!(oracle.all(), load.length);
            let mut least = u64::MAX;
            for chosen in 0..1_u32 << (load.episodes.len() + 1) {
                least = least.min(try_these(&hardware, &load, chosen));
            }
            let drawn = oracle.joules(&hardware, 400, Time(0));
            assert!(
                drawn.abs_diff(least) <= 1,
                "seed {seed}: {drawn} J, and {least} J is possible"
            );
        }
    }

    /// One machine that sleeps in these pauses, in as much of each as there is; walked through second by second of what it does.
    fn try_these(hardware: &Hardware, load: &Load, chosen: u32) -> u64 {
        let mut times = Times::default();
        let mut ready = Time(0);
        for (nth, (begin, to)) in load.gaps().enumerate() {
            let from = begin.max(ready);
            if chosen >> nth & 1 == 0 || from + hardware.down_min() > to {
                continue;
            }
            times.add(Draws::Down, hardware.down_min());
            times.add(Draws::Asleep, to - from - hardware.down_min());
            if to < load.length {
                ready = to + hardware.up_min();
                times.add(Draws::Up, ready.min(load.length) - to);
            }
        }
        times.add(Draws::Idle, load.length - times.all());
        times.joules(hardware, 400, Time(0))
    }
}

//! Somebody who knows the future: in each gap that is long enough, as many as may sleep do, all at once, and are up when it ends.

use super::contest::Run;
use super::hardware::Hardware;
use super::load::Load;
use super::meter::{Draws, Times};
use crate::simulator::Time;

/// One run of so many brokers, of which so many may sleep.
#[must_use]
pub fn run(brokers: u64, sleepers: u64, hardware: &Hardware, load: &Load) -> Run {
    let mut times = always_on(brokers, load).times;
    let (down, up) = (hardware.down_max(), hardware.up_max());
    let worth = hardware.break_even().max(down + up);
    let mut wakes = 0;
    for (from, to) in load.gaps() {
        if to - from <= worth {
            continue;
        }
        let all = |length: Time| Time(length.0 * sleepers);
        let mut instead = Times::default();
        instead.add(Draws::Down, all(down));
        instead.add(Draws::Asleep, all(to - from - down - up));
        instead.add(Draws::Up, all(up));
        times.replace(Draws::Idle, all(to - from), &instead);
        wakes += sleepers;
    }
    let mut run = Run {
        times,
        outages: vec![Time(0); load.episodes.len()],
        fulls: vec![Time(0); load.episodes.len()],
        ..Run::default()
    };
    run.counts.calls = wakes;
    run
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

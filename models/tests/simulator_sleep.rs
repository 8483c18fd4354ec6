//! The times of sleeping brokers: whole clusters of the deployed `Node<Sleep>`, 200 seeds each.
//!
//! Each row is a scenario: what is built, and what happens once as many sleep as may. Held besides are the oracles of the plant: one Pehredar in a term,
//! and no broker stops that is needed. A failing seed names the command that runs it again with its trace.

use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Order, WakeRule};
use pehra_core::types::NodeId;
use pehra_models::energy::{Build, Hardware, Plant, Voters};
use pehra_models::simulator::{Failure, Random, Time, ms};

const SEEDS: u64 = 200;

/// A running scenario.
struct Trial {
    plant: Plant,
    chance: Random,
}

/// How long what is measured took, and how long it may take.
struct Took {
    took: Time,
    bound: Time,
}

type Script = fn(&mut Trial) -> Result<Took, Failure>;

const fn minutes(minutes: u64) -> Time {
    ms(minutes * 60_000)
}

impl Trial {
    fn new(build: Build, seed: u64, traced: bool) -> Self {
        Self {
            plant: Plant::new(build, seed, traced),
            chance: Random::new(seed, 100),
        }
    }

    /// L4: left alone, as many sleep as may. One goes after the other.
    fn fall_asleep(&mut self) -> Result<(), Failure> {
        let most = self.plant.sleepers_max();
        let idle = Time::from(self.plant.build.timing.idle);
        let each = self.plant.build.hardware.stop.max + ms(1000);
        let limit = idle + idle + Time(each.0 * u64::from(most)) + minutes(1);
        if self.plant.run_until(limit, |plant| plant.asleep().count() >= most)? {
            return Ok(());
        }
        let asleep = self.plant.asleep().count();
        Err(self.plant.failure(&format!(
            "L4: {asleep} of {most} sleep after {limit} ms without traffic"
        )))
    }

    fn wait(&mut self, min: Time, max: Time) -> Result<(), Failure> {
        let length = Time(self.chance.between(min.0, max.0));
        self.plant.run_for(length)
    }

    fn pehredar(&self) -> Result<NodeId, Failure> {
        self.plant
            .pehredar()
            .ok_or_else(|| self.plant.failure("nobody watches"))
    }

    /// Traffic begins now: how long until all it takes is up.
    fn traffic(&mut self) -> Result<Took, Failure> {
        self.traffic_for(minutes(10), ms(0))
    }

    /// The same for so long, with so much more time.
    fn traffic_for(&mut self, length: Time, more: Time) -> Result<Took, Failure> {
        self.plant.cluster.remark("traffic");
        let before = self.plant.outages.len();
        self.plant.burst(length);
        let bound = self.plant.build.bound() + more;
        let served = |plant: &Plant| plant.outages.len() > before;
        if !self.plant.run_until(bound + bound + bound, served)? {
            return Err(self.plant.failure("L1: traffic is not served"));
        }
        Ok(Took {
            took: self.plant.outages.last().copied().unwrap_or_default(),
            bound,
        })
    }

    /// The machine of whoever watches is gone: how long until another does.
    fn lose_pehredar(&mut self, bound: Time) -> Result<Took, Failure> {
        let old = self.pehredar()?;
        self.plant.cluster.remark("fault");
        self.plant.crash(old);
        let fault = self.plant.now();
        if !self
            .plant
            .run_until(Time(bound.0 * 3), |plant| plant.pehredar().is_some())?
        {
            return Err(self.plant.failure("L2: nobody watches any more"));
        }
        Ok(Took {
            took: self.plant.now() - fault,
            bound,
        })
    }
}

/// Tries all seeds, or the one that `PEHRA_SEED` names with its trace.
fn try_all(test: &str, build: Build, script: Script) {
    let chosen: Option<u64> = std::env::var("PEHRA_SEED")
        .ok()
        .map(|seed| seed.parse().expect("PEHRA_SEED is a number"));
    let (mut took, mut failures) = (Vec::new(), String::new());
    for seed in chosen.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let mut trial = Trial::new(build, seed, chosen.is_some());
        let outcome = trial.plant.begin().and_then(|()| script(&mut trial));
        match outcome {
            Ok(Took { took: it, bound }) if it > bound => {
                failures += &format!("\n  seed {seed}: {it} ms, and the bound is {bound} ms");
            }
            Ok(Took { took: it, .. }) => took.push(it),
            Err(failure) => failures += &format!("\n  seed {seed}: {failure}"),
        }
    }
    took.sort_unstable();
    let at = |percent: usize| {
        took.get((took.len() * percent).div_ceil(100).max(1) - 1)
            .map(|it| it.0 / 1000)
    };
    println!("{test}: median {:?} ms, p99 {:?}, most {:?}", at(50), at(99), at(100));
    let (count, first) = (
        failures.lines().count().saturating_sub(1),
        failures.split_whitespace().nth(1),
    );
    let first = first.unwrap_or("").trim_end_matches(':');
    assert!(
        failures.is_empty(),
        "{test}: {count} seeds fail\nsee one with: PEHRA_SEED={first} cargo test -p pehra-models --test simulator_sleep {test} -- --exact \
         --nocapture{failures}"
    );
}

fn watch(brokers: u16) -> Build {
    Build::usual(brokers, Gear::Watch, Hardware::S3)
}

#[test]
fn l1_traffic_when_all_sleep() {
    try_all("l1_traffic_when_all_sleep", watch(6), |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        trial.traffic()
    });
}

#[test]
fn l1_traffic_while_some_go_to_sleep() {
    try_all("l1_traffic_while_some_go_to_sleep", watch(6), |trial| {
        let idle = Time::from(trial.plant.build.timing.idle);
        trial.wait(idle - ms(10_000), idle + minutes(1))?;
        trial.traffic()
    });
}

#[test]
fn l1_traffic_when_packets_are_lost() {
    let build = Build {
        packet_loss_permille: 300,
        ..watch(6)
    };
    try_all("l1_traffic_when_packets_are_lost", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let Took { took, bound } = trial.traffic()?;
        // Some packet of a thousand is lost six times in a row.
        let more = Time::from(trial.plant.build.timing.rouse);
        Ok(Took {
            took,
            bound: bound + Time(more.0 * 6),
        })
    });
}

/// As few are woken as it takes, and the one who is called first lost its power while it slept: others are called once it should have
/// answered. The next time it is known to be silent, and costs nobody any time.
#[test]
fn l1_the_first_who_is_called_is_dead() {
    let build = Build {
        wake: WakeRule::Needed,
        ..watch(6)
    };
    try_all("l1_the_first_who_is_called_is_dead", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let first = trial.plant.asleep().iter().next();
        let first = first.ok_or_else(|| trial.plant.failure("nobody sleeps"))?;
        trial.plant.cluster.remark("fault");
        trial.plant.crash(first);
        let answer = Time::from(trial.plant.build.timing.answer);
        let Took { took, bound } = trial.traffic_for(minutes(10), answer)?;
        // The load ends, and the others sleep again.
        let idle = Time::from(trial.plant.build.timing.idle);
        trial.plant.run_for(minutes(10) + idle + minutes(5))?;
        let again = trial.traffic()?;
        if again.took > again.bound {
            return Err(trial.plant.failure("L1: the dead one is waited for again"));
        }
        Ok(Took { took, bound })
    });
}

/// Everybody who is up sees traffic again and again, sooner than any reading of the cluster ends: one must end all the same.
#[test]
fn l1_traffic_that_goes_on() {
    let build = Build {
        wake: WakeRule::Needed,
        ..watch(6)
    };
    try_all("l1_traffic_that_goes_on", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        trial.plant.cluster.remark("traffic");
        let (before, begun) = (trial.plant.outages.len(), trial.plant.now());
        trial.plant.burst(minutes(10));
        let bound = trial.plant.build.bound();
        while trial.plant.outages.len() == before {
            if trial.plant.now() - begun > bound {
                return Err(trial.plant.failure("L1: traffic that goes on is not served"));
            }
            trial
                .plant
                .up()
                .iter()
                .for_each(|node| trial.plant.order(node, Order::Traffic));
            trial.plant.run_for(ms(5))?;
        }
        let took = trial.plant.outages.last().copied().unwrap_or_default();
        Ok(Took { took, bound })
    });
}

#[test]
fn l1_one_on_duty_dies() {
    try_all("l1_one_on_duty_dies", watch(6), |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let up: Vec<NodeId> = trial.plant.up().iter().collect();
        let one = up[usize::try_from(trial.chance.below(up.len() as u64)).unwrap_or(0)];
        trial.plant.cluster.remark("fault");
        trial.plant.crash(one);
        let fault = trial.plant.now();
        // The Pehredar sees it when it next reads the cluster.
        let bound = trial.plant.build.bound() + Time::from(trial.plant.build.timing.tell).permille(1500);
        if !trial.plant.run_until(bound + bound, Plant::is_readable)? {
            return Err(trial.plant.failure("L1: a partition has no copy awake"));
        }
        Ok(Took {
            took: trial.plant.now() - fault,
            bound,
        })
    });
}

#[test]
fn l2_pehredar_dies() {
    try_all("l2_pehredar_dies", watch(6), |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let bound = Time::from(trial.plant.build.election.election).permille(1500);
        trial.lose_pehredar(bound)
    });
}

#[test]
fn l2_pehredar_dies_while_some_go_to_sleep() {
    try_all("l2_pehredar_dies_while_some_go_to_sleep", watch(6), |trial| {
        let idle = Time::from(trial.plant.build.timing.idle);
        trial.wait(idle, idle + minutes(1))?;
        let bound = Time::from(trial.plant.build.election.election).permille(1500);
        let took = trial.lose_pehredar(bound)?;
        // And it ends well: as many sleep as may, under the new one, and traffic wakes them.
        trial.fall_asleep()?;
        let Took { took: served, bound } = trial.traffic()?;
        if served > bound {
            return Err(trial.plant.failure("L1: traffic waits too long for the new Pehredar"));
        }
        Ok(took)
    });
}

/// Brokers are the only voters: with two of five asleep and the Pehredar dead there is no majority, so the others are woken first.
#[test]
fn l2_pehredar_dies_among_voters_that_sleep() {
    let build = Build {
        voters: Voters::Brokers,
        ..watch(5)
    };
    try_all("l2_pehredar_dies_among_voters_that_sleep", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let Build {
            timing,
            election,
            hardware,
            ..
        } = trial.plant.build;
        let noticed = Time::from(election.election).permille(1500) + Time::from(timing.probe).permille(1500);
        let called = Time::from(timing.rouse).permille(3000) + hardware.down + hardware.up;
        let elected = Time::from(election.election).permille(2000);
        trial.lose_pehredar(noticed + called + elected)
    });
}

#[test]
fn l3_every_sleeper_rings() {
    try_all("l3_every_sleeper_rings", watch(6), |trial| {
        trial.fall_asleep()?;
        trial.plant.run_for(minutes(95))?;
        if trial.plant.counts.alarms < 8 {
            return Err(trial.plant.failure("L3: alarm clocks do not ring"));
        }
        Ok(Took {
            took: trial.plant.longest_sleep,
            // 200 ppm.
            bound: Time::from(trial.plant.build.timing.alarm) + ms(360),
        })
    });
}

/// Nobody is left to wake anybody, and no magic packet arrives: the alarm clocks alone bring everybody up.
#[test]
fn l3_all_voters_die_and_no_packet_arrives() {
    let build = Build {
        packet_loss_permille: 1000,
        ..watch(6)
    };
    try_all("l3_all_voters_die_and_no_packet_arrives", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        trial.plant.cluster.remark("fault");
        build_voters(trial).into_iter().for_each(|id| trial.plant.crash(id));
        let fault = trial.plant.now();
        let Build { timing, hardware, .. } = trial.plant.build;
        let up = hardware.down + hardware.up_max();
        let bound = Time::from(timing.alarm) + up + Time::from(timing.probe).permille(1500) + ms(1000);
        let all = |plant: &Plant| plant.up().count() == u32::from(plant.build.brokers);
        if !trial.plant.run_until(bound + bound, all)? {
            return Err(trial.plant.failure("L3: somebody sleeps for ever"));
        }
        Ok(Took {
            took: trial.plant.now() - fault,
            bound,
        })
    });
}

fn build_voters(trial: &Trial) -> Vec<NodeId> {
    trial.plant.build.voters().iter().collect()
}

/// Lean gear: writes go on while others sleep, so nobody ever waits.
#[test]
fn l4_lean_sleeps_and_nobody_waits() {
    let build = Build::usual(9, Gear::Lean, Hardware::S3);
    try_all("l4_lean_sleeps_and_nobody_waits", build, |trial| {
        trial.fall_asleep()?;
        trial.wait(minutes(1), minutes(45))?;
        let Took { took, .. } = trial.traffic()?;
        Ok(Took { took, bound: Time(0) })
    });
}

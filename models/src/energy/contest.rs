//! All policies on the same load.

use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Timing, WakeRule};

use super::hardware::Hardware;
use super::kafka::Kafka;
use super::load::Load;
use super::meter::Times;
use super::plant::{Build, Counts, Plant};
use super::{oracle, written};
use crate::simulator::{Failure, Random, Time};

/// Brokers of a ward at the most: a cluster of its own within a large one, with its own Pehredar and its own topics.
pub const WARD: u16 = 48;

/// By which rules brokers sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nobody does.
    AlwaysOn,
    /// The original's: all but one.
    AsWritten,
    /// The checked core in lean gear, traffic wakes all.
    Lean,
    /// The checked core in watch gear, traffic wakes all.
    Watch,
    /// The checked core in watch gear, traffic wakes as few as serve it.
    WatchNeeded,
    /// The length of each pause is known; as many sleep as lean gear lets.
    OracleLean,
    /// The length of each pause is known; as many sleep as watch gear lets.
    OracleWatch,
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AlwaysOn,
        Self::AsWritten,
        Self::Lean,
        Self::Watch,
        Self::WatchNeeded,
        Self::OracleLean,
        Self::OracleWatch,
    ];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlwaysOn => "always on",
            Self::AsWritten => "as written",
            Self::Lean => "lean",
            Self::Watch => "watch",
            Self::WatchNeeded => "watch, wakes as few as needed",
            Self::OracleLean => "oracle, lean",
            Self::OracleWatch => "oracle, watch",
        }
    }

    /// By whose coverage its bound is reckoned.
    #[must_use]
    pub const fn gear(self) -> Gear {
        match self {
            Self::Lean | Self::OracleLean => Gear::Lean,
            Self::AlwaysOn | Self::AsWritten | Self::Watch | Self::WatchNeeded | Self::OracleWatch => Gear::Watch,
        }
    }

    /// The one that knows the future and the same coverage.
    #[must_use]
    pub const fn oracle(self) -> Self {
        match self.gear() {
            Gear::Lean => Self::OracleLean,
            Gear::Full | Gear::Watch => Self::OracleWatch,
        }
    }
}

/// What is simulated: a number of brokers of one kind, and a load for each ward of them.
pub struct Case {
    /// In all.
    pub brokers: u16,
    /// Their machines.
    pub hardware: Hardware,
    /// The seed of all chance but the load's.
    pub seed: u64,
    /// The load of each ward.
    pub loads: Vec<Load>,
    /// Other waits of guard duty than the usual ones.
    pub timing: Option<Timing>,
}

/// What came of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// How long the brokers' machines were in which state.
    pub times: Times,
    /// How long the first request of each episode waited.
    pub outages: Vec<Time>,
    /// How long it took from it until everybody was up.
    pub fulls: Vec<Time>,
    /// What has happened so often.
    pub counts: Counts,
}

impl Case {
    /// With a load for each ward, made from a seed of its own.
    pub fn new(brokers: u16, hardware: Hardware, seed: u64, load: impl Fn(u64) -> Load) -> Self {
        let wards = u64::from(brokers.div_ceil(WARD));
        Self {
            brokers,
            hardware,
            seed,
            loads: (0..wards).map(|ward| load(seed + ward)).collect(),
            timing: None,
        }
    }

    /// The brokers of each ward: as equal as can be.
    pub fn wards(&self) -> impl Iterator<Item = (u16, &Load)> {
        let wards = u16::try_from(self.loads.len()).unwrap_or(1);
        let (each, more) = (self.brokers / wards, self.brokers % wards);
        (0..wards)
            .map(move |ward| each + u16::from(ward < more))
            .zip(&self.loads)
    }

    /// How many may sleep at once in this gear, all wards together.
    #[must_use]
    pub fn sleepers_max(&self, gear: Gear) -> u32 {
        self.wards()
            .map(|(brokers, _)| Kafka::new(brokers).sleepers_max(gear))
            .sum()
    }

    /// The load of all wards together, in thousandths of the brokers' time.
    #[must_use]
    pub fn idle_permille(&self) -> u16 {
        let (mut idle, mut all) = (0_u64, 0_u64);
        for (brokers, load) in self.wards() {
            idle += load.idle().0 / 1000 * u64::from(brokers);
            all += load.length.0 / 1000 * u64::from(brokers);
        }
        u16::try_from((idle * 1000).checked_div(all).unwrap_or(0)).unwrap_or(1000)
    }

    /// Runs one policy.
    ///
    /// # Errors
    /// What was wrong with a ward.
    pub fn run(&self, policy: Policy) -> Result<Run, Failure> {
        self.run_telling(policy, |_| ())
    }

    /// The same, and tells how many brokers were done with each ward.
    ///
    /// # Errors
    /// What was wrong with a ward.
    pub fn run_telling(&self, policy: Policy, mut done: impl FnMut(u16)) -> Result<Run, Failure> {
        let mut all = Run::default();
        for (nth, (brokers, load)) in (0..).zip(self.wards()) {
            let seed = Random::new(self.seed, 500 + nth).number();
            let run = self.ward(policy, brokers, load, seed)?;
            all.times.merge(&run.times);
            all.outages.extend(run.outages);
            all.fulls.extend(run.fulls);
            all.counts.merge(&run.counts);
            done(brokers);
        }
        Ok(all)
    }

    fn ward(&self, policy: Policy, brokers: u16, load: &Load, seed: u64) -> Result<Run, Failure> {
        let hardware = &self.hardware;
        let sleepers = |gear| Kafka::new(brokers).sleepers_max(gear).into();
        Ok(match policy {
            Policy::AlwaysOn => oracle::always_on(brokers.into(), load),
            Policy::AsWritten => written::run(brokers, hardware, load, seed),
            Policy::OracleLean | Policy::OracleWatch => {
                let clients_wait = policy.gear() == Gear::Watch;
                oracle::run(brokers.into(), sleepers(policy.gear()), hardware, load, clients_wait)
            }
            Policy::Lean | Policy::Watch | Policy::WatchNeeded => {
                let wake = if policy == Policy::WatchNeeded {
                    WakeRule::Needed
                } else {
                    WakeRule::All
                };
                let usual = Build::usual(brokers, policy.gear(), *hardware);
                let timing = self.timing.unwrap_or(usual.timing);
                let build = Build { wake, timing, ..usual };
                guarded(build, load, seed)?
            }
        })
    }
}

/// One run of the checked core.
///
/// # Errors
/// What was wrong.
pub fn guarded(build: Build, load: &Load, seed: u64) -> Result<Run, Failure> {
    let mut plant = Plant::new(build, seed, false);
    plant.begin()?;
    plant.work(load);
    plant.run_for(load.length)?;
    Ok(Run {
        times: plant.times(),
        outages: plant.outages,
        fulls: plant.fulls,
        counts: plant.counts,
    })
}

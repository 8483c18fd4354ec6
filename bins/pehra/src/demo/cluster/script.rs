//! Who nobody types for: traffic comes and goes by itself.

use std::time::{Duration, Instant};

use pehra_asking::{View, duties};
use pehra_cluster::DoingNow;

use super::Gear;

/// How long there is traffic, at the least.
const ON_MIN: Duration = Duration::from_secs(8);
/// How long those sleep who may, at the least.
const ASLEEP_MIN: Duration = Duration::from_secs(5);
/// So long without that, and there is traffic again.
const OFF_MAX: Duration = Duration::from_secs(60);

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Traffic { since: Instant },
    Quiet { since: Instant, asleep: Option<Instant> },
}

/// Traffic until all are up whom it takes, then none until those who may sleep have slept for a while, and again.
#[derive(Debug)]
pub struct Script {
    scene: Scene,
    gear: Gear,
}

impl Script {
    /// It begins with traffic.
    pub const fn begin(now: Instant, gear: Gear) -> Self {
        Self {
            scene: Scene::Traffic { since: now },
            gear,
        }
    }

    pub const fn is_on(&self) -> bool {
        matches!(self.scene, Scene::Traffic { .. })
    }

    /// Looks how all stand. Whether traffic has begun or ended by that.
    pub fn look(&mut self, now: Instant, views: &[View]) -> bool {
        let doing = duties(views).filter(|(_, duty)| duty.broker.is_some());
        let doing: Vec<DoingNow> = doing.map(|(_, duty)| duty.doing).collect();
        let next = match self.scene {
            Scene::Traffic { since } => {
                let up = doing.iter().filter(|doing| **doing == DoingNow::Active).count();
                let calm = doing
                    .iter()
                    .all(|doing| matches!(doing, DoingNow::Active | DoingNow::Asleep));
                let over = now - since >= ON_MIN && up >= self.gear.needed() && calm;
                if over {
                    Scene::Quiet {
                        since: now,
                        asleep: None,
                    }
                } else {
                    self.scene
                }
            }
            Scene::Quiet { since, asleep } => {
                let sleepers = doing.iter().filter(|doing| **doing == DoingNow::Asleep).count();
                let asleep = asleep.or((sleepers >= self.gear.sleepers()).then_some(now));
                let over = asleep.map_or(now - since >= OFF_MAX, |asleep| now - asleep >= ASLEEP_MIN);
                if over {
                    Scene::Traffic { since: now }
                } else {
                    Scene::Quiet { since, asleep }
                }
            }
        };
        let was_on = self.is_on();
        self.scene = next;
        was_on != self.is_on()
    }
}

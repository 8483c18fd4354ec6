//! Who nobody types for: traffic comes and goes by itself.

use std::time::{Duration, Instant};

use pehra_asking::{View, duties};
use pehra_cluster::DoingNow;

use super::Gear;

/// How long there is traffic, at the least.
const ON_MIN: Duration = Duration::from_secs(8);
/// Of that, how long all is well: what waited has had its answer meanwhile.
const SERVED_MIN: Duration = Duration::from_secs(3);
/// How long those sleep who may, at the least.
const ASLEEP_MIN: Duration = Duration::from_secs(5);
/// So long without that, and there is traffic again.
const OFF_MAX: Duration = Duration::from_secs(60);

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Traffic { since: Instant, served: Option<Instant> },
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
            scene: Scene::Traffic {
                since: now,
                served: None,
            },
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
        let those = |wanted| doing.iter().filter(|doing| **doing == wanted).count();
        let (up, asleep) = (those(DoingNow::Active), those(DoingNow::Asleep));
        let was_on = self.is_on();
        self.scene = match self.scene {
            Scene::Traffic { since, served } => {
                let is_served = up >= self.gear.needed() && up + asleep == doing.len();
                let served = is_served.then(|| served.unwrap_or(now));
                let over = now - since >= ON_MIN && served.is_some_and(|served| now - served >= SERVED_MIN);
                if over {
                    Scene::Quiet {
                        since: now,
                        asleep: None,
                    }
                } else {
                    Scene::Traffic { since, served }
                }
            }
            Scene::Quiet { since, asleep: slept } => {
                let slept = slept.or((asleep >= self.gear.sleepers()).then_some(now));
                let over = slept.map_or(now - since >= OFF_MAX, |slept| now - slept >= ASLEEP_MIN);
                if over {
                    Scene::Traffic {
                        since: now,
                        served: None,
                    }
                } else {
                    Scene::Quiet { since, asleep: slept }
                }
            }
        };
        was_on != self.is_on()
    }
}

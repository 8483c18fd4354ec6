//! Who nobody types for: traffic comes and goes by itself.

use std::time::{Duration, Instant};

use pehra_asking::{View, duties};
use pehra_cluster::DoingNow;

/// How long there is traffic, at the least.
const ON_MIN: Duration = Duration::from_secs(8);
/// How long somebody sleeps, at the least.
const ASLEEP_MIN: Duration = Duration::from_secs(5);
/// So long without anybody falling asleep, and there is traffic again.
const OFF_MAX: Duration = Duration::from_secs(60);

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    Traffic { since: Instant },
    Quiet { since: Instant, asleep: Option<Instant> },
}

/// Traffic until all are up, then none until somebody has slept for a while, and again.
#[derive(Debug)]
pub struct Script(Scene);

impl Script {
    /// It begins with traffic.
    pub const fn begin(now: Instant) -> Self {
        Self(Scene::Traffic { since: now })
    }

    pub const fn is_on(&self) -> bool {
        matches!(self.0, Scene::Traffic { .. })
    }

    /// Looks how all stand. Whether traffic has begun or ended by that.
    pub fn look(&mut self, now: Instant, views: &[View]) -> bool {
        let mut doing = duties(views).filter(|(_, duty)| duty.broker.is_some());
        let next = match self.0 {
            Scene::Traffic { since } => {
                let all_up = doing.all(|(_, duty)| duty.doing == DoingNow::Active);
                let over = now - since >= ON_MIN && all_up;
                if over {
                    Scene::Quiet {
                        since: now,
                        asleep: None,
                    }
                } else {
                    self.0
                }
            }
            Scene::Quiet { since, asleep } => {
                let somebody = doing.any(|(_, duty)| duty.doing == DoingNow::Asleep);
                let asleep = asleep.or(somebody.then_some(now));
                let over = asleep.map_or(now - since >= OFF_MAX, |asleep| now - asleep >= ASLEEP_MIN);
                if over {
                    Scene::Traffic { since: now }
                } else {
                    Scene::Quiet { since, asleep }
                }
            }
        };
        let was_on = self.is_on();
        self.0 = next;
        was_on != self.is_on()
    }
}

//! Readings in the order in which they are sent, from the generator or from files, at a speed.

use std::path::Path;
use std::time::{Duration, Instant};

use pehra_households::Sent;
use pehra_households::gem::{self, Merged};
use pehra_households::generate::{Config, Generator};

/// Where readings come from.
pub enum Origin {
    /// Made up from a seed.
    Generated(Box<Generator>),
    /// Read from files.
    Read(Box<Merged>),
}

impl Origin {
    /// The seeded generator, or the files of a folder.
    pub fn new(folder: Option<&Path>, seed: u64, households: usize) -> Result<Self, String> {
        Ok(match folder {
            Some(folder) => Self::Read(Box::new(gem::read_dir(folder).map_err(|error| error.to_string())?)),
            None => {
                // A day in winter, as in the seed's data; the same for every run, so that a seed says everything.
                let start_ms = 1_577_145_600_000;
                let mut config = Config::new(seed, start_ms);
                config.households = households;
                Self::Generated(Box::new(Generator::new(config)))
            }
        })
    }

    /// The next one; `None` at the end of the files.
    pub fn next(&mut self) -> Result<Option<Sent>, String> {
        match self {
            Self::Generated(generator) => Ok(generator.next()),
            Self::Read(files) => files.next().transpose().map_err(|error| error.to_string()),
        }
    }
}

/// Turns simulated time into real time.
pub struct Pace {
    speed: f64,
    began: Instant,
    first_ms: Option<i64>,
}

impl Pace {
    pub fn new(speed: f64) -> Self {
        Self {
            speed,
            began: Instant::now(),
            first_ms: None,
        }
    }

    /// How long to wait until something that is sent at `now_ms` of simulated time is due.
    #[allow(clippy::cast_precision_loss)] // milliseconds of one run
    pub fn wait(&mut self, now_ms: i64) -> Duration {
        let first_ms = *self.first_ms.get_or_insert(now_ms);
        let due = Duration::from_secs_f64((now_ms - first_ms).max(0) as f64 / 1000.0 / self.speed);
        due.saturating_sub(self.began.elapsed())
    }
}

//! Boot time: like monotonic time, but it goes on while the machine is suspended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Reads CLOCK_BOOTTIME.
#[derive(Clone, Debug, Default)]
pub struct BootClock {
    ahead_ms: Option<Arc<AtomicU64>>,
}

impl BootClock {
    /// A clock that is ahead by so many milliseconds. When they grow, the machine seems to have been suspended meanwhile: no
    /// test may suspend a real one.
    #[must_use]
    pub const fn ahead(ahead_ms: Arc<AtomicU64>) -> Self {
        Self {
            ahead_ms: Some(ahead_ms),
        }
    }

    /// Time since the machine was started.
    #[must_use]
    pub fn now(&self) -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
        let ahead_ms = self.ahead_ms.as_ref().map_or(0, |ms| ms.load(Ordering::SeqCst));
        Duration::new(seconds, nanos) + Duration::from_millis(ahead_ms)
    }
}

//! How many clusters there are at one time.

use std::sync::{Condvar, Mutex, PoisonError};

/// Two of six Java processes each are enough for a small machine: one of them starts brokers while the other waits for clocks.
const CLUSTERS_MAX: u8 = 2;

static CLUSTERS: Mutex<u8> = Mutex::new(0);
static ONE_LESS: Condvar = Condvar::new();

/// To have one of the clusters.
pub struct Turn(());

impl Turn {
    pub fn wait() -> Self {
        let clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let free = ONE_LESS.wait_while(clusters, |clusters| *clusters >= CLUSTERS_MAX);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ONE_LESS.notify_one();
    }
}

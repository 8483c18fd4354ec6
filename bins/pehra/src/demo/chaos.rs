//! Kills edge and cloud, at random moments and at a named stop, always while rows wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pehra_sqlite::Backlog;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use tokio::sync::watch;

use super::child::Child;
use super::parts::Parts;

/// Between a commit and what rests on it.
const STOP: &str = "between-persist-and-send";

/// What was killed, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chaos {
    /// Kills of the edge.
    pub edge: u64,
    /// Kills of the cloud.
    pub cloud: u64,
    /// Kills at the named stop, of either.
    pub at_stop: u64,
    /// The fewest rows that waited at a kill.
    pub min_backlog: Option<u64>,
}

/// Kills until told to stop, then leaves both running.
pub async fn run(parts: Arc<Parts>, seed: u64, mut stopping: watch::Receiver<bool>) -> Result<Chaos, String> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x6b69_6c6c);
    let mut chaos = Chaos::default();
    // Let both come up once.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for turn in 0_u64.. {
        let pause = Duration::from_millis(random.random_range(100..500));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopping.changed() => break,
        }
        if *stopping.borrow() {
            break;
        }
        // Edge and cloud in turn; of each, every other kill at the stop.
        let of_edge = turn.is_multiple_of(2);
        let at_stop = (turn / 2).is_multiple_of(2);
        let parts = Arc::clone(&parts);
        let outcome = tokio::task::spawn_blocking(move || kill_one(&parts, of_edge, at_stop)).await;
        let (stopped, backlog) = outcome.map_err(|error| error.to_string())??;
        chaos.edge += u64::from(of_edge);
        chaos.cloud += u64::from(!of_edge);
        chaos.at_stop += u64::from(stopped);
        chaos.min_backlog = Some(chaos.min_backlog.map_or(backlog, |least| least.min(backlog)));
    }
    Ok(chaos)
}

/// Kills one of the two while rows wait, and starts it again. Says whether it stood at the stop, and how many waited.
fn kill_one(parts: &Parts, of_edge: bool, at_stop: bool) -> Result<(bool, u64), String> {
    let child = if of_edge { &parts.edge } else { &parts.cloud };
    wait_for_backlog(parts, None)?;
    let stopped = at_stop && child.stop_at(STOP, Duration::from_millis(500));
    if !stopped {
        // Standing still, it cannot work the backlog off between our look and the kill.
        child.signal(Signal::STOP);
    }
    wait_for_backlog(parts, (!stopped).then_some(child))?;
    child.kill9();
    let backlog = waiting(parts.backlog()?);
    child.restart()?;
    Ok((stopped, backlog))
}

/// Waits until rows wait. A child that stands still without any is let go for a moment.
fn wait_for_backlog(parts: &Parts, standing: Option<&Child>) -> Result<(), String> {
    let patience = Instant::now() + Duration::from_millis(400);
    while waiting(parts.backlog()?) == 0 && Instant::now() < patience {
        if let Some(child) = standing {
            child.signal(Signal::CONT);
        }
        std::thread::sleep(Duration::from_millis(3));
        if let Some(child) = standing {
            child.signal(Signal::STOP);
        }
    }
    Ok(())
}

fn waiting(backlog: Backlog) -> u64 {
    backlog.last.saturating_sub(backlog.acked)
}

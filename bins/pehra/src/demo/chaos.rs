//! Kills edge and cloud, at random moments and at a named stop, always while rows wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pehra_sqlite::Backlog;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use tokio::sync::watch;

use super::parts::Parts;

/// Between a commit and what rests on it.
const STOP: &str = "between-persist-and-send";

/// How long to wait for a process to come by the stop.
const PATIENCE: Duration = Duration::from_secs(1);

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
    let outcome = if of_edge {
        kill_edge(parts, at_stop)
    } else {
        kill_cloud(parts, at_stop)
    };
    parts.cloud.signal(Signal::CONT);
    let outcome = outcome?;
    let victim = if of_edge { &parts.edge } else { &parts.cloud };
    victim.restart()?;
    Ok(outcome)
}

fn kill_edge(parts: &Parts, at_stop: bool) -> Result<(bool, u64), String> {
    if !at_stop {
        // Standing still, it cannot work the backlog off between our look and the kill.
        parts.edge.signal(Signal::STOP);
        let backlog = waiting(parts.backlog()?);
        if backlog > 0 {
            parts.edge.kill9();
            return Ok((false, backlog));
        }
        parts.edge.signal(Signal::CONT);
    }
    // The stop may be met at any commit, and while the cloud answers that could be the one that clears the backlog.
    parts.cloud.signal(Signal::STOP);
    wait_for_backlog(parts)?;
    let stopped = at_stop && parts.edge.stop_at(STOP, PATIENCE);
    if !stopped {
        parts.edge.signal(Signal::STOP);
    }
    let backlog = waiting(parts.backlog()?);
    parts.edge.kill9();
    Ok((stopped, backlog))
}

fn kill_cloud(parts: &Parts, at_stop: bool) -> Result<(bool, u64), String> {
    // At the stop it has just made rows durable that nobody has been told of: those wait.
    let stopped = at_stop && parts.cloud.stop_at(STOP, PATIENCE);
    if !stopped {
        parts.cloud.signal(Signal::STOP);
    }
    wait_for_backlog(parts)?;
    let backlog = waiting(parts.backlog()?);
    parts.cloud.kill9();
    Ok((stopped, backlog))
}

/// Waits until rows wait at the edge, though not for ever: the source may have nothing more to say. Looks twice, since
/// an acknowledgement that had already arrived may still be on its way to the disk.
fn wait_for_backlog(parts: &Parts) -> Result<(), String> {
    let patience = Instant::now() + Duration::from_secs(3);
    let mut seen = false;
    while Instant::now() < patience {
        let now = waiting(parts.backlog()?) > 0;
        if seen && now {
            break;
        }
        seen = now;
        std::thread::sleep(Duration::from_millis(if now { 10 } else { 3 }));
    }
    Ok(())
}

fn waiting(backlog: Backlog) -> u64 {
    backlog.last.saturating_sub(backlog.acked)
}

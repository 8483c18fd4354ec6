//! Starts and stops the broker, and lets the machine sleep: one deed at a time, and the latest one counts.
//!
//! A deed that is given up leaves nothing half done: a broker that was asked to end is waited for by the next start.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pehra_core::sleep::guard::Order;
use pehra_core::types::Ticks;
use pehra_power::{Local, Power, ProofFile, Stopped, WakeProof, WokenBy};
use tokio::sync::mpsc;

use super::{Agent, look, span};

/// Between two attempts to start a broker that cannot be started, or ends again.
const START_AGAIN: Duration = Duration::from_secs(1);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Start the broker, and say when it is in sync.
    Start,
    /// Stop it cleanly, and say so.
    Stop,
    /// Let the machine sleep for so long at the most.
    Sleep(Ticks),
    /// Stop it; somebody works on it.
    Maintain,
}

/// Does what comes.
pub(super) async fn run(agent: Arc<Agent>, local: Arc<Local>, power: Power, mut deeds: mpsc::UnboundedReceiver<Deed>) {
    let mut deed = deeds.recv().await;
    while let Some(now) = deed {
        tracing::info!(?now, "acts");
        deed = tokio::select! {
            biased;
            next = deeds.recv() => next,
            () = act(&agent, &local, &power, now) => deeds.recv().await,
        };
    }
}

/// Carries it out, and watches what comes of it; until it is given up, or all is said that can be said of it.
async fn act(agent: &Agent, local: &Local, power: &Power, deed: Deed) {
    let drain = power.drain();
    match deed {
        Deed::Start => start(agent, local).await,
        Deed::Stop => {
            stop(local, drain).await;
            agent.order(Order::Stopped).await;
        }
        Deed::Maintain => {
            stop(local, drain).await;
            agent.may_be_worked_on();
        }
        Deed::Sleep(alarm) => match local.suspend(span(alarm)).await {
            // The alarm clock is the node's own, and has rung by now.
            Ok(awake) if awake.by_alarm => {}
            Ok(awake) => {
                tracing::info!(after_ms = awake.after.as_millis(), "something woke the machine");
                agent.order(Order::Wake).await;
                prove(power).await;
            }
            Err(error) => {
                tracing::error!(%error, "the machine did not sleep: the broker is started again");
                agent.order(Order::Wake).await;
            }
        },
    }
}

/// It was woken from outside: what it needs to know before it sleeps again.
async fn prove(power: &Power) {
    // What woke it leaves no name; the proof says that something does.
    let (file, proof) = (
        ProofFile::new(&power.proof_file),
        WakeProof::new(SystemTime::now(), WokenBy::WakeOnLan),
    );
    match tokio::task::spawn_blocking(move || file.write(&proof)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the wake proof"),
        Err(error) => tracing::error!(%error, "the wake proof"),
    }
}

/// Until it is down, however long that takes: the node gives up on it if it is too long.
async fn stop(local: &Local, drain: Duration) {
    loop {
        match local.stop(drain).await {
            Ok(Stopped::StillRunning) => {
                tracing::warn!(after = ?drain, "the broker still runs after it was asked to end");
            }
            Ok(stopped) => {
                tracing::info!(?stopped, "the broker is down");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "the broker cannot be stopped");
                tokio::time::sleep(START_AGAIN).await;
            }
        }
    }
}

/// Starts it, again if it ends, and says when it is in sync; after that it says when it ends.
async fn start(agent: &Agent, local: &Local) {
    let Some(id) = agent.own().map(|broker| broker.id) else {
        return;
    };
    loop {
        match local.start().await {
            Ok(started) => {
                tracing::info!(?started, broker = id, "the broker is started");
                tokio::select! {
                    exit = local.ended() => tracing::error!(%exit, broker = id, "the broker ended while it started; starts it again"),
                    () = look::in_sync(agent, id, agent.sample()) => break,
                }
            }
            Err(error) => tracing::error!(%error, broker = id, "the broker cannot be started; tries again"),
        }
        tokio::time::sleep(START_AGAIN).await;
    }
    tracing::info!(broker = id, "the broker is in sync");
    agent.order(Order::Up).await;
    let exit = local.ended().await;
    tracing::error!(%exit, broker = id, "the broker ended, and nobody had asked for that");
    agent.order(Order::Down).await;
}

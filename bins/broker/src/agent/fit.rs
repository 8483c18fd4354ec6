//! Whether this node is fit to sleep at all: whether it could be woken again, and what would keep its broker from coming back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pehra_cluster::Sockets;
use pehra_cluster::ask::Checked;
use pehra_core::sleep::guard::{Order, State};
use pehra_kafka_proxy::Sight;
use pehra_power::config::HostKind;
use pehra_power::{Power, ProofFile};

use tokio::sync::watch;

use super::Agent;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// A broker that comes back has to write.
const FREE_MIN: u64 = 64 << 20;

const NEVER_WOKEN: &str =
    "it was never woken from outside: wake it once, on purpose, or write alarm-only = true in [power] if nobody can";

/// Looks again and again, and tells the member when it changes.
pub(super) async fn run(agent: Arc<Agent>, power: Power) {
    // What a member believes of itself when it starts.
    let mut told = true;
    let mut sight = agent.sight();
    loop {
        let checks = {
            let (agent, power) = (Arc::clone(&agent), power.clone());
            let looked = tokio::task::spawn_blocking(move || checks(&agent, &power));
            looked.await.unwrap_or_default()
        };
        let fit = checks.iter().all(|check| check.well);
        for check in checks.iter().filter(|check| !check.well && told) {
            tracing::warn!(what = check.what, found = check.found, "this node stays awake");
        }
        agent.is_fit(checks);
        if fit != told {
            told = fit;
            agent.order(Order::Fit(fit)).await;
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = changed(sight.as_mut()) => {}
        }
    }
}

/// Waits until it is seen, or not seen any more, what passes at the broker's sockets.
async fn changed(sight: Option<&mut watch::Receiver<Sight>>) {
    if let Some(sight) = sight
        && sight.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn checks(agent: &Agent, power: &Power) -> Vec<Checked> {
    vec![disk(agent), traffic(agent), proof(power)]
}

fn check(what: &str, found: Result<String, String>) -> Checked {
    let well = found.is_ok();
    let found = found.unwrap_or_else(|why| why);
    Checked {
        what: what.into(),
        well,
        found,
    }
}

fn disk(agent: &Agent) -> Checked {
    let found = match rustix::fs::statvfs(agent.folder()) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let said = format!("{} MiB are free", free >> 20);
            if free < FREE_MIN {
                Err(format!("{said}, fewer than {}: free some", FREE_MIN >> 20))
            } else {
                Ok(said)
            }
        }
        Err(error) => Err(format!("{}: {error}", agent.folder().display())),
    };
    check("disk", found)
}

fn traffic(agent: &Agent) -> Checked {
    let broker = agent.own();
    let found = match (agent.sight(), broker.and_then(|broker| broker.sockets.as_ref())) {
        (Some(sight), Some(place)) => {
            let sight = sight.borrow().clone();
            sockets(agent, sight, place)
        }
        _ if broker.is_some_and(|broker| broker.proxy.is_some()) => Ok("a proxy stands in front of the broker".into()),
        _ => {
            Err("nobody sees this broker's traffic: write listen and upstream in its [node.broker], or sockets".into())
        }
    };
    check("traffic", found)
}

/// That nobody listens is as it should be while the broker is down. While it is up, it is elsewhere, and whatever passes there is not seen.
fn sockets(agent: &Agent, sight: Sight, place: &Sockets) -> Result<String, String> {
    let mut content = agent.content();
    let is_up = content
        .guard
        .as_ref()
        .is_some_and(|guard| guard.state() == State::Active);
    match sight {
        Sight::Sees { connections, busiest } => {
            content.sighted = true;
            Ok(format!(
                "{connections} connections at ports {:?} are seen; the busiest passes {busiest} bytes a second, and is idle up to {}",
                place.ports, place.idle.bytes_per_second
            ))
        }
        Sight::Waits if content.sighted && !is_up => Ok("the broker's sockets are seen when it is up".into()),
        Sight::Waits => Err(format!(
            "nobody listens at all of the ports {:?} on this machine, so this broker's traffic is not seen: wait until the broker is up; if it \
             is, name its ports for clients in sockets, and run this agent in the broker's network namespace",
            place.ports
        )),
        Sight::Blind(why) => Err(why),
    }
}

fn proof(power: &Power) -> Checked {
    let found = if power.host == HostKind::StaysUp {
        Ok("the machine stays up, so the agent's own port wakes the broker".into())
    } else if power.alarm_only {
        Ok(
            "nobody can wake this machine, which power.alarm-only allows: it comes back when its alarm clock rings"
                .into(),
        )
    } else {
        match ProofFile::new(&power.proof_file).read() {
            Ok(Some(proof)) if proof.is_fresh(SystemTime::now(), power.proof_age_max()) => {
                Ok("it was woken from outside lately".into())
            }
            Ok(Some(_)) => Err("it was last woken from outside too long ago: wake it once, on purpose".into()),
            Ok(None) => Err(NEVER_WOKEN.into()),
            Err(error) => Err(error.to_string()),
        }
    };
    check("wake proof", found)
}

//! Whether this node is fit to sleep at all: whether it could be woken again, and what would keep its broker from coming back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pehra_cluster::ask::Checked;
use pehra_core::sleep::guard::Order;
use pehra_power::config::HostKind;
use pehra_power::{Power, ProofFile};

use super::Agent;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// A broker that comes back has to write.
const FREE_MIN: u64 = 64 << 20;

/// Looks again and again, and tells the member when it changes.
pub(super) async fn run(agent: Arc<Agent>, power: Power) {
    // What a member believes of itself when it starts.
    let mut told = true;
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
        tokio::time::sleep(EVERY).await;
    }
}

fn checks(agent: &Agent, power: &Power) -> Vec<Checked> {
    vec![disk(agent), proxy(agent), proof(power)]
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

fn proxy(agent: &Agent) -> Checked {
    let stands = agent.own().is_some_and(|broker| broker.proxy.is_some());
    let found = if stands {
        Ok("a proxy stands in front of the broker".into())
    } else {
        Err("nobody sees this broker's traffic: write listen and upstream in its [node.broker]".into())
    };
    check("traffic", found)
}

fn proof(power: &Power) -> Checked {
    let found = if power.host == HostKind::StaysUp {
        Ok("the machine stays up, so the agent's own port wakes the broker".into())
    } else {
        match ProofFile::new(&power.proof_file).read() {
            Ok(Some(proof)) if proof.is_fresh(SystemTime::now(), power.proof_age_max()) => {
                Ok("it was woken from outside lately".into())
            }
            Ok(Some(_)) => Err("it was last woken from outside too long ago: wake it once, on purpose".into()),
            Ok(None) => Err("it was never woken from outside: wake it once, on purpose".into()),
            Err(error) => Err(error.to_string()),
        }
    };
    check("wake proof", found)
}

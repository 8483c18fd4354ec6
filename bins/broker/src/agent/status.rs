//! How the member and its broker stand, for people.

use std::time::Instant;

use pehra_cluster::ask::{Checked, Reply, SelfChecked};
use pehra_cluster::{SleepStatus, Status};
use pehra_core::members::NodeSet;
use pehra_core::sleep::guard::State;
use pehra_power::Power;
use pehra_power::config::{BrokerKind, HostKind};

use super::Agent;

/// How the broker is run, and how its machine sleeps, in a word.
pub(super) const fn power(power: &Power) -> &'static str {
    match (power.host, power.broker) {
        (HostKind::StaysUp, BrokerKind::Process) => "process",
        (HostKind::StaysUp, BrokerKind::Systemd) => "systemd",
        (HostKind::Logind | HostKind::Rtcwake, _) => power.sleep.name(),
    }
}

/// Completes a status.
pub(super) fn tell(agent: &Agent, status: &mut Status) {
    let config = &agent.config().guard;
    let content = agent.content();
    let Some(guard) = &content.guard else { return };
    let now = Instant::now();
    let ms = |since: Instant| u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
    let asleep = content.asleep_for + content.asleep.map_or_else(Default::default, |since| now - since);
    let own = agent.own().map(|broker| broker.id);
    let told = SleepStatus::of_guard(guard, config, own, content.wrong.as_deref());
    status.sleep = Some(SleepStatus {
        doing_ms: content.since.map_or(0, ms),
        workable: content.workable && guard.state() == State::Maintenance,
        traffic_ms: content.traffic.map(ms),
        grants: content.grants,
        sleeps: content.sleeps,
        wakes: content.wakes,
        asleep_ms: u64::try_from(asleep.as_millis()).unwrap_or(u64::MAX),
        declined: content.declined.clone(),
        alerts: ids(content.alerts),
        power: agent.power().into(),
        ..told
    });
}

/// `selfChk`.
pub(super) fn self_check(agent: &Agent) -> Reply {
    let content = agent.content();
    let guard = content.guard.as_ref();
    let verdict = guard.map(|guard| guard.self_check(&agent.config().guard));
    let duty = Checked {
        what: "guard duty".into(),
        well: matches!(verdict, Some(Ok(()))),
        found: match verdict {
            None => "the node has not begun yet".into(),
            Some(Ok(())) => "it takes part, its plan is current, and it is idle".into(),
            Some(Err(why)) => why.to_string(),
        },
    };
    let cluster = Checked {
        what: "cluster".into(),
        well: content.wrong.is_none(),
        found: content
            .wrong
            .clone()
            .unwrap_or_else(|| "nothing was wrong when this node last looked".into()),
    };
    let mut checks = vec![duty, cluster];
    checks.extend(content.fit.iter().cloned());
    Reply::SelfChecked(Box::new(SelfChecked {
        node: agent.me(),
        would_sleep: matches!(verdict, Some(Ok(()))) && checks.iter().all(|check| check.well),
        checks,
    }))
}

fn ids(set: NodeSet) -> Vec<u16> {
    set.iter().map(|node| node.0).collect()
}

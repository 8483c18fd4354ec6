//! How the member and its broker stand, for people.

use std::time::Instant;

use pehra_cluster::ask::{Checked, Reply, SelfChecked};
use pehra_cluster::{DoingNow, GEARS, PlanStatus, SleepStatus, Status, WatchRole};
use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Doing, Guard, Role, Stage, State};
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
    let (epoch, on) = guard.switch();
    let has_broker = agent.own().is_some();
    let asleep = content.asleep_for + content.asleep.map_or_else(Default::default, |since| now - since);
    status.sleep = Some(SleepStatus {
        on,
        epoch,
        gear: gear(config.gear),
        role: match guard.role() {
            Role::None => WatchRole::None,
            Role::Temporary => WatchRole::Temporary,
            Role::Pehredar(_) => WatchRole::Pehredar,
        },
        broker: agent.own().map(|broker| broker.id),
        doing: match guard.standing(config).doing {
            _ if !has_broker => DoingNow::Unknown,
            Doing::Active => DoingNow::Active,
            Doing::Draining => DoingNow::Draining,
            Doing::Asleep => DoingNow::Asleep,
            Doing::Ringing => DoingNow::Ringing,
            Doing::Waking => DoingNow::Waking,
            Doing::Maintenance => DoingNow::Maintenance,
        },
        stage: stage(guard.state()).filter(|_| has_broker).map(str::to_owned),
        doing_ms: content.since.map_or(0, ms),
        workable: content.workable && guard.state() == State::Maintenance,
        awake_because: guard.self_check(config).err().map(|why| why.to_string()),
        stay_awake: guard.stays_awake(),
        plan: guard.plan().map(|(id, plan)| PlanStatus {
            index: id.index.0,
            term: id.term.0,
            gear: gear(plan.gear),
            watch: ids(plan.watch),
            members: ids(plan.members),
        }),
        round: ids(guard.round()),
        traffic_ms: content.traffic.map(ms),
        grants: content.grants,
        sleeps: content.sleeps,
        wakes: content.wakes,
        asleep_ms: u64::try_from(asleep.as_millis()).unwrap_or(u64::MAX),
        declined: content.declined.clone(),
        alerts: ids(content.alerts),
        held_back: held_back(guard, content.wrong.as_deref()),
        power: agent.power().into(),
    });
}

/// How far a draining broker is.
const fn stage(state: State) -> Option<&'static str> {
    match state {
        State::Draining { stage, .. } => Some(match stage {
            Stage::Looking => "looking",
            Stage::Stopping => "stopping",
            Stage::Settling => "settling",
        }),
        State::Active | State::Sleeping | State::Ringing | State::Waking | State::Maintenance => None,
    }
}

/// What keeps a Pehredar from letting others sleep.
fn held_back(guard: &Guard, wrong: Option<&str>) -> Option<String> {
    let Role::Pehredar(watch) = guard.role() else {
        return None;
    };
    let (_, on) = guard.switch();
    let rousing = watch.rousing();
    if !on {
        Some("all is switched off".into())
    } else if !guard.round().is_empty() {
        Some("a round of maintenance is under way".into())
    } else if !rousing.is_empty() {
        Some(format!("{:?} are being woken", ids(rousing)))
    } else if !guard.is_idle() {
        Some("there was traffic a moment ago".into())
    } else {
        wrong.map(str::to_owned)
    }
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

fn gear(gear: Gear) -> String {
    let name = GEARS.iter().find(|(_, known)| *known == gear);
    name.map_or("", |(name, _)| name).into()
}

fn ids(set: NodeSet) -> Vec<u16> {
    set.iter().map(|node| node.0).collect()
}

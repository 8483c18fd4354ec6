//! The table of nodes.

use std::fmt::Write;

use pehra_asking::{View, duties, pehredar};
use pehra_cluster::{Cluster, DoingNow, RoleNow, SleepStatus, Status};

/// The table. A node's "heard" is when it last heard its leader; a leader's, when it last heard a majority.
pub fn render(cluster: &Cluster, views: &[View]) -> String {
    let mut text = format!(
        "{} (configuration {}, profile {}): {} of {} voters needed\n",
        cluster.name,
        cluster.number,
        cluster.profile,
        cluster.majority(),
        cluster.voters().count()
    );
    let widest = views
        .iter()
        .map(|view| view.member.address.to_string().len())
        .max()
        .unwrap_or(0)
        .max(7);
    let _ = writeln!(
        text,
        "{:>4}  {:<widest$}  {:<13}  {:>6}  {:>6}  {:>9}  {:>14}  {:>5}  {:>7}  note",
        "node", "address", "role", "term", "leader", "heard", "durable lag", "links", "pid"
    );
    for view in views {
        let (id, address) = (view.member.id, view.member.address.to_string());
        match &view.status {
            Err(why) => {
                let _ = writeln!(text, "{id:>4}  {address:<widest$}  {:<13}  {why}", "down");
            }
            Ok(status) => {
                let leader = status.leader.map_or("-".into(), |leader| leader.to_string());
                let heard = heard(cluster, status).map_or("-".into(), |ms| format!("{ms} ms"));
                let links = format!("{}/{}", status.links.count_ones(), status.peers.len());
                let _ = writeln!(
                    text,
                    "{id:>4}  {address:<widest$}  {:<13}  {:>6}  {leader:>6}  {heard:>9}  {:>14}  {links:>5}  {:>7}  {}",
                    status.role.name(),
                    status.term,
                    lag(status),
                    status.pid,
                    notes(status)
                );
            }
        }
    }
    text + &sleeping(views)
}

/// The guard duty of those who have any.
fn sleeping(views: &[View]) -> String {
    if duties(views).next().is_none() {
        return String::new();
    }
    let mut text = format!("\n{}\n", summary(views));
    let _ = writeln!(
        text,
        "{:>4}  {:>6}  {:<9}  {:<11}  {:>8}  {:>8}  {:<5}  {:>6}  {:>5}  awake because",
        "node", "broker", "watch", "doing", "since", "traffic", "gear", "sleeps", "wakes"
    );
    for (id, duty) in duties(views) {
        let _ = writeln!(
            text,
            "{id:>4}  {:>6}  {:<9}  {:<11}  {:>8}  {:>8}  {:<5}  {:>6}  {:>5}  {}",
            duty.broker.map_or("-".into(), |broker| broker.to_string()),
            duty.role.name(),
            duty.doing.name(),
            span(duty.doing_ms),
            duty.traffic_ms.map_or("-".into(), span),
            duty.gear,
            duty.sleeps,
            duty.wakes,
            because(duty),
        );
    }
    text
}

/// Why a broker stays awake; nothing for one that sleeps, or that there is not.
pub fn because(duty: &SleepStatus) -> &str {
    match duty.doing {
        DoingNow::Active => duty.awake_because.as_deref().unwrap_or("it waits to be let sleep"),
        DoingNow::Draining
        | DoingNow::Asleep
        | DoingNow::Ringing
        | DoingNow::Waking
        | DoingNow::Maintenance
        | DoingNow::Unknown => "",
    }
}

/// Who watches, and how things stand, in a line.
pub fn summary(views: &[View]) -> String {
    let Some((id, duty)) = pehredar(views) else {
        return "nobody watches: all wake up".into();
    };
    let mut text = format!("node {id} watches; sleep is {}", if duty.on { "on" } else { "off" });
    let _ = write!(text, " (epoch {}), lowest gear {}", duty.epoch, duty.gear);
    if let Some(plan) = &duty.plan {
        let _ = write!(text, "; plan {}: on duty {}", plan.index, ids(&plan.watch));
    }
    if !duty.round.is_empty() {
        let _ = write!(text, "; to be worked on: {}", ids(&duty.round));
    }
    if let Some(why) = &duty.held_back {
        let _ = write!(text, "; nobody is let sleep: {why}");
    }
    text
}

/// Ids in a row.
pub fn ids(nodes: &[u16]) -> String {
    let ids: Vec<String> = nodes.iter().map(u16::to_string).collect();
    if ids.is_empty() {
        "nobody".into()
    } else {
        ids.join(", ")
    }
}

/// A span of time that a person reads.
pub fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

fn heard(cluster: &Cluster, status: &Status) -> Option<u64> {
    let of = |id: u16| {
        status
            .peers
            .iter()
            .find(|peer| peer.node == id)
            .and_then(|peer| peer.heard_ms)
    };
    if status.role != RoleNow::Leader {
        return of(status.leader?);
    }
    let mut ages: Vec<u64> = cluster.voters().filter_map(|voter| of(voter.id)).collect();
    ages.sort_unstable();
    // It counts itself.
    ages.get(cluster.majority().checked_sub(2)?).copied()
}

fn lag(status: &Status) -> String {
    match status.disk.pending {
        0 => "0".into(),
        pending => format!("{pending}, {} ms", status.disk.oldest_ms),
    }
}

fn notes(status: &Status) -> String {
    let mut notes = Vec::new();
    if status.draining {
        notes.push("draining".to_owned());
    }
    notes.extend(status.trouble.clone());
    for (what, count) in &status.refusals {
        notes.push(format!("{what} refused: {count}"));
    }
    notes.join("; ")
}

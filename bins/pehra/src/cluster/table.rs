//! The table of nodes.

use std::fmt::Write;

use pehra_cluster::{Cluster, Member, RoleNow, Status};
use serde_json::{Value, json};

/// What is known of one node: what it said, or why it said nothing.
pub struct View {
    pub member: Member,
    pub status: Result<Status, String>,
}

impl View {
    /// For programs.
    pub fn json(&self) -> Value {
        match &self.status {
            Ok(status) => {
                let mut whole = serde_json::to_value(status).unwrap_or_default();
                if let Value::Object(fields) = &mut whole {
                    fields.insert("address".into(), self.member.address.to_string().into());
                    fields.insert("up".into(), true.into());
                }
                whole
            }
            Err(why) => json!({
                "node": self.member.id, "address": self.member.address.to_string(), "up": false, "why": why,
            }),
        }
    }
}

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
    text
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

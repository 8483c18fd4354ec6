//! What is known of nodes: what they said, or why they said nothing.

use pehra_cluster::{Member, SleepStatus, Status, WatchRole};
use serde_json::{Value, json};

/// What is known of one node.
#[derive(Clone, Debug)]
pub struct View {
    /// The node.
    pub member: Member,
    /// What it said, or why it said nothing.
    pub status: Result<Status, String>,
}

impl View {
    /// For programs.
    #[must_use]
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

/// What is known of guard duty, with the node that says it.
pub fn duties(views: &[View]) -> impl Iterator<Item = (u16, &SleepStatus)> {
    views.iter().filter_map(|view| {
        let status = view.status.as_ref().ok()?;
        Some((view.member.id, status.sleep.as_ref()?))
    })
}

/// The duty of the Pehredar: of two that say so, the one of the higher term.
#[must_use]
pub fn pehredar(views: &[View]) -> Option<(u16, &SleepStatus)> {
    let watching = views.iter().filter_map(|view| {
        let status = view.status.as_ref().ok()?;
        let duty = status.sleep.as_ref().filter(|duty| duty.role == WatchRole::Pehredar)?;
        Some((status.term, view.member.id, duty))
    });
    watching.max_by_key(|(term, ..)| *term).map(|(_, id, duty)| (id, duty))
}

//! What came of a demo.

use serde_json::{Value, json};

/// What was counted; nothing in it is reckoned from anything else.
#[derive(Debug, Default)]
pub struct Account {
    /// Of a real cluster; none if nothing was written.
    pub records: Option<Records>,
    /// Of the simulated one: how often clients began, and the longest that the first request waited.
    pub simulated: Option<(u64, u64)>,
    /// How often brokers fell asleep.
    pub sleeps: u64,
    /// How often they were woken.
    pub wakes: u64,
    /// Why somebody may still run who should have been ended; none if nobody does.
    pub left_behind: Option<String>,
}

/// Records by their numbers.
#[derive(Debug, Default, Clone, Copy)]
pub struct Records {
    pub sent: u64,
    pub acked: u64,
    /// Sent, and told that it could not be written.
    pub failed: u64,
    pub read: u64,
    /// Read a second time.
    pub twice: u64,
    /// Acknowledged and not read back.
    pub lost: u64,
    /// The longest from sending a record to its acknowledgement, milliseconds.
    pub pause_ms: u64,
}

impl Account {
    /// What is wrong; none if nothing is.
    pub fn trouble(&self) -> Option<String> {
        let mut wrong = Vec::new();
        if let Some(why) = &self.left_behind {
            wrong.push(format!("a broker could not be ended, and may still run: {why}"));
        }
        let records = self.records.unwrap_or_default();
        if records.lost > 0 {
            wrong.push(format!(
                "{} records were acknowledged and are LOST: they could not be read back",
                records.lost
            ));
        }
        if records.twice > 0 {
            wrong.push(format!("{} records were read TWICE", records.twice));
        }
        if records.sent > records.acked {
            wrong.push(format!(
                "{} records were sent and never acknowledged ({} of them refused)",
                records.sent - records.acked,
                records.failed
            ));
        }
        (!wrong.is_empty()).then(|| wrong.join("; "))
    }

    pub fn json(&self) -> Value {
        let mut account = json!({ "sleeps": self.sleeps, "wakes": self.wakes });
        let more = match (self.records, self.simulated) {
            (Some(records), _) => json!({
                "kind": "real", "sent": records.sent, "acked": records.acked, "read": records.read, "lost": records.lost,
                "twice": records.twice, "longest_pause_ms": records.pause_ms,
            }),
            (None, Some((bursts, pause_ms))) => {
                json!({ "kind": "simulated", "bursts": bursts, "longest_pause_ms": pause_ms })
            }
            (None, None) => json!({}),
        };
        if let (Some(account), Value::Object(more)) = (account.as_object_mut(), more) {
            account.extend(more);
        }
        account
    }

    pub fn text(&self) -> String {
        let mut lines = vec![String::new()];
        let mut line = |what: &str, count: u64, note: &str| lines.push(format!("{what:<22}{count:>8}   {note}"));
        if let Some(records) = self.records {
            line("records sent", records.sent, "acks=all, through the proxies");
            line("acknowledged", records.acked, "");
            line("read back", records.read, "each by its number");
            line("lost", records.lost, "acknowledged and not read back");
            line("read twice", records.twice, "");
            line(
                "longest pause, ms",
                records.pause_ms,
                "from sending a record to its acknowledgement",
            );
        }
        if let Some((bursts, pause_ms)) = self.simulated {
            line(
                "traffic began",
                bursts,
                "simulated: no record was written, so none is counted",
            );
            line(
                "longest pause, ms",
                pause_ms,
                "until the first request was served, simulated",
            );
        }
        line("fell asleep", self.sleeps, "");
        line("woken", self.wakes, "");
        lines.join("\n")
    }
}

//! What happens, for people and for programs.

use serde_json::{Map, Value, json};

use super::nodes::{Condition, NAMES};

/// How all nodes are, in their order.
pub type Conditions = [Condition; NAMES.len()];

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It begins.
    Start,
    /// A node checks whether it would sleep; if not, why.
    SelfCheck { node: usize, stays: Option<String> },
    /// Somebody watches from now on.
    Pehredar {
        node: usize,
        before: Option<usize>,
        term: u64,
    },
    /// The input says that there is no traffic.
    NoTraffic,
    /// The input says that there is traffic.
    Traffic { amount: u64, task: u64 },
    /// A node is given a task.
    Task { node: usize, task: u64 },
    /// Nobody is awake who could be given a task.
    Down { task: u64 },
    /// A node is otherwise than before.
    Changed { node: usize, before: Condition },
    /// It is over.
    End {
        tasks: u64,
        terms: u64,
        asleep_ms: [u64; NAMES.len()],
    },
}

/// What has happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at_ms: u64,
    pub what: What,
    pub nodes: Conditions,
}

impl Event {
    /// A line for people.
    pub fn text(&self) -> String {
        let at = format!("{:>5}.{} s", self.at_ms / 1000, self.at_ms % 1000 / 100);
        let nodes = || {
            let one = |(name, condition): (&&str, &Condition)| format!("{name} {}", condition.word());
            NAMES.iter().zip(&self.nodes).map(one).collect::<Vec<_>>().join(", ")
        };
        let name = |node: &usize| NAMES[*node];
        let says = match &self.what {
            What::Start => format!("nodes: {}", nodes()),
            What::SelfCheck { node, stays: None } => format!("self check: {} would sleep", name(node)),
            What::SelfCheck { node, stays: Some(why) } => format!("self check: {} stays awake, {why}", name(node)),
            What::Pehredar { node, before, term } => {
                let before = before.map_or_else(String::new, |before| format!(", after {}", NAMES[before]));
                format!("election: {} is the Pehredar of term {term}{before}", name(node))
            }
            What::NoTraffic => "no traffic".into(),
            What::Traffic { amount, task } => format!("traffic {amount}: new task {task}"),
            What::Task { node, task } => format!("task {task} goes to {} ({})", name(node), self.nodes[*node].word()),
            What::Down { task } => {
                format!("cluster down: nobody is awake for task {task}; it waits, and all are woken")
            }
            What::Changed { node, before } => {
                let now = self.nodes[*node];
                format!("{} {}; nodes: {}", name(node), now.after(*before), nodes())
            }
            What::End {
                tasks,
                terms,
                asleep_ms,
            } => {
                let asleep: Vec<String> = NAMES
                    .iter()
                    .zip(asleep_ms)
                    .map(|(name, ms)| format!("{name} {}.{} s", ms / 1000, ms % 1000 / 100))
                    .collect();
                format!(
                    "end: {tasks} tasks, {terms} Pehredars, asleep: {} (simulated)",
                    asleep.join(", ")
                )
            }
        };
        format!("{at}  {says}")
    }

    /// A line for programs.
    pub fn json(&self) -> String {
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| {
            fields.insert(key.into(), value);
        };
        put("at_ms", json!(self.at_ms));
        let event = match &self.what {
            What::Start => "start",
            What::SelfCheck { node, stays } => {
                put("node", json!(NAMES[*node]));
                put("stays_awake", json!(stays));
                "self-check"
            }
            What::Pehredar { node, before, term } => {
                put("node", json!(NAMES[*node]));
                put("before", json!(before.map(|before| NAMES[before])));
                put("term", json!(term));
                "pehredar"
            }
            What::NoTraffic => "no-traffic",
            What::Traffic { amount, task } => {
                put("amount", json!(amount));
                put("task", json!(task));
                "traffic"
            }
            What::Task { node, task } => {
                put("node", json!(NAMES[*node]));
                put("task", json!(task));
                "task"
            }
            What::Down { task } => {
                put("task", json!(task));
                "cluster-down"
            }
            What::Changed { node, before } => {
                put("node", json!(NAMES[*node]));
                put("before", json!(before.word()));
                put("now", json!(self.nodes[*node].word()));
                "changed"
            }
            What::End {
                tasks,
                terms,
                asleep_ms,
            } => {
                put("tasks", json!(tasks));
                put("terms", json!(terms));
                put("asleep_ms", json!(asleep_ms));
                "end"
            }
        };
        put("event", json!(event));
        let nodes: Map<String, Value> = NAMES
            .iter()
            .zip(&self.nodes)
            .map(|(name, condition)| ((*name).to_owned(), json!(condition.word())))
            .collect();
        put("nodes", Value::Object(nodes));
        Value::Object(fields).to_string()
    }
}

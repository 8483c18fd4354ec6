//! Kafka's own clients, and what they said: the ledger of what was acknowledged and read.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pehra_testbed::process::Process;
use rustix::process::Signal;
use serde_json::Value;

use super::{INSTALL, PATIENCE};

/// A message that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub key: Option<String>,
    pub value: String,
    pub partition: i64,
    pub offset: i64,
    pub at: Instant,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub value: String,
    pub partition: i64,
    pub offset: i64,
}

/// What was acknowledged and cannot be read where it was put.
pub fn lost<'s>(sent: &'s [Sent], read: &[Read]) -> Vec<&'s Sent> {
    let there: BTreeSet<_> = read.iter().map(|it| (it.partition, it.offset, &*it.value)).collect();
    let is_there = |it: &&Sent| there.contains(&(it.partition, it.offset, &*it.value));
    sent.iter().filter(|it| !is_there(it)).collect()
}

#[track_caller]
pub fn is_all_there(sent: &[Sent], read: &[Read]) {
    let missing = lost(sent, read);
    assert!(missing.is_empty(), "acknowledged, and not there as it was: {missing:?}");
}

/// One of Kafka's own clients, and what it said.
pub struct Client {
    pub process: Process,
    lines: Arc<Mutex<Vec<(Instant, Value)>>>,
}

impl Client {
    pub(super) fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = Process::start(command, INSTALL);
        let out = process.child().stdout.take().expect("its lines");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    kept.lock()
                        .expect("nobody panics with it")
                        .push((Instant::now(), value));
                }
            }
        });
        Self { process, lines }
    }

    fn named<T>(&self, name: &str, take: impl Fn(Instant, &Value) -> T) -> Vec<T> {
        let lines = self.lines.lock().expect("nobody panics with it");
        let such = lines.iter().filter(|(_, line)| line["name"] == name);
        such.map(|(at, line)| take(*at, line)).collect()
    }

    /// What was acknowledged so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.named("producer_send_success", |at, line| Sent {
            key: line["key"].as_str().map(str::to_owned),
            value: line["value"].as_str().unwrap_or_default().to_owned(),
            partition: line["partition"].as_i64().unwrap_or(-1),
            offset: line["offset"].as_i64().unwrap_or(-1),
            at,
        })
    }

    /// Makes it stand still.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Lets it end what it has begun.
    pub fn end(&mut self) {
        assert!(self.process.stop(PATIENCE), "the client did not end");
    }

    /// How often it has said this.
    pub fn said(&self, name: &str) -> usize {
        self.named(name, |_, _| ()).len()
    }

    /// What could not be sent so far.
    pub fn failed(&self) -> Vec<Value> {
        self.named("producer_send_error", |_, line| line.clone())
    }

    /// What was read so far.
    pub fn read(&self) -> Vec<Read> {
        self.named("record_data", |_, line| Read {
            value: line["value"].as_str().unwrap_or_default().to_owned(),
            partition: line["partition"].as_i64().unwrap_or(-1),
            offset: line["offset"].as_i64().unwrap_or(-1),
        })
    }
}

//! An owner of positions, as an edge is one: takes a record exactly if it stands where the record begins.
#![allow(dead_code)] // each test binary uses its part

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pehra_kafka::{Cluster, Fetched, Source, Steer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What the owner has taken.
#[derive(Debug, Default)]
pub struct Taken {
    pub positions: BTreeMap<u16, u64>,
    pub records: Vec<Fetched>,
    /// Records that were offered and not taken.
    pub refused: usize,
    /// Refuse one in so many to be offered again later; 0 refuses none.
    pub reluctance: usize,
    offered: usize,
}

#[derive(Clone, Debug)]
pub struct Owner {
    taken: Arc<Mutex<Taken>>,
    stand: watch::Sender<Vec<(u16, u64)>>,
}

/// A running source; ends when dropped.
#[derive(Debug)]
pub struct Reading {
    steer: mpsc::Sender<Steer>,
    task: JoinHandle<()>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Owner {
    pub fn new() -> Self {
        Self {
            taken: Arc::default(),
            stand: watch::channel(Vec::new()).0,
        }
    }

    pub fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("not poisoned")
    }

    /// Pretends to have read so far.
    pub fn stand_at(&self, partition: u16, position: u64) {
        let mut taken = self.taken();
        taken.positions.insert(partition, position);
        self.stand
            .send_replace(taken.positions.iter().map(|(p, n)| (*p, *n)).collect());
    }

    /// Starts a source from where the owner stands.
    pub fn read(&self, brokers: &str, topic: &str) -> Reading {
        let (steer, steered) = mpsc::channel(1024);
        let source = Source::new(Cluster::at(brokers), topic, self.stand.subscribe(), steered)
            .looking_every(Duration::from_millis(500));
        let (owner, wishes) = (self.clone(), steer.clone());
        let task = tokio::spawn(async move {
            let take = move |record: Fetched| {
                if let Some(wish) = owner.offer(record) {
                    let _ = wishes.try_send(wish);
                }
                std::future::ready(true)
            };
            source.run(take).await.expect("the settings are good");
        });
        steer.try_send(Steer::Start).expect("room for one");
        Reading { steer, task }
    }

    fn offer(&self, record: Fetched) -> Option<Steer> {
        let mut taken = self.taken();
        taken.offered += 1;
        if taken.reluctance > 0 && taken.offered.is_multiple_of(taken.reluctance) {
            taken.refused += 1;
            return Some(Steer::Wait(record.tag));
        }
        let stands = taken.positions.get(&record.partition).copied().unwrap_or(record.before);
        if stands != record.before || record.after <= record.before {
            taken.refused += 1;
            return Some(Steer::Seek(record.tag));
        }
        taken.positions.insert(record.partition, record.after);
        taken.records.push(record);
        self.stand
            .send_replace(taken.positions.iter().map(|(p, n)| (*p, *n)).collect());
        None
    }

    /// Waits until so many records were taken.
    pub async fn wait_for(&self, records: usize, patience: Duration) {
        let until = Instant::now() + patience;
        while self.taken().records.len() < records {
            let have = self.taken().records.len();
            assert!(
                Instant::now() < until,
                "only {have} of {records} records came within {patience:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The payloads, as text.
    pub fn texts(&self) -> Vec<String> {
        let taken = self.taken();
        let payloads = taken.records.iter().filter_map(|record| record.payload.clone());
        payloads
            .map(|payload| String::from_utf8(payload).expect("text"))
            .collect()
    }
}

/// What is logged while a test runs.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects what this thread logs from now on, as long as the guard lives.
    pub fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }

    /// Waits until all of `parts` were said in one line.
    pub async fn wait_for(&self, parts: &[&str], patience: Duration) {
        let until = Instant::now() + patience;
        while !self
            .text()
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
        {
            assert!(Instant::now() < until, "no line with {parts:?} in:\n{}", self.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! A producer and a consumer, each behind the proxies. Every record is a number; what was acknowledged must be read back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pehra_kafka::{Cluster, Producer, Source, Steer};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::account::Records;

/// The topic.
pub const TOPIC: &str = "demo";

/// Between two records: twenty a second.
const EVERY: Duration = Duration::from_millis(50);

/// Clients, while they run.
pub struct Traffic {
    on: watch::Sender<bool>,
    ledger: Arc<Mutex<Ledger>>,
    tasks: Vec<JoinHandle<Result<(), String>>>,
    /// The consumer reads as long as this is there.
    _steer: mpsc::Sender<Steer>,
    _positions: watch::Sender<Vec<(u16, u64)>>,
}

/// Records by their numbers.
#[derive(Default)]
struct Ledger {
    sent: u64,
    waiting: BTreeMap<u64, Instant>,
    acked: BTreeSet<u64>,
    read: BTreeSet<u64>,
    failed: u64,
    twice: u64,
    pause: Duration,
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Traffic {
    /// Connects both; nothing is sent yet.
    pub fn start(cluster: &Cluster) -> Result<Self, String> {
        let producer = Producer::new(cluster).map_err(|error| error.to_string())?;
        let (on, wanted) = watch::channel(false);
        let (positions, places) = watch::channel(Vec::new());
        let (steer, steering) = mpsc::channel(1);
        steer.try_send(Steer::Start).map_err(|error| error.to_string())?;
        let source = Source::new(cluster.clone(), TOPIC, places, steering);
        let ledger = Arc::<Mutex<Ledger>>::default();
        let reading = Arc::clone(&ledger);
        let tasks = vec![
            tokio::spawn(produce(producer, wanted, Arc::clone(&ledger))),
            tokio::spawn(async move {
                let take = |fetched: pehra_kafka::Fetched| {
                    let number = fetched.payload.as_deref().and_then(number);
                    let mut ledger = lock(&reading);
                    if number.is_some_and(|number| !ledger.read.insert(number)) {
                        ledger.twice += 1;
                    }
                    core::future::ready(true)
                };
                source.run(take).await.map_err(|error| error.to_string())
            }),
        ];
        Ok(Self {
            on,
            ledger,
            tasks,
            _steer: steer,
            _positions: positions,
        })
    }

    pub fn set(&self, on: bool) {
        self.on.send_replace(on);
    }

    /// Why a client has ended, which it never should while this is there; none if all go on.
    pub fn ended(&mut self) -> Option<String> {
        let ended = self.tasks.iter().position(JoinHandle::is_finished)?;
        // It has ended, so nobody waits.
        let outcome = futures_util::FutureExt::now_or_never(self.tasks.swap_remove(ended));
        Some(match outcome {
            Some(Ok(Err(why))) => why,
            Some(Ok(Ok(()))) | None => "it said nothing".into(),
            Some(Err(error)) => error.to_string(),
        })
    }

    /// Everything that was sent has had its answer, and what was acknowledged has been read.
    pub fn is_settled(&self) -> bool {
        let ledger = lock(&self.ledger);
        ledger.waiting.is_empty() && ledger.acked.is_subset(&ledger.read)
    }

    pub fn records(&self) -> Records {
        let ledger = lock(&self.ledger);
        let count = |numbers: usize| u64::try_from(numbers).unwrap_or(u64::MAX);
        // One that still waits has waited so long at least.
        let oldest = ledger.waiting.values().map(Instant::elapsed).max().unwrap_or_default();
        Records {
            sent: ledger.sent,
            acked: count(ledger.acked.len()),
            failed: ledger.failed,
            read: count(ledger.read.len()),
            twice: ledger.twice,
            lost: count(ledger.acked.difference(&ledger.read).count()),
            pause_ms: u64::try_from(ledger.pause.max(oldest).as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub fn line(&self) -> String {
        let on = if *self.on.borrow() { "ON " } else { "off" };
        let records = self.records();
        let waiting = lock(&self.ledger).waiting.len();
        format!(
            "traffic {on}   {} sent, {} acknowledged, {waiting} waiting, {} read back; longest pause {} ms",
            records.sent, records.acked, records.read, records.pause_ms
        )
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn number(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

/// Sends a record each time while it is wanted.
async fn produce(
    producer: Producer,
    mut wanted: watch::Receiver<bool>,
    ledger: Arc<Mutex<Ledger>>,
) -> Result<(), String> {
    let mut ticks = tokio::time::interval(EVERY);
    // What was not sent in time is not sent in a burst later.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u64.. {
        if wanted.wait_for(|on| *on).await.is_err() {
            break;
        }
        ticks.tick().await;
        let text = number.to_string();
        let began = Instant::now();
        {
            let mut ledger = lock(&ledger);
            ledger.sent += 1;
            ledger.waiting.insert(number, began);
        }
        let delivery = producer.send(TOPIC, &text, text.as_bytes(), now_ms()).await;
        let delivery = delivery.map_err(|error| error.to_string())?;
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let outcome = delivery.wait().await;
            let mut ledger = lock(&ledger);
            ledger.waiting.remove(&number);
            match outcome {
                Ok(()) => {
                    ledger.acked.insert(number);
                    ledger.pause = ledger.pause.max(began.elapsed());
                }
                Err(_) => ledger.failed += 1,
            }
        });
    }
    Ok(())
}

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

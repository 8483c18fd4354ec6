//! The source: every partition of a topic, from positions that the owner keeps.
//!
//! The owner is told each record with its partition's position before and after it. It may refuse: then it steers, and
//! the source starts again from the owner's positions. Each start has a new generation, so that words about records of
//! an older one are told apart.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext, StreamConsumer};
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, watch};

use crate::{Cluster, KafkaError};

/// Names a record to its owner: which start of the source it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestTag(pub u64);

/// One record, or a hole where records are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Which start of the source it belongs to.
    pub tag: RequestTag,
    /// Its partition.
    pub partition: u16,
    /// Position before it.
    pub before: u64,
    /// Position after it.
    pub after: u64,
    /// Its timestamp, ms since 1970.
    pub timestamp_ms: i64,
    /// Its bytes; `None` if the cluster no longer holds what stood between the two positions.
    pub payload: Option<Vec<u8>>,
}

/// What the owner tells the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steer {
    /// The owner has (re)started: begin from its positions.
    Start,
    /// A record of this start was not what the owner needs next: begin again from its positions.
    Seek(RequestTag),
    /// A record of this start could not be taken now: pause, then begin again.
    Wait(RequestTag),
}

/// How long to wait after a refusal, and between looks at a cluster that does not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// How often to look for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Reads a topic.
pub struct Source {
    cluster: Cluster,
    topic: String,
    positions: watch::Receiver<Vec<(u16, u64)>>,
    steer: mpsc::Receiver<Steer>,
    look_every: Duration,
    generation: u64,
    next: BTreeMap<u16, u64>,
    /// Partitions that are read, or would be if they could.
    assigned: usize,
    /// Whether a partition cannot be read until a person has looked.
    stuck: bool,
}

/// What stands between the owner's positions and the topic.
#[derive(Debug, Default)]
struct Trouble {
    /// Records that are gone, one hole for each partition.
    holes: Vec<Fetched>,
    /// Partitions that cannot be read at all, in words.
    beyond: Vec<String>,
}

impl Source {
    /// A source of `topic`. `positions` is where the owner stands; nothing is read before the first [`Steer::Start`].
    #[must_use]
    pub fn new(
        cluster: Cluster,
        topic: impl Into<String>,
        positions: watch::Receiver<Vec<(u16, u64)>>,
        steer: mpsc::Receiver<Steer>,
    ) -> Self {
        Self {
            cluster,
            topic: topic.into(),
            positions,
            steer,
            look_every: LOOK_EVERY,
            generation: 0,
            next: BTreeMap::new(),
            assigned: 0,
            stuck: false,
        }
    }

    /// Looks for new partitions as often as this; every 30 s unless told.
    #[must_use]
    pub const fn looking_every(mut self, pause: Duration) -> Self {
        self.look_every = pause;
        self
    }

    /// Reads until the owner is gone. `take` is awaited for each record: a full owner slows the source down.
    ///
    /// # Errors
    /// If the settings are refused; an unreachable cluster is waited for.
    pub async fn run<F, Fut>(mut self, mut take: F) -> Result<(), KafkaError>
    where
        F: FnMut(Fetched) -> Fut,
        Fut: Future<Output = bool>,
    {
        let mut config = self.cluster.client();
        config.set("group.id", "pehra-edge-unused");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "50");
        // A queue that was full a moment ago is filled again soon: the default waits a second, also after a new start.
        config.set("fetch.queue.backoff.ms", "20");
        config.set("queued.min.messages", "10000");
        config.set("queued.max.messages.kbytes", "16384");
        self.cluster.finish(&mut config);
        let consumer: StreamConsumer = config
            .create()
            .map_err(|error| KafkaError::new("making a consumer", error))?;
        // Nothing before the owner says where it stands.
        while let Some(steer) = self.steer.recv().await {
            if steer == Steer::Start {
                break;
            }
        }
        loop {
            match self.assign(&consumer).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%error, "Kafka does not answer; trying again");
                    tokio::time::sleep(PAUSE * 5).await;
                    if self.steer.is_closed() {
                        return Ok(());
                    }
                    continue;
                }
            }
            if !self.read(&consumer, &mut take).await {
                return Ok(());
            }
        }
    }

    /// Begins again from the owner's positions. A partition that the owner does not know begins at its beginning.
    async fn assign(&mut self, consumer: &StreamConsumer) -> Result<(), KafkaError> {
        let doing = format!("looking at topic {} of {}", self.topic, self.cluster.brokers);
        let mut config = self.cluster.client();
        self.cluster.finish(&mut config);
        let topic = self.topic.clone();
        let partitions = tokio::task::spawn_blocking(move || partitions(&config, &topic))
            .await
            .map_err(|error| KafkaError::new(&doing, error))?
            .map_err(|error| KafkaError::new(&doing, error))?;
        if partitions.is_empty() {
            return Err(KafkaError::new(&doing, "the topic does not exist yet"));
        }
        self.generation += 1;
        self.assigned = partitions.len();
        self.stuck = false;
        self.next.clear();
        self.next.extend(self.positions.borrow().iter().copied());
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let known = u16::try_from(partition)
                .ok()
                .and_then(|partition| self.next.get(&partition));
            let offset = known
                .and_then(|next| i64::try_from(*next).ok())
                .map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.topic, partition, offset)
                .map_err(|error| KafkaError::new(&doing, error))?;
        }
        consumer.assign(&list).map_err(|error| KafkaError::new(&doing, error))
    }

    /// Reads until there is a reason to begin again (`true`) or the owner is gone (`false`).
    async fn read<F, Fut>(&mut self, consumer: &StreamConsumer, take: &mut F) -> bool
    where
        F: FnMut(Fetched) -> Fut,
        Fut: Future<Output = bool>,
    {
        let mut look = tokio::time::interval(self.look_every);
        look.tick().await;
        loop {
            tokio::select! {
                biased;
                steer = self.steer.recv() => match steer {
                    None => return false,
                    Some(Steer::Start) => return true,
                    Some(Steer::Seek(tag)) if tag.0 == self.generation => return true,
                    Some(Steer::Wait(tag)) if tag.0 == self.generation => {
                        tokio::time::sleep(PAUSE).await;
                        return true;
                    }
                    Some(Steer::Seek(_) | Steer::Wait(_)) => {}
                },
                got = consumer.recv() => match got {
                    Ok(message) => {
                        let Some(record) = self.record(&message) else { continue };
                        if !take(record).await {
                            return false;
                        }
                    }
                    Err(RdKafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)) => {
                        match self.look_for_trouble().await {
                            Ok(Trouble { holes, beyond }) => {
                                for problem in &beyond {
                                    tracing::error!(problem, topic = self.topic, "a partition is not read");
                                }
                                // The others go on; at the next look it is tried again, and said again.
                                self.stuck |= !beyond.is_empty();
                                if holes.is_empty() && !beyond.is_empty() {
                                    continue;
                                }
                                for hole in holes {
                                    tracing::error!(partition = hole.partition, from = hole.before, to = hole.after,
                                        "Kafka no longer has records that were not read");
                                    if !take(hole).await {
                                        return false;
                                    }
                                }
                            }
                            Err(error) => tracing::error!(%error, "a stored position is not in the topic"),
                        }
                        tokio::time::sleep(PAUSE).await;
                        return true;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "reading from Kafka; librdkafka keeps trying");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                _ = look.tick() => {
                    if self.stuck {
                        return true;
                    }
                    let mut config = self.cluster.client();
                    self.cluster.finish(&mut config);
                    let topic = self.topic.clone();
                    let found = tokio::task::spawn_blocking(move || partitions(&config, &topic)).await;
                    if let Ok(Ok(found)) = found && found.len() > self.assigned {
                        tracing::info!(topic = self.topic, partitions = found.len(), "the topic has more partitions now");
                        return true;
                    }
                }
            }
        }
    }

    fn record(&mut self, message: &BorrowedMessage<'_>) -> Option<Fetched> {
        let partition = u16::try_from(message.partition()).ok()?;
        let offset = u64::try_from(message.offset()).ok()?;
        // Offsets may jump over records that are no data of ours; what lies between counts as passed.
        let before = self.next.get(&partition).copied().unwrap_or(offset);
        let after = offset + 1;
        self.next.insert(partition, after);
        Some(Fetched {
            tag: RequestTag(self.generation),
            partition,
            before,
            after,
            timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
            payload: Some(message.payload().unwrap_or_default().to_vec()),
        })
    }

    /// Compares the owner's positions with what the topic holds.
    async fn look_for_trouble(&self) -> Result<Trouble, KafkaError> {
        let doing = format!("asking {} for the bounds of {}", self.cluster.brokers, self.topic);
        let mut config = self.cluster.client();
        self.cluster.finish(&mut config);
        let (topic, stands) = (self.topic.clone(), self.positions.borrow().clone());
        let tag = RequestTag(self.generation);
        let look = move || -> Result<Trouble, String> {
            let consumer: BaseConsumer<DefaultConsumerContext> = config.create().map_err(|error| error.to_string())?;
            let mut trouble = Trouble::default();
            for (partition, before) in stands {
                let (low, high) = consumer
                    .fetch_watermarks(&topic, partition.into(), Timeout::After(Duration::from_secs(5)))
                    .map_err(|error| error.to_string())?;
                let (low, high) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
                if before > high {
                    trouble.beyond.push(format!(
                        "partition {partition} ends at {high}, but everything before {before} was read from it: was the \
                         topic made anew? It is not read until the edge is given a new store or the topic its old content"
                    ));
                }
                if before < low {
                    trouble.holes.push(Fetched {
                        tag,
                        partition,
                        before,
                        after: low,
                        timestamp_ms: 0,
                        payload: None,
                    });
                }
            }
            Ok(trouble)
        };
        tokio::task::spawn_blocking(look)
            .await
            .map_err(|error| KafkaError::new(&doing, error))?
            .map_err(|error| KafkaError::new(&doing, error))
    }
}

fn partitions(config: &rdkafka::ClientConfig, topic: &str) -> Result<Vec<i32>, String> {
    let consumer: BaseConsumer<DefaultConsumerContext> = config.create().map_err(|error| error.to_string())?;
    let metadata = consumer
        .fetch_metadata(Some(topic), Timeout::After(Duration::from_secs(5)))
        .map_err(|error| error.to_string())?;
    Ok(metadata
        .topics()
        .iter()
        .filter(|known| known.name() == topic)
        .flat_map(|known| known.partitions().iter().map(rdkafka::metadata::MetadataPartition::id))
        .collect())
}

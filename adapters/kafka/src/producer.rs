//! An idempotent producer.

use std::time::Duration;

use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use crate::{Cluster, KafkaError};

/// Sends records; each is written in order, and once however often the connection breaks. A broker that stops or is killed
/// while a batch is under way can still make it be written twice (seen with Apache Kafka 4.3.0 and librdkafka 2.12.1 under
/// load): readers tell repetitions by their content.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer,
    brokers: String,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("brokers", &self.brokers)
            .finish_non_exhaustive()
    }
}

/// A record under way: its fate, once awaited.
#[must_use = "an unawaited record may never have arrived"]
pub struct Delivery(DeliveryFuture);

impl Delivery {
    /// Waits for the broker's word.
    ///
    /// # Errors
    /// If the record was not written.
    pub async fn wait(self) -> Result<(), KafkaError> {
        match self.0.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(KafkaError::new("writing a record", error)),
            Err(error) => Err(KafkaError::new("writing a record", error)),
        }
    }
}

impl Producer {
    /// Connects in the background.
    ///
    /// # Errors
    /// If a setting is refused.
    pub fn new(cluster: &Cluster) -> Result<Self, KafkaError> {
        let mut config = cluster.client();
        config.set("enable.idempotence", "true");
        config.set("linger.ms", "5");
        // A topic that is made by writing to it gets the broker's number of partitions, not ours.
        config.set("allow.auto.create.topics", "false");
        config.set("message.timeout.ms", "300000");
        cluster.finish(&mut config);
        let inner = config
            .create()
            .map_err(|error| KafkaError::new("making a producer", error))?;
        Ok(Self {
            inner,
            brokers: cluster.brokers.clone(),
        })
    }

    /// Hands over a record; waits only while the producer's queue is full.
    ///
    /// # Errors
    /// If it can never be sent: it is too large, say.
    pub async fn send(
        &self,
        topic: &str,
        key: &str,
        payload: &[u8],
        timestamp_ms: i64,
    ) -> Result<Delivery, KafkaError> {
        let mut record = FutureRecord::to(topic)
            .key(key)
            .payload(payload)
            .timestamp(timestamp_ms);
        loop {
            match self.inner.send_result(record) {
                Ok(delivery) => return Ok(Delivery(delivery)),
                Err((RdKafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err((error, _)) => return Err(KafkaError::new(format!("writing to {topic}"), error)),
            }
        }
    }

    /// Waits until all that was handed over has arrived. Blocks.
    ///
    /// # Errors
    /// If that took longer than `patience`.
    pub fn flush(&self, patience: Duration) -> Result<(), KafkaError> {
        self.inner
            .flush(Timeout::After(patience))
            .map_err(|error| KafkaError::new(format!("waiting for {}", self.brokers), error))
    }
}

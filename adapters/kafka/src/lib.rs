//! Kafka: a source that reads from positions kept elsewhere, a producer, and the demo's embedded cluster.
//!
//! Positions live in the edge's store, in the commit that counts the reading; the consumer group's offsets are not used
//! at all. So there is no group, no rebalance, and never a silent jump to `latest`.

mod embedded;
mod producer;
mod source;

pub use embedded::EmbeddedKafka;
pub use producer::{Delivery, Producer};
pub use source::{Fetched, RequestTag, Source, Steer};

use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

/// Topic of the readings.
pub const READINGS: &str = "power_topic";
/// Topic of the closed windows.
pub const AVERAGES: &str = "avg_power_topic";

/// How to reach a cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// `host:port`, several with commas between.
    pub brokers: String,
    /// librdkafka's own settings, such as `security.protocol`; they win over ours.
    pub settings: Vec<(String, String)>,
}

impl Cluster {
    /// A cluster without further settings.
    #[must_use]
    pub fn at(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            settings: Vec::new(),
        }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        // A broker that comes back should be seen soon, not after the default's ten seconds.
        config.set("reconnect.backoff.max.ms", "1000");
        config.set("log.connection.close", "false");
        config
    }

    fn finish(&self, config: &mut ClientConfig) {
        for (name, value) in &self.settings {
            config.set(name, value);
        }
    }
}

/// What went wrong with Kafka.
#[derive(Clone, Debug)]
pub struct KafkaError {
    /// What was being done, where.
    pub doing: String,
    /// What went wrong and what to do.
    pub problem: String,
}

impl KafkaError {
    fn new(doing: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            doing: doing.into(),
            problem: problem.to_string(),
        }
    }
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.problem)
    }
}

impl std::error::Error for KafkaError {}

/// Makes the topic if it is not there. Blocks.
///
/// # Errors
/// If no broker answers, or the cluster refuses.
pub fn ensure_topic(cluster: &Cluster, topic: &str, partitions: i32, patience: Duration) -> Result<(), KafkaError> {
    let doing = format!("making topic {topic} at {}", cluster.brokers);
    let mut config = cluster.client();
    cluster.finish(&mut config);
    let look: BaseConsumer = config.create().map_err(|error| KafkaError::new(&doing, error))?;
    let metadata = look.fetch_metadata(None, patience).map_err(|error| {
        KafkaError::new(
            &doing,
            format!("{error}: is a broker running there? Start one, or give another address"),
        )
    })?;
    if metadata
        .topics()
        .iter()
        .any(|known| known.name() == topic && !known.partitions().is_empty())
    {
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| KafkaError::new(&doing, error))?;
    let request = [NewTopic::new(topic, partitions, TopicReplication::Fixed(-1))];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| KafkaError::new(&doing, error))?;
    let answers = runtime
        .block_on(admin.create_topics(&request, &AdminOptions::new().operation_timeout(Some(patience))))
        .map_err(|error| KafkaError::new(&doing, error))?;
    for answer in answers {
        match answer {
            Ok(_) | Err((_, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::new(&doing, code)),
        }
    }
    Ok(())
}

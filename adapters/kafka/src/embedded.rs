//! librdkafka's mock cluster as the demo's Kafka: real sockets and the real protocol, in this process.
//!
//! It keeps 5 MiB a partition and silently drops what is older, acknowledged or not: whoever produces to it must bound
//! the lead over the slowest reader. It has no admin requests, and nothing of it survives this process.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use rdkafka::mocking::MockCluster;

use crate::KafkaError;

/// A running embedded cluster; it ends when this is dropped.
#[derive(Debug)]
pub struct EmbeddedKafka {
    brokers: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedKafka {
    /// Starts one broker with these topics, on a free loopback port.
    ///
    /// # Errors
    /// If librdkafka cannot start it.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, KafkaError> {
        let topics: Vec<(String, i32)> = topics
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        let (ready, started) = channel();
        let (stop, stopped) = channel::<()>();
        let doing = "starting the embedded Kafka";
        // The cluster may not leave the thread that made it.
        let thread = std::thread::Builder::new()
            .name("embedded-kafka".into())
            .spawn(move || {
                let started = MockCluster::new(1).and_then(|cluster| {
                    for (topic, partitions) in &topics {
                        cluster.create_topic(topic, *partitions, 1)?;
                    }
                    Ok(cluster)
                });
                match started {
                    Ok(cluster) => {
                        let _ = ready.send(Ok(cluster.bootstrap_servers()));
                        // Until the handle is dropped.
                        let _ = stopped.recv();
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error.to_string()));
                    }
                }
            })
            .map_err(|error| KafkaError::new(doing, error))?;
        let brokers = started
            .recv()
            .map_err(|error| KafkaError::new(doing, error))?
            .map_err(|error| KafkaError::new(doing, error))?;
        Ok(Self {
            brokers,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens; other processes can connect too.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
}

impl Drop for EmbeddedKafka {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The only changes that Pehra asks of a cluster: preferred leaders, and where copies are. See the crate's head for what is
//! not here on purpose.

use std::fmt;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    AlterPartitionReassignmentsRequest, ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::{ElectLeadersRequest, TopicPartitions};
use kafka_protocol::messages::{BrokerId, ListPartitionReassignmentsRequest};
use kafka_protocol::protocol::StrBytes;

use crate::admin::Admin;
use crate::error::AdminError;
use crate::read::name;

/// The election of each partition's first replica, which Kafka makes only if that one is in sync. The other kind, which may
/// lose records, has no name here.
const PREFERRED: i8 = 0;

/// How long the cluster may work on a change before it answers.
const CHANGE_MS: i32 = 5000;

/// Kafka's code for "it leads already".
const ELECTION_NOT_NEEDED: i16 = 84;

/// The first version of a reassignment that can be told to keep the number of copies (Kafka 4.1).
const KEEPS_COPIES: i16 = 1;

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// This partition of this topic.
    #[must_use]
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// What became of one partition's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is made, or under way.
    Accepted,
    /// There was nothing to do.
    NotNeeded,
    /// The cluster refused.
    Refused {
        /// Kafka's error code.
        code: i16,
        /// What the cluster said of it.
        message: String,
    },
}

/// Where a partition's copies shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which partition.
    pub of: TopicPartition,
    /// Its brokers, the preferred leader first: as many as it has now.
    pub replicas: Vec<i32>,
}

/// A move that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    /// Which partition.
    pub of: TopicPartition,
    /// All who have a copy or get one.
    pub replicas: Vec<i32>,
    /// Those who get one.
    pub adding: Vec<i32>,
    /// Those who lose theirs.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Makes each partition's preferred leader its leader again, if that one is in sync. To be called after a wake.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses the whole.
    pub async fn elect_preferred(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Outcome)>, AdminError> {
        let doing = "electing preferred leaders";
        let asked = grouped(partitions).into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|it| it.partition).collect();
            TopicPartitions::default()
                .with_topic(name(topic))
                .with_partitions(partitions)
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(PREFERRED)
            .with_topic_partitions(Some(asked.collect()))
            .with_timeout_ms(CHANGE_MS);
        let response = self.ask_once(doing, &request, 0).await?;
        self.accept(doing, response.error_code, None)?;
        let results = response.replica_election_results.into_iter().flat_map(|result| {
            let topic = result.topic.to_string();
            let partitions = result.partition_result.into_iter();
            partitions.map(move |it| {
                let of = TopicPartition::new(topic.clone(), it.partition_id);
                (of, outcome(it.error_code, it.error_message.as_ref()))
            })
        });
        Ok(results.collect())
    }

    /// Moves copies. The cluster itself refuses a move that changes how many copies a partition has, and one to a broker that
    /// is not there; old copies go only when the new ones are in sync.
    ///
    /// # Errors
    /// If no broker can be asked, if the cluster is older than Kafka 4.1, or refuses the whole.
    pub async fn reassign(&mut self, moves: &[Move]) -> Result<Vec<(TopicPartition, Outcome)>, AdminError> {
        let moves = moves.iter().map(|it| (&it.of, Some(it.replicas.as_slice())));
        self.alter("moving copies", moves.collect()).await
    }

    /// Takes moves back that are under way.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses the whole.
    pub async fn cancel_moves(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Outcome)>, AdminError> {
        self.alter("taking moves back", partitions.iter().map(|it| (it, None)).collect())
            .await
    }

    /// All moves that are under way.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses.
    pub async fn reassignments(&mut self) -> Result<Vec<Reassignment>, AdminError> {
        let doing = "listing moves under way";
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(CHANGE_MS)
            .with_topics(None);
        let response = self.ask(doing, &request, 0).await?;
        self.accept(doing, response.error_code, response.error_message.as_ref())?;
        let ids = |ids: Vec<BrokerId>| ids.into_iter().map(|id| id.0).collect::<Vec<i32>>();
        let moves = response.topics.into_iter().flat_map(|topic| {
            let name = topic.name.to_string();
            topic.partitions.into_iter().map(move |it| Reassignment {
                of: TopicPartition::new(name.clone(), it.partition_index),
                replicas: ids(it.replicas),
                adding: ids(it.adding_replicas),
                removing: ids(it.removing_replicas),
            })
        });
        Ok(moves.collect())
    }

    async fn alter(
        &mut self,
        doing: &str,
        moves: Vec<(&TopicPartition, Option<&[i32]>)>,
    ) -> Result<Vec<(TopicPartition, Outcome)>, AdminError> {
        let mut topics: Vec<ReassignableTopic> = Vec::new();
        for (of, replicas) in moves {
            let replicas = replicas.map(|ids| ids.iter().copied().map(BrokerId).collect());
            let partition = ReassignablePartition::default()
                .with_partition_index(of.partition)
                .with_replicas(replicas);
            match topics.iter_mut().find(|topic| *topic.name.0 == *of.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(
                    ReassignableTopic::default()
                        .with_name(name(&of.topic))
                        .with_partitions(vec![partition]),
                ),
            }
        }
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(CHANGE_MS)
            .with_allow_replication_factor_change(false)
            .with_topics(topics);
        let response = self.ask_once(doing, &request, KEEPS_COPIES).await?;
        self.accept(doing, response.error_code, response.error_message.as_ref())?;
        let results = response.responses.into_iter().flat_map(|topic| {
            let name = topic.name.to_string();
            topic.partitions.into_iter().map(move |it| {
                let of = TopicPartition::new(name.clone(), it.partition_index);
                (of, outcome(it.error_code, it.error_message.as_ref()))
            })
        });
        Ok(results.collect())
    }
}

fn outcome(code: i16, message: Option<&StrBytes>) -> Outcome {
    match code {
        0 => Outcome::Accepted,
        ELECTION_NOT_NEEDED => Outcome::NotNeeded,
        code => Outcome::Refused {
            code,
            message: message.map(ToString::to_string).unwrap_or_default(),
        },
    }
}

fn grouped(partitions: &[TopicPartition]) -> Vec<(&str, Vec<&TopicPartition>)> {
    let mut groups: Vec<(&str, Vec<&TopicPartition>)> = Vec::new();
    for partition in partitions {
        match groups.iter_mut().find(|(topic, _)| *topic == partition.topic) {
            Some((_, group)) => group.push(partition),
            None => groups.push((&partition.topic, vec![partition])),
        }
    }
    groups
}

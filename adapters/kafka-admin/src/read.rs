//! Readings of a cluster: nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use kafka_protocol::messages::describe_quorum_response::ReplicaState;
use kafka_protocol::messages::describe_topic_partitions_request::Cursor;
use kafka_protocol::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, DescribeClusterRequest, DescribeTopicPartitionsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::admin::Admin;
use crate::change::TopicPartition;
use crate::error::{AdminError, Problem};
use crate::view::{BrokerView, PartitionView, QuorumView, TopicView, View, VoterView};

/// The feature that keeps eligible leader replicas.
const ELIGIBLE: &str = "eligible.leader.replicas.version";

/// The topic of the controllers' own log.
const METADATA: &str = "__cluster_metadata";

/// The kind of a resource that is a topic.
const TOPIC: i8 = 2;

/// The settings of a topic that decide who may sleep.
const IN_SYNC_MIN: &str = "min.insync.replicas";
const UNCLEAN: &str = "unclean.leader.election.enable";

/// How many partitions are asked for at once; brokers cap it at 2,000 by default.
const PARTITIONS_MAX: i32 = 2000;

/// How many topics' settings are asked for at once.
const CONFIGS_MAX: usize = 500;

/// Asks each broker about its own copy, whoever leads. Kafka has it for debugging.
const ANY_REPLICA: i32 = -2;

/// The end of the log, as a time.
const LATEST: i64 = -1;

/// Where one broker's copy of a partition ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogEnd {
    /// Which partition.
    pub of: TopicPartition,
    /// On which broker.
    pub broker: i32,
    /// The offset that its next record will have; none if the broker has no such copy or cannot tell.
    pub end: Option<i64>,
}

impl Admin {
    /// Reads the cluster. It takes a few requests, so it is not one moment; brokers are read last.
    ///
    /// All of it is one broker's word: if it falls silent, the next one is asked for all of it anew. A broker that is cut off from the
    /// controllers goes on to say of partitions what held when it last heard of them, but two of the requests have to be passed on to
    /// the controllers. So it can say nothing whole, and what it said before must not be mixed with what another one says after it.
    /// The next reading begins with the one that this one ended with.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses.
    pub async fn view(&mut self) -> Result<View, AdminError> {
        let mut errors = Vec::new();
        for mut one in self.each_alone() {
            match one.read().await {
                Ok(view) => {
                    self.addresses = one.addresses;
                    self.read_at = one.bootstrap.pop();
                    return Ok(view);
                }
                Err(error) if error.is_of_the_way() => errors.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(self.nobody("reading the cluster", errors))
    }

    async fn read(&mut self) -> Result<View, AdminError> {
        let keeps_eligible = self.feature(ELIGIBLE).await? > 0;
        let mut topics = self.topics().await?;
        self.settings(&mut topics).await?;
        for moving in self.reassignments().await? {
            let topic = topics.iter_mut().find(|topic| topic.name == moving.of.topic);
            let mut partitions = topic.into_iter().flat_map(|topic| &mut topic.partitions);
            if let Some(partition) = partitions.find(|it| it.partition == moving.of.partition) {
                partition.is_moving = true;
            }
        }
        let quorum = self.quorum().await?;
        let (cluster, brokers) = self.brokers().await?;
        Ok(View {
            cluster,
            brokers,
            topics,
            quorum,
            keeps_eligible,
        })
    }

    /// The cluster's id and all registered brokers, fenced ones too.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses.
    pub async fn brokers(&mut self) -> Result<(String, Vec<BrokerView>), AdminError> {
        let doing = "describing the cluster";
        let request = DescribeClusterRequest::default().with_include_fenced_brokers(true);
        let response = self.ask(doing, &request, 2).await?;
        self.accept(doing, response.error_code, response.error_message.as_ref())?;
        let mut brokers: Vec<BrokerView> = response
            .brokers
            .into_iter()
            .map(|broker| BrokerView {
                id: broker.broker_id.0,
                address: format!("{}:{}", broker.host, broker.port),
                rack: broker.rack.map(|rack| rack.to_string()),
                is_fenced: broker.is_fenced,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.id);
        self.addresses = brokers.iter().map(|it| (it.id, it.address.clone())).collect();
        Ok((response.cluster_id.to_string(), brokers))
    }

    /// The controllers, as their leader sees them.
    ///
    /// # Errors
    /// If no broker can be asked, or the cluster refuses: without a leader among the controllers there is no answer.
    pub async fn quorum(&mut self) -> Result<QuorumView, AdminError> {
        let doing = "describing the controllers' quorum";
        let topic = TopicData::default()
            .with_topic_name(name(METADATA))
            .with_partitions(vec![PartitionData::default()]);
        let response = self
            .ask(doing, &DescribeQuorumRequest::default().with_topics(vec![topic]), 1)
            .await?;
        self.accept(doing, response.error_code, response.error_message.as_ref())?;
        let partition = response.topics.into_iter().flat_map(|topic| topic.partitions).next();
        let Some(partition) = partition else {
            return Err(self.garbled(doing, "it has no partition"));
        };
        self.accept(doing, partition.error_code, partition.error_message.as_ref())?;
        let leader = partition.leader_id.0;
        // All times are the leader's own, so they are held against the leader's.
        let leader_state = partition
            .current_voters
            .iter()
            .find(|voter| voter.replica_id.0 == leader);
        let now = leader_state.map_or(-1, |leader| {
            leader.last_fetch_timestamp.max(leader.last_caught_up_timestamp)
        });
        let mut voters: Vec<VoterView> = partition.current_voters.iter().map(|it| voter(it, now)).collect();
        voters.sort_by_key(|voter| voter.id);
        Ok(QuorumView {
            leader,
            epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters,
        })
    }

    /// Where the copies of these partitions end, each asked of the broker that has it. A broker that cannot be reached has
    /// ends of `None`.
    ///
    /// # Errors
    /// If no broker can be asked, or a topic does not exist.
    pub async fn log_ends(&mut self, partitions: &[TopicPartition]) -> Result<Vec<LogEnd>, AdminError> {
        self.brokers().await?;
        let topics = self.topics().await?;
        let mut by_broker: BTreeMap<i32, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for wanted in partitions {
            let topic = topics.iter().find(|topic| topic.name == wanted.topic);
            let mut known = topic.into_iter().flat_map(|topic| &topic.partitions);
            let Some(partition) = known.find(|it| it.partition == wanted.partition) else {
                return Err(self.garbled("asking where logs end", &format!("there is no {wanted}")));
            };
            for replica in &partition.replicas {
                let topics = by_broker.entry(*replica).or_default();
                topics.entry(&wanted.topic).or_default().push(wanted.partition);
            }
        }
        let mut ends = Vec::new();
        for (broker, topics) in by_broker {
            ends.extend(self.log_ends_of(broker, &topics).await);
        }
        ends.sort();
        Ok(ends)
    }

    async fn log_ends_of(&mut self, broker: i32, topics: &BTreeMap<&str, Vec<i32>>) -> Vec<LogEnd> {
        let asked = topics.iter().map(|(topic, partitions)| {
            let partitions = partitions.iter().map(|partition| {
                ListOffsetsPartition::default()
                    .with_partition_index(*partition)
                    .with_timestamp(LATEST)
            });
            ListOffsetsTopic::default()
                .with_name(name(topic))
                .with_partitions(partitions.collect())
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(ANY_REPLICA))
            .with_topics(asked.collect());
        let answer = self.ask_broker(broker, "asking where logs end", &request).await;
        let mut found: BTreeMap<(String, i32), i64> = BTreeMap::new();
        for topic in answer.map(|answer| answer.topics).unwrap_or_default() {
            for partition in topic
                .partitions
                .iter()
                .filter(|it| it.error_code == 0 && it.offset >= 0)
            {
                found.insert((topic.name.to_string(), partition.partition_index), partition.offset);
            }
        }
        let all = topics.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(|partition| TopicPartition::new(*topic, *partition))
        });
        all.map(|of| LogEnd {
            end: found.get(&(of.topic.clone(), of.partition)).copied(),
            broker,
            of,
        })
        .collect()
    }

    /// All topics that we may see, without their settings.
    async fn topics(&mut self) -> Result<Vec<TopicView>, AdminError> {
        let doing = "describing partitions";
        let mut topics: BTreeMap<String, TopicView> = BTreeMap::new();
        let mut request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(PARTITIONS_MAX);
        loop {
            let response = self.ask(doing, &request, 0).await?;
            for topic in response.topics {
                self.accept(doing, topic.error_code, topic.name.as_ref().map(|name| &name.0))?;
                add(&mut topics, topic);
            }
            let Some(next) = response.next_cursor else { break };
            let at = (next.topic_name, next.partition_index);
            // Where to go on has to move, or this would never end.
            if request
                .cursor
                .as_ref()
                .is_some_and(|last| (&last.topic_name, last.partition_index) >= (&at.0, at.1))
            {
                return Err(self.garbled(doing, "it asks us to go back"));
            }
            let cursor = Cursor::default().with_topic_name(at.0).with_partition_index(at.1);
            request.cursor = Some(cursor);
        }
        let mut topics: Vec<TopicView> = topics.into_values().collect();
        for topic in &mut topics {
            topic.partitions.sort_by_key(|partition| partition.partition);
        }
        Ok(topics)
    }

    /// Fills in the settings, as the asked broker has them: where a topic leaves one to the brokers' own files, these have to
    /// agree (with eligible leaders kept, Kafka sees to that itself).
    async fn settings(&mut self, topics: &mut Vec<TopicView>) -> Result<(), AdminError> {
        let doing = "reading topics' settings";
        let mut gone = BTreeSet::new();
        for some in topics.chunks_mut(CONFIGS_MAX) {
            let resources = some.iter().map(|topic| {
                DescribeConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(text(&topic.name))
                    .with_configuration_keys(Some(vec![text(IN_SYNC_MIN), text(UNCLEAN)]))
            });
            let request = DescribeConfigsRequest::default().with_resources(resources.collect());
            let response = self.ask(doing, &request, 4).await?;
            let results: BTreeMap<String, DescribeConfigsResult> = response
                .results
                .into_iter()
                .map(|it| (it.resource_name.to_string(), it))
                .collect();
            for topic in some {
                let Some(result) = results.get(&topic.name) else {
                    return Err(self.garbled(doing, &format!("nothing on topic {}", topic.name)));
                };
                // It was deleted since.
                if result.error_code == UNKNOWN_TOPIC {
                    gone.insert(topic.name.clone());
                    continue;
                }
                self.accept(doing, result.error_code, result.error_message.as_ref())?;
                let (in_sync_min, unclean) = (setting(result, IN_SYNC_MIN), setting(result, UNCLEAN));
                let (Some(in_sync_min), Some(unclean)) = (in_sync_min, unclean) else {
                    return Err(self.garbled(doing, &format!("topic {} lacks a setting", topic.name)));
                };
                (topic.in_sync_min, topic.unclean_election) = (in_sync_min, unclean);
            }
        }
        topics.retain(|topic| !gone.contains(&topic.name));
        Ok(())
    }

    /// Whether a code says that all is well.
    pub(crate) fn accept(&self, doing: &str, code: i16, message: Option<&StrBytes>) -> Result<(), AdminError> {
        if code == 0 {
            return Ok(());
        }
        let message = message.map(ToString::to_string).unwrap_or_default();
        Err(AdminError::new(doing, self.whole(), Problem::Refused { code, message }))
    }

    fn garbled(&self, doing: &str, why: &str) -> AdminError {
        AdminError::new(doing, self.whole(), Problem::Garbled(why.to_owned()))
    }
}

/// Kafka's code for a topic or partition that is not there.
const UNKNOWN_TOPIC: i16 = 3;

/// A topic of the answer; a long one comes in parts.
fn add(topics: &mut BTreeMap<String, TopicView>, topic: DescribeTopicPartitionsResponseTopic) {
    let name = topic.name.map(|name| name.to_string()).unwrap_or_default();
    let view = topics.entry(name.clone()).or_insert_with(|| TopicView {
        name,
        is_internal: topic.is_internal,
        in_sync_min: 0,
        unclean_election: false,
        partitions: Vec::new(),
    });
    view.partitions.extend(topic.partitions.into_iter().map(partition));
}

fn partition(from: DescribeTopicPartitionsResponsePartition) -> PartitionView {
    let ids = |ids: Vec<BrokerId>| ids.into_iter().map(|id| id.0).collect::<Vec<i32>>();
    PartitionView {
        partition: from.partition_index,
        leader: (from.leader_id.0 >= 0).then_some(from.leader_id.0),
        leader_epoch: from.leader_epoch,
        replicas: ids(from.replica_nodes),
        in_sync: ids(from.isr_nodes),
        eligible: ids(from.eligible_leader_replicas.unwrap_or_default()),
        last_eligible: ids(from.last_known_elr.unwrap_or_default()),
        is_moving: false,
    }
}

fn voter(from: &ReplicaState, now: i64) -> VoterView {
    let since = |time: i64| (time >= 0 && now >= 0).then(|| now.saturating_sub(time).max(0));
    VoterView {
        id: from.replica_id.0,
        log_end: (from.log_end_offset >= 0).then_some(from.log_end_offset),
        silent_ms: since(from.last_fetch_timestamp),
        behind_ms: since(from.last_caught_up_timestamp),
    }
}

fn setting<T: std::str::FromStr>(result: &DescribeConfigsResult, name: &str) -> Option<T> {
    let config = result.configs.iter().find(|config| &*config.name == name);
    config
        .and_then(|config| config.value.as_ref())
        .and_then(|value| value.parse().ok())
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

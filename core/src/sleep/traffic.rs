//! What on a client's connection to a Kafka broker is traffic, read from bytes as they pass.
//!
//! Idle clients are never silent: a consumer fetches twice a second, sends heartbeats, and commits its positions even if they
//! did not move. So neither bytes nor requests tell whether a broker is used; their kinds do, and of a group's heartbeat its epoch.
//! Of a request only its head is read; of an answer to a fetch only what stands before the first record. Nothing is collected: each reader holds a few
//! numbers, however long a frame is and in whatever pieces it comes.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`classify`] | what a request's kind says about whether the broker is used |
//! | [`Requests`] | finds the requests in what a client sends |
//! | [`InFlight`] | which of them wait for an answer, in order |
//! | [`Answers`] | finds the answers in what a broker sends, and those that carry records |
//! | [`Account`] | where nothing can be read: more bytes of one connection than an [`Allowance`] |
//! | [`READABLE`] | what of the versions that a broker offers is passed on |
//!
//! # What it guarantees (ids of `proofs/claims.toml`)
//! * `traffic/T1` Every Produce, everybody who joins a group, and every request of a kind that is not listed as idle, is traffic.
//! * `traffic/T2` An answer to a fetch that carries a record in any of its partitions is traffic.
//! * `traffic/T3` What cannot be read is traffic: a version of Fetch or of a group's heartbeat that is not known, a heartbeat or an
//!   answer that ends too early, an answer that comes out of order.
//! * `traffic/T4` What an idle client sends and gets is no traffic, once it has joined its group.
//! * `traffic/T5` What passes is changed in one place only: of Fetch, Produce and groups' heartbeats a broker offers no version that
//!   cannot be read.
//! * `traffic/T6` Of a connection that nothing is read of: who keeps to the allowance is never traffic; who passes more in a time than is
//!   earned in it and can be saved up is, and nobody else; more bytes or a smaller allowance never make it less.
//!
//! # What holds
//! These can only say "traffic" or say nothing. Whatever is not understood is traffic: an unknown kind, a version of Fetch that
//! is not known here, an answer that is no fetch's answer, an answer out of order. So a mistake here, or a hostile client, costs
//! energy and never keeps a broker asleep that is needed. (A client that hides what it reads behind false numbers is one whose
//! reads nobody waits for but itself; its writes cannot be hidden.)

mod answers;
#[cfg(seeded_bugs)]
pub mod bugs;
mod chatter;
mod field;
mod flight;
mod requests;
mod versions;

pub use answers::Answers;
pub use chatter::{Account, Allowance, SAVED_MS};
pub use flight::{Awaited, InFlight};
pub use requests::{Asked, Requests};
pub use versions::READABLE;

/// The kind of a request that writes records.
pub const PRODUCE: i16 = 0;

/// The kind of a request that reads records.
pub const FETCH: i16 = 1;

/// The kind of a request that asks which versions a broker takes.
pub const API_VERSIONS: i16 = 18;

/// What a request's kind says about whether the broker is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Idle clients send it too.
    Idle,
    /// Somebody wants something done.
    Traffic,
    /// Its answer tells: it is traffic if it carries records.
    ByAnswer,
    /// Its epoch tells: it is traffic if a member joins its group by it.
    ByEpoch,
}

/// What a request's kind (Kafka's *api key*) says about whether the broker is used. Every kind that is not listed as idle is
/// traffic, so that one that Kafka gets later wakes rather than waits.
#[must_use]
pub const fn classify(key: i16) -> Meaning {
    match key {
        FETCH => Meaning::ByAnswer,
        // ConsumerGroupHeartbeat, ShareGroupHeartbeat, StreamsGroupHeartbeat: of groups that have no JoinGroup any more (KIP-848, 932,
        // 1071). Whoever joins comes with epoch 0, and is written down, as with JoinGroup.
        68 | 76 | 88 => Meaning::ByEpoch,
        // ListOffsets, Metadata, OffsetCommit, OffsetFetch, FindCoordinator, Heartbeat, LeaveGroup, SyncGroup, DescribeGroups,
        // ListGroups, SaslHandshake, ApiVersions, OffsetForLeaderEpoch. Not JoinGroup: a group that comes about is written down,
        // which may take more brokers than are up, and an idle consumer joins once.
        2 | 3 | 8..=10 | 12..=18 | 23
        // DescribeAcls, DescribeConfigs, DescribeLogDirs, SaslAuthenticate.
        | 29 | 32 | 35 | 36
        // ListPartitionReassignments, DescribeClientQuotas, DescribeUserScramCredentials, DescribeQuorum, DescribeCluster,
        // DescribeProducers, DescribeTransactions, ListTransactions.
        | 46 | 48 | 50 | 55 | 60 | 61 | 65 | 66
        // ConsumerGroupDescribe, GetTelemetrySubscriptions, PushTelemetry, ListConfigResources, DescribeTopicPartitions,
        // ShareGroupDescribe, StreamsGroupDescribe.
        | 69 | 71 | 72 | 74 | 75 | 77 | 89 => Meaning::Idle,
        _ => Meaning::Traffic,
    }
}

/// The bytes are no frames of Kafka's protocol: the length that was announced. The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Misframed {
    /// The length that was announced.
    pub length: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_transactions_and_changes_of_the_cluster_are_traffic() {
        for key in [0, 11, 19, 20, 21, 22, 24, 25, 26, 28, 33, 37, 43, 44, 45] {
            assert_eq!(classify(key), Meaning::Traffic, "{key}");
        }
    }

    #[test]
    fn what_an_idle_consumer_sends_is_idle() {
        for key in [2, 3, 8, 9, 10, 12, 13, 14, 18, 71, 72] {
            assert_eq!(classify(key), Meaning::Idle, "{key}");
        }
        assert_eq!(classify(1), Meaning::ByAnswer);
        for key in [68, 76, 88] {
            assert_eq!(classify(key), Meaning::ByEpoch, "{key}");
        }
    }

    #[test]
    fn a_kind_that_nobody_knows_is_traffic() {
        for key in [i16::MIN, -1, 27, 63, 93, 1000, i16::MAX] {
            assert_eq!(classify(key), Meaning::Traffic, "{key}");
        }
    }
}

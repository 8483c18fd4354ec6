//! What core reads from answers to fetches, against `kafka-protocol`, which wrote them.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData, SnapshotId,
};
use kafka_protocol::messages::{ApiKey, FetchResponse, ResponseHeader};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use pehra_core::sleep::traffic::{Answers, Awaited, Meaning, classify};

const VERSIONS: std::ops::RangeInclusive<i16> = 4..=18;

/// An answer as a frame.
fn frame(answer: &FetchResponse, version: i16) -> Vec<u8> {
    let mut content = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(7);
    header
        .encode(&mut content, FetchResponse::header_version(version))
        .and_then(|()| answer.encode(&mut content, version))
        .unwrap_or_else(|error| panic!("version {version}: {error}"));
    let length = i32::try_from(content.len()).expect("a short one");
    [&length.to_be_bytes()[..], &content].concat()
}

/// A partition with all that may stand in it, and these records.
fn partition(version: i16, records: Option<&'static [u8]>) -> PartitionData {
    let aborted = AbortedTransaction::default()
        .with_producer_id(9.into())
        .with_first_offset(1 << 40);
    let mut partition = PartitionData::default()
        .with_partition_index(3)
        .with_high_watermark(i64::MAX)
        .with_aborted_transactions(Some(vec![aborted; 3]))
        .with_records(records.map(Bytes::from_static));
    if version >= 5 {
        partition = partition.with_log_start_offset(17);
    }
    if version >= 11 {
        partition = partition.with_preferred_read_replica(4.into());
    }
    if version >= 12 {
        partition = partition
            .with_diverging_epoch(EpochEndOffset::default().with_epoch(5))
            .with_current_leader(LeaderIdAndEpoch::default().with_leader_epoch(300))
            .with_snapshot_id(SnapshotId::default().with_epoch(2));
        partition
            .unknown_tagged_fields
            .insert(200, Bytes::from_static(&[0xff; 200]));
    }
    partition
}

fn topic(version: i16, partitions: Vec<PartitionData>) -> FetchableTopicResponse {
    let topic = FetchableTopicResponse::default().with_partitions(partitions);
    if version <= 12 {
        topic.with_topic(StrBytes::from_static_str("readings").into())
    } else {
        topic
    }
}

fn answer(version: i16, topics: Vec<FetchableTopicResponse>) -> Vec<u8> {
    let mut answer = FetchResponse::default().with_responses(topics);
    if version >= 7 {
        answer = answer.with_session_id(99);
    }
    frame(&answer, version)
}

/// How many answers told of traffic; the same in whatever pieces they come.
fn traffic(bytes: &[u8], version: i16) -> u32 {
    let told = [1, 2, 7, bytes.len()].map(|piece| {
        let (mut answers, mut told) = (Answers::new(), 0);
        let mut bytes = bytes.to_vec();
        for piece in bytes.chunks_mut(piece) {
            told += answers.feed(piece, |_| Awaited::Fetch(version)).expect("it is framed");
        }
        told
    });
    assert!(told.iter().all(|it| *it == told[0]), "version {version}: {told:?}");
    told[0]
}

#[test]
fn an_answer_without_records_is_no_traffic_in_any_version() {
    for version in VERSIONS {
        let empty = || partition(version, Some(b""));
        let missing = || partition(version, None);
        for topics in [
            vec![],
            vec![topic(version, vec![])],
            vec![topic(version, vec![empty()])],
            vec![topic(version, vec![missing(), empty()]), topic(version, vec![empty()])],
        ] {
            assert_eq!(
                traffic(&answer(version, topics.clone()), version),
                0,
                "version {version}: {topics:?}"
            );
        }
    }
}

#[test]
fn an_answer_with_records_in_any_partition_is_traffic_in_any_version() {
    for version in VERSIONS {
        for at in 0..4 {
            let part = |here: usize| partition(version, Some(if here == at { b"r" } else { b"" }));
            let topics = vec![
                topic(version, vec![part(0), part(1)]),
                topic(version, vec![part(2)]),
                topic(version, vec![part(3)]),
            ];
            assert_eq!(
                traffic(&answer(version, topics), version),
                1,
                "version {version}, partition {at}"
            );
        }
    }
}

#[test]
fn an_answer_with_records_is_never_idle_wherever_it_is_cut() {
    for version in VERSIONS {
        let whole = answer(
            version,
            vec![topic(version, vec![partition(version, Some(b"records"))])],
        );
        for length in 4..whole.len() - 4 {
            let cut = &whole[4..4 + length];
            let announced = i32::try_from(length).expect("a short one").to_be_bytes();
            let told = traffic(&[&announced[..], cut].concat(), version);
            assert_eq!(told, 1, "version {version}, {length} bytes");
        }
    }
}

/// Kafka's own names say which kinds change something: none of these is idle. And nothing is idle that has no name.
#[test]
fn no_kind_that_changes_anything_is_idle() {
    const CHANGES: [&str; 22] = [
        "Produce",
        "Create",
        "Delete",
        "Alter",
        "Incremental",
        "Elect",
        "Update",
        "Unregister",
        "Add",
        "Remove",
        "Init",
        "End",
        "Txn",
        "Write",
        "Expire",
        "Renew",
        "Assign",
        "Allocate",
        "ControlledShutdown",
        "StopReplica",
        "LeaderAndIsr",
        "ShareFetch",
    ];
    // StreamsGroupHeartbeat and StreamsGroupDescribe, which Kafka 4.3 names and `kafka-protocol` does not yet.
    const NOT_NAMED_YET: [i16; 2] = [88, 89];
    let mut changing = 0;
    for kind in 0..1000 {
        let Ok(known) = ApiKey::try_from(kind) else {
            let is_idle = classify(kind) == Meaning::Idle;
            assert!(!is_idle || NOT_NAMED_YET.contains(&kind), "{kind}");
            continue;
        };
        let name = format!("{known:?}");
        if CHANGES.iter().any(|change| name.starts_with(change)) {
            changing += 1;
            assert_eq!(classify(kind), Meaning::Traffic, "{name}");
        }
    }
    assert!(changing > 35, "the names have changed: {changing}");
}

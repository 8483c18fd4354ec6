//! What core reads from requests and from answers to fetches, against `kafka-protocol`, which wrote them.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData, SnapshotId,
};
use kafka_protocol::messages::{
    ApiKey, ConsumerGroupHeartbeatRequest, FetchResponse, RequestHeader, ResponseHeader, ShareGroupHeartbeatRequest,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, Message, StrBytes};
use pehra_core::sleep::traffic::{Answers, Awaited, Meaning, READABLE, Requests, classify};

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

/// A request as a frame, its head and its body, told in pieces.
fn told<R: Encodable + HeaderVersion>(request: &R, key: ApiKey, version: i16, client: Option<&'static str>) -> Meaning {
    let mut content = BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(client.map(StrBytes::from_static_str));
    header
        .encode(&mut content, R::header_version(version))
        .and_then(|()| request.encode(&mut content, version))
        .unwrap_or_else(|error| panic!("version {version}: {error}"));
    let length = i32::try_from(content.len()).expect("a short one");
    let whole = [&length.to_be_bytes()[..], &content].concat();
    let (mut requests, mut meanings) = (Requests::new(10_000), Vec::new());
    for piece in whole.chunks(7) {
        let fed = requests.feed(piece, |asked| meanings.push(asked.meaning));
        fed.expect("it is a request");
    }
    assert!(requests.is_between() && meanings.len() == 1, "{meanings:?}");
    meanings[0]
}

/// A member that joins its group is traffic, one that stays or leaves is not, whatever its names.
#[test]
fn of_heartbeats_to_a_group_only_those_that_join_are_traffic() {
    const LONG: &str = "a name that is longer than one byte of its length can say, which is a hundred and twenty-seven bytes in these \
                        versions, and so has two of them";
    let highest = |kind: i16| READABLE.iter().find(|(known, _)| *known == kind).expect("it is read").1;
    for client in [None, Some(""), Some(LONG)] {
        for (group, member) in [("g", ""), ("", "m"), (LONG, LONG)] {
            for epoch in [0, 1, 255, 256, 1 << 24, i32::MAX, -1, -2] {
                let (group, member) = (StrBytes::from_static_str(group), StrBytes::from_static_str(member));
                let wanted = if epoch == 0 { Meaning::Traffic } else { Meaning::Idle };
                let versions = ConsumerGroupHeartbeatRequest::VERSIONS;
                assert_eq!(versions.max, highest(68), "a newer one has come");
                for version in versions.min..=versions.max {
                    let request = ConsumerGroupHeartbeatRequest::default()
                        .with_group_id(group.clone().into())
                        .with_member_id(member.clone())
                        .with_member_epoch(epoch)
                        .with_subscribed_topic_names(Some(vec![StrBytes::from_static_str("readings").into()]));
                    let told = told(&request, ApiKey::ConsumerGroupHeartbeat, version, client);
                    assert_eq!(told, wanted, "epoch {epoch}, version {version}");
                }
                let versions = ShareGroupHeartbeatRequest::VERSIONS;
                assert_eq!(versions.max, highest(76), "a newer one has come");
                let request = ShareGroupHeartbeatRequest::default()
                    .with_group_id(group.into())
                    .with_member_id(member)
                    .with_member_epoch(epoch);
                let told = told(&request, ApiKey::ShareGroupHeartbeat, versions.max, client);
                assert_eq!(told, wanted, "epoch {epoch}, of a share group");
            }
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
    // StreamsGroupDescribe, which Kafka 4.3 names and `kafka-protocol` does not yet.
    const NOT_NAMED_YET: [i16; 1] = [89];
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

//! Requests and replies as they travel.

use std::collections::BTreeMap;

use pehra_cluster::ask::{
    Ask, Done, Entries, Entry, Lead, Leader, NAMES, Place, REQUEST_BYTES_MAX, Refused, Reply, Trouble, TroubleKind,
    Unknown,
};
use pehra_cluster::{Disk, DoingNow, Log, PeerStatus, PlanStatus, RoleNow, SleepStatus, Status, WatchRole};
use proptest::prelude::*;

fn all() -> [Ask; 17] {
    [
        Ask::Leader,
        Ask::Status,
        Ask::Transfer { to: None },
        Ask::Transfer { to: Some(3) },
        Ask::Drain { on: false },
        Ask::Resign,
        Ask::Append { text: "a \"b\"".into() },
        Ask::Entries {
            from: 0,
            confirmed: false,
        },
        Ask::Entries {
            from: 7,
            confirmed: true,
        },
        Ask::Enable { epoch: 3 },
        Ask::Disable,
        Ask::Wake { all: true },
        Ask::Maintain { nodes: vec![1, 2] },
        Ask::Maintain { nodes: vec![] },
        Ask::Maintained,
        Ask::StayAwake { on: true },
        Ask::SelfCheck,
    ]
}

#[test]
fn requests_look_as_documented_and_read_as_they_are_written() {
    for (ask, text) in all().iter().zip([
        r#"{"ask":"leader"}"#,
        r#"{"ask":"status"}"#,
        r#"{"ask":"transfer","to":null}"#,
        r#"{"ask":"transfer","to":3}"#,
        r#"{"ask":"drain","on":false}"#,
        r#"{"ask":"resign"}"#,
        r#"{"ask":"append","text":"a \"b\""}"#,
        r#"{"ask":"entries","from":0,"confirmed":false}"#,
        r#"{"ask":"entries","from":7,"confirmed":true}"#,
        r#"{"ask":"enable","epoch":3}"#,
        r#"{"ask":"disable"}"#,
        r#"{"ask":"wake","all":true}"#,
        r#"{"ask":"maintain","nodes":[1,2]}"#,
        r#"{"ask":"maintain","nodes":[]}"#,
        r#"{"ask":"maintained"}"#,
        r#"{"ask":"stay-awake","on":true}"#,
        r#"{"ask":"self-check"}"#,
    ]) {
        assert_eq!(String::from_utf8(ask.write()).expect("text"), text);
        assert_eq!(Ask::read(text.as_bytes()).as_ref(), Ok(ask));
        assert!(NAMES.contains(&ask.name()) && text.contains(ask.name()));
    }
}

#[test]
fn what_a_later_release_adds_to_a_request_is_skipped() {
    for (text, ask) in [
        (r#"{"ask":"leader","version":1}"#, Ask::Leader),
        (r#"{"why":"curious","ask":"leader"}"#, Ask::Leader),
        (r#" { "ask" : "status", "deep": {"a":[1]} } "#, Ask::Status),
        (r#"{"ask":"transfer"}"#, Ask::Transfer { to: None }),
        (
            r#"{"ask":"transfer","to":2,"within_ms":5}"#,
            Ask::Transfer { to: Some(2) },
        ),
        (r#"{"on":true,"ask":"drain"}"#, Ask::Drain { on: true }),
        (r#"{"ask":"resign","to":1}"#, Ask::Resign),
        (
            r#"{"ask":"entries"}"#,
            Ask::Entries {
                from: 0,
                confirmed: false,
            },
        ),
    ] {
        assert_eq!(Ask::read(text.as_bytes()), Ok(ask), "{text}");
    }
}

#[test]
fn what_is_no_request_is_answered_with_what_to_send() {
    for (text, kind, said) in [
        ("", TroubleKind::NotJson, "\"ask\":\"leader\""),
        ("leader", TroubleKind::NotJson, "JSON object"),
        ("{\"ask\":\"leader\"", TroubleKind::NotJson, "JSON object"),
        ("[]", TroubleKind::NotJson, "no object"),
        ("\"leader\"", TroubleKind::NotJson, "no object"),
        ("{}", TroubleKind::UnknownAsk, "leader, status, transfer, drain, resign"),
        (r#"{"ask":7}"#, TroubleKind::UnknownAsk, "\"ask\" is 7"),
        (r#"{"ask":"Leader"}"#, TroubleKind::UnknownAsk, "\"ask\" is \"Leader\""),
        (r#"{"ask":"leader","version":2}"#, TroubleKind::Version, "version 2"),
        (r#"{"ask":"leader","version":"1"}"#, TroubleKind::Version, "write 1"),
        (r#"{"ask":"dance","version":9}"#, TroubleKind::Version, "version 9"),
        (r#"{"ask":"drain"}"#, TroubleKind::BadField, "drain: missing field `on`"),
        (
            r#"{"ask":"drain","on":1}"#,
            TroubleKind::BadField,
            "drain: invalid type",
        ),
        (
            r#"{"ask":"transfer","to":"n2"}"#,
            TroubleKind::BadField,
            "transfer: invalid type",
        ),
        (
            r#"{"ask":"transfer","to":65536}"#,
            TroubleKind::BadField,
            "transfer: invalid value",
        ),
        (
            r#"{"ask":"transfer","to":-1}"#,
            TroubleKind::BadField,
            "transfer: invalid value",
        ),
    ] {
        let trouble = Ask::read(text.as_bytes()).expect_err(text);
        assert_eq!(trouble.kind, kind, "{text}: {trouble}");
        assert!(trouble.reason.contains(said), "{text}: {trouble}");
        assert_eq!(
            trouble.versions,
            if kind == TroubleKind::Version { vec![1] } else { vec![] }
        );
        let reply = Reply::Error(trouble);
        assert_eq!(Reply::read(&reply.write()), Ok(reply));
    }
    let long = format!(r#"{{"ask":"leader","padding":"{}"}}"#, "x".repeat(REQUEST_BYTES_MAX));
    assert_eq!(Ask::read(long.as_bytes()).expect_err("long").kind, TroubleKind::TooLong);
}

#[test]
fn replies_look_as_documented() {
    let leader = Leader {
        node: 2,
        address: "localhost:60003".into(),
        fencing: 17,
    };
    let unknown = |try_node, try_address: Option<&str>| Unknown {
        reason: "it follows".into(),
        try_node,
        try_address: try_address.map(Into::into),
    };
    for (reply, text) in [
        (
            Reply::Leader(Lead::Known(leader)),
            r#"{"leader":{"address":"localhost:60003","fencing":17,"node":2}}"#,
        ),
        (
            Reply::Leader(Lead::Unknown(unknown(Some(2), Some("localhost:60003")))),
            r#"{"leader":null,"reason":"it follows","try":2,"try_address":"localhost:60003"}"#,
        ),
        (
            Reply::Leader(Lead::Unknown(unknown(None, None))),
            r#"{"leader":null,"reason":"it follows"}"#,
        ),
        (
            Reply::Refused(Refused {
                ask: "transfer".into(),
                why: unknown(Some(2), None),
            }),
            r#"{"refused":{"ask":"transfer","reason":"it follows","try":2}}"#,
        ),
        (
            Reply::Done(Done {
                ask: "resign".into(),
                node: 1,
                what: "it leads no longer".into(),
                leader: None,
                term: 4,
            }),
            r#"{"done":{"ask":"resign","leader":null,"node":1,"term":4,"what":"it leads no longer"}}"#,
        ),
        (
            Reply::Appended(Place { index: 7, term: 3 }),
            r#"{"appended":{"index":7,"term":3}}"#,
        ),
        (
            Reply::Entries(Box::new(Entries {
                list: vec![Entry {
                    place: Place { index: 7, term: 3 },
                    text: "on".into(),
                }],
                upto: 9,
                kept_from: 1,
                confirmed: true,
            })),
            r#"{"entries":{"confirmed":true,"kept_from":1,"list":[{"index":7,"term":3,"text":"on"}],"upto":9}}"#,
        ),
        (
            Reply::Error(Trouble::new(TroubleKind::NotJson, "x")),
            r#"{"error":{"kind":"not-json","reason":"x"}}"#,
        ),
    ] {
        let written: serde_json::Value = serde_json::from_slice(&reply.write()).expect("JSON");
        let expected: serde_json::Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(written, expected);
        assert_eq!(Reply::read(text.as_bytes()), Ok(reply));
    }
}

#[test]
fn a_client_bears_replies_of_a_later_release() {
    let reply = Reply::read(br#"{"version":2,"leader":{"node":1,"address":"a:1","fencing":3,"since":"noon"}}"#);
    assert!(
        matches!(reply, Ok(Reply::Leader(Lead::Known(Leader { fencing: 3, .. })))),
        "{reply:?}"
    );
    let reply = Reply::read(br#"{"leader":null,"reason":"r","mood":"good"}"#);
    assert!(matches!(reply, Ok(Reply::Leader(Lead::Unknown(_)))), "{reply:?}");
    let Ok(Reply::Status(status)) = Reply::read(br#"{"status":{"role":"dreamer","term":9,"new":[1,{}]}}"#) else {
        panic!("a status");
    };
    assert_eq!((status.role, status.term, status.peers.len()), (RoleNow::Unknown, 9, 0));
    let Ok(Reply::Error(trouble)) = Reply::read(br#"{"error":{"kind":"unheard-of","reason":"r"}}"#) else {
        panic!("an error");
    };
    assert_eq!(trouble.kind, TroubleKind::Other);
}

#[test]
fn what_is_no_reply_is_said_and_never_guessed() {
    for text in [
        "",
        "[]",
        "{}",
        "null",
        "{\"leader\":[1,\"a:1\",2]}",
        "{\"leader\":null}",
        "{\"leader\":{\"node\":1}}",
        "{\"leader\":{\"node\":1,\"address\":\"a\"}}",
        "{\"status\":[]}",
        "{\"done\":true}",
        "{\"lead\":{}}",
    ] {
        let error = Reply::read(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains("not understood"), "{text}: {error}");
    }
}

fn peer() -> impl Strategy<Value = PeerStatus> {
    let numbers = (
        0..64_u16,
        any::<bool>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<u64>(),
    );
    (numbers, ".{0,9}", "(voter|observer)").prop_map(
        |((node, linked, heard_ms, incarnation, dropped), address, role)| PeerStatus {
            node,
            address,
            role,
            linked,
            heard_ms,
            incarnation,
            dropped,
        },
    )
}

fn role() -> impl Strategy<Value = RoleNow> {
    prop::sample::select(vec![
        RoleNow::Observer,
        RoleNow::Follower,
        RoleNow::PreCandidate,
        RoleNow::Candidate,
        RoleNow::Leader,
    ])
}

fn sleep() -> impl Strategy<Value = SleepStatus> {
    let doing = prop::sample::select(vec![
        DoingNow::Active,
        DoingNow::Draining,
        DoingNow::Asleep,
        DoingNow::Ringing,
        DoingNow::Waking,
        DoingNow::Maintenance,
    ]);
    let role = prop::sample::select(vec![WatchRole::None, WatchRole::Pehredar, WatchRole::Temporary]);
    let plan = prop::option::of(
        any::<(u64, u64, Vec<u16>)>().prop_map(|(index, term, watch)| PlanStatus {
            index,
            term,
            gear: "lean".into(),
            members: watch.iter().map(|id| id ^ 1).collect(),
            watch,
        }),
    );
    (
        doing,
        role,
        plan,
        any::<(bool, u64, Option<i32>, Option<u64>)>(),
        any::<[u64; 5]>(),
    )
        .prop_map(
            |(doing, role, plan, (on, epoch, broker, traffic_ms), [doing_ms, grants, sleeps, wakes, asleep_ms])| {
                SleepStatus {
                    on,
                    epoch,
                    gear: "watch".into(),
                    role,
                    broker,
                    doing,
                    stage: (doing == DoingNow::Draining).then(|| "stopping".into()),
                    doing_ms,
                    workable: on,
                    awake_because: (!on).then(|| "it is switched off".into()),
                    stay_awake: on,
                    plan,
                    round: vec![3],
                    traffic_ms,
                    grants,
                    sleeps,
                    wakes,
                    asleep_ms,
                    declined: [("busy".to_owned(), wakes)].into(),
                    alerts: vec![1, 2],
                    held_back: on.then(|| "traffic".into()),
                    power: "process".into(),
                }
            },
        )
}

#[test]
fn names_for_people_are_those_of_the_protocol_and_a_later_releases_are_unknown() {
    for doing in [DoingNow::Active, DoingNow::Asleep, DoingNow::Maintenance] {
        assert_eq!(serde_json::to_value(doing).expect("JSON"), doing.name());
    }
    assert_eq!(
        serde_json::from_str::<DoingNow>("\"flying\"").ok(),
        Some(DoingNow::Unknown)
    );
    assert_eq!(
        serde_json::from_str::<WatchRole>("\"king\"").ok(),
        Some(WatchRole::Unknown)
    );
    assert_eq!(
        serde_json::to_value(WatchRole::Temporary).expect("JSON"),
        WatchRole::Temporary.name()
    );
}

proptest! {
    #[test]
    fn any_status_reads_as_it_was_written(
        (version, cluster, store) in (".{0,20}", ".{0,20}", "[0-9a-f]{16}"),
        (number, pid, node, incarnation, up_ms, term) in any::<(u32, u32, u16, u64, u64, u64)>(),
        role in role(),
        (leader, draining, heartbeat_ms, election_ms) in any::<(Option<u16>, bool, u32, u32)>(),
        trouble in prop::option::of(".{0,20}"),
        (pending, oldest_ms, commits, longest_ms) in any::<(u32, u64, u64, u64)>(),
        peers in prop::collection::vec(peer(), 0..6),
        links in any::<u64>(),
        refusals in prop::collection::btree_map("[a-z-]{1,12}", any::<u64>(), 0..6),
        (log, sleep) in (any::<Option<(u64, u64, u64, u64, bool)>>(), prop::option::of(sleep())),
    ) {
        let log = log.map(|(snapshot, last, decided, applied, lacks)| Log { snapshot, last, decided, applied, lacks });
        let status = Status {
            version, cluster, number, node, pid, incarnation, store, up_ms, role, term, leader, draining, trouble, heartbeat_ms,
            election_ms, disk: Disk { pending, oldest_ms, commits, longest_ms }, log, sleep, peers, links, refusals,
        };
        let name = serde_json::to_value(role).expect("JSON");
        prop_assert_eq!(Some(role.name()), name.as_str());
        let reply = Reply::Status(Box::new(status));
        prop_assert_eq!(Reply::read(&reply.write()), Ok(reply));
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Ask::read(&bytes);
        let _ = Reply::read(&bytes);
    }

    #[test]
    fn any_json_is_answered(fields in prop::collection::btree_map("(ask|to|on|version|leader|status|x)", "[a-z0-9]{0,9}", 0..5)) {
        let whole: BTreeMap<_, _> = fields;
        let bytes = serde_json::to_vec(&whole).expect("JSON");
        let _ = Ask::read(&bytes);
        let _ = Reply::read(&bytes);
    }
}

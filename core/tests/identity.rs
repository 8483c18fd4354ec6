//! Who may talk: hellos as bytes, and the roster against a plain account of what it was told.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self
)]

use std::collections::BTreeMap;

use pehra_core::identity::{ClusterName, Hello, Known, PROTOCOL_VERSION, Refused, Roster};
use pehra_core::types::NodeId;
use pehra_core::wire::{HELLO_MAX, WireError, crc32, decode_hello, encode_hello};
use proptest::prelude::*;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let name = prop_oneof!["[a-zß]{1,16}", Just("x".repeat(32))];
    (any::<u8>(), name, number(), any::<u16>(), number(), number()).prop_map(
        |(protocol_version, cluster, config_number, node, store, incarnation)| Hello {
            protocol_version,
            cluster: ClusterName::new(&cluster).unwrap(),
            config_number,
            node: NodeId(node),
            store,
            incarnation,
        },
    )
}

fn bytes(hello: &Hello) -> Vec<u8> {
    let mut buffer = vec![1, 2, 3];
    encode_hello(hello, &mut buffer);
    buffer
}

fn sealed(covered: &[u8]) -> Vec<u8> {
    [covered, &crc32(covered).to_be_bytes()].concat()
}

/// Few values, so that they meet.
fn close_hello() -> impl Strategy<Value = Hello> {
    (
        prop_oneof![9 => Just(PROTOCOL_VERSION), 1 => Just(2)],
        prop_oneof![9 => Just("plant"), 1 => Just("barn")],
        prop_oneof![9 => Just(4_u64), 1 => Just(5)],
        0_u16..5,
        0_u64..2,
        0_u64..4,
    )
        .prop_map(
            |(protocol_version, cluster, config_number, node, store, incarnation)| Hello {
                protocol_version,
                cluster: ClusterName::new(cluster).unwrap(),
                config_number,
                node: NodeId(node),
                store,
                incarnation,
            },
        )
}

fn me() -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        cluster: ClusterName::new("plant").unwrap(),
        config_number: 4,
        node: NodeId(0),
        store: 9,
        incarnation: 1,
    }
}

#[test]
fn the_bytes_of_a_hello_are_fixed() {
    let hello = Hello {
        protocol_version: 1,
        cluster: ClusterName::new("plant").unwrap(),
        config_number: 300,
        node: NodeId(3),
        store: 0xfeed,
        incarnation: 12,
    };
    let covered = b"PH\x01\x80\x05plant\xac\x02\x03\xed\xfd\x03\x0c";
    assert_eq!(bytes(&hello), sealed(covered));
}

#[test]
fn bytes_that_are_no_hello_are_refused_by_what_is_wrong_with_them() {
    let good = bytes(&me());
    let covered = &good[..good.len() - 4];
    assert_eq!(decode_hello(b""), Err(WireError::Truncated));
    assert_eq!(decode_hello(b"GET / HTTP/1.1\r\n"), Err(WireError::NotPehra));
    assert_eq!(
        decode_hello(b"PH\x01\x02something of another kind"),
        Err(WireError::Kind(2))
    );
    assert_eq!(decode_hello(&[covered, &[0; 4]].concat()), Err(WireError::Checksum));
    assert_eq!(
        decode_hello(&sealed(&[covered, &[0]].concat())),
        Err(WireError::Trailing)
    );
    assert_eq!(
        decode_hello(&sealed(b"PH\x01\x80\x00\x01\x01\x01\x01")),
        Err(WireError::Name)
    );
    assert_eq!(
        decode_hello(&sealed(b"PH\x01\x80\x01x\x01\x80\x80\x04\x01\x01")),
        Err(WireError::Number),
        "a node id beyond 16 bits"
    );
    let long = sealed(&[covered, &[0; HELLO_MAX]].concat());
    assert_eq!(decode_hello(&long), Err(WireError::Length));
}

proptest! {
    #[test]
    fn a_hello_survives_the_way_there_and_back(hello in any_hello()) {
        let bytes = bytes(&hello);
        prop_assert!(bytes.len() <= HELLO_MAX);
        prop_assert_eq!(decode_hello(&bytes), Ok(hello));
    }

    #[test]
    fn a_hello_has_one_form_and_none_that_is_cut_or_damaged(hello in any_hello(), at: usize, change in 1_u8..=255) {
        let good = bytes(&hello);
        for end in 0..good.len() {
            prop_assert!(decode_hello(&good[..end]).is_err());
        }
        let mut damaged = good.clone();
        let at = at % good.len();
        damaged[at] ^= change;
        prop_assert!(decode_hello(&damaged).is_err());
        let end = good.len() - 4;
        let resealed = sealed(&damaged[..end]);
        if let Ok(read) = decode_hello(&resealed) {
            prop_assert_eq!(bytes(&read), resealed);
        }
    }

    #[test]
    fn any_bytes_are_a_hello_of_one_form_or_refused(noise: Vec<u8>, tail in prop::collection::vec(any::<u8>(), 0..100)) {
        let framed = sealed(&[b"PH\x01\x80".as_slice(), &tail].concat());
        for input in [noise, framed] {
            if let Ok(read) = decode_hello(&input) {
                prop_assert_eq!(bytes(&read), input);
            }
        }
    }

    /// Whatever comes, in whatever order, and with restarts of the one who keeps the roster: an id is only ever admitted
    /// with one store, with incarnations that never fall, and never beside a living one; the rest is refused, and what
    /// was remembered is enough to go on with.
    #[test]
    fn one_id_has_one_store_and_incarnations_that_never_fall(
        steps in prop::collection::vec((close_hello(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1)), 1..60)
    ) {
        let members = || (0..4).map(NodeId);
        let mut roster = Roster::new(me(), members(), []);
        let mut durable: BTreeMap<NodeId, Known> = BTreeMap::new();
        let mut believed: BTreeMap<NodeId, Known> = BTreeMap::new();
        for (hello, alive, confirm, restart) in steps {
            if restart {
                roster = Roster::new(me(), members(), durable.clone());
                believed = durable.clone();
            }
            let before = roster.clone();
            prop_assert_eq!(roster.examine(&hello, alive), before.clone().admit(&hello, alive).map(|_| ()));
            let shown = Known { store: hello.store, incarnation: hello.incarnation };
            let seen = believed.get(&hello.node).copied();
            match roster.admit(&hello, alive) {
                Ok(remember) => {
                    prop_assert!(!alive && hello.node != NodeId(0) && hello.node.0 < 4);
                    prop_assert_eq!((hello.protocol_version, hello.cluster, hello.config_number), (me().protocol_version, me().cluster, 4));
                    if let Some(seen) = seen {
                        prop_assert_eq!(seen.store, shown.store);
                        prop_assert!(seen.incarnation <= shown.incarnation);
                    }
                    prop_assert_eq!(remember.is_none(), durable.get(&hello.node) == Some(&shown));
                    believed.insert(hello.node, shown);
                    if confirm && remember.is_some() {
                        roster.remembered(hello.node, shown);
                        durable.insert(hello.node, shown);
                    }
                }
                Err(refused) => {
                    prop_assert_eq!(&roster, &before);
                    let fits = match refused {
                        Refused::Version { .. } => hello.protocol_version != PROTOCOL_VERSION,
                        Refused::Cluster { .. } => hello.cluster != me().cluster,
                        Refused::ConfigNumber { .. } => hello.config_number != 4,
                        Refused::NotAMember { node } => node == hello.node && node.0 >= 4,
                        Refused::ClaimsToBeMe { node } => node == NodeId(0),
                        Refused::OtherStore { known, .. } => seen.is_some_and(|seen| seen.store == known) && known != hello.store,
                        Refused::OlderIncarnation { known, shown, .. } => seen.is_some_and(|seen| seen.incarnation == known) && shown < known,
                        Refused::HereAlready { .. } => alive,
                    };
                    prop_assert!(fits, "{}", refused);
                }
            }
        }
    }
}

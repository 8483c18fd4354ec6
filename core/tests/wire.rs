//! Messages as bytes: every message survives the way there and back, every message has exactly one form, and the form
//! of this version is fixed byte by byte.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "shared/messages.rs"]
mod messages;

use messages::*;
use pehra_core::delivery::*;
use pehra_core::pipeline::Pipeline;
use pehra_core::protocol::Input;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Span, Tuple};
use pehra_core::wire::{Recorded, VERSION, WireError, crc32, decode_down, decode_up, encode_down, encode_up};
use proptest::prelude::*;

fn up(edge: &EdgeName, message: &Uplink<Tuple>) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_up(edge, message, &mut frame);
    frame
}

fn down(message: &Downlink<Tuple>) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_down(message, &mut frame);
    frame
}

/// Puts the right checksum behind bytes that were tampered with, so that what lies behind it is tested too.
fn sealed(frame: &[u8]) -> Vec<u8> {
    let body = &frame[..frame.len() - 4];
    [body, &crc32(body).to_be_bytes()].concat()
}

/// A frame in either direction decodes to nothing, or to what encodes to the very same bytes.
fn assert_one_form(frame: &[u8]) {
    if let Ok((edge, message)) = decode_up(frame) {
        assert_eq!(up(&edge, &message), frame, "{message:?}");
    }
    if let Ok(message) = decode_down(frame) {
        assert_eq!(down(&message), frame, "{message:?}");
    }
}

/// Every truncation and every change of one byte, with the checksum as it was and with one that fits.
fn assert_robust(frame: &[u8], change: u8) {
    for end in 0..frame.len() {
        let cut = &frame[..end];
        assert!(decode_up(cut).is_err() && decode_down(cut).is_err(), "cut at {end}");
        if end >= 8 {
            assert_one_form(&sealed(cut));
        }
    }
    for at in 0..frame.len() {
        let mut changed = frame.to_vec();
        changed[at] ^= change;
        assert!(
            decode_up(&changed).is_err() && decode_down(&changed).is_err(),
            "byte {at}"
        );
        if at < frame.len() - 4 {
            assert_one_form(&sealed(&changed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_to_the_cloud_survives(edge in edge_name(), message in uplink(), change in 1..=255_u8) {
        let frame = up(&edge, &message);
        prop_assert_eq!(decode_up(&frame), Ok((edge, message)));
        prop_assert_eq!(decode_down(&frame), Err(WireError::Kind(frame[3])));
        assert_robust(&frame, change);
    }

    #[test]
    fn every_message_to_an_edge_survives(message in downlink(), change in 1..=255_u8) {
        let frame = down(&message);
        prop_assert_eq!(decode_down(&frame), Ok(message));
        prop_assert_eq!(decode_up(&frame), Err(WireError::Kind(frame[3])));
        assert_robust(&frame, change);
    }

    #[test]
    fn any_bytes_in_a_frame_have_one_form(kind in prop_oneof![1..4_u8, 65..69_u8], body in prop::collection::vec(0..12_u8, 0..40)) {
        let frame = [&[b'P', b'H', VERSION, kind], &body[..], &[0; 4]].concat();
        assert_one_form(&sealed(&frame));
    }

    #[test]
    fn every_input_of_the_edge_can_be_recorded(input in pipeline_input(), recovered in pipeline_recovered()) {
        assert_recorded::<Pipeline>(&input);
        let mut bytes = Vec::new();
        Pipeline::encode_recovered(&recovered, &mut bytes);
        prop_assert_eq!(Pipeline::decode_recovered(&bytes), Ok(recovered));
        bytes.push(0);
        prop_assert!(Pipeline::decode_recovered(&bytes).is_err());
    }

    #[test]
    fn every_input_of_the_cloud_can_be_recorded(input in receiver_input(), recovered in receiver_recovered()) {
        assert_recorded::<Receiver<Tuple>>(&input);
        let mut bytes = Vec::new();
        Receiver::encode_recovered(&recovered, &mut bytes);
        prop_assert_eq!(Receiver::<Tuple>::decode_recovered(&bytes), Ok(recovered));
        bytes.push(0);
        prop_assert!(Receiver::<Tuple>::decode_recovered(&bytes).is_err());
    }
}

fn assert_recorded<P: Recorded + PartialEq>(input: &Input<P>) {
    let mut bytes = Vec::new();
    P::encode_input(input, &mut bytes);
    assert_eq!(P::decode_input(&bytes).as_ref(), Ok(input));
    for end in 0..bytes.len() {
        assert!(P::decode_input(&bytes[..end]).is_err(), "cut at {end}");
    }
    bytes.push(0);
    assert!(P::decode_input(&bytes).is_err(), "a byte too many");
}

fn edge() -> EdgeName {
    EdgeName::new("edge-1").unwrap()
}

fn batch() -> Uplink<Tuple> {
    let (b, a) = (Household::new("b").unwrap(), Household::new("a").unwrap());
    let window = Span::Window {
        sum_mw: -300,
        n: 3,
        min_mw: -200,
        max_mw: 50,
        first_register: None,
        last_register: Some(1_000),
        revision: 1,
    };
    let bodies = vec![
        Tuple {
            household: b,
            start_ms: 5000,
            span: window,
        },
        Tuple {
            household: a,
            start_ms: 0,
            span: Span::Gap { until_ms: 5000 },
        },
    ];
    let rows = Rows {
        first: Seq(7),
        bodies,
        asks: vec![b],
    };
    Uplink::Claim(SenderClaim::Batch { epoch: 9, rows })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, peers of the release before can no longer be understood: raise `VERSION`, and only then the bytes.
#[test]
fn the_frames_of_version_1_are_these_bytes() {
    let hello = SenderClaim::Hello {
        epoch: 300,
        session: 2,
        oldest: Seq(1),
    };
    let welcome = ReceiverClaim::Welcome {
        epoch: 300,
        session: 2,
        high: Seq(128),
        credit: 8000,
    };
    let codes = Codes {
        first: Seq(7),
        codes: vec![(Household::new("b").unwrap(), Code(*b"10115"))],
    };
    let ack = ReceiverClaim::Ack {
        epoch: 9,
        high: Seq(8),
        codes: Some(codes),
        credit: 4,
    };
    let known = [
        (
            up(&edge(), &Uplink::Heartbeat(Heartbeat { backlog: 5 })),
            "5048010106656467652d3105fe50b6df",
        ),
        (
            up(&edge(), &Uplink::Claim(hello)),
            "5048010206656467652d31ac020201a128f12e",
        ),
        (
            up(&edge(), &batch()),
            "5048010306656467652d310907020161016201010201904e00d704038f03640001e80701008f4e01904e45143826",
        ),
        (down(&Downlink::Alive(Alive { credit: 4 })), "50480141044f5c986e"),
        (down(&Downlink::Claim(welcome)), "50480142ac02028001c03eb394a7d7"),
        (
            down(&Downlink::Claim(ack)),
            "50480143090804010701016231303131351699e4fa",
        ),
        (
            down(&Downlink::Claim(ReceiverClaim::Fenced { epoch: 300 })),
            "50480144ac02f65c6a6c",
        ),
    ];
    for (frame, bytes) in known {
        assert_eq!(hex(&frame), bytes);
    }
}

#[test]
fn each_way_of_being_wrong_has_its_name() {
    let frame = up(&edge(), &batch());
    let changed = |at: usize, byte: u8| {
        let mut frame = frame.clone();
        frame[at] = byte;
        sealed(&frame)
    };
    assert_eq!(decode_up(&changed(0, b'X')), Err(WireError::NotPehra));
    assert_eq!(decode_up(b"GET / HTTP/1.1\r\n"), Err(WireError::NotPehra));
    assert_eq!(
        decode_up(&changed(2, VERSION + 1)),
        Err(WireError::Version(VERSION + 1))
    );
    assert_eq!(decode_up(&changed(3, 99)), Err(WireError::Kind(99)));
    assert_eq!(decode_up(&changed(4, 0)), Err(WireError::Name));
    assert_eq!(decode_up(&changed(4, 65)), Err(WireError::Truncated));
    assert_eq!(decode_up(&changed(5, 0xff)), Err(WireError::Name));
    assert_eq!(decode_up(&[]), Err(WireError::Truncated));
    let mut flipped = frame.clone();
    flipped[6] ^= 1;
    assert_eq!(decode_up(&flipped), Err(WireError::Checksum));
    let longer = sealed(&[&frame[..frame.len() - 4], &[0; 5]].concat());
    assert_eq!(decode_up(&longer), Err(WireError::Trailing));
}

#[test]
fn a_list_out_of_order_or_with_an_unused_entry_is_refused() {
    // name "e", epoch 1, first 1, households, no asks, one gap row of household 0
    let frame = |households: &[u8]| {
        let head = [b'P', b'H', VERSION, 3, 1, b'e', 1, 1];
        let rest = [0, 1, 0, 0, 1, 2, 0, 0, 0, 0];
        sealed(&[&head[..], households, &rest].concat())
    };
    assert!(decode_up(&frame(&[1, 1, b'a'])).is_ok());
    assert_eq!(decode_up(&frame(&[2, 1, b'a', 1, b'b'])), Err(WireError::Order));
    assert_eq!(decode_up(&frame(&[2, 1, b'b', 1, b'a'])), Err(WireError::Order));
}

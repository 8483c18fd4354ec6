//! Reading traffic: total on whatever comes, in whatever pieces, and on the side of waking.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use pehra_core::sleep::traffic::{Answers, Asked, Awaited, InFlight, Misframed, Requests};
use proptest::prelude::*;

const MAX: i32 = 1000;

/// A frame with this content.
fn frame(content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(content.len()).expect("a short one");
    [&length.to_be_bytes()[..], content].concat()
}

/// An answer to ApiVersions in this version's form: an error, then (kind, lowest, highest).
fn offers(version: i16, error: i16, kinds: &[(i16, i16, i16)]) -> Vec<u8> {
    let count = u8::try_from(kinds.len()).expect("few");
    let mut content = [&7_i32.to_be_bytes()[..], &error.to_be_bytes()].concat();
    if version >= 3 {
        content.push(count + 1);
    } else {
        content.extend(i32::from(count).to_be_bytes());
    }
    for (kind, lowest, highest) in kinds {
        content.extend([kind.to_be_bytes(), lowest.to_be_bytes(), highest.to_be_bytes()].concat());
        if version >= 3 {
            // One tag of two bytes that look like a Fetch.
            content.extend([1, 5, 2, 0, 1]);
        }
    }
    if version >= 1 {
        content.extend([0; 4]);
    }
    if version >= 3 {
        // Tags whose content looks like one more entry.
        content.extend([1, 0, 6, 0, 1, 0, 4, 0, 99]);
    }
    frame(&content)
}

/// What of it is passed on; the same in whatever pieces it comes.
fn passed(asked: i16, answer: &[u8]) -> Vec<u8> {
    let mut passed = answer.to_vec();
    let whole = Answers::new().feed(&mut passed, |_| Awaited::Versions(asked));
    assert_eq!(whole, Ok(0), "what a broker takes is no traffic");
    for piece in 1..answer.len() {
        let (mut answers, mut bytes) = (Answers::new(), answer.to_vec());
        for part in bytes.chunks_mut(piece) {
            answers.feed(part, |_| Awaited::Versions(asked)).expect("it is framed");
        }
        assert_eq!(bytes, passed, "in pieces of {piece}");
    }
    passed
}

/// A request's head.
fn head(key: i16, version: i16, correlation: i32) -> Vec<u8> {
    [
        &key.to_be_bytes()[..],
        &version.to_be_bytes(),
        &correlation.to_be_bytes(),
    ]
    .concat()
}

/// A Produce with a client's name, a transaction's name (if its version has one), these acks, and then something.
fn produce(version: i16, correlation: i32, transaction: Option<&[u8]>, acks: i16) -> Vec<u8> {
    let mut content = head(0, version, correlation);
    content.extend_from_slice(&[0, 3, b'a', b'b', b'c']);
    if version >= 9 {
        // One tag of two bytes.
        content.extend_from_slice(&[1, 7, 2, 0, 0]);
        let length = transaction.map_or(0, |name| u8::try_from(name.len()).expect("a short one") + 1);
        content.push(length);
    } else if version >= 3 {
        let length = transaction.map_or(-1, |name| i16::try_from(name.len()).expect("a short one"));
        content.extend_from_slice(&length.to_be_bytes());
    }
    content.extend_from_slice(transaction.unwrap_or_default());
    content.extend_from_slice(&acks.to_be_bytes());
    content.extend_from_slice(&[0; 40]);
    frame(&content)
}

fn asked(bytes: &[u8], piece: usize) -> (Vec<Asked>, Result<(), Misframed>, Requests) {
    let (mut requests, mut told) = (Requests::new(MAX), Vec::new());
    let mut outcome = Ok(());
    for piece in bytes.chunks(piece) {
        outcome = requests.feed(piece, |asked| told.push(asked));
        if outcome.is_err() {
            break;
        }
    }
    (told, outcome, requests)
}

#[test]
fn requests_are_seen_the_same_in_whatever_pieces_they_come() {
    let mut bytes = Vec::new();
    for version in 0..=13 {
        bytes.extend(produce(version, 1, None, -1));
        bytes.extend(produce(version, 2, None, 0));
        bytes.extend(frame(&head(3, 12, 3)));
        if version >= 3 {
            bytes.extend(produce(version, 4, Some(b"me"), 1));
            bytes.extend(produce(version, 5, Some(b""), 0));
        }
    }
    let (whole, outcome, _) = asked(&bytes, bytes.len());
    outcome.expect("they are requests");
    assert_eq!(whole.len(), 14 * 3 + 11 * 2);
    for seen in &whole {
        assert_eq!(
            seen.is_answered,
            seen.correlation != 2 && seen.correlation != 5,
            "{seen:?}"
        );
        assert_eq!(seen.key == 3, seen.correlation == 3);
    }
    for piece in 1..100 {
        let (told, outcome, requests) = asked(&bytes, piece);
        assert_eq!(
            (told, outcome, requests.is_between()),
            (whole.clone(), Ok(()), true),
            "{piece}"
        );
    }
}

#[test]
fn a_request_cut_short_anywhere_is_told_once_or_not_at_all_and_is_not_whole() {
    let bytes = produce(11, 9, Some(b"me"), -1);
    for length in 1..bytes.len() {
        let (told, outcome, requests) = asked(&bytes[..length], 7);
        assert!(outcome.is_ok() && told.len() <= 1 && !requests.is_between(), "{length}");
    }
}

#[test]
fn a_produce_that_ends_within_its_head_is_still_told() {
    let content = &produce(11, 9, Some(b"me"), -1)[4..];
    for length in 8..28 {
        let mut bytes = frame(&content[..length]);
        bytes.extend(frame(&head(3, 12, 10)));
        let (told, outcome, _) = asked(&bytes, 5);
        let numbers: Vec<i32> = told.iter().map(|asked| asked.correlation).collect();
        assert_eq!((numbers, outcome), (vec![9, 10], Ok(())), "{length}");
    }
}

#[test]
fn lengths_that_no_request_has_are_refused_at_their_last_byte() {
    for length in [i32::MIN, -1, 0, 7, MAX + 1, i32::MAX, 0x1603_0100] {
        let (told, outcome, _) = asked(&length.to_be_bytes(), 1);
        assert_eq!((told, outcome), (Vec::new(), Err(Misframed { length })));
    }
    for length in [i32::MIN, -1, 0, 3] {
        let refused = Answers::new().feed(&mut length.to_be_bytes(), |_| Awaited::Other);
        assert_eq!(refused, Err(Misframed { length }));
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_traffic() {
    let mut flight = InFlight::new(4);
    let seen = Answers::new().feed(&mut frame(&[0, 0, 0, 1]), |correlation| flight.answered(correlation));
    assert_eq!(seen, Ok(1));
}

#[test]
fn an_answer_to_a_fetch_that_cannot_be_read_is_traffic() {
    for version in [i16::MIN, -1, 0, 3, 19, i16::MAX] {
        let seen = Answers::new().feed(&mut frame(&[0; 60]), |_| Awaited::Fetch(version));
        assert_eq!(seen, Ok(1), "version {version}");
    }
    // Empty in version 4: no topics. Cut short anywhere it is none.
    let empty = [0; 12];
    for length in 4..=12 {
        let seen = Answers::new().feed(&mut frame(&empty[..length]), |_| Awaited::Fetch(4));
        assert_eq!(seen, Ok(u32::from(length < 12)), "{length}");
    }
    // Billions of topics, and nothing of them.
    let many = [&[0; 8][..], &[0x7f, 0xff, 0xff, 0xff], &[0; 4]].concat();
    assert_eq!(Answers::new().feed(&mut frame(&many), |_| Awaited::Fetch(4)), Ok(1));
}

#[test]
fn a_broker_offers_no_more_than_can_be_read() {
    for version in 0..=4 {
        for beyond in [19, 20, 255, 256, 300, i16::MAX] {
            let broker = [
                (18, 0, 9),
                (1, 4, beyond),
                (3, 0, beyond),
                (0, 3, beyond),
                (1000, 0, beyond),
            ];
            let client = [(18, 0, 9), (1, 4, 18), (3, 0, beyond), (0, 3, 13), (1000, 0, beyond)];
            let (whole, wanted) = (offers(version, 0, &broker), offers(version, 0, &client));
            assert_eq!(passed(version, &whole), wanted, "version {version}, {beyond}");
        }
        // No more is offered than the broker takes.
        for highest in [-1, 0, 4, 12, 13, 17, 18] {
            let whole = offers(version, 0, &[(1, -1, highest), (0, -1, highest.min(13))]);
            assert_eq!(passed(version, &whole), whole, "version {version}, {highest}");
        }
        // Nothing would be left: rather one that cannot be read.
        let whole = offers(version, 0, &[(1, 19, 30), (0, 14, 30)]);
        assert_eq!(passed(version, &whole), whole, "version {version}");
    }
}

#[test]
fn a_broker_that_lacks_the_version_answers_in_the_oldest() {
    let (broker, client) = ([(18, 0, 4), (1, 4, 30)], [(18, 0, 4), (1, 4, 18)]);
    for asked in [0, 3, 4, 5, 99] {
        let (whole, wanted) = (offers(0, 35, &broker), offers(0, 35, &client));
        assert_eq!(passed(asked, &whole), wanted, "asked in {asked}");
    }
    // A form that nobody knows yet passes as it is.
    let whole = offers(4, 0, &broker);
    assert_eq!(passed(5, &whole), whole);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_the_same_in_pieces_and_never_panics(
        bytes in prop::collection::vec(prop_oneof![3 => 0_u8..12, 1 => any::<u8>()], 0..400),
        piece in 1_usize..50,
        version in 0_i16..20,
    ) {
        let framed = frame(&[&head(0, version, 1)[..], &bytes].concat());
        let one = asked(&framed, framed.len());
        let many = asked(&framed, piece);
        prop_assert_eq!((&one.0, one.1), (&many.0, many.1));
        let _ = asked(&bytes, piece);

        let answer = frame(&[&[0, 0, 0, 1][..], &bytes].concat());
        let mut passed = answer.clone();
        let whole = Answers::new().feed(&mut passed, |_| Awaited::Fetch(version));
        prop_assert_eq!(&passed, &answer, "fetches pass untouched");
        let (mut answers, mut traffic) = (Answers::new(), 0);
        for part in passed.chunks_mut(piece) {
            traffic += answers.feed(part, |_| Awaited::Fetch(version)).expect("it is framed");
        }
        prop_assert_eq!(whole, Ok(traffic));
        prop_assert!(traffic <= 1);

        // Of an answer to ApiVersions the same is changed in whatever pieces it comes, and nothing that is no version.
        let (mut once, mut cut) = (answer.clone(), answer.clone());
        let _ = Answers::new().feed(&mut once, |_| Awaited::Versions(version));
        let mut answers = Answers::new();
        for part in cut.chunks_mut(piece) {
            let _ = answers.feed(part, |_| Awaited::Versions(version));
        }
        prop_assert_eq!(&once, &cut);
        prop_assert_eq!(&once[..8], &answer[..8]);
        prop_assert_eq!(once.len(), answer.len());
    }
}

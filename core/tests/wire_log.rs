//! Messages between members with a log, as bytes: every one survives the way there and back, every one has exactly one
//! form, and no bytes at all make the reader fail.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core
)]

use pehra_core::election::{self, HardState};
use pehra_core::protocol::{Input, Recovered};
use pehra_core::replication::*;
use pehra_core::types::{NodeId, RequestId, Term};
use pehra_core::wire::{
    BODY_BYTES_MAX, Recorded, VERSION, WireError, crc32, decode_ballot, decode_log, decode_up, encode_log,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type Bytes = Vec<u8>;
type Log = Replication<Bytes>;

fn framed(message: &Message<Bytes>) -> Bytes {
    let mut frame = Vec::new();
    encode_log(message, &mut frame);
    frame
}

fn decoded(frame: &[u8]) -> Result<Message<Bytes>, WireError> {
    decode_log(frame)
}

/// Puts the right checksum behind bytes that were tampered with, so that what lies behind it is tested too.
fn sealed(frame: &[u8]) -> Bytes {
    let body = &frame[..frame.len() - 4];
    [body, &crc32(body).to_be_bytes()].concat()
}

/// A frame decodes to nothing, or to what encodes to the very same bytes.
fn assert_one_form(frame: &[u8]) {
    if let Ok(message) = decoded(frame) {
        assert_eq!(framed(&message), frame, "{message:?}");
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

fn index() -> impl Strategy<Value = Index> {
    number().prop_map(Index)
}

fn term() -> impl Strategy<Value = Term> {
    number().prop_map(Term)
}

fn id() -> impl Strategy<Value = LogId> {
    (term(), index()).prop_map(|(term, index)| LogId::new(term, index))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40)
}

fn entry() -> impl Strategy<Value = Entry<Bytes>> {
    (id(), option::of(bytes())).prop_map(|(id, body)| Entry {
        id,
        body: body.map_or(Body::Empty, Body::Command),
    })
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<u16>().prop_map(NodeId)
}

fn ballot() -> impl Strategy<Value = Message<Bytes>> {
    use election::{Claim as C, Notice as N};
    let notice = prop_oneof![
        (term(), id()).prop_map(|(term, last)| N::PreVote { term, last }),
        term().prop_map(|term| N::PreVoted { term }),
        (term(), number()).prop_map(|(term, round)| N::Heartbeat { term, round }),
        term().prop_map(|term| N::Resign { term }),
    ];
    let claim = prop_oneof![
        (term(), id(), option::of(number())).prop_map(|(term, last, token)| C::Vote { term, last, token }),
        term().prop_map(|term| C::Voted { term }),
        (term(), number()).prop_map(|(term, round)| C::Ack { term, round }),
        term().prop_map(|term| C::Nack { term }),
        (term(), number()).prop_map(|(term, round)| C::Transfer { term, round }),
        (term(), id()).prop_map(|(term, last)| C::Behind { term, last }),
    ];
    prop_oneof![
        notice.prop_map(|notice| Notice::Election(notice).into()),
        claim.prop_map(|claim| Claim::Election(claim).into()),
    ]
}

fn message() -> impl Strategy<Value = Message<Bytes>> {
    let append = (term(), id(), option::of(entry()), index()).prop_map(|(term, prev, entry, decided)| Notice::Append {
        term,
        prev,
        entry,
        decided,
    });
    let ask = (id(), index()).prop_map(|(last, decided)| Notice::Ask { last, decided });
    let suffix = (id(), entry(), id(), any::<bool>()).prop_map(|(prev, entry, last, end)| Notice::Suffix {
        prev,
        entry,
        last,
        end,
    });
    let piece =
        (term(), id(), id(), any::<u32>(), any::<bool>(), bytes()).prop_map(|(term, last, base, nth, end, body)| {
            Notice::Piece {
                term,
                last,
                piece: Piece { base, nth, end, body },
            }
        });
    let claim = prop_oneof![
        (term(), index(), index()).prop_map(|(term, upto, decided)| Claim::Appended { term, upto, decided }),
        (term(), index()).prop_map(|(term, hint)| Claim::Missing { term, hint }),
        (id(), any::<u32>()).prop_map(|(base, next)| Claim::Pieced { base, next }),
    ];
    prop_oneof![
        2 => ballot(),
        4 => prop_oneof![append, ask, suffix, piece].prop_map(Message::Notice),
        2 => claim.prop_map(Message::Claim),
    ]
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        Just(Whom::Host),
        node().prop_map(Whom::Follower),
        node().prop_map(Whom::Asker)
    ]
}

fn command() -> impl Strategy<Value = Command<Bytes>> {
    use election::Command as E;
    prop_oneof![
        prop_oneof![
            Just(E::Confirm),
            option::of(node()).prop_map(E::Transfer),
            Just(E::Resign),
            any::<bool>().prop_map(E::Drain)
        ]
        .prop_map(Command::Election),
        bytes().prop_map(Command::Propose),
        Just(Command::Read),
        (index(), any::<u32>(), any::<bool>(), bytes()).prop_map(|(upto, nth, end, body)| Command::Piece {
            upto,
            nth,
            end,
            body
        }),
    ]
}

fn fetched() -> impl Strategy<Value = Input<Log>> {
    let query = prop_oneof![
        (index(), index(), whom()).prop_map(|(from, upto, whom)| Query::Entries { from, upto, whom }),
        (id(), any::<u32>(), whom()).prop_map(|(base, nth, whom)| Query::Piece { base, nth, whom }),
    ];
    let rows = prop_oneof![
        vec(entry(), 0..4).prop_map(Rows::Entries),
        (option::of(bytes()), any::<bool>()).prop_map(|(piece, end)| Rows::Piece { piece, end }),
    ];
    (query, rows).prop_map(|(query, rows)| Input::Fetched { query, rows })
}

fn input() -> impl Strategy<Value = Input<Log>> {
    prop_oneof![
        (node(), message()).prop_map(|(from, message)| Input::Received { from, message }),
        (number(), command()).prop_map(|(request, command)| Input::Commanded(RequestId(request), command)),
        fetched(),
        (0..200_u16).prop_map(|peer| Input::Fired(election::Timer::Peer(NodeId(peer)))),
        Just(Input::Fired(election::Timer::Heartbeat)),
        any::<bool>().prop_map(Input::Stalled),
        Just(Input::Paused),
    ]
}

fn recovered() -> impl Strategy<Value = Recovered<Durable>> {
    let hard = (term(), option::of(node())).prop_map(|(term, vote)| HardState { term, vote });
    let run = (index(), term()).prop_map(|(first, term)| Run { first, term });
    let known = (hard, id(), vec(run, 0..5), index(), any::<bool>());
    prop_oneof![
        Just(Recovered::Fresh),
        Just(Recovered::Lost),
        known.prop_map(|(hard, base, runs, last, lacks)| {
            Recovered::Known(Durable {
                hard,
                base,
                runs,
                last,
                lacks,
            })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_survives_and_no_other_bytes_pass_for_it(message in message(), change in 1..=255_u8) {
        let frame = framed(&message);
        prop_assert_eq!(decoded(&frame), Ok(message));
        prop_assert_eq!(decode_up(&frame), Err(WireError::Kind(frame[3])));
        for end in 0..frame.len() {
            prop_assert!(decoded(&frame[..end]).is_err(), "cut at {}", end);
            if end >= 8 {
                assert_one_form(&sealed(&frame[..end]));
            }
        }
        for at in 0..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= change;
            prop_assert!(decoded(&changed).is_err(), "byte {}", at);
            if at < frame.len() - 4 {
                assert_one_form(&sealed(&changed));
            }
        }
    }

    #[test]
    fn any_bytes_in_a_frame_have_one_form(kind in 14..36_u8, body in vec(prop_oneof![0..6_u8, any::<u8>()], 0..60)) {
        let frame = [&[b'P', b'H', VERSION, kind], &body[..], &[0; 4]].concat();
        assert_one_form(&sealed(&frame));
    }

    #[test]
    fn every_input_can_be_recorded(input in input(), recovered in recovered(), tail: u8) {
        let mut bytes = Vec::new();
        Log::encode_input(&input, &mut bytes);
        prop_assert_eq!(Log::decode_input(&bytes), Ok(input));
        for end in 0..bytes.len() {
            prop_assert!(Log::decode_input(&bytes[..end]).is_err(), "cut at {}", end);
        }
        bytes.push(tail);
        prop_assert!(Log::decode_input(&bytes).is_err());
        bytes.clear();
        Log::encode_recovered(&recovered, &mut bytes);
        prop_assert_eq!(Log::decode_recovered(&bytes), Ok(recovered));
        bytes.push(tail);
        prop_assert!(Log::decode_recovered(&bytes).is_err());
    }
}

fn proposal(len: usize) -> Message<Bytes> {
    let id = LogId::new(Term(2), Index(3));
    let body = Body::Command(vec![7; len]);
    Message::Notice(Notice::Append {
        term: Term(300),
        prev: LogId::new(Term(1), Index(2)),
        entry: Some(Entry { id, body }),
        decided: Index(1),
    })
}

#[test]
fn a_body_is_read_up_to_its_limit_and_no_further() {
    let most = proposal(BODY_BYTES_MAX);
    assert_eq!(decoded(&framed(&most)), Ok(most));
    assert_eq!(decoded(&framed(&proposal(BODY_BYTES_MAX + 1))), Err(WireError::Length));
}

#[test]
fn a_count_that_the_frame_does_not_hold_is_refused_before_anything_is_made() {
    // Append: term, entry before, one entry, of a command with so many bytes.
    let body = [1, 1, 1, 1, 1, 2, 1, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let frame = [&[b'P', b'H', VERSION, 26], &body[..], &[0; 4]].concat();
    assert_eq!(decoded(&sealed(&frame)), Err(WireError::Length));
}

#[test]
fn a_member_without_a_log_refuses_the_frames_of_one_that_has() {
    let frame = framed(&proposal(1));
    assert_eq!(decode_ballot::<()>(&frame), Err(WireError::Kind(26)));
    let vote = framed(
        &Notice::Election(election::Notice::PreVote {
            term: Term(1),
            last: LogId::ZERO,
        })
        .into(),
    );
    assert_eq!(decode_ballot::<()>(&vote), Err(WireError::Trailing));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, peers of the release before can no longer be understood: raise `VERSION`, and only then the bytes.
#[test]
fn the_frames_of_version_1_are_these_bytes() {
    let (prev, base) = (LogId::new(Term(1), Index(2)), LogId::new(Term(2), Index(300)));
    let entry = Entry {
        id: LogId::new(Term(2), Index(3)),
        body: Body::Empty,
    };
    let piece = Piece {
        base,
        nth: 4,
        end: true,
        body: b"ab".to_vec(),
    };
    let known: [(Message<Bytes>, &str); 9] = [
        (proposal(2), "5048011aac0201020102030102070701a1a22457"),
        (
            Notice::Append {
                term: Term(5),
                prev,
                entry: None,
                decided: Index(2),
            }
            .into(),
            "5048011a0501020002f7cffb9e",
        ),
        (
            Notice::Ask {
                last: prev,
                decided: Index(1),
            }
            .into(),
            "5048011b010201a3397fc5",
        ),
        (
            Notice::Suffix {
                prev,
                entry,
                last: base,
                end: false,
            }
            .into(),
            "5048011c010202030002ac0200c08570ef",
        ),
        (
            Notice::Piece {
                term: Term(5),
                last: base,
                piece,
            }
            .into(),
            "5048011d0502ac0202ac0204010261620ced4f24",
        ),
        (
            Claim::Appended {
                term: Term(5),
                upto: Index(3),
                decided: Index(2),
            }
            .into(),
            "5048011e05030213fc47d0",
        ),
        (
            Claim::Missing {
                term: Term(5),
                hint: Index(1),
            }
            .into(),
            "5048011f05017079fd27",
        ),
        (Claim::Pieced { base, next: 5 }.into(), "5048012002ac0205754a1192"),
        (
            Claim::Election(election::Claim::Vote {
                term: Term(5),
                last: base,
                token: Some(1),
            })
            .into(),
            "504801140502ac02010120c746b5",
        ),
    ];
    let frames: Vec<String> = known.iter().map(|(message, _)| hex(&framed(message))).collect();
    let bytes: Vec<&str> = known.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(frames, bytes);
}

//! Messages between members of PEHRA, as bytes: every one survives the way there and back, every one has exactly one form, and
//! no bytes at all make the reader fail. So do all that a recording holds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core
)]

use pehra_core::election;
use pehra_core::members::NodeSet;
use pehra_core::protocol::{Drawn, Input};
use pehra_core::replication::{self, Body, Entry, Index, LogId, Query, Rows, Whom};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::cover::{Cover, View};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Decree, Doing, Order, Plan, Purpose, Standing, Timing, WakeRule};
use pehra_core::sleep::member::{Claim, Command, Config, Message, Notice, Timer};
use pehra_core::types::{NodeId, RequestId, Term, Ticks};
use pehra_core::wire::{Recorded, Replayable, VERSION, WireError, crc32, decode_log, decode_sleep, encode_sleep};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn framed(message: &Message) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_sleep(message, &mut frame);
    frame
}

/// Puts the right checksum behind bytes that were tampered with, so that what lies behind it is tested too.
fn sealed(frame: &[u8]) -> Vec<u8> {
    let body = &frame[..frame.len() - 4];
    [body, &crc32(body).to_be_bytes()].concat()
}

/// A frame decodes to nothing, or to what encodes to the very same bytes.
fn assert_one_form(frame: &[u8]) {
    if let Ok(message) = decode_sleep(frame) {
        assert_eq!(framed(&message), frame, "{message:?}");
    }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]
}

fn set() -> impl Strategy<Value = NodeSet> {
    number().prop_map(NodeSet::from_bits)
}

fn id() -> impl Strategy<Value = LogId> {
    (number(), number()).prop_map(|(term, index)| LogId::new(Term(term), Index(index)))
}

fn gear() -> impl Strategy<Value = Gear> {
    prop_oneof![Just(Gear::Full), Just(Gear::Lean), Just(Gear::Watch)]
}

fn decree() -> impl Strategy<Value = Decree> {
    prop_oneof![
        (gear(), set(), set()).prop_map(|(gear, watch, members)| Decree::Plan(Plan { gear, watch, members })),
        (number(), any::<bool>()).prop_map(|(epoch, on)| Decree::Switch { epoch, on }),
        set().prop_map(|left| Decree::Round { left }),
    ]
}

fn entry() -> impl Strategy<Value = Entry<Decree>> {
    (id(), option::of(decree())).prop_map(|(id, body)| Entry {
        id,
        body: body.map_or(Body::Empty, Body::Command),
    })
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        Just(Doing::Active),
        Just(Doing::Draining),
        Just(Doing::Asleep),
        Just(Doing::Ringing),
        Just(Doing::Waking),
        Just(Doing::Maintenance),
    ]
}

fn standing() -> impl Strategy<Value = Standing> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (id(), doing(), flags, number(), number()).prop_map(|(known, doing, (willing, busy, carried_out), lock, echo)| {
        Standing {
            known,
            doing,
            willing,
            busy,
            lock,
            echo,
            carried_out,
        }
    })
}

fn grant() -> impl Strategy<Value = guard::Claim> {
    let purpose = prop_oneof![Just(Purpose::Sleep), Just(Purpose::Maintenance)];
    (purpose, id(), number(), set()).prop_map(|(purpose, plan, lock, counted)| guard::Claim::Grant {
        purpose,
        plan,
        lock,
        counted,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let append = (number(), id(), option::of(entry()), number()).prop_map(|(term, prev, entry, decided)| {
        replication::Notice::Append {
            term: Term(term),
            prev,
            entry,
            decided: Index(decided),
        }
    });
    let appended = (number(), number(), number()).prop_map(|(term, upto, decided)| replication::Claim::Appended {
        term: Term(term),
        upto: Index(upto),
        decided: Index(decided),
    });
    let vote = number().prop_map(|term| replication::Claim::Election(election::Claim::Voted { term: Term(term) }));
    let wake = number().prop_map(|ticket| guard::Notice::Wake { ticket });
    let notices = prop_oneof![
        append.prop_map(Notice::Log),
        wake.prop_map(Notice::Guard),
        Just(Notice::Guard(guard::Notice::Traffic)),
    ];
    let claims = prop_oneof![
        appended.prop_map(Claim::Log),
        vote.prop_map(Claim::Log),
        standing().prop_map(|standing| Claim::Guard(guard::Claim::Standing(standing))),
        grant().prop_map(Claim::Guard),
    ];
    prop_oneof![notices.prop_map(Message::Notice), claims.prop_map(Message::Claim)]
}

fn view() -> impl Strategy<Value = View> {
    let cover = (set(), set(), any::<u8>()).prop_map(|(among, others, need)| Cover { among, others, need });
    (vec(cover, 0..5), set(), any::<bool>()).prop_map(|(covers, sleepers, healthy)| View {
        covers,
        sleepers,
        healthy,
    })
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Traffic),
        view().prop_map(Order::View),
        Just(Order::Blind),
        Just(Order::Stopped),
        Just(Order::Up),
        Just(Order::Down),
        any::<bool>().prop_map(Order::Fit),
        Just(Order::Wake),
        Just(Order::WakeAll),
        any::<bool>().prop_map(Order::StayAwake),
        number().prop_map(|epoch| Order::Enable { epoch }),
        Just(Order::Disable),
        set().prop_map(Order::Maintain),
        Just(Order::Done),
    ]
}

fn timer() -> impl Strategy<Value = Timer> {
    use guard::Timer as G;
    prop_oneof![
        (0..64_u16).prop_map(|peer| Timer::Election(election::Timer::Peer(NodeId(peer)))),
        Just(Timer::Election(election::Timer::Tenure)),
        prop_oneof![
            Just(G::Idle),
            Just(G::Tell),
            Just(G::Probe),
            Just(G::Alarm),
            Just(G::Drain),
            Just(G::Rouse),
            Just(G::Wake),
        ]
        .prop_map(Timer::Guard),
    ]
}

fn input() -> impl Strategy<Value = Input<Sleep>> {
    let command = prop_oneof![
        order().prop_map(Command::Order),
        any::<bool>().prop_map(|on| Command::Election(election::Command::Drain(on))),
    ];
    let query = (id(), any::<u32>()).prop_map(|(base, nth)| Query::Piece {
        base,
        nth,
        whom: Whom::Host,
    });
    let rows = prop_oneof![
        vec(entry(), 0..3).prop_map(Rows::Entries),
        (option::of(decree()), any::<bool>()).prop_map(|(piece, end)| Rows::Piece { piece, end }),
    ];
    prop_oneof![
        (any::<u16>(), message()).prop_map(|(from, message)| Input::Received {
            from: NodeId(from),
            message
        }),
        (number(), command).prop_map(|(request, command)| Input::Commanded(RequestId(request), command)),
        (query, rows).prop_map(|(query, rows)| Input::Fetched { query, rows }),
        timer().prop_map(Input::Fired),
        number().prop_map(|nonce| Input::Drawn(Drawn::Nonce(nonce))),
        Just(Input::Paused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_survives_and_no_other_bytes_pass_for_it(message in message(), change in 1..=255_u8) {
        let frame = framed(&message);
        prop_assert_eq!(decode_sleep(&frame), Ok(message));
        for end in 0..frame.len() {
            prop_assert!(decode_sleep(&frame[..end]).is_err(), "cut at {}", end);
            if end >= 8 {
                assert_one_form(&sealed(&frame[..end]));
            }
        }
        for at in 0..frame.len() {
            let mut changed = frame.clone();
            changed[at] ^= change;
            prop_assert!(decode_sleep(&changed).is_err(), "byte {}", at);
            if at < frame.len() - 4 {
                assert_one_form(&sealed(&changed));
            }
        }
    }

    #[test]
    fn any_bytes_in_a_frame_have_one_form(kind in 14..40_u8, body in vec(prop_oneof![0..6_u8, any::<u8>()], 0..60)) {
        let frame = [&[b'P', b'H', VERSION, kind], &body[..], &[0; 4]].concat();
        assert_one_form(&sealed(&frame));
    }

    #[test]
    fn every_input_can_be_recorded(input in input(), tail: u8) {
        let mut bytes = Vec::new();
        Sleep::encode_input(&input, &mut bytes);
        prop_assert_eq!(Sleep::decode_input(&bytes), Ok(input));
        for end in 0..bytes.len() {
            prop_assert!(Sleep::decode_input(&bytes[..end]).is_err(), "cut at {}", end);
        }
        bytes.push(tail);
        prop_assert!(Sleep::decode_input(&bytes).is_err());
    }
}

#[test]
fn a_configuration_comes_back_as_it_was() {
    let voters = NodeSet::first(5);
    let election = election::Config::new(NodeId(1), voters, election::Timing::LAN);
    let config = Config {
        log: replication::Config::new(election),
        guard: guard::Config {
            me: NodeId(1),
            voters,
            brokers: NodeSet::first(4),
            voter_spare: 1,
            gear: Gear::Watch,
            wake: WakeRule::All,
            disable_on_traffic: true,
            stay_awake: true,
            timing: Timing {
                idle: Ticks(1),
                tell: Ticks(2),
                probe: Ticks(3),
                drain: Ticks(4),
                alarm: Ticks(5),
                rouse: Ticks(6),
                answer: Ticks(7),
                wake: Ticks(8),
            },
            #[cfg(seeded_bugs)]
            bug: None,
        },
        snapshot_every: 300,
    };
    let mut bytes = Vec::new();
    Sleep::encode_config(&config, &mut bytes);
    assert_eq!(Sleep::decode_config(&bytes), Ok(config));
    for end in 0..bytes.len() {
        assert!(Sleep::decode_config(&bytes[..end]).is_err());
    }
    bytes.push(0);
    assert!(Sleep::decode_config(&bytes).is_err());
}

#[test]
fn a_member_without_guard_duty_refuses_its_frames() {
    let frame = framed(&Message::Notice(Notice::Guard(guard::Notice::Wake { ticket: 7 })));
    assert_eq!(decode_log::<Decree>(&frame), Err(WireError::Kind(33)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, peers of the release before can no longer be understood: raise `VERSION`, and only then the bytes.
#[test]
fn the_frames_of_version_1_are_these_bytes() {
    let known = LogId::new(Term(3), Index(300));
    let standing = Standing {
        known,
        doing: Doing::Ringing,
        willing: true,
        busy: false,
        lock: 200,
        echo: 9,
        carried_out: true,
    };
    let grant = guard::Claim::Grant {
        purpose: Purpose::Maintenance,
        plan: known,
        lock: 200,
        counted: NodeSet::first(2),
    };
    let plan = Decree::Plan(Plan {
        gear: Gear::Lean,
        watch: NodeSet::first(2),
        members: NodeSet::first(3),
    });
    let append = |decree| {
        let entry = Entry {
            id: known,
            body: Body::Command(decree),
        };
        Message::Notice(Notice::Log(replication::Notice::Append {
            term: Term(3),
            prev: LogId::ZERO,
            entry: Some(entry),
            decided: Index(1),
        }))
    };
    let frames = [
        Message::Notice(Notice::Guard(guard::Notice::Wake { ticket: 300 })),
        Message::Notice(Notice::Guard(guard::Notice::Traffic)),
        Message::Claim(Claim::Guard(guard::Claim::Standing(standing))),
        Message::Claim(Claim::Guard(grant)),
        append(plan),
        append(Decree::Switch { epoch: 4, on: true }),
        append(Decree::Round {
            left: NodeSet::first(3),
        }),
    ];
    let frames: Vec<_> = frames.iter().map(|message| hex(&framed(message))).collect();
    let known = [
        "50480121ac02b84063a7",
        "5048012258bb7c63",
        "5048012303ac02030100c8010901d02d769a",
        "504801240103ac02c80103d4803776",
        "5048011a0300000103ac020100010307019bf32d89",
        "5048011a0300000103ac020101040101fda72bde",
        "5048011a0300000103ac0201020701e3d339a7",
    ];
    assert_eq!(frames, known);
}

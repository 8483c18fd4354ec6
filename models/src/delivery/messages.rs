//! The messages of the delivery model, packed into small numbers.

use pehra_core::delivery::{Alive, Body, Codes, Downlink, Heartbeat, ReceiverClaim, Rows, SenderClaim, Seq, Uplink};

use crate::net::{Packer, STALE, Unpacker};

/// A row's content in the model: a number from 1. Odd rows belong to household 0, even ones to household 1, unless the
/// model has one household only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parcel {
    /// The number.
    pub number: u8,
    /// Whose it is.
    pub household: u8,
}

impl Body for Parcel {
    type Household = u8;
    type Code = u8;

    fn household(&self) -> u8 {
        self.household
    }

    fn first_code(household: &u8) -> u8 {
        *household
    }
}

fn put_seq(packer: Packer, seq: Seq) -> Packer {
    packer.put(seq.0, 4)
}

fn take_seq(unpacker: &mut Unpacker) -> Seq {
    Seq(u64::from(unpacker.take(4)))
}

fn put_households(packer: Packer, households: impl Iterator<Item = u8>) -> Packer {
    packer.put(households.fold(0, |bits, household| bits | 1 << household), 2)
}

fn take_households(unpacker: &mut Unpacker) -> Vec<u8> {
    let bits = unpacker.take(2);
    (0..2).filter(|household| bits & 1 << household != 0).collect()
}

/// Packs a message to the cloud.
///
/// # Panics
/// If a number is beyond the model's bounds.
#[must_use]
pub fn pack_up(message: &Uplink<Parcel>) -> u32 {
    match message {
        // The backlog is for people; the model shows it as nothing.
        Uplink::Heartbeat(_) => 0,
        Uplink::Claim(SenderClaim::Hello { epoch, session, oldest }) => {
            put_seq(Packer::default().put(1, 2).put(*epoch, 4).put(*session, 4), *oldest).word()
        }
        Uplink::Claim(SenderClaim::Batch { epoch, rows }) => {
            let packer = put_seq(Packer::default().put(2, 2).put(*epoch, 4), rows.first);
            let packer = put_households(packer, rows.asks.iter().copied()).put(rows.count(), 2);
            let packer = rows.bodies.iter().fold(packer, |packer, body| {
                packer.put(u64::from(body.number), 4).put(u64::from(body.household), 1)
            });
            packer.word()
        }
    }
}

/// The message to the cloud that was packed.
#[must_use]
pub fn unpack_up(word: u32) -> Uplink<Parcel> {
    let mut unpacker = Unpacker(word & !STALE);
    match unpacker.take(2) {
        0 => Heartbeat { backlog: 0 }.into(),
        1 => {
            let epoch = unpacker.take(4).into();
            let session = unpacker.take(4).into();
            Uplink::Claim(SenderClaim::Hello {
                epoch,
                session,
                oldest: take_seq(&mut unpacker),
            })
        }
        _ => {
            let epoch = unpacker.take(4).into();
            let first = take_seq(&mut unpacker);
            let asks = take_households(&mut unpacker);
            let count = unpacker.take(2);
            let bodies = (0..count)
                .map(|_| Parcel {
                    number: unpacker.take(4),
                    household: unpacker.take(1),
                })
                .collect();
            Uplink::Claim(SenderClaim::Batch {
                epoch,
                rows: Rows { first, bodies, asks },
            })
        }
    }
}

/// Packs a message to the edge.
///
/// # Panics
/// If a number is beyond the model's bounds.
#[must_use]
pub fn pack_down(message: &Downlink<Parcel>) -> u32 {
    match message {
        Downlink::Alive(Alive { credit }) => Packer::default().put(0, 3).put((*credit).into(), 4).word(),
        Downlink::Claim(ReceiverClaim::Welcome {
            epoch,
            session,
            high,
            credit,
        }) => {
            let packer = Packer::default().put(1, 3).put(*epoch, 4).put(*session, 4);
            put_seq(packer, *high).put((*credit).into(), 4).word()
        }
        Downlink::Claim(ReceiverClaim::Ack {
            epoch,
            high,
            codes,
            credit,
        }) => {
            let packer = put_seq(Packer::default().put(2, 3).put(*epoch, 4), *high).put((*credit).into(), 4);
            codes
                .as_ref()
                .map_or(packer, |codes| {
                    let households = codes.codes.iter().map(|(household, _)| *household);
                    put_households(put_seq(packer.put(1, 1), codes.first), households)
                })
                .word()
        }
        Downlink::Claim(ReceiverClaim::Fenced { epoch }) => Packer::default().put(4, 3).put(*epoch, 4).word(),
    }
}

/// The message to the edge that was packed.
#[must_use]
pub fn unpack_down(word: u32) -> Downlink<Parcel> {
    let mut unpacker = Unpacker(word & !STALE);
    let kind = unpacker.take(3);
    if kind == 0 {
        return Alive {
            credit: unpacker.take(4).into(),
        }
        .into();
    }
    let epoch = unpacker.take(4).into();
    Downlink::Claim(match kind {
        1 => {
            let session = unpacker.take(4).into();
            let high = take_seq(&mut unpacker);
            ReceiverClaim::Welcome {
                epoch,
                session,
                high,
                credit: unpacker.take(4).into(),
            }
        }
        2 => {
            let high = take_seq(&mut unpacker);
            let credit = unpacker.take(4).into();
            let codes = (unpacker.take(1) == 1).then(|| {
                let first = take_seq(&mut unpacker);
                let codes = take_households(&mut unpacker)
                    .into_iter()
                    .map(|household| (household, household));
                Codes {
                    first,
                    codes: codes.collect(),
                }
            });
            ReceiverClaim::Ack {
                epoch,
                high,
                codes,
                credit,
            }
        }
        _ => ReceiverClaim::Fenced { epoch },
    })
}

/// Whether this is a heartbeat to the cloud.
#[must_use]
pub fn is_beat_up(word: u32) -> bool {
    matches!(unpack_up(word), Uplink::Heartbeat(_))
}

/// Whether this is a heartbeat to the edge.
#[must_use]
pub fn is_beat_down(word: u32) -> bool {
    matches!(unpack_down(word), Downlink::Alive(_))
}

/// The message without questions for codes that are known.
#[must_use]
pub fn strip_asks(word: u32, known: &[u8]) -> u32 {
    match unpack_up(word) {
        Uplink::Claim(SenderClaim::Batch { epoch, mut rows }) => {
            rows.asks.retain(|household| !known.contains(household));
            pack_up(&Uplink::Claim(SenderClaim::Batch { epoch, rows }))
        }
        _ => word,
    }
}

/// The message without codes, if all that it carries are known.
#[must_use]
pub fn strip_codes(word: u32, known: &[u8]) -> u32 {
    match unpack_down(word) {
        Downlink::Claim(ReceiverClaim::Ack {
            epoch,
            high,
            codes: Some(codes),
            credit,
        }) if codes.codes.iter().all(|(household, _)| known.contains(household)) => {
            pack_down(&Downlink::Claim(ReceiverClaim::Ack {
                epoch,
                high,
                codes: None,
                credit,
            }))
        }
        _ => word,
    }
}

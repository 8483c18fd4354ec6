//! The frames of delivery.

use alloc::vec::Vec;

use super::{Reader, VERSION, WireError, Writer, crc32};
use crate::delivery::{Alive, Codes, Downlink, Heartbeat, ReceiverClaim, Rows, SenderClaim, Seq, Uplink};
use crate::types::{EdgeName, Household};
use crate::window::{Code, Span, Tuple};

/// The most rows that a batch may claim to hold.
pub const BATCH_ROWS_MAX: usize = 100_000;

const HEARTBEAT: u8 = 1;
const HELLO: u8 = 2;
const BATCH: u8 = 3;
const ALIVE: u8 = 65;
const WELCOME: u8 = 66;
const ACK: u8 = 67;
const FENCED: u8 = 68;

/// Writes a message to the cloud into `buffer`, which is emptied first.
pub fn encode_up(edge: &EdgeName, message: &Uplink<Tuple>, buffer: &mut Vec<u8>) {
    let kind = match message {
        Uplink::Heartbeat(_) => HEARTBEAT,
        Uplink::Claim(SenderClaim::Hello { .. }) => HELLO,
        Uplink::Claim(SenderClaim::Batch { .. }) => BATCH,
    };
    frame(kind, buffer, |w| {
        w.name(edge);
        match message {
            Uplink::Heartbeat(Heartbeat { backlog }) => w.number(*backlog),
            Uplink::Claim(SenderClaim::Hello { epoch, session, oldest }) => {
                w.number(*epoch);
                w.number(*session);
                w.number(oldest.0);
            }
            Uplink::Claim(SenderClaim::Batch { epoch, rows }) => {
                w.number(*epoch);
                write_rows(w, rows);
            }
        }
    });
}

/// Reads a message to the cloud, and which edge says it is from.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_up(bytes: &[u8]) -> Result<(EdgeName, Uplink<Tuple>), WireError> {
    let (kind, mut r) = open(bytes)?;
    if !matches!(kind, HEARTBEAT | HELLO | BATCH) {
        return Err(WireError::Kind(kind));
    }
    let edge = r.name()?;
    let message = match kind {
        HEARTBEAT => Uplink::Heartbeat(Heartbeat { backlog: r.number()? }),
        HELLO => {
            let (epoch, session) = (r.number()?, r.number()?);
            Uplink::Claim(SenderClaim::Hello {
                epoch,
                session,
                oldest: Seq(r.number()?),
            })
        }
        _ => {
            let epoch = r.number()?;
            Uplink::Claim(SenderClaim::Batch {
                epoch,
                rows: read_rows(&mut r)?,
            })
        }
    };
    r.end()?;
    Ok((edge, message))
}

/// Writes a message to an edge into `buffer`, which is emptied first.
pub fn encode_down(message: &Downlink<Tuple>, buffer: &mut Vec<u8>) {
    let kind = match message {
        Downlink::Alive(_) => ALIVE,
        Downlink::Claim(ReceiverClaim::Welcome { .. }) => WELCOME,
        Downlink::Claim(ReceiverClaim::Ack { .. }) => ACK,
        Downlink::Claim(ReceiverClaim::Fenced { .. }) => FENCED,
    };
    frame(kind, buffer, |w| match message {
        Downlink::Alive(Alive { credit }) => w.number((*credit).into()),
        Downlink::Claim(ReceiverClaim::Welcome {
            epoch,
            session,
            high,
            credit,
        }) => {
            w.number(*epoch);
            w.number(*session);
            w.number(high.0);
            w.number((*credit).into());
        }
        Downlink::Claim(ReceiverClaim::Ack {
            epoch,
            high,
            codes,
            credit,
        }) => {
            w.number(*epoch);
            w.number(high.0);
            w.number((*credit).into());
            w.optional(codes.as_ref().map(|codes| codes.first.0));
            if let Some(codes) = codes {
                write_codes(w, &codes.codes);
            }
        }
        Downlink::Claim(ReceiverClaim::Fenced { epoch }) => w.number(*epoch),
    });
}

/// Reads a message to an edge.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_down(bytes: &[u8]) -> Result<Downlink<Tuple>, WireError> {
    let (kind, mut r) = open(bytes)?;
    let message = match kind {
        ALIVE => Downlink::Alive(Alive { credit: r.small()? }),
        WELCOME => {
            let (epoch, session) = (r.number()?, r.number()?);
            let high = Seq(r.number()?);
            Downlink::Claim(ReceiverClaim::Welcome {
                epoch,
                session,
                high,
                credit: r.small()?,
            })
        }
        ACK => {
            let epoch = r.number()?;
            let high = Seq(r.number()?);
            let credit = r.small()?;
            let codes = match r.optional()? {
                Some(first) => Some(Codes {
                    first: Seq(first),
                    codes: read_codes(&mut r)?,
                }),
                None => None,
            };
            Downlink::Claim(ReceiverClaim::Ack {
                epoch,
                high,
                codes,
                credit,
            })
        }
        FENCED => Downlink::Claim(ReceiverClaim::Fenced { epoch: r.number()? }),
        other => return Err(WireError::Kind(other)),
    };
    r.end()?;
    Ok(message)
}

pub(super) fn frame(kind: u8, buffer: &mut Vec<u8>, body: impl FnOnce(&mut Writer<'_>)) {
    buffer.clear();
    buffer.extend_from_slice(&[b'P', b'H', VERSION, kind]);
    body(&mut Writer(buffer));
    let checksum = crc32(buffer);
    buffer.extend_from_slice(&checksum.to_be_bytes());
}

/// Checks the frame around a body.
pub(super) fn open(bytes: &[u8]) -> Result<(u8, Reader<'_>), WireError> {
    let mut head = Reader(bytes);
    match head.take(2) {
        Ok(b"PH") => {}
        Ok(_) => return Err(WireError::NotPehra),
        Err(error) => return Err(error),
    }
    let version = head.byte()?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let kind = head.byte()?;
    let body = head.0.len().checked_sub(4).ok_or(WireError::Truncated)?;
    let (body, checksum) = head.0.split_at_checked(body).ok_or(WireError::Truncated)?;
    let covered = bytes
        .len()
        .checked_sub(4)
        .and_then(|end| bytes.get(..end))
        .ok_or(WireError::Truncated)?;
    if crc32(covered).to_be_bytes() != *checksum {
        return Err(WireError::Checksum);
    }
    Ok((kind, Reader(body)))
}

/// Rows name their household by its place in a list, and times as steps from row to row: a batch repeats both a lot.
pub(super) fn write_rows(w: &mut Writer<'_>, rows: &Rows<Tuple>) {
    let mut households: Vec<Household> = rows.bodies.iter().map(|tuple| tuple.household).collect();
    households.extend_from_slice(&rows.asks);
    households.sort_unstable();
    households.dedup();
    let place = |household: &Household| households.binary_search(household).unwrap_or(0);
    w.number(rows.first.0);
    w.count(households.len());
    households.iter().for_each(|household| w.name(household));
    w.count(rows.asks.len());
    rows.asks.iter().for_each(|household| w.count(place(household)));
    w.count(rows.bodies.len());
    let mut before_ms = 0_i64;
    for tuple in &rows.bodies {
        w.count(place(&tuple.household));
        w.signed(tuple.start_ms.wrapping_sub(before_ms));
        before_ms = tuple.start_ms;
        write_span(w, &tuple.span);
    }
}

pub(super) fn read_rows(r: &mut Reader<'_>) -> Result<Rows<Tuple>, WireError> {
    let first = Seq(r.number()?);
    let households = (0..r.count()?)
        .map(|_| r.name())
        .collect::<Result<Vec<Household>, _>>()?;
    if !households.is_sorted_by(|a, b| a < b) {
        return Err(WireError::Order);
    }
    let mut used = alloc::vec![false; households.len()];
    let mut at = |r: &mut Reader<'_>| {
        let place: usize = r.small()?;
        *used.get_mut(place).ok_or(WireError::Length)? = true;
        households.get(place).copied().ok_or(WireError::Length)
    };
    let asks = (0..r.count()?).map(|_| at(r)).collect::<Result<Vec<_>, _>>()?;
    let count = r.count()?;
    // No row is shorter than a place, a step, a kind and an end.
    if count > BATCH_ROWS_MAX.min(r.0.len() / 4) {
        return Err(WireError::Length);
    }
    let mut bodies = Vec::with_capacity(count);
    let mut start_ms = 0_i64;
    for _ in 0..count {
        let household = at(r)?;
        start_ms = start_ms.wrapping_add(r.signed()?);
        bodies.push(Tuple {
            household,
            start_ms,
            span: read_span(r)?,
        });
    }
    if used.contains(&false) {
        return Err(WireError::Order);
    }
    Ok(Rows { first, bodies, asks })
}

fn write_span(w: &mut Writer<'_>, span: &Span) {
    match span {
        Span::Window {
            sum_mw,
            n,
            min_mw,
            max_mw,
            first_register,
            last_register,
            revision,
        } => {
            w.byte(0);
            w.signed(*sum_mw);
            w.number((*n).into());
            w.signed(*min_mw);
            w.signed(*max_mw);
            w.optional(*first_register);
            w.optional(*last_register);
            w.number((*revision).into());
        }
        Span::Gap { until_ms } => {
            w.byte(1);
            w.signed(*until_ms);
        }
    }
}

fn read_span(r: &mut Reader<'_>) -> Result<Span, WireError> {
    match r.byte()? {
        0 => Ok(Span::Window {
            sum_mw: r.signed()?,
            n: r.small()?,
            min_mw: r.signed()?,
            max_mw: r.signed()?,
            first_register: r.optional()?,
            last_register: r.optional()?,
            revision: r.small()?,
        }),
        1 => Ok(Span::Gap { until_ms: r.signed()? }),
        other => Err(WireError::Kind(other)),
    }
}

pub(super) fn write_codes(w: &mut Writer<'_>, codes: &[(Household, Code)]) {
    w.count(codes.len());
    for (household, code) in codes {
        w.name(household);
        code.0.iter().for_each(|byte| w.byte(*byte));
    }
}

pub(super) fn read_codes(r: &mut Reader<'_>) -> Result<Vec<(Household, Code)>, WireError> {
    let read_one = |r: &mut Reader<'_>| {
        let household = r.name()?;
        let code = r.take(5)?.try_into().map_err(|_| WireError::Truncated)?;
        Ok((household, Code(code)))
    };
    (0..r.count()?).map(|_| read_one(r)).collect()
}

//! Inputs and recovered states as bytes, for the flight recorder: what was fed can be fed again, elsewhere and later.
//!
//! The bytes carry no frame and no checksum; the recorder puts its own around each entry. They are read by the release
//! that wrote them: [`super::VERSION`] stands at the head of a recording, not here.
//!
//! A note that became durable is no input of a driver (the node makes it by itself), so there is no form for one.

use alloc::vec::Vec;

use super::frames::{read_codes, read_rows, write_codes, write_rows};
use super::{Reader, WireError, Writer, decode_down, decode_up, encode_down, encode_up};
use crate::delivery::{CodesQuery, Receiver, ReceiverDurable, ReceiverTimer, Retired};
use crate::delivery::{RowsQuery, SenderDurable, SenderTimer, Seq};
use crate::members::Order;
use crate::pipeline::{Content, Pipeline, PipelineDurable, PipelineTimer, Taken};
use crate::protocol::{Drawn, Input, Protocol, Recovered};
use crate::types::{EdgeName, Household, NodeId, RequestId, Term};
use crate::window::{Closed, House, Kept, Reading, Take, Tuple, WindowTimer};

/// A protocol whose inputs can be written down and read back.
pub trait Recorded: Protocol {
    /// Appends an input.
    fn encode_input(input: &Input<Self>, buffer: &mut Vec<u8>);

    /// Reads an input; nothing may follow it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode_input(bytes: &[u8]) -> Result<Input<Self>, WireError>;

    /// Appends what recovery started from.
    fn encode_recovered(recovered: &Recovered<Self::Durable>, buffer: &mut Vec<u8>);

    /// Reads what recovery started from; nothing may follow it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode_recovered(bytes: &[u8]) -> Result<Recovered<Self::Durable>, WireError>;
}

const RECEIVED: u8 = 1;
const FIRED: u8 = 2;
const COMMANDED: u8 = 3;
const FETCHED: u8 = 4;
const DURABLE: u8 = 5;
const DRAWN: u8 = 6;
const LINK: u8 = 7;
const STALLED: u8 = 8;
const PAUSED: u8 = 9;
const ORDERED: u8 = 10;

/// The parts of inputs that differ from protocol to protocol.
pub(super) trait Vocabulary: Protocol {
    fn write_message(w: &mut Writer<'_>, message: &Self::Heard);
    fn read_message(bytes: &[u8]) -> Result<Self::Heard, WireError>;
    fn timer_byte(timer: Self::Timer) -> u8;
    fn timer(byte: u8) -> Option<Self::Timer>;
    fn write_command(w: &mut Writer<'_>, command: &Self::Command);
    fn read_command(r: &mut Reader<'_>) -> Result<Self::Command, WireError>;
    fn write_fetched(w: &mut Writer<'_>, query: &Self::Query, rows: &Self::Rows);
    fn read_fetched(r: &mut Reader<'_>) -> Result<(Self::Query, Self::Rows), WireError>;
    fn write_durable(w: &mut Writer<'_>, durable: &Self::Durable);
    fn read_durable(r: &mut Reader<'_>) -> Result<Self::Durable, WireError>;
}

impl<P: Vocabulary> Recorded for P {
    fn encode_input(input: &Input<Self>, buffer: &mut Vec<u8>) {
        let w = &mut Writer(buffer);
        match input {
            Input::Received { from, message } => {
                w.byte(RECEIVED);
                w.number(from.0.into());
                P::write_message(w, message);
            }
            Input::Fired(timer) => {
                w.byte(FIRED);
                w.byte(P::timer_byte(*timer));
            }
            Input::Commanded(request, command) => {
                w.byte(COMMANDED);
                w.number(request.0);
                P::write_command(w, command);
            }
            Input::Fetched { query, rows } => {
                w.byte(FETCHED);
                P::write_fetched(w, query, rows);
            }
            Input::Durable(_) => w.byte(DURABLE),
            Input::Drawn(Drawn::Nonce(nonce)) => {
                w.byte(DRAWN);
                w.number(*nonce);
            }
            Input::Drawn(Drawn::Order { term, order }) => {
                w.byte(ORDERED);
                w.number(term.0);
                w.count(order.iter().count());
                order.iter().for_each(|node| w.number(node.0.into()));
            }
            Input::Link { peer, up } => {
                w.byte(LINK);
                w.number(peer.0.into());
                w.byte((*up).into());
            }
            Input::Stalled(stalled) => {
                w.byte(STALLED);
                w.byte((*stalled).into());
            }
            Input::Paused => w.byte(PAUSED),
        }
    }

    fn decode_input(bytes: &[u8]) -> Result<Input<Self>, WireError> {
        let mut r = Reader(bytes);
        let input = match r.byte()? {
            RECEIVED => {
                let from = NodeId(r.small()?);
                let message = P::read_message(r.bytes()?)?;
                Input::Received { from, message }
            }
            FIRED => {
                let byte = r.byte()?;
                Input::Fired(P::timer(byte).ok_or(WireError::Kind(byte))?)
            }
            COMMANDED => Input::Commanded(RequestId(r.number()?), P::read_command(&mut r)?),
            FETCHED => {
                let (query, rows) = P::read_fetched(&mut r)?;
                Input::Fetched { query, rows }
            }
            DRAWN => Input::Drawn(Drawn::Nonce(r.number()?)),
            ORDERED => read_order(&mut r)?,
            LINK => Input::Link {
                peer: NodeId(r.small()?),
                up: flag(&mut r)?,
            },
            STALLED => Input::Stalled(flag(&mut r)?),
            PAUSED => Input::Paused,
            other => return Err(WireError::Kind(other)),
        };
        r.end()?;
        Ok(input)
    }

    fn encode_recovered(recovered: &Recovered<Self::Durable>, buffer: &mut Vec<u8>) {
        let w = &mut Writer(buffer);
        match recovered {
            Recovered::Fresh => w.byte(0),
            Recovered::Known(durable) => {
                w.byte(1);
                P::write_durable(w, durable);
            }
            Recovered::Lost => w.byte(2),
        }
    }

    fn decode_recovered(bytes: &[u8]) -> Result<Recovered<Self::Durable>, WireError> {
        let mut r = Reader(bytes);
        let recovered = match r.byte()? {
            0 => Recovered::Fresh,
            1 => Recovered::Known(P::read_durable(&mut r)?),
            2 => Recovered::Lost,
            other => return Err(WireError::Kind(other)),
        };
        r.end()?;
        Ok(recovered)
    }
}

fn read_order<P: Protocol>(r: &mut Reader<'_>) -> Result<Input<P>, WireError> {
    let term = Term(r.number()?);
    let count = r.count()?;
    let nodes = (0..count)
        .map(|_| r.small().map(NodeId))
        .collect::<Result<Vec<_>, _>>()?;
    let order = Order::new(nodes);
    if order.iter().count() != count {
        return Err(WireError::Order);
    }
    Ok(Input::Drawn(Drawn::Order { term, order }))
}

impl Vocabulary for Pipeline {
    fn write_message(w: &mut Writer<'_>, message: &Self::Heard) {
        let mut frame = Vec::new();
        encode_down(message, &mut frame);
        w.bytes(&frame);
    }

    fn read_message(bytes: &[u8]) -> Result<Self::Heard, WireError> {
        decode_down(bytes)
    }

    fn timer_byte(timer: PipelineTimer) -> u8 {
        match timer {
            PipelineTimer::Window(WindowTimer::Sweep) => 0,
            PipelineTimer::Sender(SenderTimer::Retry) => 1,
            PipelineTimer::Sender(SenderTimer::Heartbeat) => 2,
        }
    }

    fn timer(byte: u8) -> Option<PipelineTimer> {
        match byte {
            0 => Some(PipelineTimer::Window(WindowTimer::Sweep)),
            1 => Some(PipelineTimer::Sender(SenderTimer::Retry)),
            2 => Some(PipelineTimer::Sender(SenderTimer::Heartbeat)),
            _ => None,
        }
    }

    fn write_command(w: &mut Writer<'_>, taken: &Taken) {
        w.number(taken.partition.into());
        w.number(taken.before);
        w.number(taken.after);
        match &taken.content {
            Content::Reading(Take { reading, now_ms }) => {
                w.byte(0);
                w.name(&reading.household);
                write_kept(w, reading.time_ms, reading.power_mw, reading.register);
                w.signed(*now_ms);
            }
            Content::Unreadable(raw) => {
                w.byte(1);
                w.bytes(raw);
            }
            Content::Gone => w.byte(2),
        }
    }

    fn read_command(r: &mut Reader<'_>) -> Result<Taken, WireError> {
        let partition = r.small()?;
        let (before, after) = (r.number()?, r.number()?);
        let content = match r.byte()? {
            0 => {
                let household = r.name()?;
                let Kept {
                    time_ms,
                    power_mw,
                    register,
                } = read_kept(r)?;
                let reading = Reading {
                    household,
                    time_ms,
                    power_mw,
                    register,
                };
                let now_ms = r.signed()?;
                Content::Reading(Take { reading, now_ms })
            }
            1 => Content::Unreadable(r.bytes()?.to_vec()),
            2 => Content::Gone,
            other => return Err(WireError::Kind(other)),
        };
        Ok(Taken {
            partition,
            before,
            after,
            content,
        })
    }

    fn write_fetched(w: &mut Writer<'_>, query: &RowsQuery, rows: &Self::Rows) {
        w.number(query.first.0);
        w.number(query.count.into());
        write_rows(w, rows);
    }

    fn read_fetched(r: &mut Reader<'_>) -> Result<(RowsQuery, Self::Rows), WireError> {
        let query = RowsQuery {
            first: Seq(r.number()?),
            count: r.small()?,
        };
        Ok((query, read_rows(r)?))
    }

    fn write_durable(w: &mut Writer<'_>, durable: &PipelineDurable) {
        w.count(durable.positions.len());
        for (partition, next) in &durable.positions {
            w.number((*partition).into());
            w.number(*next);
        }
        w.count(durable.houses.len());
        durable.houses.iter().for_each(|house| write_house(w, house));
        let SenderDurable {
            epoch,
            last,
            sent,
            acked,
            oldest,
        } = durable.sender;
        w.optional(epoch);
        [last, sent, acked, oldest].iter().for_each(|seq| w.number(seq.0));
    }

    fn read_durable(r: &mut Reader<'_>) -> Result<PipelineDurable, WireError> {
        let positions = (0..r.count()?)
            .map(|_| Ok((r.small()?, r.number()?)))
            .collect::<Result<_, WireError>>()?;
        let houses = (0..r.count()?).map(|_| read_house(r)).collect::<Result<_, _>>()?;
        let sender = SenderDurable {
            epoch: r.optional()?,
            last: Seq(r.number()?),
            sent: Seq(r.number()?),
            acked: Seq(r.number()?),
            oldest: Seq(r.number()?),
        };
        Ok(PipelineDurable {
            positions,
            houses,
            sender,
        })
    }
}

impl Vocabulary for Receiver<Tuple> {
    fn write_message(w: &mut Writer<'_>, message: &Self::Heard) {
        let mut frame = Vec::new();
        // A frame to the cloud names its edge; by the time that a receiver hears it the name has done its work.
        if let Some(nobody) = EdgeName::new("-") {
            encode_up(&nobody, message, &mut frame);
        }
        w.bytes(&frame);
    }

    fn read_message(bytes: &[u8]) -> Result<Self::Heard, WireError> {
        decode_up(bytes).map(|(_, message)| message)
    }

    fn timer_byte(timer: ReceiverTimer) -> u8 {
        match timer {
            ReceiverTimer::Silence => 0,
        }
    }

    fn timer(byte: u8) -> Option<ReceiverTimer> {
        (byte == 0).then_some(ReceiverTimer::Silence)
    }

    fn write_command(_: &mut Writer<'_>, never: &Self::Command) {
        match *never {}
    }

    fn read_command(_: &mut Reader<'_>) -> Result<Self::Command, WireError> {
        Err(WireError::Kind(COMMANDED))
    }

    fn write_fetched(w: &mut Writer<'_>, query: &CodesQuery<Tuple>, codes: &Self::Rows) {
        w.number(query.epoch);
        w.number(query.first.0);
        w.number(query.last.0);
        w.count(query.households.len());
        query.households.iter().for_each(|household| w.name(household));
        write_codes(w, codes);
    }

    fn read_fetched(r: &mut Reader<'_>) -> Result<(CodesQuery<Tuple>, Self::Rows), WireError> {
        let (epoch, first, last) = (r.number()?, Seq(r.number()?), Seq(r.number()?));
        let households = (0..r.count()?)
            .map(|_| r.name())
            .collect::<Result<Vec<Household>, _>>()?;
        let query = CodesQuery {
            epoch,
            first,
            last,
            households,
        };
        Ok((query, read_codes(r)?))
    }

    fn write_durable(w: &mut Writer<'_>, durable: &ReceiverDurable) {
        w.optional(durable.epoch);
        w.number(durable.high.0);
        w.count(durable.retired.iter().count());
        durable.retired.iter().for_each(|epoch| w.number(epoch));
    }

    fn read_durable(r: &mut Reader<'_>) -> Result<ReceiverDurable, WireError> {
        let (epoch, high) = (r.optional()?, Seq(r.number()?));
        let mut retired = Retired::default();
        for _ in 0..r.count()? {
            if !retired.push(r.number()?) {
                return Err(WireError::Length);
            }
        }
        Ok(ReceiverDurable { epoch, high, retired })
    }
}

pub(super) fn flag(r: &mut Reader<'_>) -> Result<bool, WireError> {
    match r.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Number),
    }
}

fn write_kept(w: &mut Writer<'_>, time_ms: i64, power_mw: i64, register: Option<u64>) {
    w.signed(time_ms);
    w.signed(power_mw);
    w.optional(register);
}

fn read_kept(r: &mut Reader<'_>) -> Result<Kept, WireError> {
    Ok(Kept {
        time_ms: r.signed()?,
        power_mw: r.signed()?,
        register: r.optional()?,
    })
}

fn write_house(w: &mut Writer<'_>, house: &House) {
    w.name(house.name());
    w.signed(house.until_ms());
    w.count(house.kept().len());
    for kept in house.kept() {
        write_kept(w, kept.time_ms, kept.power_mw, kept.register);
    }
    w.count(house.closed().len());
    for closed in house.closed() {
        w.signed(closed.start_ms);
        w.number(closed.revision.into());
    }
}

fn read_house(r: &mut Reader<'_>) -> Result<House, WireError> {
    let name = r.name()?;
    let until_ms = r.signed()?;
    let kept = (0..r.count()?).map(|_| read_kept(r)).collect::<Result<_, _>>()?;
    let closed = (0..r.count()?)
        .map(|_| {
            Ok(Closed {
                start_ms: r.signed()?,
                revision: r.small()?,
            })
        })
        .collect::<Result<_, WireError>>()?;
    Ok(House::restore(name, kept, closed, until_ms))
}

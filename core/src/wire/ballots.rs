//! The frames of election, and what the flight recorder needs to know of it.

use alloc::vec::Vec;

use super::frames::{frame, open};
use super::record::{Vocabulary, flag};
use super::{Reader, Replayable, WireError, Writer};
use crate::election::{Claim, Command, Config, Election, HardState, Message, Notice, Position, Tenure, Timer, Timing};
use crate::members::NodeSet;
use crate::types::{Never, NodeId, Term, Ticks};

/// A position in a log that can be written.
pub trait WirePosition: Position {
    /// Appends it.
    fn write(&self, w: &mut Writer<'_>);

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError>;
}

impl WirePosition for () {
    fn write(&self, _: &mut Writer<'_>) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(())
    }
}

const PRE_VOTE: u8 = 16;
const PRE_VOTED: u8 = 17;
const HEARTBEAT: u8 = 18;
const RESIGN: u8 = 19;
const VOTE: u8 = 20;
const VOTED: u8 = 21;
const ACK: u8 = 22;
const NACK: u8 = 23;
const TRANSFER: u8 = 24;
const BEHIND: u8 = 25;

/// Writes a message between members into `buffer`, which is emptied first.
pub fn encode_ballot<L: WirePosition>(message: &Message<L>, buffer: &mut Vec<u8>) {
    let (kind, term) = match message {
        Message::Notice(Notice::PreVote { term, .. }) => (PRE_VOTE, term),
        Message::Notice(Notice::PreVoted { term }) => (PRE_VOTED, term),
        Message::Notice(Notice::Heartbeat { term, .. }) => (HEARTBEAT, term),
        Message::Notice(Notice::Resign { term }) => (RESIGN, term),
        Message::Claim(Claim::Vote { term, .. }) => (VOTE, term),
        Message::Claim(Claim::Voted { term }) => (VOTED, term),
        Message::Claim(Claim::Ack { term, .. }) => (ACK, term),
        Message::Claim(Claim::Nack { term }) => (NACK, term),
        Message::Claim(Claim::Transfer { term, .. }) => (TRANSFER, term),
        Message::Claim(Claim::Behind { term, .. }) => (BEHIND, term),
    };
    frame(kind, buffer, |w| {
        w.number(term.0);
        match message {
            Message::Notice(Notice::PreVote { last, .. }) | Message::Claim(Claim::Behind { last, .. }) => last.write(w),
            Message::Claim(Claim::Vote { last, token, .. }) => {
                last.write(w);
                w.optional(*token);
            }
            Message::Notice(Notice::Heartbeat { round, .. })
            | Message::Claim(Claim::Ack { round, .. } | Claim::Transfer { round, .. }) => w.number(*round),
            Message::Notice(Notice::PreVoted { .. } | Notice::Resign { .. })
            | Message::Claim(Claim::Voted { .. } | Claim::Nack { .. }) => {}
        }
    });
}

/// Reads a message between members.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_ballot<L: WirePosition>(bytes: &[u8]) -> Result<Message<L>, WireError> {
    let (kind, mut r) = open(bytes)?;
    let message = read_ballot(kind, &mut r)?;
    r.end()?;
    Ok(message)
}

/// Reads the body of a message of this kind.
pub(super) fn read_ballot<L: WirePosition>(kind: u8, r: &mut Reader<'_>) -> Result<Message<L>, WireError> {
    if !(PRE_VOTE..=BEHIND).contains(&kind) {
        return Err(WireError::Kind(kind));
    }
    let term = Term(r.number()?);
    let message = match kind {
        PRE_VOTE => Notice::PreVote {
            term,
            last: L::read(r)?,
        }
        .into(),
        PRE_VOTED => Notice::PreVoted { term }.into(),
        HEARTBEAT => Notice::Heartbeat {
            term,
            round: r.number()?,
        }
        .into(),
        RESIGN => Notice::Resign { term }.into(),
        VOTE => {
            let last = L::read(r)?;
            let token = r.optional()?;
            Claim::Vote { term, last, token }.into()
        }
        VOTED => Claim::Voted { term }.into(),
        ACK => Claim::Ack {
            term,
            round: r.number()?,
        }
        .into(),
        NACK => Claim::Nack { term }.into(),
        TRANSFER => Claim::Transfer {
            term,
            round: r.number()?,
        }
        .into(),
        _ => Claim::Behind {
            term,
            last: L::read(r)?,
        }
        .into(),
    };
    Ok(message)
}

/// Timers of one peer each follow after the others.
const PEER_TIMERS: u8 = 16;

impl<L: WirePosition> Vocabulary for Election<L> {
    fn write_message(w: &mut Writer<'_>, message: &Self::Heard) {
        let mut frame = Vec::new();
        encode_ballot(message, &mut frame);
        w.bytes(&frame);
    }

    fn read_message(bytes: &[u8]) -> Result<Self::Heard, WireError> {
        decode_ballot(bytes)
    }

    fn timer_byte(timer: Timer) -> u8 {
        match timer {
            Timer::Election => 0,
            Timer::Heartbeat => 1,
            Timer::Lease(false) => 2,
            Timer::Lease(true) => 3,
            Timer::HandOver => 4,
            Timer::Tenure => 5,
            Timer::Write => 6,
            Timer::Quarantine => 7,
            Timer::Peer(NodeId(id)) => u8::try_from(id).unwrap_or(u8::MAX).saturating_add(PEER_TIMERS),
        }
    }

    fn timer(byte: u8) -> Option<Timer> {
        match byte {
            0 => Some(Timer::Election),
            1 => Some(Timer::Heartbeat),
            2 => Some(Timer::Lease(false)),
            3 => Some(Timer::Lease(true)),
            4 => Some(Timer::HandOver),
            5 => Some(Timer::Tenure),
            6 => Some(Timer::Write),
            7 => Some(Timer::Quarantine),
            _ => byte.checked_sub(PEER_TIMERS).map(|id| Timer::Peer(NodeId(id.into()))),
        }
    }

    fn write_command(w: &mut Writer<'_>, command: &Command) {
        match command {
            Command::Confirm => w.byte(0),
            Command::Transfer(to) => {
                w.byte(1);
                w.optional(to.map(|node| node.0.into()));
            }
            Command::Resign => w.byte(2),
            Command::Drain(on) => w.byte(if *on { 4 } else { 3 }),
        }
    }

    fn read_command(r: &mut Reader<'_>) -> Result<Command, WireError> {
        match r.byte()? {
            0 => Ok(Command::Confirm),
            1 => Ok(Command::Transfer(read_node(r)?)),
            2 => Ok(Command::Resign),
            byte @ 3..=4 => Ok(Command::Drain(byte == 4)),
            other => Err(WireError::Kind(other)),
        }
    }

    fn write_fetched(_: &mut Writer<'_>, query: &Never, _: &Never) {
        match *query {}
    }

    fn read_fetched(_: &mut Reader<'_>) -> Result<(Never, Never), WireError> {
        Err(WireError::Length)
    }

    fn write_durable(w: &mut Writer<'_>, hard: &HardState) {
        w.number(hard.term.0);
        w.optional(hard.vote.map(|node| node.0.into()));
    }

    fn read_durable(r: &mut Reader<'_>) -> Result<HardState, WireError> {
        let term = Term(r.number()?);
        let vote = read_node(r)?;
        Ok(HardState { term, vote })
    }
}

pub(super) fn read_node(r: &mut Reader<'_>) -> Result<Option<NodeId>, WireError> {
    r.optional()?
        .map(|id| u16::try_from(id).map(NodeId).map_err(|_| WireError::Number))
        .transpose()
}

impl<L: WirePosition> Replayable for Election<L> {
    const NAME: &'static str = "voter";

    fn encode_config(config: &Config, buffer: &mut Vec<u8>) {
        let w = &mut Writer(buffer);
        let Timing {
            heartbeat,
            election,
            rank_step,
            lease,
        } = config.timing;
        w.number(config.me.0.into());
        w.number(config.voters.bits());
        w.number(config.observers.bits());
        [heartbeat, election, rank_step, lease]
            .iter()
            .for_each(|ticks| w.number(ticks.0.into()));
        w.byte(config.pre_vote.into());
        w.byte(config.lease.into());
        match config.tenure {
            None => w.byte(0),
            Some(Tenure { length, margin, strict }) => {
                w.byte(1);
                w.number(length.0.into());
                w.number(margin.0.into());
                w.byte(strict.into());
            }
        }
    }

    fn decode_config(bytes: &[u8]) -> Result<Config, WireError> {
        let r = &mut Reader(bytes);
        let me = NodeId(r.small()?);
        let voters = NodeSet::from_bits(r.number()?);
        let observers = NodeSet::from_bits(r.number()?);
        let timing = Timing {
            heartbeat: Ticks(r.small()?),
            election: Ticks(r.small()?),
            rank_step: Ticks(r.small()?),
            lease: Ticks(r.small()?),
        };
        let pre_vote = flag(r)?;
        let lease = flag(r)?;
        let tenure = if flag(r)? {
            Some(Tenure {
                length: Ticks(r.small()?),
                margin: Ticks(r.small()?),
                strict: flag(r)?,
            })
        } else {
            None
        };
        Reader(r.0).end()?;
        Ok(Config {
            observers,
            pre_vote,
            lease,
            tenure,
            ..Config::new(me, voters, timing)
        })
    }
}

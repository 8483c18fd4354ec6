//! The frames of replication. Those of the election that it hosts keep their kinds.

use alloc::vec::Vec;

use super::ballots::read_ballot;
use super::frames::{frame, open};
use super::record::flag;
use super::{Reader, WireError, WirePosition, Writer, encode_ballot};
use crate::election;
use crate::replication::{BODY_BYTES_MAX, Body, Claim, Entry, Index, LogId, Message, Notice, Payload, Piece};
use crate::types::Term;

/// A command or a piece of a snapshot that can be written.
pub trait WireBody: Payload {
    /// Appends it.
    fn write(&self, w: &mut Writer<'_>);

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn read(r: &mut Reader<'_>) -> Result<Self, WireError>;
}

impl WireBody for Vec<u8> {
    fn write(&self, w: &mut Writer<'_>) {
        w.bytes(self);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = r.count()?;
        if count > BODY_BYTES_MAX {
            return Err(WireError::Length);
        }
        r.take(count).map(<[u8]>::to_vec)
    }
}

impl WirePosition for LogId {
    fn write(&self, w: &mut Writer<'_>) {
        w.number(self.term.0);
        w.number(self.index.0);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let term = Term(r.number()?);
        let index = Index(r.number()?);
        Ok(Self { term, index })
    }
}

const APPEND: u8 = 26;
const ASK: u8 = 27;
const SUFFIX: u8 = 28;
const PIECE: u8 = 29;
const APPENDED: u8 = 30;
const MISSING: u8 = 31;
const PIECED: u8 = 32;

/// Writes a message between members with a log into `buffer`, which is emptied first.
pub fn encode_log<C: WireBody>(message: &Message<C>, buffer: &mut Vec<u8>) {
    match message {
        Message::Notice(Notice::Election(notice)) => encode_ballot(&election::Message::Notice(*notice), buffer),
        Message::Claim(Claim::Election(claim)) => encode_ballot(&election::Message::Claim(*claim), buffer),
        Message::Notice(Notice::Append {
            term,
            prev,
            entry,
            decided,
        }) => frame(APPEND, buffer, |w| {
            w.number(term.0);
            prev.write(w);
            w.byte(entry.is_some().into());
            entry.iter().for_each(|entry| write_entry(w, entry));
            w.number(decided.0);
        }),
        Message::Notice(Notice::Ask { last, decided }) => frame(ASK, buffer, |w| {
            last.write(w);
            w.number(decided.0);
        }),
        Message::Notice(Notice::Suffix { prev, entry, last, end }) => frame(SUFFIX, buffer, |w| {
            prev.write(w);
            write_entry(w, entry);
            last.write(w);
            w.byte((*end).into());
        }),
        Message::Notice(Notice::Piece { term, last, piece }) => frame(PIECE, buffer, |w| {
            w.number(term.0);
            last.write(w);
            piece.base.write(w);
            w.number(piece.nth.into());
            w.byte(piece.end.into());
            piece.body.write(w);
        }),
        Message::Claim(Claim::Appended { term, upto, decided }) => frame(APPENDED, buffer, |w| {
            w.number(term.0);
            w.number(upto.0);
            w.number(decided.0);
        }),
        Message::Claim(Claim::Missing { term, hint }) => frame(MISSING, buffer, |w| {
            w.number(term.0);
            w.number(hint.0);
        }),
        Message::Claim(Claim::Pieced { base, next }) => frame(PIECED, buffer, |w| {
            base.write(w);
            w.number((*next).into());
        }),
    }
}

/// Reads a message between members with a log.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_log<C: WireBody>(bytes: &[u8]) -> Result<Message<C>, WireError> {
    let (kind, mut r) = open(bytes)?;
    let message = match kind {
        APPEND..=PIECE => Message::Notice(read_notice(kind, &mut r)?),
        APPENDED..=PIECED => Message::Claim(read_claim(kind, &mut r)?),
        _ => match read_ballot(kind, &mut r)? {
            election::Message::Notice(notice) => Message::Notice(Notice::Election(notice)),
            election::Message::Claim(claim) => Message::Claim(Claim::Election(claim)),
        },
    };
    r.end()?;
    Ok(message)
}

fn read_notice<C: WireBody>(kind: u8, r: &mut Reader<'_>) -> Result<Notice<C>, WireError> {
    Ok(match kind {
        APPEND => Notice::Append {
            term: Term(r.number()?),
            prev: LogId::read(r)?,
            entry: if flag(r)? { Some(read_entry(r)?) } else { None },
            decided: Index(r.number()?),
        },
        ASK => Notice::Ask {
            last: LogId::read(r)?,
            decided: Index(r.number()?),
        },
        SUFFIX => Notice::Suffix {
            prev: LogId::read(r)?,
            entry: read_entry(r)?,
            last: LogId::read(r)?,
            end: flag(r)?,
        },
        _ => Notice::Piece {
            term: Term(r.number()?),
            last: LogId::read(r)?,
            piece: Piece {
                base: LogId::read(r)?,
                nth: r.small()?,
                end: flag(r)?,
                body: C::read(r)?,
            },
        },
    })
}

fn read_claim(kind: u8, r: &mut Reader<'_>) -> Result<Claim, WireError> {
    Ok(match kind {
        APPENDED => Claim::Appended {
            term: Term(r.number()?),
            upto: Index(r.number()?),
            decided: Index(r.number()?),
        },
        MISSING => Claim::Missing {
            term: Term(r.number()?),
            hint: Index(r.number()?),
        },
        _ => Claim::Pieced {
            base: LogId::read(r)?,
            next: r.small()?,
        },
    })
}

pub(super) fn write_entry<C: WireBody>(w: &mut Writer<'_>, entry: &Entry<C>) {
    entry.id.write(w);
    match &entry.body {
        Body::Empty => w.byte(0),
        Body::Command(command) => {
            w.byte(1);
            command.write(w);
        }
    }
}

pub(super) fn read_entry<C: WireBody>(r: &mut Reader<'_>) -> Result<Entry<C>, WireError> {
    let id = LogId::read(r)?;
    let body = if flag(r)? {
        Body::Command(C::read(r)?)
    } else {
        Body::Empty
    };
    Ok(Entry { id, body })
}

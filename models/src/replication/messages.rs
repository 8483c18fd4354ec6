//! The messages of the replication model, packed into small numbers.

use pehra_core::election;
use pehra_core::replication::{Body, Claim, Entry, Index, LogId, Message, Notice, Piece};
use pehra_core::types::Term;

use crate::net::{Packer, Unpacker};

/// The place of "to all": what is said to everybody alike is one message, unless each arrival counts.
pub const ALL: u8 = 3;

/// Who, to whom, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The sender.
    pub from: u8,
    /// The receiver, or [`ALL`].
    pub to: u8,
    /// The message.
    pub message: Message<u8>,
}

fn put_id(bits: Packer, id: LogId) -> Packer {
    bits.put(id.term.0, 3).put(id.index.0, 3)
}

fn put_entry(bits: Packer, entry: &Entry<u8>) -> Packer {
    let body = match entry.body {
        Body::Empty => 0,
        Body::Command(number) => number,
    };
    bits.put(entry.id.term.0, 3).put(body.into(), 2)
}

fn id(bits: &mut Unpacker) -> LogId {
    let term = Term(bits.take(3).into());
    LogId::new(term, Index(bits.take(3).into()))
}

fn entry(bits: &mut Unpacker, prev: LogId) -> Entry<u8> {
    let term = Term(bits.take(3).into());
    let body = match bits.take(2) {
        0 => Body::Empty,
        number => Body::Command(number),
    };
    Entry {
        id: LogId::new(term, prev.index.next()),
        body,
    }
}

impl Letter {
    /// As a number.
    ///
    /// # Panics
    /// If a number in it is larger than the bounds of any world allow.
    pub fn pack(&self) -> u32 {
        let head = |kind: u64| {
            Packer::default()
                .put(self.from.into(), 2)
                .put(self.to.into(), 2)
                .put(kind, 4)
        };
        let bits = match &self.message {
            Message::Notice(Notice::Election(notice)) => match notice {
                election::Notice::PreVote { term, last } => put_id(head(0).put(term.0, 3), *last),
                election::Notice::PreVoted { term } => head(1).put(term.0, 3),
                election::Notice::Heartbeat { term, round } => head(2).put(term.0, 3).put(*round, 3),
                election::Notice::Resign { .. } => unreachable!("nobody resigns in this world"),
            },
            Message::Claim(Claim::Election(claim)) => match claim {
                election::Claim::Vote {
                    term,
                    last,
                    token: None,
                } => put_id(head(3).put(term.0, 3), *last),
                election::Claim::Voted { term } => head(4).put(term.0, 3),
                election::Claim::Ack { term, round } => head(5).put(term.0, 3).put(*round, 3),
                election::Claim::Nack { term } => head(6).put(term.0, 3),
                election::Claim::Behind { term, last } => put_id(head(7).put(term.0, 3), *last),
                election::Claim::Vote { .. } | election::Claim::Transfer { .. } => {
                    unreachable!("nobody hands over in this world")
                }
            },
            Message::Notice(Notice::Append {
                term,
                prev,
                entry,
                decided,
            }) => {
                let bits = put_id(head(8).put(term.0, 3), *prev).put(decided.0, 3);
                match entry {
                    Some(entry) => put_entry(bits.put(1, 1), entry),
                    None => bits.put(0, 1),
                }
            }
            Message::Notice(Notice::Ask { last, decided }) => put_id(head(9), *last).put(decided.0, 3),
            Message::Notice(Notice::Suffix { prev, entry, last, end }) => {
                let bits = put_entry(put_id(head(10), *prev), entry);
                put_id(bits, *last).put((*end).into(), 1)
            }
            Message::Notice(Notice::Piece { term, last, piece }) => {
                let bits = put_id(put_id(head(11).put(term.0, 3), *last), piece.base);
                bits.put(piece.nth.into(), 1)
                    .put(piece.end.into(), 1)
                    .put(piece.body.into(), 3)
            }
            Message::Claim(Claim::Appended { term, upto, decided }) => {
                head(12).put(term.0, 3).put(upto.0, 3).put(decided.0, 3)
            }
            Message::Claim(Claim::Missing { term, hint }) => head(13).put(term.0, 3).put(hint.0, 3),
            Message::Claim(Claim::Pieced { base, next }) => put_id(head(14), *base).put((*next).into(), 2),
        };
        bits.word()
    }

    /// From a number.
    pub fn unpack(word: u32) -> Self {
        let bits = &mut Unpacker(word);
        let (from, to, kind) = (bits.take(2), bits.take(2), bits.take(4));
        let term = |bits: &mut Unpacker| Term(bits.take(3).into());
        let place = |bits: &mut Unpacker| Index(bits.take(3).into());
        let message = match kind {
            0..=7 => {
                let term = term(bits);
                match kind {
                    0 => notice(election::Notice::PreVote { term, last: id(bits) }),
                    1 => notice(election::Notice::PreVoted { term }),
                    2 => notice(election::Notice::Heartbeat {
                        term,
                        round: bits.take(3).into(),
                    }),
                    3 => claim(election::Claim::Vote {
                        term,
                        last: id(bits),
                        token: None,
                    }),
                    4 => claim(election::Claim::Voted { term }),
                    5 => claim(election::Claim::Ack {
                        term,
                        round: bits.take(3).into(),
                    }),
                    6 => claim(election::Claim::Nack { term }),
                    _ => claim(election::Claim::Behind { term, last: id(bits) }),
                }
            }
            8 => {
                let (term, prev, decided) = (term(bits), id(bits), place(bits));
                let entry = (bits.take(1) == 1).then(|| entry(bits, prev));
                Message::Notice(Notice::Append {
                    term,
                    prev,
                    entry,
                    decided,
                })
            }
            9 => Message::Notice(Notice::Ask {
                last: id(bits),
                decided: place(bits),
            }),
            10 => {
                let prev = id(bits);
                Message::Notice(Notice::Suffix {
                    prev,
                    entry: entry(bits, prev),
                    last: id(bits),
                    end: bits.take(1) == 1,
                })
            }
            11 => Message::Notice(Notice::Piece {
                term: term(bits),
                last: id(bits),
                piece: Piece {
                    base: id(bits),
                    nth: bits.take(1).into(),
                    end: bits.take(1) == 1,
                    body: bits.take(3),
                },
            }),
            12 => Message::Claim(Claim::Appended {
                term: term(bits),
                upto: place(bits),
                decided: place(bits),
            }),
            13 => Message::Claim(Claim::Missing {
                term: term(bits),
                hint: place(bits),
            }),
            _ => Message::Claim(Claim::Pieced {
                base: id(bits),
                next: bits.take(2).into(),
            }),
        };
        Self { from, to, message }
    }
}

const fn notice(notice: election::Notice<LogId>) -> Message<u8> {
    Message::Notice(Notice::Election(notice))
}

const fn claim(claim: election::Claim<LogId>) -> Message<u8> {
    Message::Claim(Claim::Election(claim))
}

//! The messages of the election model, packed into small numbers.

use pehra_core::election::{Claim, Message, Notice};
use pehra_core::types::Term;

use crate::net::{Packer, Unpacker};

/// The place of "to all": what is said to everybody alike is one message, unless each arrival counts.
pub const ALL: u8 = 7;

/// Who, to whom, what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The sender.
    pub from: u8,
    /// The receiver, or [`ALL`].
    pub to: u8,
    /// The message.
    pub message: Message<()>,
}

impl Letter {
    /// As a number.
    pub fn pack(&self) -> u32 {
        let (kind, term, more) = match self.message {
            Message::Notice(Notice::PreVote { term, last: () }) => (0, term, 0),
            Message::Notice(Notice::PreVoted { term }) => (1, term, 0),
            Message::Notice(Notice::Heartbeat { term, round }) => (2, term, round),
            Message::Notice(Notice::Resign { term }) => (3, term, 0),
            Message::Claim(Claim::Vote { term, last: (), token }) => (4, term, token.map_or(0, |round| round + 1)),
            Message::Claim(Claim::Voted { term }) => (5, term, 0),
            Message::Claim(Claim::Ack { term, round }) => (6, term, round),
            Message::Claim(Claim::Nack { term }) => (7, term, 0),
            Message::Claim(Claim::Transfer { term, round }) => (8, term, round),
            Message::Claim(Claim::Behind { term, last: () }) => (9, term, 0),
        };
        Packer::default()
            .put(self.from.into(), 3)
            .put(self.to.into(), 3)
            .put(kind, 4)
            .put(term.0, 4)
            .put(more, 4)
            .word()
    }

    /// From a number.
    pub fn unpack(word: u32) -> Self {
        let mut bits = Unpacker(word);
        let (from, to, kind) = (bits.take(3), bits.take(3), bits.take(4));
        let term = Term(bits.take(4).into());
        let more = u64::from(bits.take(4));
        let message = match kind {
            0 => Notice::PreVote { term, last: () }.into(),
            1 => Notice::PreVoted { term }.into(),
            2 => Notice::Heartbeat { term, round: more }.into(),
            3 => Notice::Resign { term }.into(),
            4 => {
                let token = more.checked_sub(1);
                Claim::Vote { term, last: (), token }.into()
            }
            5 => Claim::Voted { term }.into(),
            6 => Claim::Ack { term, round: more }.into(),
            7 => Claim::Nack { term }.into(),
            8 => Claim::Transfer { term, round: more }.into(),
            _ => Claim::Behind { term, last: () }.into(),
        };
        Self { from, to, message }
    }
}

/// The term that a message names.
pub const fn term_of(message: &Message<()>) -> Term {
    match message {
        Message::Notice(
            Notice::PreVote { term, .. }
            | Notice::PreVoted { term }
            | Notice::Heartbeat { term, .. }
            | Notice::Resign { term },
        )
        | Message::Claim(
            Claim::Vote { term, .. }
            | Claim::Voted { term }
            | Claim::Ack { term, .. }
            | Claim::Nack { term }
            | Claim::Transfer { term, .. }
            | Claim::Behind { term, .. },
        ) => *term,
    }
}

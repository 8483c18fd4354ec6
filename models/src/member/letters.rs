//! What is under way between members.

use std::mem::{Discriminant, discriminant};

use pehra_core::sleep::guard;
use pehra_core::sleep::guard::Decree;
use pehra_core::sleep::member::{Claim, Message, Notice};
use pehra_core::{election, replication};

use crate::sleep::net::Letter as Word;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// From whom.
    pub from: u8,
    /// To whom.
    pub to: u8,
    /// What it says.
    pub message: Message,
}

/// Messages of one kind push each other out.
#[derive(PartialEq, Eq)]
enum Kind {
    Guard(Discriminant<guard::Message>, bool),
    Election(Discriminant<election::Notice<replication::LogId>>),
    Vote(Discriminant<election::Claim<replication::LogId>>),
    Log(Discriminant<replication::Notice<Decree>>),
    Answer(Discriminant<replication::Claim>),
}

impl Letter {
    fn kind(&self) -> Kind {
        let duty = |message: guard::Message| {
            let second = matches!(
                message,
                guard::Message::Claim(guard::Claim::Grant { .. }) | guard::Message::Notice(guard::Notice::Traffic)
            );
            Kind::Guard(discriminant(&message), second)
        };
        match &self.message {
            Message::Notice(Notice::Log(replication::Notice::Election(notice))) => Kind::Election(discriminant(notice)),
            Message::Notice(Notice::Log(notice)) => Kind::Log(discriminant(notice)),
            Message::Claim(Claim::Log(replication::Claim::Election(claim))) => Kind::Vote(discriminant(claim)),
            Message::Claim(Claim::Log(claim)) => Kind::Answer(discriminant(claim)),
            Message::Notice(Notice::Guard(notice)) => duty((*notice).into()),
            Message::Claim(Claim::Guard(claim)) => duty((*claim).into()),
        }
    }

    /// As a letter of guard duty, if it is one.
    fn word(&self) -> Option<Word> {
        let message = match self.message {
            Message::Notice(Notice::Guard(notice)) => notice.into(),
            Message::Claim(Claim::Guard(claim)) => claim.into(),
            Message::Notice(Notice::Log(_)) | Message::Claim(Claim::Log(_)) => return None,
        };
        let (from, to) = (self.from, self.to);
        Some(Word {
            from,
            to,
            message,
            owed: false,
        })
    }

    pub(super) fn tokens(&self, visit: impl FnMut(u64)) {
        if let Some(word) = self.word() {
            word.tokens(visit);
        }
    }

    pub(super) fn renamed(&self, name: &impl Fn(u64) -> u64) -> Self {
        let message = match self.word().map(|word| word.renamed(name).message) {
            None => self.message,
            Some(guard::Message::Notice(notice)) => Message::Notice(Notice::Guard(notice)),
            Some(guard::Message::Claim(claim)) => Message::Claim(Claim::Guard(claim)),
        };
        Self { message, ..*self }
    }
}

/// Adds a letter. One of its kind that is under way already, from the same to the same, is lost.
pub(super) fn send(net: &mut Vec<Letter>, letter: Letter) {
    net.retain(|known| (known.from, known.to) != (letter.from, letter.to) || known.kind() != letter.kind());
    let at = net.partition_point(|known| *known < letter);
    net.insert(at, letter);
}

//! Which messages can change nothing any more.

use pehra_core::election::{Claim, Message, Notice};
use pehra_core::types::{NodeId, Term};

use super::state::State;
use super::world::World;
use crate::election::messages::{ALL, Letter, term_of};
use crate::net::Net;

impl World {
    pub(super) fn receivers(&self, letter: &Letter) -> std::ops::Range<u8> {
        if letter.to == ALL {
            0..self.bounds().members()
        } else {
            letter.to..letter.to + 1
        }
    }

    /// Drops what can change nothing any more that a lease rests on, whoever hears it, also after a crash.
    pub(super) fn drop_dead(&self, state: &State, net: &mut Net) {
        net.retain(|word| {
            let letter = Letter::unpack(word);
            let term = term_of(&letter.message);
            let hard = |to: u8| state.members[usize::from(to)].image.hard.unwrap_or_default();
            let leads = |member: u8| state.leadership(member).filter(|_| state.term(member) == term.0);
            let mut receivers = self.receivers(&letter).filter(|to| *to != letter.from);
            receivers.any(|to| match letter.message {
                // One that comes too late is answered by a Nack, which matters to who still leads.
                Message::Notice(Notice::Heartbeat { .. }) => hard(to).term <= term || leads(letter.from).is_some(),
                Message::Notice(Notice::Resign { .. }) | Message::Claim(Claim::Transfer { .. }) => {
                    hard(to).term <= term
                }
                Message::Claim(Claim::Vote { .. }) => {
                    let Term(of) = term;
                    let waits = state.stands(letter.from) && state.term(letter.from) == of;
                    let vote = hard(to).vote;
                    let from = NodeId(letter.from.into());
                    hard(to).term < term || (hard(to).term == term && (vote.is_none() || (vote == Some(from) && waits)))
                }
                Message::Claim(Claim::Voted { .. }) => state.stands(to) && state.term(to) == term.0,
                // A voter's answer to a round that is no longer open only shows that it is there.
                Message::Claim(Claim::Ack { round, .. }) => {
                    leads(to).is_some_and(|leader| leader.is_asking() && leader.round() == round)
                }
                Message::Claim(Claim::Nack { .. }) => state.leadership(to).is_some() && state.term(to) < term.0,
                Message::Notice(Notice::PreVote { .. } | Notice::PreVoted { .. })
                | Message::Claim(Claim::Behind { .. }) => false,
            })
        });
    }
}

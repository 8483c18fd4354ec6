//! Messages that can change nothing any more are dropped, and those that can be had for nothing are sent at once, so that
//! states which differ only in them are one.
//!
//! ## Dropped
//!
//! Each rule says why whoever still hears the message is no other than without it, now and later, also after crashes.
//! The rules for all worlds look at terms on the receivers' disks, which never fall. Those for reduced worlds
//! ([`super::Bounds::reduced`]) also rest on what the code does; there a message must have been tried as well: it is dropped
//! only if the deployed code, given it now, makes nothing of it, and neither after a restart. That also keeps a mistake in
//! the code from being hidden by a rule that trusts it.
//!
//! ## Sent at once
//!
//! Somebody who hears a message may answer it and stay exactly as it was. In a reduced world it does so at once, and the state
//! between is skipped. Nothing is lost by that: before the calm a message under way keeps nobody from anything, since it
//! may come late or never; so whatever can follow without the answer can follow with it, and what it leads to holds for both.

use pehra_core::election::{Claim, Message, Notice, Role};
use pehra_core::members::NodeSet;
use pehra_core::types::{NodeId, Term};

use super::messages::{ALL, Letter, term_of};
use super::state::State;
use super::steps::What;
use super::world::World;
use crate::net::Net;

impl State {
    pub(super) fn durable(&self, member: u8) -> (Term, Option<NodeId>) {
        let hard = self.members[usize::from(member)].image.hard;
        hard.map_or((Term::ZERO, None), |hard| (hard.term, hard.vote))
    }

    /// The votes that it has counted, if it stands in this term.
    pub(super) fn stands(&self, member: u8, term: Term) -> Option<NodeSet> {
        let election = self.members[usize::from(member)].node.state();
        match election.role() {
            Role::Candidate { granted } if election.term() == term => Some(*granted),
            _ => None,
        }
    }
}

impl World {
    /// Sends what costs nobody anything, and drops what can change nothing any more.
    pub(super) fn settle(&self, state: &State, net: &mut Net) {
        self.drop_dead(state, net);
        if !self.bounds().reduced || state.calm.is_some() {
            return;
        }
        loop {
            let mut more = net.clone();
            for word in net.iter() {
                self.answer(state, word, &mut more);
            }
            self.drop_dead(state, &mut more);
            if more == *net {
                return;
            }
            *net = more;
        }
    }

    /// Adds the answers of those who stay as they are.
    fn answer(&self, state: &State, word: u32, net: &mut Net) {
        let letter = Letter::unpack(word);
        for to in self.receivers(&letter).filter(|to| *to != letter.from) {
            let member = state.members[usize::from(to)];
            let heard = self.step(to, member, What::Hear(word));
            if let Some(heard) = heard.filter(|heard| heard.member == member && heard.shows() == (0, None, false)) {
                for answer in &heard.sent {
                    net.send(self.address(state, *answer).pack());
                }
            }
        }
    }

    /// Drops what can change nothing any more.
    fn drop_dead(&self, state: &State, net: &mut Net) {
        let before = self.sharp(state).then(|| net.clone());
        net.retain(|word| {
            let letter = Letter::unpack(word);
            let mut receivers = self.receivers(&letter).filter(|to| *to != letter.from);
            receivers.any(|to| {
                self.lives(state, &letter, to) && before.as_ref().is_none_or(|net| !self.is_idle(state, net, word, to))
            })
        });
    }

    /// A store that is lost forgets what the sharper rules rest on; once calm no state is like another.
    fn sharp(&self, state: &State) -> bool {
        let bounds = self.bounds();
        bounds.reduced && bounds.wipes == 0 && state.calm.is_none()
    }

    /// By the terms on disk.
    fn lives(&self, state: &State, letter: &Letter, to: u8) -> bool {
        let listens = self.bounds().check_quorum || !self.bounds().calms.is_empty();
        let term = term_of(&letter.message);
        let durable = state.durable(to).0;
        match letter.message {
            // These are answered by a Nack, however old.
            Message::Notice(Notice::PreVote { .. } | Notice::Heartbeat { .. }) => true,
            Message::Notice(Notice::PreVoted { .. }) | Message::Claim(Claim::Nack { .. } | Claim::Behind { .. }) => {
                durable < term
            }
            // Nobody has opened the first round: its answers only show that their sender is there.
            Message::Claim(Claim::Ack { round, .. }) => (listens || round > 0) && durable <= term,
            Message::Notice(Notice::Resign { .. })
            | Message::Claim(Claim::Vote { .. } | Claim::Voted { .. } | Claim::Transfer { .. }) => durable <= term,
        }
    }

    /// By what the code does. `net` is all that is under way.
    fn is_idle(&self, state: &State, net: &Net, word: u32, to: u8) -> bool {
        let Letter { from, message, .. } = Letter::unpack(word);
        let term = term_of(&message);
        let (on_disk, vote) = state.durable(to);
        let idle = match message {
            // A vote counts for who stands in that term, and once. Whoever stood in it and stands in it no longer never will
            // again: its disk has the term since before it asked, and the next time it stands is in a later one.
            Message::Claim(Claim::Voted { .. }) => match state.stands(to, term) {
                Some(counted) => counted.contains(NodeId(from.into())),
                None => state.term(to) >= term.0,
            },
            // What answers a leader counts while it leads; it leads a term only once.
            Message::Claim(Claim::Ack { .. }) => !(state.leads(to) && state.term(to) == term.0),
            Message::Claim(Claim::Vote { .. }) if to >= self.voters() => true,
            // A vote on disk stays. Asked once more it is only repeated, which is idle if nobody counts it.
            Message::Claim(Claim::Vote { .. }) => {
                let given = vote.is_some_and(|vote| vote != NodeId(from.into()) || state.stands(from, term).is_none());
                on_disk == term && given
            }
            // Whoever is past it says so, which is news to a sender that is behind. One such message is as good as another:
            // the newest stands for those before it.
            Message::Notice(Notice::Heartbeat { .. } | Notice::PreVote { .. }) => {
                let known = state.durable(from).0;
                return self.answers_from(&message).is_some_and(|least| on_disk >= least)
                    && (known.0 >= self.bounds().terms.into() || self.has_newer(net, word, to, known));
            }
            Message::Notice(Notice::PreVoted { .. } | Notice::Resign { .. })
            | Message::Claim(Claim::Nack { .. } | Claim::Transfer { .. } | Claim::Behind { .. }) => false,
        };
        idle && self.tried(state, word, to)
    }

    /// The lowest term whose members answer this with a Nack.
    fn answers_from(&self, message: &Message<()>) -> Option<Term> {
        match message {
            Message::Notice(Notice::PreVote { term, .. }) => Some(*term),
            Message::Notice(Notice::Heartbeat { term, .. }) => term.next(),
            _ => None,
        }
    }

    /// Whether the same sender has said something later to this one that draws the same Nacks: those that name a term which
    /// the sender has not on disk.
    fn has_newer(&self, net: &Net, word: u32, to: u8, known: Term) -> bool {
        let old = Letter::unpack(word);
        let age = |letter: &Letter| self.answers_from(&letter.message);
        net.iter().any(|other| {
            let letter = Letter::unpack(other);
            letter.from == old.from
                && (letter.to == ALL || letter.to == to)
                && age(&letter).is_some_and(|least| known.next().is_some_and(|next| least <= next))
                && (age(&letter), other) > (age(&old), word)
        })
    }

    /// Whether the code makes nothing of it, as things are and after a restart.
    fn tried(&self, state: &State, word: u32, to: u8) -> bool {
        let member = state.members[usize::from(to)];
        let nothing = |member| {
            let heard = self.step(to, member, What::Hear(word));
            heard.is_none_or(|heard| heard.member == member && heard.is_silent())
        };
        let restarted = self.step(to, member, What::Crash).expect("anybody can crash").member;
        nothing(member) && nothing(restarted)
    }
}

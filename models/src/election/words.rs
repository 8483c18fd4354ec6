//! States and actions in words.

use std::fmt;

use pehra_core::election::{Claim, Loyalty, Message, Notice, Role};

use super::messages::{ALL, Letter};
use super::state::{Action, State};

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, member) in self.members.iter().enumerate() {
            if at > 0 && *member == self.members[0] && self.members[at..].iter().all(|other| *other == self.members[0])
            {
                break;
            }
            let state = member.node.state();
            let role = match state.role() {
                Role::Observer => "observer".into(),
                Role::Follower => match state.loyalty() {
                    Loyalty::Free => "free".into(),
                    Loyalty::Unknown => "in quarantine".into(),
                    Loyalty::To(leader) => format!("follows {leader}"),
                },
                Role::PreCandidate { granted, .. } => format!("asks, granted {granted:?}"),
                Role::Candidate { granted } => format!("stands, votes {granted:?}"),
                Role::Leader(leader) => format!("LEADS, heard {:?}", leader.fresh()),
            };
            write!(f, "n{at} {} {role}", state.term())?;
            match member.image.hard {
                Some(hard) => write!(f, " [disk {} vote {:?}]", hard.term, hard.vote)?,
                None => write!(f, " [disk empty]")?,
            }
            if !member.disk.is_empty() || member.unreported > 0 {
                write!(f, " ({} open)", member.disk.len() + usize::from(member.unreported))?;
            }
            write!(f, "; ")?;
        }
        if let Some(shape) = self.calm {
            write!(f, "calm as {shape:?}; ")?;
        }
        for word in self.net.iter() {
            write!(f, "{}, ", letter(word))?;
        }
        Ok(())
    }
}

/// A message in words.
pub fn letter(word: u32) -> String {
    let Letter { from, to, message } = Letter::unpack(word);
    let what = match message {
        Message::Notice(Notice::PreVote { term, .. }) => format!("would you vote for me in {term}?"),
        Message::Notice(Notice::PreVoted { term }) => format!("I would in {term}"),
        Message::Notice(Notice::Heartbeat { term, round: 0 }) => format!("I lead {term}"),
        Message::Notice(Notice::Heartbeat { term, round }) => format!("I lead {term}, round {round}"),
        Message::Notice(Notice::Resign { term }) => format!("I resign from {term}"),
        Message::Claim(Claim::Vote { term, token: None, .. }) => format!("vote for me in {term}"),
        Message::Claim(Claim::Vote { term, .. }) => format!("vote for me in {term}, I was asked to stand"),
        Message::Claim(Claim::Voted { term }) => format!("my vote in {term}"),
        Message::Claim(Claim::Ack { term, round }) => format!("heard you in {term}, round {round}"),
        Message::Claim(Claim::Nack { term }) => format!("it is {term} here"),
        Message::Claim(Claim::Transfer { term, .. }) => format!("stand, I hand over {term}"),
        Message::Claim(Claim::Behind { term, .. }) => format!("my log is longer, for {term}"),
    };
    let to = if to == ALL { "all".into() } else { format!("n{to}") };
    format!("n{from} to {to}: {what}")
}

/// An action in words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Deliver(word, to) => format!("n{to} hears: {}", letter(*word)),
        Action::Durable(member) => format!("n{member}'s disk has it"),
        Action::Reported(member) => format!("n{member} is told that it is durable"),
        Action::Fire(member, timer) => format!("n{member}: the timer {timer:?} goes off"),
        Action::Crash(member) => format!("n{member} crashes and restarts"),
        Action::Wipe(member) => format!("n{member} loses its disk and restarts"),
        Action::Transfer(member, None) => format!("n{member} is asked to hand over"),
        Action::Transfer(member, Some(to)) => format!("n{member} is asked to hand over to n{to}"),
        Action::Hint(member) => format!("n{member} is told that its leader's process is gone"),
        Action::Ask(member) => format!("n{member} is asked who leads"),
        Action::Resign(member) => format!("n{member} is asked to resign"),
        Action::Calm(shape) => format!("calm: {shape:?}"),
    }
}

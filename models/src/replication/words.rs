//! States and actions in words.

use std::fmt;

use pehra_core::election::{self, Loyalty, Role};
use pehra_core::replication::{Body, Claim, Entry, LogId, Message, Notice};

use super::messages::{ALL, Letter};
use super::state::{Action, State};

fn says(entry: &Entry<u8>) -> String {
    let id = entry.id;
    match entry.body {
        Body::Empty => format!("{id} empty"),
        Body::Command(number) => format!("{id} \"{number}\""),
    }
}

fn after(id: LogId) -> String {
    if id == LogId::ZERO {
        "at the beginning".into()
    } else {
        format!("after {id}")
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, member) in self.members.iter().enumerate() {
            let state = member.node.state();
            let role = match state.election().role() {
                Role::Observer => "observer".into(),
                Role::Follower => match state.election().loyalty() {
                    Loyalty::Free => "free".into(),
                    Loyalty::Unknown => "in quarantine".into(),
                    Loyalty::To(leader) => format!("follows {leader}"),
                },
                Role::PreCandidate { granted, .. } => format!("asks, granted {granted:?}"),
                Role::Candidate { granted } => format!("stands, votes {granted:?}"),
                Role::Leader(leader) => format!("LEADS, heard {:?}", leader.fresh()),
            };
            let log = state.log();
            write!(
                f,
                "n{at} {} {role}; log to {} from {}, decided {}, applied {}",
                state.election().term(),
                log.last(),
                log.base(),
                state.decided().0,
                state.applied().0
            )?;
            let entries: Vec<String> = member.image.entries.iter().map(says).collect();
            write!(f, " [disk {}", entries.join(", "))?;
            match member.image.hard {
                Some(hard) => write!(f, ", {} vote {:?}]", hard.term, hard.vote)?,
                None => write!(f, "]")?,
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

/// What a member is, and how far its log goes.
pub fn standing(state: &State, member: u8) -> String {
    let member = state.members[usize::from(member)].node.state();
    let role = match member.election().role() {
        Role::Observer => "observes",
        Role::Follower if matches!(member.election().loyalty(), Loyalty::To(_)) => "follows",
        Role::Follower => "waits",
        Role::PreCandidate { .. } => "asks",
        Role::Candidate { .. } => "stands",
        Role::Leader(_) => "leads",
    };
    let (term, last, decided) = (member.election().term().0, member.log().last(), member.decided().0);
    format!("term {term}: {role}; log to {last}, decided {decided}")
}

/// A message under way.
pub fn letter(word: u32) -> String {
    let Letter {
        from,
        to,
        message: what,
    } = Letter::unpack(word);
    let to = if to == ALL { "all".into() } else { format!("n{to}") };
    format!("n{from} to {to}: {}", message(&what))
}

/// A message in words.
pub fn message(message: &Message<u8>) -> String {
    match *message {
        Message::Notice(Notice::Election(notice)) => match notice {
            election::Notice::PreVote { term, last } => {
                format!("would you vote for me in {term}? my log ends with {last}")
            }
            election::Notice::PreVoted { term } => format!("I would in {term}"),
            election::Notice::Heartbeat { term, .. } => format!("I lead {term}"),
            election::Notice::Resign { term } => format!("I resign from {term}"),
        },
        Message::Claim(Claim::Election(claim)) => match claim {
            election::Claim::Vote { term, last, .. } => format!("vote for me in {term}, my log ends with {last}"),
            election::Claim::Voted { term } => format!("my vote in {term}"),
            election::Claim::Ack { term, .. } => format!("heard you in {term}"),
            election::Claim::Nack { term } => format!("it is {term} here"),
            election::Claim::Transfer { term, .. } => format!("stand, I hand over {term}"),
            election::Claim::Behind { term, last } => format!("my log goes to {last}, so not in {term}"),
        },
        Message::Notice(Notice::Append {
            prev,
            entry: Some(entry),
            decided,
            ..
        }) => {
            format!("{} comes {}, decided {}", after(prev), says(&entry), decided.0)
        }
        Message::Notice(Notice::Append {
            prev,
            entry: None,
            decided,
            ..
        }) => {
            format!("do you have {prev}? decided {}", decided.0)
        }
        Message::Notice(Notice::Ask { last, .. }) => format!("my log ends with {last}: what comes next?"),
        Message::Notice(Notice::Suffix { prev, entry, last, .. }) => {
            format!("{} comes {}, my log goes to {last}", after(prev), says(&entry))
        }
        Message::Notice(Notice::Piece { piece, .. }) => format!("piece {} of my snapshot to {}", piece.nth, piece.base),
        Message::Claim(Claim::Appended { upto, decided, .. }) => {
            format!("my log is yours up to {}, decided {}", upto.0, decided.0)
        }
        Message::Claim(Claim::Missing { hint, .. }) => format!("I lack that, try after {}", hint.0),
        Message::Claim(Claim::Pieced { base, next }) => format!("I have the pieces before {next} of the one to {base}"),
    }
}

/// An action in words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Deliver(word, to) => format!("n{to} hears: {}", letter(*word)),
        Action::Durable(member) => format!("n{member}'s disk has it"),
        Action::Reported(member) => format!("n{member} is told that it is durable"),
        Action::Answer(member) => format!("n{member}'s store answers"),
        Action::Fire(member, timer) => format!("n{member}: the {} goes off", crate::election::words::timer(*timer)),
        Action::Crash(member) => format!("n{member} crashes and restarts"),
        Action::Propose(member) => format!("n{member} is given a command"),
        Action::Read(member) => format!("n{member} is asked for a read"),
        Action::Snapshot(member) => format!("n{member} takes a snapshot"),
        Action::Calm(shape) => format!("calm: {shape:?}"),
    }
}

//! States and actions in words, for traces and for the browser.

use std::fmt;

use pehra_core::election::{Claim, Loyalty, Message, Notice, Role, Timer};
use pehra_core::members::NodeSet;

use super::bounds::{MEMBERS, Shape};
use super::messages::{ALL, Letter};
use super::state::{Action, Member, State};

/// One line in a trace; a line for each part in the browser, which asks for `{:#?}`.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (next, inner) = if f.alternate() { ("\n", "\n    ") } else { ("; ", ", ") };
        for member in 0..self.shown() {
            let site = &self.members[usize::from(member)];
            write!(
                f,
                "n{member} in {}{inner}on disk: {}",
                standing(self, member),
                disk(site)
            )?;
            let open = site.disk.len() + usize::from(site.unreported);
            if open > 0 {
                write!(f, ", {open} {} under way", plural(open, "write"))?;
            }
            if f.alternate() && !site.timers.is_empty() {
                let timers: Vec<String> = site.timers.iter().copied().map(timer).collect();
                write!(f, "{inner}armed: {}", timers.join(", "))?;
            }
            f.write_str(next)?;
        }
        if let Some(shape) = self.calm {
            write!(f, "{}{next}", calm(shape))?;
        }
        let letters: Vec<String> = self.net.iter().map(letter).collect();
        if letters.is_empty() {
            return f.write_str("no messages");
        }
        write!(
            f,
            "messages: {}",
            letters.join(if f.alternate() { "\n          " } else { ", " })
        )
    }
}

impl State {
    /// How many members there are to show: places beyond the last repeat the first.
    fn shown(&self) -> u8 {
        let repeats = |at: &usize| self.members[*at..].iter().all(|other| *other == self.members[0]);
        let shown = (1..MEMBERS).find(repeats).unwrap_or(MEMBERS);
        u8::try_from(shown).expect("few members")
    }
}

/// A member's term and role.
pub fn standing(state: &State, member: u8) -> String {
    let state = state.members[usize::from(member)].node.state();
    let role = match state.role() {
        Role::Observer => "observes".into(),
        Role::Follower => match state.loyalty() {
            Loyalty::Free => "follows nobody".into(),
            Loyalty::Unknown => "waits after its start".into(),
            Loyalty::To(leader) => format!("follows {leader}"),
        },
        Role::PreCandidate { granted, gives_way, .. } => {
            let waits = if *gives_way { ", lets another try first" } else { "" };
            let granted = list(*granted);
            format!("asks about term {}, {granted} would vote{waits}", state.term().0 + 1)
        }
        Role::Candidate { granted } if granted.is_empty() => "stands, its vote not on disk".into(),
        Role::Candidate { granted } => format!("stands, votes of {}", list(*granted)),
        Role::Leader(_) => "leads".into(),
    };
    format!("term {}: {role}", state.term().0)
}

/// What a member has on disk.
pub fn disk(member: &Member) -> String {
    match member.image.hard {
        _ if member.image.lost => "lost".into(),
        None => "nothing".into(),
        Some(hard) => match hard.vote {
            Some(vote) => format!("term {}, vote for {vote}", hard.term.0),
            None => format!("term {}, no vote", hard.term.0),
        },
    }
}

fn list(nodes: NodeSet) -> String {
    let names: Vec<String> = nodes.iter().map(|node| node.to_string()).collect();
    names.join(" ")
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { what.into() } else { format!("{what}s") }
}

/// A message, as the code calls it.
pub fn message(message: &Message<()>) -> String {
    match message {
        Message::Notice(Notice::PreVote { term, .. }) => format!("PreVote(term {})", term.0),
        Message::Notice(Notice::PreVoted { term }) => format!("PreVoted(term {})", term.0),
        Message::Notice(Notice::Heartbeat { term, round: 0 }) => format!("Heartbeat(term {})", term.0),
        Message::Notice(Notice::Heartbeat { term, round }) => format!("Heartbeat(term {}, round {round})", term.0),
        Message::Notice(Notice::Resign { term }) => format!("Resign(term {})", term.0),
        Message::Claim(Claim::Vote { term, token: None, .. }) => format!("Vote(term {})", term.0),
        Message::Claim(Claim::Vote { term, .. }) => format!("Vote(term {}, asked to stand)", term.0),
        Message::Claim(Claim::Voted { term }) => format!("Voted(term {})", term.0),
        Message::Claim(Claim::Ack { term, round: 0 }) => format!("Ack(term {})", term.0),
        Message::Claim(Claim::Ack { term, round }) => format!("Ack(term {}, round {round})", term.0),
        Message::Claim(Claim::Nack { term }) => format!("Nack(term {})", term.0),
        Message::Claim(Claim::Transfer { term, .. }) => format!("Transfer(term {})", term.0),
        Message::Claim(Claim::Behind { term, .. }) => format!("Behind(term {})", term.0),
    }
}

/// A message under way.
pub(crate) fn letter(word: u32) -> String {
    let letter = Letter::unpack(word);
    let to = if letter.to == ALL {
        "all".into()
    } else {
        format!("n{}", letter.to)
    };
    format!("{} from n{} to {to}", message(&letter.message), letter.from)
}

/// A timer.
pub fn timer(timer: Timer) -> String {
    match timer {
        Timer::Election => "election timer".into(),
        Timer::Heartbeat => "heartbeat timer".into(),
        Timer::Peer(peer) => format!("timer for {peer}'s silence"),
        Timer::Lease(_) => "lease timer".into(),
        Timer::HandOver => "hand-over timer".into(),
        Timer::Tenure => "tenure timer".into(),
        Timer::Write => "timer for a late write".into(),
        Timer::Quarantine => "quarantine timer".into(),
    }
}

/// How things calm down.
pub fn calm(shape: Shape) -> String {
    match shape {
        Shape::All => "calm: everybody hears everybody".into(),
        Shape::Without(gone) => format!("calm: n{gone} stays down"),
        Shape::Hub(hub) => format!("calm: all hear n{hub}, and n{hub} all; the others hear no one else"),
        Shape::Deaf(deaf) => format!("calm: n{deaf} speaks and hears nothing"),
    }
}

/// An action as a sentence.
pub fn action(action: &Action) -> String {
    match *action {
        Action::Deliver(word, to) => {
            let letter = Letter::unpack(word);
            format!("n{to} hears {} from n{}", message(&letter.message), letter.from)
        }
        Action::Durable(member) => format!("n{member}'s write is durable"),
        Action::Reported(member) => format!("n{member} hears that its write is durable"),
        Action::Fire(member, which) => format!("n{member}'s {} goes off", timer(which)),
        Action::Crash(member) => format!("n{member} crashes and restarts"),
        Action::Wipe(member) => format!("n{member} loses its disk and restarts"),
        Action::Transfer(member, None) => format!("n{member} is asked to hand over"),
        Action::Transfer(member, Some(to)) => format!("n{member} is asked to hand over to n{to}"),
        Action::Hint(member) => format!("n{member} is told that its leader's process is gone"),
        Action::Ask(member) => format!("n{member} is asked who leads"),
        Action::Resign(member) => format!("n{member} is asked to resign"),
        Action::Calm(shape) => calm(shape),
    }
}

//! States and actions in words.

use std::fmt;

use pehra_core::election::{HandOver, Loyalty, Role};

use super::state::{Action, State};
use crate::election::words::letter;

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (member, clock)) in self.members.iter().zip(&self.clocks).enumerate() {
            let state = member.node.state();
            let role = match state.role() {
                Role::Observer => "observer".into(),
                Role::Follower => match state.loyalty() {
                    Loyalty::Free => "free".into(),
                    Loyalty::Unknown => format!("in quarantine for {}", clock.election),
                    Loyalty::To(leader) => format!("promised {leader} for {}", clock.election),
                },
                Role::PreCandidate { granted, .. } => format!("asks, granted {granted:?}"),
                Role::Candidate { granted } => format!("stands, votes {granted:?}"),
                Role::Leader(leader) => {
                    let round = leader.round();
                    let open = if leader.is_asking() { "open" } else { "answered" };
                    let at = u8::try_from(at).expect("few members");
                    let lease = match (leader.is_leased(), self.has_valid_lease(at)) {
                        (true, true) => format!(", LEASE {clock:?}"),
                        (true, false) => ", a lease that has run out".into(),
                        (false, _) => String::new(),
                    };
                    let handing = match leader.hand_over() {
                        Some(HandOver::To(to)) => format!(", hands over to {to}"),
                        Some(HandOver::Drawing) => ", draws a successor".into(),
                        None => String::new(),
                    };
                    format!("LEADS, round {round} {open}{lease}{handing}")
                }
            };
            write!(f, "n{at} {} {role}", state.term())?;
            if !member.disk.is_empty() || member.unreported > 0 {
                write!(f, " ({} open)", member.disk.len() + usize::from(member.unreported))?;
            }
            write!(f, "; ")?;
        }
        for word in self.net.iter() {
            write!(f, "{}, ", letter(word))?;
        }
        Ok(())
    }
}

/// An action in words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Tick => "time passes".into(),
        Action::Deliver(word, to) => format!("n{to} hears: {}", letter(*word)),
        Action::Durable(member) => format!("n{member}'s disk has it"),
        Action::Reported(member) => format!("n{member} is told that it is durable"),
        Action::Fire(member, timer) => format!("n{member}: the timer {timer:?} goes off"),
        Action::Crash(member) => format!("n{member} crashes and restarts"),
        Action::Transfer(member, to) => format!("n{member} is asked to hand over to n{to}"),
        Action::Resign(member) => format!("n{member} is asked to resign"),
        Action::Hint(member) => format!("n{member} is told that its leader's process is gone"),
        Action::Ask(member) => format!("n{member} is asked who leads"),
        Action::Pause(member) => format!("n{member} is told that it stood still"),
    }
}

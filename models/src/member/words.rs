//! States and actions in words.

use std::fmt;

use super::state::{Action, MEMBERS, State};

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for member in 0..MEMBERS {
            let (sleep, around) = (self.sleep(member), self.around[usize::from(member)]);
            let election = sleep.decrees().election();
            let duty = sleep.duty();
            write!(
                f,
                "n{member} {:?} term {} {:?}, applied {}, plan {:?}, {around:?}; ",
                duty.state(),
                election.term().0,
                election.role(),
                sleep.decrees().applied().0,
                duty.plan().map(|(_, plan)| plan.watch),
            )?;
        }
        write!(f, "left {:?}, {} letters", self.left, self.net.len())
    }
}

/// An action in words.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::Deliver(letter) => format!("n{} -> n{}: {:?}", letter.from, letter.to, letter.message),
        Action::Fire(member, timer) => format!("n{member}: the timer {timer:?} goes off"),
        Action::View(member) => format!("n{member} reads the cluster"),
        Action::Stopped(member) => format!("the broker of n{member} has stopped"),
        Action::Up(member) => format!("the broker of n{member} is up and in sync"),
        Action::Wake(member) => format!("n{member} is woken from outside"),
        Action::Crash(member) => format!("the machine of n{member} crashes and starts again"),
    }
}

//! States and actions in words.

use std::fmt;

use pehra_core::sleep::guard::{Claim, Message, Notice, Role, State as Broker};

use super::net::Letter;
use super::state::{Action, State};

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (site, around)) in self.members.iter().zip(&self.around).enumerate() {
            let guard = site.node.state();
            let role = match guard.role() {
                Role::None => String::new(),
                Role::Temporary => ", TEMPORARY".into(),
                Role::Pehredar(watch) => format!(", {watch:?}"),
            };
            let state = match guard.state() {
                Broker::Draining { stage, counted } => format!("{stage:?}, counting on {counted:?}"),
                other => format!("{other:?}"),
            };
            let (lock, look) = (guard.lock(), around.look);
            write!(
                f,
                "n{at} {state} ({:?}) term {} {} knows {} lock {lock} idle {} {:?} proposed {:?} look {look:?} on {:?}{role} {:?}; ",
                around.process,
                around.term,
                if around.heard { "led" } else { "alone" },
                around.applied,
                guard.is_idle(),
                guard.plan().map(|(_, plan)| plan.watch),
                around.proposed,
                guard.switch(),
                site.timers,
            )?;
        }
        write!(
            f,
            "log {:?} led by {:?} left {:?}; ",
            *self.log, *self.leaders, self.left
        )?;
        if self.kafka.partition(0).leader.is_some() || self.kafka.partition(0).last_leader.is_some() {
            write!(f, "{:?}", *self.kafka)?;
        }
        for one in self.net.iter() {
            write!(f, "{}, ", letter(one))?;
        }
        Ok(())
    }
}

fn letter(letter: &Letter) -> String {
    let Letter { from, to, message, .. } = letter;
    let says = match message {
        Message::Claim(Claim::Standing(standing)) => format!(
            "{:?} at {}{}{}, lock {}, echo {}{}",
            standing.doing,
            standing.known.index.0,
            if standing.willing { ", willing" } else { "" },
            if standing.busy { ", busy" } else { "" },
            standing.lock,
            standing.echo,
            if standing.carried_out { " carried out" } else { "" }
        ),
        Message::Claim(Claim::Grant {
            purpose,
            plan,
            lock,
            counted,
        }) => format!(
            "grant of {purpose:?} under {}, lock {lock}, counting on {counted:?}",
            plan.index.0
        ),
        Message::Notice(Notice::Wake { ticket }) => format!("wake up, ticket {ticket}"),
        Message::Notice(Notice::Traffic) => "traffic".into(),
    };
    format!("n{from} -> n{to}: {says}")
}

/// An action in words.
pub fn action(action: &Action) -> String {
    match action {
        Action::Deliver(one) => letter(one),
        Action::Fire(member, timer) => format!("n{member}: the timer {timer:?} goes off"),
        Action::Learn(member) => format!("n{member} is told of the next decree"),
        Action::Decide(member) => format!("what n{member} proposed is decided"),
        Action::Elect(member, votes) => format!("n{member} is elected by {votes:?}"),
        Action::Follow(member) => format!("n{member} hears the leader"),
        Action::Lose(member) => format!("n{member} hears no leader any more"),
        Action::View(member) => format!("n{member} reads the cluster"),
        Action::Stopped(member) => format!("the broker of n{member} has stopped"),
        Action::Up(member) => format!("the broker of n{member} is up and in sync"),
        Action::Traffic(member) => format!("n{member} sees traffic"),
        Action::Wake(member) => format!("n{member} is woken from outside"),
        Action::Crash(member) => format!("the machine of n{member} crashes and starts again"),
        Action::PowerLoss(member, records) => {
            format!("n{member} loses its power, and its broker its {records} newest records; it starts again")
        }
        Action::Kafka(step) => format!("Kafka: {}", crate::kafka::words::step(*step)),
        Action::Done(member) => format!("the work on n{member} is done"),
        Action::Enable(member, 0) => format!("n{member} is asked again to switch on, with the last epoch"),
        Action::Enable(member, _) => format!("n{member} is asked to switch on"),
        Action::Disable(member) => format!("n{member} is asked to switch off"),
        Action::Round(member, nodes) => format!("n{member} is asked for a round of maintenance of {nodes:?}"),
        Action::Calm => "nothing goes wrong from here on".into(),
    }
}

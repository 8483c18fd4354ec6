//! States and actions in words.

use std::fmt;

use pehra_core::sleep::guard::{Claim, Decree, Message, Notice, Role, Stage, State as Broker, Timer};

use super::bounds::BROKERS;
use super::net::Letter;
use super::state::{Action, Process, State};

/// One line in a trace; a page for the browser, which asks for `{:#?}`.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return page(self, f);
        }
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

/// A line for each part of a state.
fn page(state: &State, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for member in 0..shown(state) {
        let (guard, around) = (state.guard(member), state.at(member));
        let process = match around.process {
            Process::Up => "up",
            Process::Stopping => "stopping",
            Process::Down => "down",
        };
        writeln!(f, "n{member} {}", standing(state, member))?;
        write!(f, "    its broker is {process}, ")?;
        match (guard.is_idle(), guard.lock()) {
            (true, 0) => f.write_str("idle, takes no grant")?,
            (true, lock) => write!(f, "idle, a grant must name lock {lock}")?,
            (false, _) => f.write_str("has seen traffic")?,
        }
        writeln!(f, ", knows {} of {} decrees", around.applied, state.log.len())?;
        if let Some((gear, awake)) = around.look {
            writeln!(f, "    reads the cluster by gear {gear:?} with {awake:?} awake")?;
        }
        if let Some(proposed) = around.proposed {
            writeln!(f, "    proposes {}", decree(&proposed))?;
        }
        let timers: Vec<String> = state.members[usize::from(member)].timers.iter().map(timer).collect();
        if !timers.is_empty() {
            writeln!(f, "    armed: {}", timers.join(", "))?;
        }
    }
    for (at, decided) in (1..).zip(state.log.iter()) {
        writeln!(f, "decree {at} of term {}: {}", decided.term, decree(&decided.decree))?;
    }
    if state.calm {
        writeln!(f, "nothing goes wrong any more")?;
    }
    let letters: Vec<String> = state.net.iter().map(letter).collect();
    if letters.is_empty() {
        return f.write_str("no messages");
    }
    write!(f, "messages: {}", letters.join("\n          "))
}

/// How many members there are to show. Every world has at least all places but one, and its last place may repeat the first.
fn shown(state: &State) -> u8 {
    let last = BROKERS - 1;
    let repeats = state.members[last] == state.members[0] && state.around[last] == state.around[0];
    u8::try_from(if repeats { last } else { BROKERS }).expect("few members")
}

/// What a member is to the others, and what its broker does.
pub fn standing(state: &State, member: u8) -> String {
    let (guard, around) = (state.guard(member), state.at(member));
    let role = match guard.role() {
        Role::Pehredar(_) => format!("Pehredar of term {}: ", guard.term().0),
        Role::Temporary => "temporary Pehredar: ".into(),
        Role::None if !around.heard => "hears no Pehredar: ".into(),
        Role::None => String::new(),
    };
    let broker = match guard.state() {
        Broker::Active => "active",
        Broker::Draining {
            stage: Stage::Looking, ..
        } => "looks whether it may stop",
        Broker::Draining {
            stage: Stage::Stopping, ..
        } => "stops its broker",
        Broker::Draining {
            stage: Stage::Settling, ..
        } => "down, looks whether it is missed",
        Broker::Sleeping => "sleeps",
        Broker::Ringing => "its alarm clock rang",
        Broker::Waking => "wakes",
        Broker::Maintenance => "is worked on",
    };
    let me = pehra_core::types::NodeId(member.into());
    let on_duty = guard.plan().is_some_and(|(_, plan)| plan.watch.contains(me));
    let switched = if guard.switch().1 { "" } else { ", switched off" };
    format!("{role}{broker}{}{switched}", if on_duty { ", on duty" } else { "" })
}

/// Whether its broker is on its way down or asleep by a grant.
pub fn is_down(state: &State, member: u8) -> bool {
    matches!(
        state.guard(member).state(),
        Broker::Draining { .. } | Broker::Sleeping | Broker::Ringing
    )
}

fn decree(decree: &Decree) -> String {
    match decree {
        Decree::Plan(plan) => format!(
            "a plan in gear {:?}, {:?} on duty of {:?}",
            plan.gear, plan.watch, plan.members
        ),
        Decree::Switch { epoch, on: true } => format!("switched on, epoch {epoch}"),
        Decree::Switch { epoch, on: false } => format!("switched off, epoch {epoch}"),
        Decree::Round { left } if left.is_empty() => "the round of maintenance is over".into(),
        Decree::Round { left } => format!("a round of maintenance, {left:?} left"),
    }
}

/// A timer in words.
pub fn timer(timer: &Timer) -> String {
    match timer {
        Timer::Idle => "idle timer",
        Timer::Tell => "time to tell",
        Timer::Probe => "no Pehredar found",
        Timer::Alarm => "alarm clock",
        Timer::Drain => "takes too long to stop",
        Timer::Rouse => "time to call again",
        Timer::Wake => "a wake takes too long",
        Timer::Answer => "somebody should have answered",
    }
    .into()
}

fn letter(letter: &Letter) -> String {
    format!("n{} -> n{}: {}", letter.from, letter.to, message(&letter.message))
}

/// A message in words.
pub fn message(message: &Message) -> String {
    match message {
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
    }
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
        Action::AllDown(these) => {
            format!("the machines of {these:?} crash at once and start again; nothing goes wrong from here on")
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

//! What the checker must know about the actions of the world.

use pehra_core::sleep::guard::{Claim, Message, Notice, Timer};

use super::state::{Action, State};
use super::world::World;
use crate::kafka::Step;
use crate::kinds::Kinds;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "standing",
        "grant",
        "wake call",
        "traffic call",
        "idle timer",
        "tell timer",
        "probe timer",
        "alarm timer",
        "drain timer",
        "rouse timer",
        "wake timer",
        "answer timer",
        "learn",
        "decide",
        "elect",
        "follow",
        "lose",
        "view",
        "stopped",
        "up",
        "traffic",
        "wake",
        "crash",
        "done",
        "switch",
        "round",
        "calm",
        "power loss",
        "write",
        "start",
        "fence",
        "unfence",
        "fetch",
        "expand",
        "shrink",
        "thaw",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Deliver(letter) => match letter.message {
                Message::Claim(Claim::Standing(_)) => "standing",
                Message::Claim(Claim::Grant { .. }) => "grant",
                Message::Notice(Notice::Wake { .. }) => "wake call",
                Message::Notice(Notice::Traffic) => "traffic call",
            },
            Action::Fire(_, timer) => match timer {
                Timer::Idle => "idle timer",
                Timer::Tell => "tell timer",
                Timer::Probe => "probe timer",
                Timer::Alarm => "alarm timer",
                Timer::Drain => "drain timer",
                Timer::Rouse => "rouse timer",
                Timer::Wake => "wake timer",
                Timer::Answer => "answer timer",
            },
            Action::Learn(_) => "learn",
            Action::Decide(_) => "decide",
            Action::Elect(..) => "elect",
            Action::Follow(_) => "follow",
            Action::Lose(_) => "lose",
            Action::View(_) => "view",
            Action::Stopped(_) => "stopped",
            Action::Up(_) => "up",
            Action::Traffic(_) => "traffic",
            Action::Wake(_) => "wake",
            Action::Crash(_) | Action::AllDown(_) => "crash",
            Action::Done(_) => "done",
            Action::Enable(..) | Action::Disable(_) => "switch",
            Action::Round(..) => "round",
            Action::Calm => "calm",
            Action::PowerLoss(..) => "power loss",
            Action::Kafka(step) => match step {
                Step::Produce(_) => "write",
                Step::Start(_) => "start",
                Step::Fence(_) => "fence",
                Step::Unfence(_) => "unfence",
                Step::Fetch(..) => "fetch",
                Step::Expand(..) => "expand",
                Step::Shrink(..) => "shrink",
                Step::Thaw(_) => "thaw",
                other => unreachable!("not a step of this world: {other:?}"),
            },
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        let fires = |timer: Timer| !bounds.without.contains(&timer);
        if bounds.never.contains(&kind) {
            return false;
        }
        match kind {
            "idle timer" => fires(Timer::Idle),
            "rouse timer" => fires(Timer::Rouse),
            "wake timer" => fires(Timer::Wake),
            "answer timer" => fires(Timer::Answer),
            "learn" => bounds.decrees > 3 || bounds.crashes > 0,
            "decide" => bounds.decrees > 3,
            "probe timer" => fires(Timer::Probe),
            "alarm timer" => fires(Timer::Alarm),
            "drain timer" => fires(Timer::Drain),
            "traffic call" | "traffic" => bounds.traffic > 0,
            "lose" => bounds.losses > 0,
            "elect" => bounds.terms > 1,
            "follow" => bounds.terms > 1 || bounds.losses + bounds.crashes > 0,
            "wake" => bounds.wakes > 0,
            "crash" => bounds.crashes > 0,
            "done" | "round" => bounds.rounds > 0,
            "switch" => bounds.switches > 0,
            "calm" => bounds.calms && !bounds.all_down && !bounds.calm_from_start,
            "power loss" => bounds.crashes > 0 && bounds.kafka.is_some_and(|it| it.torn > 0),
            "write" | "fetch" => bounds.kafka.is_some_and(|it| it.records > 0),
            "start" | "unfence" | "expand" => bounds.kafka.is_some(),
            "fence" => bounds.kafka.is_some() && bounds.crashes > 0,
            "shrink" => bounds.kafka.is_some_and(|it| it.shrinks && it.records > 0),
            // Nobody's machine sleeps with its broker running.
            "thaw" => false,
            _ => true,
        }
    }

    /// After the calm everything that somebody owes happens: letters that were sent since arrive, timers go off, brokers stop and
    /// start, the log tells, and whoever can elect does.
    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        if !state.calm {
            return None;
        }
        let of = |base: u16, member: u8| Some(base + u16::from(member));
        match action {
            Action::Deliver(letter) if !letter.owed => None,
            Action::Deliver(letter) => {
                let kind = match letter.message {
                    Message::Claim(Claim::Standing(_)) => 0,
                    Message::Claim(Claim::Grant { .. }) => 1,
                    Message::Notice(Notice::Wake { .. }) => 2,
                    Message::Notice(Notice::Traffic) => 3,
                };
                Some(100 + (u16::from(letter.from) * 4 + u16::from(letter.to)) * 4 + kind)
            }
            Action::Fire(member, timer) => of(200 + 4 * (*timer as u16), *member),
            Action::Learn(member) => of(0, *member),
            Action::Follow(member) => of(4, *member),
            Action::View(member) => of(8, *member),
            Action::Stopped(member) => of(12, *member),
            Action::Up(member) => of(16, *member),
            Action::Done(member) => of(20, *member),
            Action::Decide(_) => Some(24),
            Action::Elect(..) => Some(25),
            // Writes are the clients', and copies that lag the world's.
            Action::Kafka(Step::Produce(_) | Step::Shrink(..)) => None,
            Action::Kafka(step) => Some(400 + of_kafka(*step)),
            Action::Lose(_)
            | Action::Traffic(_)
            | Action::Wake(_)
            | Action::Crash(_)
            | Action::PowerLoss(..)
            | Action::AllDown(_)
            | Action::Enable(..)
            | Action::Disable(_)
            | Action::Round(..)
            | Action::Calm => None,
        }
    }
}

/// A promise for each thing that Kafka does, broker and partition.
fn of_kafka(step: Step) -> u16 {
    let (kind, partition, broker) = match step {
        Step::Fetch(partition, broker) => (0, partition, broker),
        Step::Expand(partition, broker) => (1, partition, broker),
        Step::Fence(broker) => (2, 0, broker),
        Step::Start(broker) => (3, 0, broker),
        Step::Unfence(broker) => (4, 0, broker),
        _ => (5, 0, 0),
    };
    kind * 16 + u16::from(partition) * 4 + u16::from(broker)
}

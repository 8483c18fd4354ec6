//! What the checker must know about the actions of the world.

use pehra_core::election::Timer;

use super::state::Action;
use super::world::World;
use crate::kinds::Kinds;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "tick",
        "deliver",
        "durable",
        "reported",
        "election timer",
        "quarantine timer",
        "heartbeat timer",
        "lease timer",
        "hand-over timer",
        "crash",
        "transfer",
        "resign",
        "hint",
        "ask",
        "pause",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Tick => "tick",
            Action::Deliver(..) => "deliver",
            Action::Durable(_) => "durable",
            Action::Reported(_) => "reported",
            Action::Fire(_, Timer::Election) => "election timer",
            Action::Fire(_, Timer::Quarantine) => "quarantine timer",
            Action::Fire(_, Timer::Lease(_)) => "lease timer",
            Action::Fire(_, Timer::HandOver) => "hand-over timer",
            Action::Fire(..) => "heartbeat timer",
            Action::Crash(_) => "crash",
            Action::Transfer(..) => "transfer",
            Action::Resign(_) => "resign",
            Action::Hint(_) => "hint",
            Action::Ask(_) => "ask",
            Action::Pause(_) => "pause",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        match kind {
            "durable" | "reported" => bounds.split,
            "quarantine timer" => !bounds.led || bounds.crashes > 0,
            "heartbeat timer" => bounds.rounds > 1,
            "hand-over timer" => bounds.transfers > 0 && bounds.rounds > 1,
            "crash" => bounds.crashes > 0,
            "transfer" => bounds.transfers > 0,
            "resign" => bounds.resigns > 0,
            "hint" => bounds.hints > 0,
            "ask" => bounds.questions > 0,
            "pause" => bounds.pauses > 0,
            _ => true,
        }
    }
}

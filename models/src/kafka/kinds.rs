//! What the checker must know about the steps of the world.

use super::steps::Step;
use super::world::World;
use crate::kinds::Kinds;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "produce",
        "fetch",
        "shrink",
        "expand",
        "prefer",
        "stop",
        "stopped",
        "kill",
        "power loss",
        "fence",
        "start",
        "unfence",
        "freeze",
        "thaw",
    ];

    fn kind(step: &Step) -> &'static str {
        match step {
            Step::Produce(_) => "produce",
            Step::Fetch(..) => "fetch",
            Step::Shrink(..) => "shrink",
            Step::Expand(..) => "expand",
            Step::Prefer(_) => "prefer",
            Step::Stop(_) => "stop",
            Step::Stopped(_) => "stopped",
            Step::Kill(_) => "kill",
            Step::PowerLoss(..) => "power loss",
            Step::Fence(_) => "fence",
            Step::Start(_) => "start",
            Step::Unfence(_) => "unfence",
            Step::Freeze(_) => "freeze",
            Step::Thaw(_) => "thaw",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        let dark = bounds.dark_sleepers && bounds.freezes > 0;
        let dies = bounds.kills > 0 || bounds.power_losses > 0 || dark;
        match kind {
            "prefer" => bounds.prefers,
            "stop" | "stopped" => bounds.stops > 0,
            "kill" => bounds.kills > 0,
            "power loss" => bounds.power_losses > 0 || dark,
            "fence" => dies || bounds.freezes > 0,
            "start" => dies || bounds.stops > 0,
            "unfence" => dies || bounds.stops > 0 || bounds.freezes > 0,
            "freeze" | "thaw" => bounds.freezes > 0,
            _ => true,
        }
    }
}

//! What the checker must know about the actions of the world.

use pehra_core::election::{Message, Notice, Timer};

use super::bounds::Shape;
use super::messages::Letter;
use super::state::{Action, State};
use super::world::World;
use crate::kinds::{Kinds, Strength};

/// Classes of promises: five for each member, and one for each pair.
const OF_MEMBER: u16 = 5;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "deliver",
        "durable",
        "reported",
        "election timer",
        "heartbeat timer",
        "peer timer",
        "hand-over timer",
        "write timer",
        "crash",
        "wipe",
        "transfer",
        "hint",
        "ask",
        "resign",
        "calm",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Deliver(..) => "deliver",
            Action::Durable(_) => "durable",
            Action::Reported(_) => "reported",
            Action::Fire(_, Timer::Election) => "election timer",
            Action::Fire(_, Timer::Peer(_)) => "peer timer",
            Action::Fire(_, Timer::HandOver) => "hand-over timer",
            Action::Fire(_, Timer::Write) => "write timer",
            Action::Fire(..) => "heartbeat timer",
            Action::Crash(_) => "crash",
            Action::Wipe(_) => "wipe",
            Action::Transfer(..) => "transfer",
            Action::Hint(_) => "hint",
            Action::Ask(_) => "ask",
            Action::Resign(_) => "resign",
            Action::Calm(_) => "calm",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        match kind {
            "reported" => bounds.split,
            // A heartbeat that was sent once is under way for ever, unless each arrival counts.
            "heartbeat timer" => !bounds.calms.is_empty(),
            "calm" => !bounds.calms.is_empty() && bounds.outage.is_empty(),
            "peer timer" => {
                bounds.check_quorum
                    || (bounds.outage.is_empty() && bounds.calms.iter().any(|shape| *shape != Shape::All))
            }
            "hand-over timer" | "transfer" => bounds.transfers > 0,
            "write timer" => bounds.late_writes > 0,
            "crash" => bounds.crashes > 0,
            "wipe" => bounds.wipes > 0,
            "hint" => bounds.hints > 0,
            "ask" => bounds.questions > 0,
            "resign" => bounds.resigns > 0,
            _ => true,
        }
    }

    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        let members = u16::from(self.bounds().members());
        let of = |member: u8, what: u16| u16::from(member) * OF_MEMBER + what;
        let class = match action {
            Action::Deliver(word, to) => {
                let letter = Letter::unpack(*word);
                let beat = matches!(letter.message, Message::Notice(Notice::Heartbeat { .. }));
                let pair = u16::from(letter.from) * members + u16::from(*to);
                members * OF_MEMBER + pair * 2 + u16::from(beat)
            }
            Action::Durable(member) => of(*member, 0),
            Action::Reported(member) => of(*member, 1),
            Action::Fire(member, Timer::Election) => of(*member, 2),
            Action::Fire(member, Timer::Heartbeat) => of(*member, 3),
            Action::Fire(member, Timer::Peer(_) | Timer::HandOver) => of(*member, 4),
            _ => return None,
        };
        state.calm.map(|_| class)
    }

    /// A timer that is interrupted by messages still runs out: only what arms it anew could keep it from that, and
    /// whoever hears a leader is not asked here. Messages and disks are promised weakly.
    fn strength(&self, class: u16) -> Strength {
        let timer = class < u16::from(self.bounds().members()) * OF_MEMBER && class % OF_MEMBER >= 2;
        if timer { Strength::Strong } else { Strength::Weak }
    }

    fn class_name(&self, class: u16) -> String {
        let members = u16::from(self.bounds().members());
        if let Some(pair) = class.checked_sub(members * OF_MEMBER) {
            let (from, to) = (pair / 2 / members, pair / 2 % members);
            let what = if pair % 2 == 1 { "heartbeat" } else { "message" };
            return format!("a {what} from n{from} reaches n{to}");
        }
        let member = class / OF_MEMBER;
        let what = [
            "disk finishes",
            "disk reports",
            "election timer goes off",
            "heartbeat timer goes off",
            "watch ends",
        ];
        format!("n{member}'s {}", what[usize::from(class % OF_MEMBER)])
    }
}

//! What the checker must know about the actions of the world.

use pehra_core::election::{self, Timer};
use pehra_core::replication::{Message, Notice};

use super::bounds::Disk;
use super::messages::Letter;
use super::state::{Action, State};
use super::world::World;
use crate::kinds::{Kinds, Strength};

/// Classes of promises: five for each member, and two for each pair.
const OF_MEMBER: u16 = 5;

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "deliver",
        "durable",
        "reported",
        "answer",
        "election timer",
        "heartbeat timer",
        "peer timer",
        "crash",
        "propose",
        "read",
        "snapshot",
        "calm",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Deliver(..) => "deliver",
            Action::Durable(_) => "durable",
            Action::Reported(_) => "reported",
            Action::Answer(_) => "answer",
            Action::Fire(_, Timer::Election) => "election timer",
            Action::Fire(_, Timer::Peer(_)) => "peer timer",
            Action::Fire(..) => "heartbeat timer",
            Action::Crash(_) => "crash",
            Action::Propose(_) => "propose",
            Action::Read(_) => "read",
            Action::Snapshot(_) => "snapshot",
            Action::Calm(_) => "calm",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        match kind {
            "durable" => bounds.disk != Disk::Instant,
            "reported" => bounds.disk == Disk::Split,
            "heartbeat timer" => bounds.beats > 0 || !bounds.calms.is_empty(),
            "answer" => bounds.slow_store,
            "peer timer" => bounds.terms > bounds.first_term() && bounds.misses_somebody(),
            "calm" => !bounds.calms.is_empty(),
            "crash" => bounds.crashes > 0,
            "propose" => bounds.proposals > 0,
            "read" => bounds.reads > 0,
            "snapshot" => bounds.snapshots > 0,
            _ => true,
        }
    }

    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        let members = u16::from(self.bounds().members());
        let of = |member: u8, what: u16| u16::from(member) * OF_MEMBER + what;
        let class = match action {
            Action::Deliver(word, to) => {
                let letter = Letter::unpack(*word);
                let beat = matches!(
                    letter.message,
                    Message::Notice(Notice::Election(election::Notice::Heartbeat { .. }))
                );
                let pair = u16::from(letter.from) * members + u16::from(*to);
                members * OF_MEMBER + pair * 2 + u16::from(beat)
            }
            Action::Durable(member) | Action::Answer(member) => of(*member, 0),
            Action::Reported(member) => of(*member, 1),
            Action::Fire(member, Timer::Election) => of(*member, 2),
            Action::Fire(member, Timer::Heartbeat) => of(*member, 3),
            Action::Fire(member, Timer::Peer(_)) => of(*member, 4),
            _ => return None,
        };
        state.calm.map(|_| class)
    }

    /// As in the election's model: timers strongly, messages and disks weakly.
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

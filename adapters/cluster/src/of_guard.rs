//! What the protocol itself says of a node: the same for a real node and for a simulated one.

use pehra_core::election::{Position, Role as Elected};
use pehra_core::members::NodeSet;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Config, Doing, Guard, Role, Stage, State};

use crate::RoleNow;
use crate::sleep::GEARS;
use crate::sleeping::{DoingNow, PlanStatus, SleepStatus, WatchRole};

impl RoleNow {
    /// The role of a member of an election.
    #[must_use]
    pub const fn of<L: Position>(role: &Elected<L>) -> Self {
        match role {
            Elected::Observer => Self::Observer,
            Elected::Follower => Self::Follower,
            Elected::PreCandidate { .. } => Self::PreCandidate,
            Elected::Candidate { .. } => Self::Candidate,
            Elected::Leader(_) => Self::Leader,
        }
    }
}

impl SleepStatus {
    /// How this state of the protocol stands, with the broker's id in Kafka, if the node has a broker, and what the node found wrong
    /// with the cluster. What an agent counts and measures is left at its defaults.
    #[must_use]
    pub fn of_guard(guard: &Guard, config: &Config, broker: Option<i32>, wrong: Option<&str>) -> Self {
        let (epoch, on) = guard.switch();
        Self {
            on,
            epoch,
            gear: gear(config.gear),
            role: match guard.role() {
                Role::None => WatchRole::None,
                Role::Temporary => WatchRole::Temporary,
                Role::Pehredar(_) => WatchRole::Pehredar,
            },
            broker,
            doing: match guard.standing(config).doing {
                _ if broker.is_none() => DoingNow::Unknown,
                Doing::Active => DoingNow::Active,
                Doing::Draining => DoingNow::Draining,
                Doing::Asleep => DoingNow::Asleep,
                Doing::Ringing => DoingNow::Ringing,
                Doing::Waking => DoingNow::Waking,
                Doing::Maintenance => DoingNow::Maintenance,
            },
            stage: stage(guard.state()).filter(|_| broker.is_some()).map(str::to_owned),
            awake_because: guard.self_check(config).err().map(|why| why.to_string()),
            stay_awake: guard.stays_awake(),
            plan: guard.plan().map(|(id, plan)| PlanStatus {
                index: id.index.0,
                term: id.term.0,
                gear: gear(plan.gear),
                watch: ids(plan.watch),
                members: ids(plan.members),
            }),
            round: ids(guard.round()),
            held_back: held_back(guard, wrong),
            ..Self::default()
        }
    }
}

/// How far a draining broker is.
const fn stage(state: State) -> Option<&'static str> {
    match state {
        State::Draining { stage, .. } => Some(match stage {
            Stage::Looking => "looking",
            Stage::Stopping => "stopping",
            Stage::Settling => "settling",
        }),
        State::Active | State::Sleeping | State::Ringing | State::Waking | State::Maintenance => None,
    }
}

/// What keeps a Pehredar from letting others sleep.
fn held_back(guard: &Guard, wrong: Option<&str>) -> Option<String> {
    let Role::Pehredar(watch) = guard.role() else {
        return None;
    };
    let (_, on) = guard.switch();
    let rousing = watch.rousing();
    if !on {
        Some("all is switched off".into())
    } else if !guard.round().is_empty() {
        Some("a round of maintenance is under way".into())
    } else if !rousing.is_empty() {
        Some(format!("{:?} are being woken", ids(rousing)))
    } else if !guard.is_idle() {
        Some("there was traffic a moment ago".into())
    } else {
        wrong.map(str::to_owned)
    }
}

fn gear(gear: Gear) -> String {
    let name = GEARS.iter().find(|(_, known)| *known == gear);
    name.map_or("", |(name, _)| name).into()
}

fn ids(set: NodeSet) -> Vec<u16> {
    set.iter().map(|node| node.0).collect()
}

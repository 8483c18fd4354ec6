//! How the brokers of a cluster are let sleep: what its file says in `[sleep]`, and in `[node.broker]` of each node.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pehra_core::sleep::coverage::{Gear, Rules};
use pehra_core::sleep::guard::{Invalid, Timing, WakeRule};
use pehra_core::types::Ticks;

use crate::address::Address;
use crate::check::{At, Draft};
use crate::cluster::Role;
use crate::problem::Problem;
use crate::sleep_sockets::{self, Sockets};

/// All gears, by their names in files.
pub const GEARS: [(&str, Gear); 3] = [("full", Gear::Full), ("lean", Gear::Lean), ("watch", Gear::Watch)];

/// Whom traffic wakes, by name in files.
pub const WAKE_RULES: [(&str, WakeRule); 2] = [("needed", WakeRule::Needed), ("all", WakeRule::All)];

/// The most watts that a machine can be said to draw.
pub(crate) const WATTS_MAX: u32 = 100_000;

/// After so many entries the log of decrees is replaced by its snapshot, which is three decrees.
const SNAPSHOT_EVERY: u16 = 1000;

/// How brokers are let sleep. How many copies a partition keeps awake is not said here: that is Kafka's `min.insync.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SleepSettings {
    /// Brokers to be asked about the cluster beside those of members.
    pub kafka: Vec<Address>,
    /// The lowest gear.
    pub gear: Gear,
    /// In lean gear, awake copies beyond `min.insync.replicas`.
    pub lean_spare: u16,
    /// Awake controllers of Kafka beyond a majority.
    pub controller_spare: u16,
    /// Awake voters of this cluster beyond a majority.
    pub voter_spare: u8,
    /// Whom traffic wakes.
    pub wake: WakeRule,
    /// Traffic switches all off, after all are awake; an admin switches on again.
    pub disable_on_traffic: bool,
    /// So many requests with traffic a second each awake broker bears in lean gear without anybody being woken.
    pub load_max: u32,
    /// The times of guard duty.
    pub timing: Timing,
    /// How often traffic is looked at.
    pub sample: Ticks,
    /// How long a client is held whose broker is being woken.
    pub hold_max: Ticks,
    /// What the machine of a broker draws; none if nobody says so. Nothing is decided by it: it is for those who look.
    pub watts: Option<MachineWatts>,
    /// After so many entries the log is replaced by a snapshot.
    pub snapshot_every: u16,
}

/// What the machine of a broker draws, as somebody wrote it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineWatts {
    /// Up, with little to do.
    pub idle: u32,
    /// Asleep.
    pub asleep: u32,
}

impl SleepSettings {
    /// Of a table `[sleep]` in which nothing stands.
    #[must_use]
    pub const fn usual() -> Self {
        Self {
            kafka: Vec::new(),
            gear: Gear::Lean,
            lean_spare: Rules::LEAN.lean_spare,
            controller_spare: Rules::LEAN.controller_spare,
            voter_spare: 1,
            wake: WakeRule::Needed,
            disable_on_traffic: false,
            load_max: 0,
            timing: Timing::SERVERS,
            sample: Ticks(250),
            hold_max: Ticks(20_000),
            watts: None,
            snapshot_every: SNAPSHOT_EVERY,
        }
    }
}

/// The Kafka broker that a node looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its `node.id` in Kafka.
    pub id: i32,
    /// Where it is asked about the cluster: a listener that no proxy stands in front of, without TLS and SASL.
    pub address: Address,
    /// What stands in front of it.
    pub proxy: Option<Proxy>,
    /// Where its clients come, if nothing stands in front of it. With neither, this node sees no traffic; both there never are.
    pub sockets: Option<Sockets>,
    /// It never sleeps, unless it is told otherwise.
    pub stay_awake: bool,
}

/// What stands in front of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where clients find it: what the broker's `advertised.listeners` names.
    pub listen: SocketAddr,
    /// The broker's listener behind it.
    pub upstream: SocketAddr,
}

/// `[node.broker]` as written.
#[derive(Clone, Debug)]
pub(crate) struct BrokerDraft {
    pub line: usize,
    pub id: Option<At<i32>>,
    pub address: Option<At<Address>>,
    pub proxy: Option<Proxy>,
    pub sockets: Option<At<Sockets>>,
    pub stay_awake: bool,
}

impl BrokerDraft {
    pub fn broker(&self) -> Option<Broker> {
        Some(Broker {
            id: self.id.as_ref()?.value,
            address: self.address.as_ref()?.value.clone(),
            proxy: self.proxy,
            sockets: self.sockets.as_ref().map(|at| at.value.clone()),
            stay_awake: self.stay_awake,
        })
    }
}

/// `[sleep]` as written.
#[derive(Clone, Debug, Default)]
pub(crate) struct SleepDraft {
    pub line: usize,
    pub kafka: Vec<Address>,
    pub profile: Option<Timing>,
    pub gear: Option<Gear>,
    pub lean_spare: Option<u16>,
    pub controller_spare: Option<u16>,
    pub voter_spare: Option<At<u8>>,
    pub wake: Option<WakeRule>,
    pub disable_on_traffic: bool,
    pub load_max: u32,
    pub times: Times,
    pub sample: Option<At<u32>>,
    pub hold_max: Option<At<u32>>,
    pub idle_watts: Option<At<u32>>,
    pub asleep_watts: Option<At<u32>>,
}

/// The times that override those of the profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    pub idle: Option<At<u32>>,
    pub tell: Option<At<u32>>,
    pub probe: Option<At<u32>>,
    pub drain: Option<At<u32>>,
    pub alarm: Option<At<u32>>,
    pub rouse: Option<At<u32>>,
    pub answer: Option<At<u32>>,
    pub wake: Option<At<u32>>,
}

/// Checks what concerns more than one value, and makes the settings.
pub(crate) fn settings(draft: &mut Draft, warnings: &mut Vec<Problem>) -> Option<SleepSettings> {
    let Some(written) = draft.sleep.take() else {
        let brokers = draft.nodes.iter().filter_map(|node| node.broker.as_ref());
        let lost = brokers.map(|broker| {
            let rule = "a node has a broker, and nothing says how brokers are let sleep";
            Problem::new(broker.line, "node.broker", rule, "add [sleep], or leave the broker out")
        });
        draft.problems.extend(lost.collect::<Vec<_>>());
        return None;
    };
    if draft.journal.is_some() {
        let rule = "this cluster's log is that of [sleep], and there is [log] for another one";
        let instead = "keep one of them; a journal needs a cluster of its own";
        draft.problems.push(Problem::new(written.line, "sleep", rule, instead));
    }
    brokers(draft, &written);
    sleep_sockets::check(draft, &written);
    voters(draft, &written, warnings);
    let usual = SleepSettings::usual();
    Some(SleepSettings {
        timing: timing(draft, &written),
        watts: watts(draft, &written),
        kafka: written.kafka,
        gear: written.gear.unwrap_or(usual.gear),
        lean_spare: written.lean_spare.unwrap_or(usual.lean_spare),
        controller_spare: written.controller_spare.unwrap_or(usual.controller_spare),
        voter_spare: written.voter_spare.map_or(usual.voter_spare, |at| at.value),
        wake: written.wake.unwrap_or(usual.wake),
        disable_on_traffic: written.disable_on_traffic,
        load_max: written.load_max,
        sample: written.sample.map_or(usual.sample, |at| Ticks(at.value)),
        hold_max: written.hold_max.map_or(usual.hold_max, |at| Ticks(at.value)),
        snapshot_every: usual.snapshot_every,
    })
}

/// Each broker has one node.
fn brokers(draft: &mut Draft, written: &SleepDraft) {
    let (mut ids, mut addresses, mut found) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for broker in draft.nodes.iter().filter_map(|node| node.broker.as_ref()) {
        if let Some(id) = &broker.id
            && let Some(first) = ids.insert(id.value, id.line)
        {
            let rule = format!("two nodes have the broker {}, the other one on line {first}", id.value);
            let instead = "write the node.id of the broker that runs beside this node";
            found.push(Problem::new(id.line, "node.broker.id", rule, instead));
        }
        if let Some(address) = &broker.address
            && let Some(first) = addresses.insert(address.value.clone(), address.line)
        {
            let rule = format!(
                "two brokers have the address {}, the other one on line {first}",
                address.value
            );
            let instead = "write where this broker itself listens";
            found.push(Problem::new(address.line, "node.broker.address", rule, instead));
        }
    }
    if draft.nodes.iter().all(|node| node.broker.is_none()) {
        let rule = Invalid::NoBrokers.to_string();
        let (rule, instead) = rule.split_once("; ").unwrap_or((&rule, ""));
        let instead = format!("{instead}: write [node.broker] behind its [[node]]");
        found.push(Problem::new(written.line, "sleep", rule, instead));
    }
    draft.problems.append(&mut found);
}

/// With few voters, all of whom have brokers, nobody may sleep.
fn voters(draft: &Draft, written: &SleepDraft, warnings: &mut Vec<Problem>) {
    let voters = || draft.nodes.iter().filter(|node| node.role == Role::Voter);
    let (all, brokers) = (voters().count(), voters().filter(|node| node.broker.is_some()).count());
    let spare = written.voter_spare.as_ref().map_or(1, |at| usize::from(at.value));
    let need = (all / 2 + 1 + spare).min(all);
    let line = written.voter_spare.as_ref().map_or(written.line, |at| at.line);
    if all > 0 && all == brokers && need == all {
        let rule = format!(
            "{need} of {all} voters stay awake, and each of them has a broker: no broker of a voter ever sleeps"
        );
        let instead =
            "add voters without brokers, such as on the machines of Kafka's controllers, or write voter-spare = 0";
        warnings.push(Problem::new(line, "sleep.voter-spare", rule, instead));
    }
}

/// Both or none, and asleep less than up.
fn watts(draft: &mut Draft, written: &SleepDraft) -> Option<MachineWatts> {
    match (&written.idle_watts, &written.asleep_watts) {
        (Some(idle), Some(asleep)) if asleep.value < idle.value => {
            return Some(MachineWatts {
                idle: idle.value,
                asleep: asleep.value,
            });
        }
        (Some(idle), Some(asleep)) => {
            let rule = format!(
                "a machine that draws {} W asleep and {} W up saves nothing",
                asleep.value, idle.value
            );
            let instead = format!("write fewer than {} W", idle.value);
            let problem = Problem::new(asleep.line, "sleep.asleep-watts", rule, instead);
            draft.problems.push(problem);
        }
        (Some(one), None) | (None, Some(one)) => {
            let missing = if written.idle_watts.is_some() {
                "asleep-watts"
            } else {
                "idle-watts"
            };
            let rule = format!("what a machine draws takes two figures, and there is no {missing}");
            let instead = format!("add {missing} = …, or leave both out");
            let problem = Problem::new(one.line, format!("sleep.{missing}"), rule, instead);
            draft.problems.push(problem);
        }
        (None, None) => {}
    }
    None
}

fn timing(draft: &mut Draft, written: &SleepDraft) -> Timing {
    let mut timing = written.profile.unwrap_or(Timing::SERVERS);
    let mut voters = draft.nodes.iter().filter(|node| node.role == Role::Voter);
    if timing == Timing::SERVERS && voters.all(|node| node.broker.is_some()) {
        timing.alarm = Timing::ALARM_ALONE;
    }
    let times = &written.times;
    let all = [
        (&times.idle, &mut timing.idle),
        (&times.tell, &mut timing.tell),
        (&times.probe, &mut timing.probe),
        (&times.drain, &mut timing.drain),
        (&times.alarm, &mut timing.alarm),
        (&times.rouse, &mut timing.rouse),
        (&times.answer, &mut timing.answer),
        (&times.wake, &mut timing.wake),
    ];
    for (at, ticks) in all {
        if let Some(at) = at {
            *ticks = Ticks(at.value);
        }
    }
    if let Err(invalid) = timing.check() {
        let said = invalid.to_string();
        let (rule, instead) = said.split_once("; ").unwrap_or((&said, "change it"));
        let keys = match invalid {
            Invalid::TellTooLong { .. } => [("sleep.tell-ms", &times.tell), ("sleep.idle-ms", &times.idle)],
            Invalid::ProbeTooLong { .. } => [("sleep.probe-ms", &times.probe), ("sleep.alarm-ms", &times.alarm)],
            Invalid::AnswerTooLong { .. } => [("sleep.answer-ms", &times.answer), ("sleep.wake-ms", &times.wake)],
            Invalid::RouseTooLong { .. }
            | Invalid::Zero
            | Invalid::NoBrokers
            | Invalid::NoVoters
            | Invalid::NotAMember(_) => [("sleep.rouse-ms", &times.rouse), ("sleep.wake-ms", &times.wake)],
        };
        let found = keys.iter().find_map(|(key, at)| at.as_ref().map(|at| (at.line, *key)));
        let (line, key) = found.unwrap_or((written.line, keys[0].0));
        draft.problems.push(Problem::new(line, key, rule, instead));
    }
    timing
}

//! The three nodes: deployed members in the energy simulator's machines, and what is seen of them from outside.

use std::collections::VecDeque;

use pehra_core::election;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Order, State, Timing, WakeRule};
use pehra_core::sleep::member::Command;
use pehra_core::types::{NodeId, RequestId, Ticks};
use pehra_models::energy::{Build, Hardware, Plant, Voters};
use pehra_models::simulator::{Random, Span, Time, ms};

use super::event::{Conditions, Event, What};

/// What they are called.
pub const NAMES: [&str; 3] = ["x", "y", "z"];
/// How often each checks itself, and tells the Pehredar.
const SELF_CHECK: u32 = 8000;
/// So long without traffic before one may sleep.
const IDLE: u32 = 4000;
/// So long somebody watches before another is elected.
const TERM: Time = ms(4000);
/// How often each is looked at.
const GLANCE: Time = ms(20);

/// A machine that goes down and comes up within two seconds.
const HARDWARE: Hardware = Hardware {
    down: ms(300),
    up: ms(500),
    stop: Span::ms(300, 600),
    start: Span::ms(800, 1200),
    catch_up: Span::ms(100, 300),
    ..Hardware::S3
};

const BUILD: Build = Build {
    brokers: 3,
    voters: Voters::Brokers,
    gear: Gear::Lean,
    wake: WakeRule::All,
    hardware: HARDWARE,
    timing: Timing {
        idle: Ticks(IDLE),
        tell: Ticks(SELF_CHECK),
        probe: Ticks(1500),
        drain: Ticks(3000),
        alarm: Ticks(20_000),
        rouse: Ticks(500),
        answer: Ticks(2500),
        wake: Ticks(5000),
    },
    election: election::Timing {
        heartbeat: Ticks(250),
        election: Ticks(1250),
        rank_step: Ticks(75),
        lease: Ticks(1000),
    },
    packet_loss_permille: 0,
    alarm_loss_permille: 0,
};

/// What a node does, as its member says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Active,
    Draining,
    Sleeping,
    Ringing,
    Waking,
}

impl Condition {
    const fn of(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Draining { .. } => Self::Draining,
            State::Sleeping => Self::Sleeping,
            State::Ringing => Self::Ringing,
            // Nobody is worked on here.
            State::Waking | State::Maintenance => Self::Waking,
        }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Sleeping => "sleeping",
            Self::Ringing => "ringing",
            Self::Waking => "waking",
        }
    }

    /// What it has done to get here.
    pub const fn after(self, before: Self) -> &'static str {
        match (self, before) {
            (Self::Active, Self::Draining) => "is needed, and stays awake",
            (Self::Active, _) => "is awake",
            (Self::Draining, Self::Ringing) => "may go on sleeping",
            (Self::Draining, _) => "is let go to sleep",
            (Self::Sleeping, _) => "sleeps",
            (Self::Ringing, _) => "is woken by its alarm clock, and looks for the Pehredar",
            (Self::Waking, _) => "wakes up",
        }
    }
}

/// The nodes.
pub struct Nodes {
    plant: Plant,
    chance: Random,
    begun: Time,
    conditions: Conditions,
    watches: Option<(usize, u64)>,
    /// Since when somebody watches, or was last asked to hand over.
    term_since: Time,
    next_check: Time,
    /// Tasks that nobody has yet.
    waiting: VecDeque<u64>,
    tasks: u64,
    terms: u64,
    asleep: [Time; NAMES.len()],
    /// What has happened and was not told.
    pub events: Vec<Event>,
}

impl Nodes {
    /// All are up, one watches, and they may sleep.
    pub fn awake(seed: u64) -> Result<Self, String> {
        let mut plant = Plant::new(BUILD, seed, false);
        plant.begin().map_err(|failure| failure.to_string())?;
        Ok(Self::of(plant, seed))
    }

    fn of(plant: Plant, seed: u64) -> Self {
        let begun = plant.now();
        let conditions = conditions(&plant);
        let mut nodes = Self {
            plant,
            chance: Random::new(seed, 400),
            begun,
            conditions,
            watches: None,
            term_since: begun,
            next_check: begun + Time::from(Ticks(SELF_CHECK)),
            waiting: VecDeque::new(),
            tasks: 0,
            terms: 0,
            asleep: [Time(0); NAMES.len()],
            events: Vec::new(),
        };
        nodes.say(What::Start);
        nodes.notice();
        nodes
    }

    /// Since it began.
    pub fn now(&self) -> Time {
        self.plant.now() - self.begun
    }

    /// Lets time go by.
    pub fn run_to(&mut self, until: Time) -> Result<(), String> {
        while self.now() < until {
            let before = self.plant.now();
            let length = GLANCE.min(until - self.now());
            let (conditions, watches) = (self.conditions, self.watches);
            let changed = |plant: &Plant| {
                self::conditions(plant) != conditions || watching(plant).is_some_and(|it| Some(it) != watches)
            };
            self.plant
                .run_until(length, changed)
                .map_err(|failure| failure.to_string())?;
            let passed = self.plant.now() - before;
            for (asleep, condition) in self.asleep.iter_mut().zip(conditions) {
                if condition == Condition::Sleeping {
                    *asleep = *asleep + passed;
                }
            }
            self.notice();
            self.check_themselves();
            self.elect_again();
        }
        Ok(())
    }

    /// There is none.
    pub fn no_traffic(&mut self) {
        self.say(What::NoTraffic);
    }

    /// A task comes.
    pub fn traffic(&mut self, amount: u64) {
        self.tasks += 1;
        let task = self.tasks;
        self.say(What::Traffic { amount, task });
        self.waiting.push_back(task);
        self.give();
        if self.waiting.contains(&task) {
            self.say(What::Down { task });
            (0..NAMES.len()).for_each(|node| self.plant.order(id(node), Order::Wake));
        }
    }

    /// It is over.
    pub fn end(&mut self) {
        let asleep_ms = self.asleep.map(|time| time.0 / 1000);
        let (tasks, terms) = (self.tasks, self.terms);
        self.say(What::End {
            tasks,
            terms,
            asleep_ms,
        });
    }

    /// Tasks that wait go to nodes that are awake, by chance. The node sees traffic, and its member tells the Pehredar, who wakes all.
    fn give(&mut self) {
        while !self.waiting.is_empty() {
            let up = self.plant.up();
            let awake: Vec<usize> = (0..NAMES.len())
                .filter(|node| up.contains(id(*node)) && self.conditions[*node] == Condition::Active)
                .collect();
            let nth = usize::try_from(self.chance.below(awake.len() as u64)).unwrap_or(0);
            let Some(node) = awake.get(nth).copied() else { return };
            if let Some(task) = self.waiting.pop_front() {
                self.plant.order(id(node), Order::Traffic);
                self.say(What::Task { node, task });
            }
        }
    }

    /// What is otherwise than before.
    fn notice(&mut self) {
        let now = conditions(&self.plant);
        let was = std::mem::replace(&mut self.conditions, now);
        for (node, before) in was.into_iter().enumerate() {
            if before != now[node] {
                self.say(What::Changed { node, before });
            }
        }
        if let Some((node, term)) = watching(&self.plant)
            && self.watches != Some((node, term))
        {
            let before = self.watches.map(|(before, _)| before);
            (self.watches, self.term_since) = (Some((node, term)), self.plant.now());
            self.terms += 1;
            self.say(What::Pehredar { node, before, term });
        }
        self.give();
    }

    /// `selfChk`: each who is awake.
    fn check_themselves(&mut self) {
        if self.plant.now() < self.next_check {
            return;
        }
        self.next_check = self.next_check + Time::from(Ticks(SELF_CHECK));
        for node in 0..NAMES.len() {
            let config = self.plant.build.config(id(node)).guard;
            if matches!(self.conditions[node], Condition::Active | Condition::Waking)
                && let Some(state) = self.plant.cluster.state(id(node))
            {
                let stays = state.duty().self_check(&config).err().map(|why| why.to_string());
                self.say(What::SelfCheck { node, stays });
            }
        }
    }

    /// `reElection`: whoever watches hands over at the end of the term, unless somebody is on the way up or down.
    fn elect_again(&mut self) {
        let settled = |condition: &Condition| matches!(condition, Condition::Active | Condition::Sleeping);
        if self.plant.now() < self.term_since + TERM || !self.conditions.iter().all(settled) {
            return;
        }
        self.term_since = self.plant.now();
        if let Some((node, _)) = self.watches {
            let hand_over = Command::Election(election::Command::Transfer(None));
            self.plant.cluster.command(id(node), RequestId(2), hand_over);
        }
    }

    fn say(&mut self, what: What) {
        self.events.push(Event {
            at_ms: self.now().0 / 1000,
            what,
            nodes: self.conditions,
        });
    }
}

fn id(node: usize) -> NodeId {
    NodeId(u16::try_from(node).unwrap_or(u16::MAX))
}

/// A process that is not there is one that comes.
fn conditions(plant: &Plant) -> Conditions {
    std::array::from_fn(|node| {
        let state = plant.cluster.state(id(node));
        state.map_or(Condition::Waking, |state| Condition::of(state.duty().state()))
    })
}

/// Who watches, and in which term.
fn watching(plant: &Plant) -> Option<(usize, u64)> {
    let node = plant.pehredar()?;
    let term = plant.cluster.state(node)?.duty().term();
    Some((node.0.into(), term.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_for_which_nobody_is_awake_waits_until_somebody_is() {
        let mut plant = Plant::new(BUILD, 1, false);
        plant.cluster.start_all();
        let mut nodes = Nodes::of(plant, 1);
        assert_eq!(nodes.conditions, [Condition::Waking; 3]);
        nodes.traffic(1);
        assert!(nodes.events.iter().any(|event| event.what == What::Down { task: 1 }));
        let given = |nodes: &Nodes| {
            let task = |event: &Event| match event.what {
                What::Task { node, task: 1 } => Some(event.nodes[node]),
                _ => None,
            };
            nodes.events.iter().find_map(task)
        };
        assert_eq!(given(&nodes), None);
        nodes.run_to(ms(10_000)).expect("nothing is wrong");
        assert_eq!(given(&nodes), Some(Condition::Active));
    }
}

//! Machines, brokers and agents around the nodes.
//!
//! A member's agent does what its node says: it reads the cluster, stops and starts the broker, suspends the machine, sends
//! magic packets, and tells of traffic. A machine that sleeps hears nothing but such a packet and its alarm clock; one that is on
//! its way down does not even hear those.

mod doing;

use pehra_core::election;
use pehra_core::members::NodeSet;
use pehra_core::replication;
use pehra_core::sleep::Sleep;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Order, Role, Timing, WakeRule};
use pehra_core::sleep::member::{Claim, Command, Config, Message, Notice};
use pehra_core::types::{NodeId, RequestId, Ticks};

use super::hardware::Hardware;
use super::kafka::Kafka;
use super::load::Load;
use super::meter::{Draws, Meter, Times};
use super::said::{Image, Said};
use crate::simulator::agenda::Agenda;
use crate::simulator::{Cluster, Death, Failure, Random, Setting, Time, Voice, ms};

/// Who votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voters {
    /// So many machines of their own, which never sleep.
    Dedicated(u16),
    /// The brokers.
    Brokers,
}

/// A cluster to be built.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// How many brokers.
    pub brokers: u16,
    /// Who votes.
    pub voters: Voters,
    /// The lowest gear.
    pub gear: Gear,
    /// Whom traffic wakes.
    pub wake: WakeRule,
    /// The machines.
    pub hardware: Hardware,
    /// The waits of guard duty.
    pub timing: Timing,
    /// The waits of the election.
    pub election: election::Timing,
    /// So many of a thousand magic packets are lost.
    pub packet_loss_permille: u16,
    /// So many of a thousand alarms do not ring.
    pub alarm_loss_permille: u16,
}

/// The lease of a watch is 5 s, and its heart beats each second.
pub const ELECTION: election::Timing = election::Timing {
    heartbeat: Ticks(1000),
    election: Ticks(5000),
    rank_step: Ticks(300),
    lease: Ticks(4000),
};

/// How often a wake is repeated.
const ROUSE: Ticks = Ticks(2_000);
/// How long a reading of the cluster takes, and until an agent sees traffic.
const SENSE: Time = ms(250);
/// How long a client waits at the most before it tries again.
const RETRY_MS: u64 = 1000;
/// Nobody sleeps without so much quiet before it.
const IDLE_MIN_MS: u32 = 120_000;

impl Build {
    /// With the usual waits for this hardware: three voters of their own, traffic wakes all, one in fifty magic packets is lost.
    #[must_use]
    pub fn usual(brokers: u16, gear: Gear, hardware: Hardware) -> Self {
        Self {
            brokers,
            voters: Voters::Dedicated(3),
            gear,
            wake: WakeRule::All,
            timing: timing(&hardware),
            hardware,
            election: ELECTION,
            packet_loss_permille: 20,
            alarm_loss_permille: 0,
        }
    }

    /// All voters.
    #[must_use]
    pub fn voters(&self) -> NodeSet {
        match self.voters {
            Voters::Brokers => NodeSet::first(self.brokers),
            Voters::Dedicated(voters) => NodeSet::first(self.brokers + voters).minus(NodeSet::first(self.brokers)),
        }
    }

    /// The longest that a request may have to wait for a sleeper: it is seen; three packets are lost, or the machine was just
    /// on its way down; it comes up; the client tries again.
    #[must_use]
    pub fn bound(&self) -> Time {
        let rouse = Time::from(self.timing.rouse);
        let going_down = self.hardware.down_max();
        SENSE + SENSE + Time(3 * rouse.0) + going_down + self.hardware.up_max() + ms(RETRY_MS)
    }

    /// What this member is told.
    #[must_use]
    pub fn config(&self, me: NodeId) -> Config {
        let (voters, brokers) = (self.voters(), NodeSet::first(self.brokers));
        let election = election::Config {
            observers: brokers.minus(voters),
            ..election::Config::new(me, voters, self.election)
        };
        Config {
            log: replication::Config::new(election),
            guard: guard::Config {
                me,
                voters,
                brokers,
                voter_spare: 0,
                gear: self.gear,
                wake: self.wake,
                disable_on_traffic: false,
                stay_awake: false,
                timing: self.timing,
                #[cfg(seeded_bugs)]
                bug: None,
            },
            snapshot_every: 64,
        }
    }
}

/// The usual waits for this hardware.
///
/// Who waits w before it sleeps loses at the most 1 + max(w / t*, t* / w) times what somebody loses who knows how long each pause
/// lasts, t* being the break-even time: 3.5 times if machines are suspended, 3 times if they are switched off. Alarm clocks are the
/// last resort where voters never sleep, and with a machine that is off each ring costs a whole start.
#[must_use]
pub fn timing(hardware: &Hardware) -> Timing {
    let off = hardware.off;
    let down_and_up = (hardware.down_max() + hardware.up_max()).0 / 1000;
    let half_break_even = u32::try_from(hardware.break_even().0 / 2000).unwrap_or(u32::MAX);
    Timing {
        idle: Ticks(half_break_even.max(IDLE_MIN_MS)),
        tell: Ticks(5_000),
        probe: Ticks(3_000),
        drain: Ticks(60_000),
        alarm: Ticks(if off { 12 * 3_600_000 } else { 1_800_000 }),
        rouse: ROUSE,
        // Whoever was on its way down when it was called comes up first.
        answer: Ticks(
            u32::try_from((hardware.down + hardware.up).0 / 1000).map_or(u32::MAX, |ms| ms.saturating_add(3 * ROUSE.0)),
        ),
        wake: Ticks(
            u32::try_from(down_and_up)
                .map_or(u32::MAX, |ms| ms.saturating_add(ms / 5))
                .max(60_000),
        ),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    GoingDown,
    Asleep,
    ComingUp,
    /// For good.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broker {
    Up,
    Stopping,
    Down,
    Starting,
}

/// A machine with a broker.
#[derive(Clone, Debug)]
struct Site {
    power: Power,
    broker: Broker,
    /// It is on for its alarm clock.
    rang: bool,
    /// It is to start as soon as it has stopped.
    starts_again: bool,
    meter: Meter,
    /// Counts changes of power, and of the broker: what was meant for an earlier one is void.
    era: u32,
    turn: u32,
    slept_at: Time,
}

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Todo {
    Answer {
        node: NodeId,
        life: u32,
        gear: Gear,
        awake: NodeSet,
    },
    Stopped(NodeId, u32),
    Started(NodeId, u32),
    Down(NodeId, u32),
    Alarm(NodeId, u32),
    Resumed {
        node: NodeId,
        era: u32,
        called: bool,
    },
    Begin,
    End,
    Sight {
        episode: u64,
        nth: u32,
    },
    Enable,
}

/// What has happened so often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Machines woken by a call.
    pub calls: u64,
    /// Machines woken by their alarm clock.
    pub alarms: u64,
    /// Of these, those whose broker was started.
    pub alarms_full: u64,
    /// Alarms that did not ring.
    pub alarms_missed: u64,
    /// Magic packets to machines that were asleep or on their way down, and lost.
    pub packets_lost: u64,
    /// Orders to sleep that had been overtaken by a wake: not carried out.
    pub overtaken: u64,
    /// Tasks that were given to leaders of partitions.
    pub tasks: u64,
}

impl Counts {
    /// Both.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.alarms += other.alarms;
        self.alarms_full += other.alarms_full;
        self.alarms_missed += other.alarms_missed;
        self.packets_lost += other.packets_lost;
        self.overtaken += other.overtaken;
        self.tasks += other.tasks;
    }
}

/// The plant.
pub struct Plant {
    /// The nodes.
    pub cluster: Cluster<Sleep, Image, Said>,
    /// How it was built.
    pub build: Build,
    /// What has happened so often.
    pub counts: Counts,
    /// How long the first request of each episode waited.
    pub outages: Vec<Time>,
    /// How long it took from it until everybody was up.
    pub fulls: Vec<Time>,
    /// The longest sleep.
    pub longest_sleep: Time,
    kafka: Kafka,
    sites: Vec<Site>,
    agenda: Agenda<Todo>,
    chance: Random,
    busy: bool,
    episode: u64,
    waiting: Option<Time>,
    lacking: Option<Time>,
    crashed: bool,
    wrong: Option<String>,
}

impl Plant {
    /// Machines that are off, all of them.
    #[must_use]
    pub fn new(build: Build, seed: u64, traced: bool) -> Self {
        let mut setting = Setting::LAN;
        setting.network.in_order = true;
        let voice = Voice {
            notice: |notice: Notice| Message::from(notice),
            claim: |claim: Claim| Message::Claim(claim),
        };
        let members = NodeSet::first(build.brokers).or(build.voters());
        let configs = members.iter().map(|me| (me, build.config(me)));
        let mut cluster = Cluster::new(seed, setting, voice, configs, Said::default());
        if traced {
            cluster = cluster.traced(Box::new(|now, line| println!("{now:>12} {line}")));
        }
        let site = Site {
            power: Power::On,
            broker: Broker::Down,
            rang: false,
            starts_again: false,
            meter: Meter::new(Draws::Up, Time(0)),
            era: 0,
            turn: 0,
            slept_at: Time(0),
        };
        Self {
            cluster,
            kafka: Kafka::new(build.brokers).with_controllers(build.voters().and(NodeSet::first(build.brokers))),
            sites: vec![site; build.brokers.into()],
            agenda: Agenda::default(),
            chance: Random::new(seed, 300),
            counts: Counts::default(),
            outages: Vec::new(),
            fulls: Vec::new(),
            longest_sleep: Time(0),
            busy: false,
            episode: 0,
            waiting: None,
            lacking: None,
            crashed: false,
            wrong: None,
            build,
        }
    }

    /// Starts all, waits for a Pehredar, and switches on.
    ///
    /// # Errors
    /// If that does not succeed within five minutes.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.cluster.start_all();
        self.agenda.enter(self.now() + ms(5000), Todo::Enable);
        let on = |plant: &Self| plant.is_on() && plant.up().count() == u32::from(plant.build.brokers);
        if !self.run_until(ms(300_000), on)? {
            return Err(self.failure("it could not be switched on"));
        }
        let now = self.now();
        self.sites.iter_mut().for_each(|site| site.meter.reset(now));
        (self.counts, self.longest_sleep) = (Counts::default(), Time(0));
        Ok(())
    }

    /// A load begins now.
    pub fn work(&mut self, load: &Load) {
        let now = self.now();
        for episode in &load.episodes {
            self.agenda.enter(now + episode.from, Todo::Begin);
            self.agenda.enter(now + episode.to, Todo::End);
        }
    }

    /// There is something to do from now on, until [`Self::work_ends`]: for a person who looks on.
    pub fn work_begins(&mut self) {
        self.agenda.enter(self.now(), Todo::Begin);
    }

    /// There is nothing more to do.
    pub fn work_ends(&mut self) {
        self.agenda.enter(self.now(), Todo::End);
    }

    /// One episode that begins now.
    pub fn burst(&mut self, length: Time) {
        self.agenda.enter(self.now(), Todo::Begin);
        self.agenda.enter(self.now() + length, Todo::End);
    }

    /// A machine loses its power, for good. Nobody is told.
    pub fn crash(&mut self, node: NodeId) {
        self.crashed = true;
        self.cluster.kill(node, Death::Silent);
        if let Some(site) = self.sites.get_mut(usize::from(node.0)) {
            (site.power, site.broker) = (Power::Dead, Broker::Down);
            (site.era, site.turn) = (site.era + 1, site.turn + 1);
        }
    }

    /// Lets time go by until it holds, but no longer than so much. Whether it holds.
    ///
    /// # Errors
    /// What was wrong, as soon as something is.
    pub fn run_until(&mut self, length: Time, holds: impl Fn(&Self) -> bool) -> Result<bool, Failure> {
        let end = self.now() + length;
        loop {
            while let Some((node, saying)) = take_first(&mut self.cluster.watch.queue) {
                self.hear(node, saying);
            }
            if let Some(what) = self.wrong.take() {
                return Err(self.failure(&what));
            }
            if holds(self) {
                return Ok(true);
            }
            if self.agenda.next_at().is_some_and(|at| at <= self.now()) {
                if let Some((_, todo)) = self.agenda.take() {
                    self.happen(todo);
                }
                continue;
            }
            if self.now() >= end {
                return Ok(false);
            }
            let next = self.agenda.next_at().map_or(end, |at| at.min(end));
            self.cluster
                .run_until(next - self.now(), |cluster| !cluster.watch.queue.is_empty())?;
        }
    }

    /// Lets so much time go by.
    ///
    /// # Errors
    /// What was wrong, as soon as something is.
    pub fn run_for(&mut self, length: Time) -> Result<(), Failure> {
        self.run_until(length, |_| false).map(|_| ())
    }

    /// Now.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.cluster.now()
    }

    /// Whether every partition has a copy that is up.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.kafka.holds(self.up(), 1)
    }

    /// What is wrong, now.
    #[must_use]
    pub fn failure(&self, what: &str) -> Failure {
        Failure {
            at: self.now(),
            what: what.into(),
        }
    }

    /// Brokers that are up and in sync.
    #[must_use]
    pub fn up(&self) -> NodeSet {
        self.those(|site| site.broker == Broker::Up)
    }

    /// Machines that are asleep or on their way down.
    #[must_use]
    pub fn asleep(&self) -> NodeSet {
        self.those(|site| matches!(site.power, Power::Asleep | Power::GoingDown))
    }

    fn those(&self, is: impl Fn(&Site) -> bool) -> NodeSet {
        (0..)
            .zip(&self.sites)
            .filter(|(_, site)| is(site))
            .map(|(id, _)| NodeId(id))
            .collect()
    }

    /// Whether every partition takes writes.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.kafka.is_writable(self.up())
    }

    /// How many may sleep at once: as coverage allows.
    #[must_use]
    pub fn sleepers_max(&self) -> u32 {
        self.kafka.sleepers_max(self.build.gear)
    }

    /// Who watches, now: alive, and the highest term of those who do.
    #[must_use]
    pub fn pehredar(&self) -> Option<NodeId> {
        let view = self.cluster.view();
        let watching = view
            .living()
            .filter(|(_, state)| matches!(state.duty().role(), Role::Pehredar(_)));
        watching.max_by_key(|(_, state)| state.duty().term()).map(|(id, _)| id)
    }

    /// Whether brokers may be let sleep at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let state = self.pehredar().and_then(|id| self.cluster.state(id));
        state.is_some_and(|state| state.duty().switch().1)
    }

    /// Tells a member's node something.
    pub fn order(&mut self, node: NodeId, order: Order) {
        self.cluster.command(node, RequestId(1), Command::Order(order));
    }

    /// What the meters of all brokers' machines show together.
    #[must_use]
    pub fn times(&self) -> Times {
        let mut all = Times::default();
        for site in &self.sites {
            all.merge(&site.meter.read(self.now()));
        }
        all
    }
}

fn take_first<T>(queue: &mut Vec<T>) -> Option<T> {
    (!queue.is_empty()).then(|| queue.remove(0))
}

//! One moment of a cluster.

use pehra_core::members::NodeSet;
use pehra_core::protocol::{Image, Protocol, Recovered};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Decree, Guard, State as Broker, Timer};
use pehra_core::types::{Never, NodeId};

use super::bounds::BROKERS;
use super::net::{Letter, Net};
use crate::kafka::{Kafka, Step};
use crate::shared::Shared;
use crate::site::Site;

/// Guard duty keeps nothing of its own on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nothing;

impl Image<Guard> for Nothing {
    fn apply(&mut self, record: &Never) {
        match *record {}
    }

    fn summary(&self) -> Recovered<Never> {
        Recovered::Fresh
    }

    fn answer(&self, query: &<Guard as Protocol>::Query) -> Never {
        match *query {}
    }
}

/// One member.
pub type Member = Site<Guard, Nothing>;

/// What a broker's process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// Up, and in sync.
    Up,
    /// Told to stop.
    Stopping,
    /// Down.
    Down,
}

/// What surrounds one member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Around {
    /// Its broker.
    pub process: Process,
    /// The agent wants the broker up.
    pub wanted_up: bool,
    /// What was asked for a reading of the cluster.
    pub look: Option<(Gear, NodeSet)>,
    /// How many decrees it has been told of.
    pub applied: u8,
    /// The term that its log has told it.
    pub term: u8,
    /// It hears the leader of that term, or leads.
    pub heard: bool,
    /// What it has proposed and is not decided.
    pub proposed: Option<Decree>,
    /// On a Kafka: that was asked for before the grant that it holds now.
    pub looked_before: bool,
    /// The term of the grant by which it is on its way down, asleep or worked on; zero if none.
    pub granted: u8,
    /// It leads, and lets another lead.
    pub yields: bool,
}

/// A decree, and the term of its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decided {
    /// The term.
    pub term: u8,
    /// What was decided.
    pub decree: Decree,
}

/// What may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Left {
    /// Crashes.
    pub crashes: u8,
    /// Sights of traffic.
    pub traffic: u8,
    /// Wakes.
    pub wakes: u8,
    /// Losses.
    pub losses: u8,
    /// Switches.
    pub switches: u8,
    /// Rounds.
    pub rounds: u8,
    /// Wakes that are given up too early.
    pub hasty: u8,
}

/// One moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// All members; places beyond the last repeat the first.
    pub members: [Shared<Member>; BROKERS],
    /// What surrounds them.
    pub around: [Around; BROKERS],
    /// What is decided.
    pub log: Shared<Vec<Decided>>,
    /// Who led each term, the first one first.
    pub leaders: Shared<Vec<u8>>,
    /// The Kafka beneath, where there is one.
    pub kafka: Shared<Kafka>,
    /// What is under way.
    pub net: Shared<Net>,
    /// Budgets.
    pub left: Left,
    /// Writes that may still come.
    pub writes: u8,
    /// Nothing goes wrong any more.
    pub calm: bool,
    /// Traffic was seen, and not all that it takes was up since.
    pub needed: bool,
    /// Where liveness is asked of a round of maintenance: those that were worked on since it began.
    pub visited: NodeSet,
    /// Where machines may be gone: those of whom a person was told.
    pub paged: NodeSet,
    /// What steps have shown to be broken.
    pub broken: u16,
}

impl State {
    /// This member.
    #[must_use]
    pub fn guard(&self, member: u8) -> &Guard {
        self.members[usize::from(member)].node.state()
    }

    /// What surrounds this member.
    #[must_use]
    pub fn at(&self, member: u8) -> &Around {
        &self.around[usize::from(member)]
    }

    /// The highest term.
    #[must_use]
    pub fn top(&self) -> u8 {
        u8::try_from(self.leaders.len()).expect("few terms")
    }

    /// Brokers whose guard says Active and whose process is up.
    #[must_use]
    pub fn awake(&self, brokers: u8) -> NodeSet {
        let up = |member: &u8| self.guard(*member).state() == Broker::Active && self.at(*member).process == Process::Up;
        (0..brokers).filter(up).map(|member| NodeId(member.into())).collect()
    }
}

/// One thing that may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A letter arrives.
    Deliver(Letter),
    /// A timer goes off.
    Fire(u8, Timer),
    /// The next decree is told.
    Learn(u8),
    /// What this leader has proposed is decided.
    Decide(u8),
    /// This member wins the next term by these votes, its own among them.
    Elect(u8, NodeSet),
    /// This member hears the leader of the highest term.
    Follow(u8),
    /// It loses its leader from sight, or its own leadership.
    Lose(u8),
    /// The cluster is read for this member, and it is told.
    View(u8),
    /// Its broker has stopped.
    Stopped(u8),
    /// Its broker is up and in sync.
    Up(u8),
    /// Traffic is seen there.
    Traffic(u8),
    /// It is woken from outside.
    Wake(u8),
    /// Its machine crashes, and starts again.
    Crash(u8),
    /// The same, without power: so many of its broker's newest records were not on its disk.
    PowerLoss(u8, u8),
    /// These crash at one moment, and all that is under way is lost; nothing goes wrong from there on.
    AllDown(NodeSet),
    /// Kafka does something, or a client of it.
    Kafka(Step),
    /// The work on it is done.
    Done(u8),
    /// An admin switches on, with an epoch so much higher than the last one.
    Enable(u8, u8),
    /// Somebody switches off.
    Disable(u8),
    /// An admin wants a round of maintenance.
    Round(u8, NodeSet),
    /// Nothing goes wrong from here on.
    Calm,
}

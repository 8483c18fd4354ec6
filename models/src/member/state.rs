//! One moment of whole members.

use pehra_core::members::NodeSet;
use pehra_core::protocol::{Image, Recovered};
use pehra_core::replication::{Durable, LogImage, Query, Record, Replication, Rows};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{Decree, Guard, State as Broker};
use pehra_core::sleep::member::Timer;
use pehra_core::types::NodeId;

use super::letters::Letter;
use crate::shared::Shared;
use crate::site::Site;

/// Members.
pub const MEMBERS: u8 = 3;

/// The log's image is the member's: guard duty keeps nothing of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk(pub LogImage<Decree>);

type Of = Replication<Decree>;

impl Image<Sleep> for Disk {
    fn apply(&mut self, record: &Record<Decree>) {
        <LogImage<Decree> as Image<Of>>::apply(&mut self.0, record);
    }

    fn summary(&self) -> Recovered<Durable> {
        <LogImage<Decree> as Image<Of>>::summary(&self.0)
    }

    fn answer(&self, query: &Query) -> Rows<Decree> {
        <LogImage<Decree> as Image<Of>>::answer(&self.0, query)
    }
}

/// One member.
pub type Member = Site<Sleep, Disk>;

/// What surrounds one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Around {
    /// Its broker runs and is in sync.
    pub up: bool,
    /// It was told to stop.
    pub stopping: bool,
    /// The agent wants it up.
    pub wanted_up: bool,
    /// What was asked for a reading of the cluster.
    pub look: Option<(Gear, NodeSet)>,
}

/// One moment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The members.
    pub members: [Shared<Member>; MEMBERS as usize],
    /// What surrounds them.
    pub around: [Around; MEMBERS as usize],
    /// What is under way, in order.
    pub net: Shared<Vec<Letter>>,
    /// Left: crashes, wakes, heartbeats.
    pub left: [u8; 3],
    /// Who has led each term, as a set by term.
    pub led: [NodeSet; 4],
    /// What steps have shown to be broken, as bits.
    pub broken: u8,
}

impl State {
    /// This member.
    #[must_use]
    pub fn sleep(&self, member: u8) -> &Sleep {
        self.members[usize::from(member)].node.state()
    }

    /// Its guard duty.
    #[must_use]
    pub fn guard(&self, member: u8) -> &Guard {
        self.sleep(member).duty()
    }

    /// Brokers that are up by their own word and by what is true.
    #[must_use]
    pub fn awake(&self) -> NodeSet {
        let up = |member: &u8| self.guard(*member).state() == Broker::Active && self.around[usize::from(*member)].up;
        (0..MEMBERS).filter(up).map(|member| NodeId(member.into())).collect()
    }
}

/// One thing that may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A message arrives.
    Deliver(Letter),
    /// A timer goes off.
    Fire(u8, Timer),
    /// The cluster is read for this member.
    View(u8),
    /// Its broker has stopped.
    Stopped(u8),
    /// Its broker is up and in sync.
    Up(u8),
    /// It is woken from outside.
    Wake(u8),
    /// Its machine crashes and starts again.
    Crash(u8),
}

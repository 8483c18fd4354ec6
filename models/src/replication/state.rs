//! What a state of the world holds, and what can happen to it.

use pehra_core::election::{Role, Timer};
use pehra_core::replication::{LogImage, Replication};

use super::bounds::{MEMBERS, Shape};
use super::ghosts::Ghosts;
use crate::net::Net;
use crate::shared::Shared;
use crate::site::Site;

/// One member: the deployed protocol and its disk.
pub type Member = Site<Replication<u8>, LogImage<u8>>;

/// One state of the system.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The members.
    pub members: [Shared<Member>; MEMBERS],
    /// Messages under way.
    pub net: Shared<Net>,
    /// Budgets left: crashes, proposals, reads, snapshots, heartbeats.
    pub left: [u8; 5],
    /// How things have calmed down.
    pub calm: Option<Shape>,
    /// For the properties.
    pub ghosts: Shared<Ghosts>,
}

/// One step of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A message reaches this member.
    Deliver(u32, u8),
    /// A member's oldest commit becomes durable.
    Durable(u8),
    /// A member's oldest durable commit is reported.
    Reported(u8),
    /// A member's store answers its oldest question.
    Answer(u8),
    /// A timer goes off.
    Fire(u8, Timer),
    /// A member dies and starts again.
    Crash(u8),
    /// A leader is given the next command.
    Propose(u8),
    /// A leader is asked what to apply before a read.
    Read(u8),
    /// A member's host takes a snapshot of all that it has applied.
    Snapshot(u8),
    /// From here on nothing crashes, and what is sent arrives, as far as the links go.
    Calm(Shape),
}

impl State {
    /// Whether this member leads.
    #[must_use]
    pub fn leads(&self, member: u8) -> bool {
        matches!(
            self.members[usize::from(member)].node.state().election().role(),
            Role::Leader(_)
        )
    }

    /// Its term, as far as it knows.
    #[must_use]
    pub fn term(&self, member: u8) -> u64 {
        self.members[usize::from(member)].node.state().election().term().0
    }
}

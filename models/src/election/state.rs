//! What a state of the world holds, and what can happen to it.

use pehra_core::election::{Election, HardImage, Role, Timer};

use super::bounds::{MEMBERS, Shape};
use crate::net::Net;
use crate::shared::Shared;
use crate::site::Site;

/// One member: the deployed protocol and its disk.
pub type Member = Site<Election<()>, HardImage>;

/// The highest term that the ghosts can name.
pub const TERMS: usize = 12;

/// What the model remembers for its properties only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghosts {
    /// Who won each term, counted from 1; 0 for nobody yet.
    pub won: [u8; TERMS],
    /// The highest term won when the question was asked.
    pub floor: u8,
    /// What has been broken, as bits; see `properties`.
    pub broken: u16,
    /// A leadership was won after one with a higher number.
    pub late_win: bool,
    /// A question was answered.
    pub answered: bool,
    /// A hand-over has made another the leader.
    pub handed_over: bool,
}

/// One state of the system.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The members; places beyond the last repeat the first.
    pub members: [Shared<Member>; MEMBERS],
    /// Messages under way.
    pub net: Shared<Net>,
    /// Budgets left: crashes, stores lost, hand-overs, hints, questions, resignations, late writes.
    pub left: [u8; 7],
    /// How things have calmed down.
    pub calm: Option<Shape>,
    /// For the properties.
    pub ghosts: Ghosts,
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
    /// A timer goes off.
    Fire(u8, Timer),
    /// A member dies and starts again.
    Crash(u8),
    /// A member dies, and its store with it.
    Wipe(u8),
    /// A leader is asked to hand over, to this one or to whom it draws.
    Transfer(u8, Option<u8>),
    /// A member is told that its leader's process is gone.
    Hint(u8),
    /// A member is asked whether it leads.
    Ask(u8),
    /// A leader is asked to resign.
    Resign(u8),
    /// From here on nothing crashes, and what is sent arrives, as far as the links go.
    Calm(Shape),
}

impl State {
    /// Whether this member leads.
    #[must_use]
    pub fn leads(&self, member: u8) -> bool {
        matches!(self.members[usize::from(member)].node.state().role(), Role::Leader(_))
    }

    /// Its term, as far as it knows.
    #[must_use]
    pub fn term(&self, member: u8) -> u64 {
        self.members[usize::from(member)].node.state().term().0
    }
}

//! What a state of the world holds, and what can happen to it.

use pehra_core::election::{Election, HardImage, Leader, Role, Timer};
use pehra_core::types::Delay;

use super::bounds::{Bounds, VOTERS};
use crate::net::Net;
use crate::shared::Shared;
use crate::site::Site;

/// One member: the deployed protocol and its disk.
pub type Member = Site<Election<()>, HardImage>;

/// How far the timers that something rests on have run, in steps of real time; 0 also for one that is not armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clock {
    /// Before so many the election timer does not go off.
    pub election: u8,
    /// Before so many the quarantine after a start does not end.
    pub quarantine: u8,
    /// After so many the leases of the two slots have run out for certain.
    pub lease: [u8; 2],
}

impl Clock {
    /// A timer runs from now.
    pub fn arm(&mut self, bounds: &Bounds, timer: Timer, after: Delay) {
        match timer {
            Timer::Election => self.election = bounds.not_before(after.min),
            Timer::Quarantine => self.quarantine = bounds.not_before(after.min),
            Timer::Lease(slot) => self.lease[usize::from(slot)] = bounds.at_the_latest(after.max),
            _ => {}
        }
    }

    /// A step of time.
    pub fn tick(&mut self) {
        for left in [&mut self.election, &mut self.quarantine]
            .into_iter()
            .chain(&mut self.lease)
        {
            *left = left.saturating_sub(1);
        }
    }

    /// What is not armed does not run.
    pub fn keep_armed(&mut self, timers: &[Timer]) {
        if !timers.contains(&Timer::Election) {
            self.election = 0;
        }
        if !timers.contains(&Timer::Quarantine) {
            self.quarantine = 0;
        }
        for slot in [false, true] {
            if !timers.contains(&Timer::Lease(slot)) {
                self.lease[usize::from(slot)] = 0;
            }
        }
    }
}

/// One state of the system.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The members; places beyond the last repeat the first.
    pub members: [Shared<Member>; VOTERS],
    /// Their clocks.
    pub clocks: [Clock; VOTERS],
    /// Messages under way.
    pub net: Shared<Net>,
    /// Budgets left: crashes, hand-overs, resignations, hints, questions, standstills noticed.
    pub left: [u8; 6],
    /// The highest term that anybody has led, where questions are asked.
    pub highest: u8,
    /// The same when the last question was asked.
    pub floor: u8,
    /// What has been broken, as bits; see `properties`.
    pub broken: u8,
}

/// One step of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Time passes.
    Tick,
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
    /// A leader is asked to hand over to this one.
    Transfer(u8, u8),
    /// A leader is asked to resign.
    Resign(u8),
    /// A member is told that its leader's process is gone.
    Hint(u8),
    /// A member is asked whether it leads.
    Ask(u8),
    /// A member is told that it stood still.
    Pause(u8),
}

impl State {
    /// Its leadership, if it has one.
    #[must_use]
    pub fn leadership(&self, member: u8) -> Option<&Leader> {
        self.members[usize::from(member)].node.state().leadership()
    }

    /// Its term, as far as it knows.
    #[must_use]
    pub fn term(&self, member: u8) -> u64 {
        self.members[usize::from(member)].node.state().term().0
    }

    /// Whether this member stands.
    #[must_use]
    pub fn stands(&self, member: u8) -> bool {
        matches!(
            self.members[usize::from(member)].node.state().role(),
            Role::Candidate { .. }
        )
    }

    /// Whether this member's lease has run out for certain, and it has not noticed.
    #[must_use]
    pub fn has_dead_lease(&self, member: u8) -> bool {
        self.leadership(member).is_some_and(Leader::is_leased) && !self.has_valid_lease(member)
    }

    /// Whether this member has a lease that has not run out on its own clock, however slow.
    #[must_use]
    pub fn has_valid_lease(&self, member: u8) -> bool {
        match self.leadership(member).and_then(Leader::lease) {
            Some(Timer::Lease(slot)) => self.clocks[usize::from(member)].lease[usize::from(slot)] > 0,
            _ => false,
        }
    }
}

//! One machine: a disk, a clock, and at most one process upon it.

use std::collections::VecDeque;

use pehra_core::node::Node;
use pehra_core::protocol::{Draw, Image, Protocol};
use pehra_core::types::{Broken, Delay, NodeId, RequestId};

use super::disk::{Disk, Done, Latency};
use super::random::Random;
use super::time::{ClockRate, Time, ms};

/// What the world puts into a process's mailbox.
#[derive(Clone, Debug)]
pub enum Mail<P: Protocol> {
    /// A peer said something.
    Message(NodeId, P::Heard),
    /// The shell asks for something.
    Command(RequestId, P::Command),
    /// A peer came or went.
    Link(NodeId, bool),
}

/// A process: the deployed node, and what a driver keeps for it.
#[derive(Clone, Debug)]
pub struct Process<P: Protocol> {
    /// The deployed node.
    pub node: Node<P>,
    /// Whether it is frozen: nothing runs, everything queues.
    pub paused: bool,
    pub(super) timers: Vec<(P::Timer, Time)>,
    pub(super) mail: VecDeque<Mail<P>>,
    pub(super) done: VecDeque<Done<P>>,
    pub(super) records: Vec<P::Record>,
    pub(super) draws: Vec<Draw>,
    /// When its loop last turned.
    pub(super) awake: Time,
    /// The earliest alarm that is on the agenda for it.
    pub(super) alarm: Option<Time>,
}

impl<P: Protocol> Process<P> {
    pub(super) const fn new(node: Node<P>, now: Time) -> Self {
        Self {
            node,
            paused: false,
            timers: Vec::new(),
            mail: VecDeque::new(),
            done: VecDeque::new(),
            records: Vec::new(),
            draws: Vec::new(),
            awake: now,
            alarm: None,
        }
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Time> {
        self.timers.iter().map(|(_, at)| *at).min()
    }

    pub(super) fn arm(&mut self, timer: P::Timer, at: Time) {
        match self.timers.iter_mut().find(|(armed, _)| *armed == timer) {
            Some(armed) => armed.1 = at,
            None => self.timers.push((timer, at)),
        }
    }

    pub(super) fn disarm(&mut self, timer: P::Timer) {
        self.timers.retain(|(armed, _)| *armed != timer);
    }

    /// Those that are due at this turn of the loop, oldest first.
    pub(super) fn due(&self, turn: Time, due: &mut Vec<(Time, P::Timer)>) {
        due.extend(
            self.timers
                .iter()
                .filter(|(_, at)| *at <= turn)
                .map(|(timer, at)| (*at, *timer)),
        );
        due.sort_unstable();
    }

    /// Takes a timer off if it is still armed for that moment: one that fired before it may have changed it.
    pub(super) fn take(&mut self, timer: P::Timer, at: Time) -> bool {
        let found = self.timers.iter().position(|armed| *armed == (timer, at));
        found.map(|place| self.timers.swap_remove(place)).is_some()
    }
}

/// A machine.
pub struct Machine<P: Protocol, I> {
    /// The node that runs here.
    pub id: NodeId,
    /// Its disk outlives its processes.
    pub disk: Disk<P, I>,
    /// How fast its clock runs; holds for timers armed from now on.
    pub clock: ClockRate,
    /// The process, if one lives.
    pub process: Option<Process<P>>,
    /// How many processes have lived here.
    pub lives: u32,
    /// Whether the machine is suspended: what is sent here meanwhile is lost.
    pub suspended: bool,
    pub(super) config: P::Config,
    jitter: Random,
    pub(super) chance: Random,
}

impl<P: Protocol, I: Image<P>> Machine<P, I> {
    pub(super) fn new(id: NodeId, config: P::Config, latency: Latency, seed: u64) -> Self {
        let purpose = |kind: u64| Random::new(seed, kind << 32 | u64::from(id.0));
        Self {
            id,
            disk: Disk::new(latency, purpose(1)),
            clock: ClockRate::default(),
            process: None,
            lives: 0,
            suspended: false,
            config,
            jitter: purpose(2),
            chance: purpose(3),
        }
    }

    /// When a timer that is armed now goes off: whole milliseconds of this machine's clock, as the driver draws them.
    pub(super) fn goes_off(&mut self, now: Time, after: Delay) -> Time {
        let ticks = self
            .jitter
            .between(u64::from(after.min.0), u64::from(after.max.0.max(after.min.0)));
        now + self.clock.really(ms(ticks))
    }
}

impl<P: Protocol, I> Machine<P, I> {
    /// The protocol's state, if its process lives.
    #[must_use]
    pub fn state(&self) -> Option<&P> {
        self.process.as_ref().map(|process| process.node.state())
    }

    /// Whether a process lives and is not frozen.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.paused)
    }

    /// Whether all that the protocol and the gate promise about themselves holds.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check(&self) -> Result<(), Broken> {
        self.process
            .as_ref()
            .map_or(Ok(()), |process| process.node.check(&self.config))
    }

    /// The node's configuration.
    #[must_use]
    pub const fn config(&self) -> &P::Config {
        &self.config
    }
}

//! The machines, the network, and the clock that all of them share.

use std::fmt::{self, Arguments};

use pehra_core::node::{Desk, GateBound};
use pehra_core::protocol::{Image, Protocol};
use pehra_core::types::{NodeId, RequestId};

use super::agenda::Agenda;
use super::disk::Latency;
use super::machine::{Machine, Mail};
use super::network::{Link, Quality};
use super::random::Random;
use super::time::{Span, Time, ms};
use super::watch::{Sight, Sink, View, Watch};

/// Events at one moment after which a protocol is taken to turn in a circle.
const AT_ONCE_MAX: u32 = 100_000;

/// What is the same for all machines until a script changes it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// How much may wait behind a node's gate.
    pub gate: GateBound,
    /// A standstill longer than this is a pause: the protocol is told before any timer.
    pub pause: Time,
    /// Letters that a mailbox holds; what comes when it is full is lost.
    pub mailbox: usize,
    /// How every link begins.
    pub network: Quality,
    /// How every disk begins.
    pub disk: Latency,
    /// How long it takes, besides the way, until a connection's beginning or end is told.
    pub news: Span,
}

impl Setting {
    /// One room, quick disks.
    pub const LAN: Self = Self {
        gate: GateBound::DEPLOYED,
        pause: ms(50),
        mailbox: 1024,
        network: Quality::LAN,
        disk: Latency::QUICK,
        news: Span::us(50, 500),
    };
    /// Two continents, quick disks.
    pub const WAN: Self = Self {
        pause: ms(300),
        network: Quality::WAN,
        ..Self::LAN
    };
}

/// How what a node says becomes what another hears.
pub struct Voice<P: Protocol> {
    /// A notice, as its receiver hears it.
    pub notice: fn(P::Notice) -> P::Heard,
    /// A claim, as its receiver hears it.
    pub claim: fn(P::Claim) -> P::Heard,
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Time,
    /// What was wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {} ms: {}", self.at, self.what)
    }
}

impl std::error::Error for Failure {}

/// What can be on the agenda. Each names the life it is for: what was meant for a process that died is lost.
pub(super) enum Due<P: Protocol> {
    /// Something reaches a mailbox.
    Post { to: usize, life: u32, mail: Mail<P> },
    /// A timer may be due.
    Alarm { at: usize, life: u32 },
    /// A disk has had the time that it needs.
    DiskDone { at: usize, life: u32 },
}

/// The cluster.
pub struct Cluster<P: Protocol, I, W> {
    /// Who looks on.
    pub watch: W,
    pub(super) now: Time,
    pub(super) machines: Vec<Machine<P, I>>,
    pub(super) links: Vec<Link>,
    pub(super) setting: Setting,
    pub(super) voice: Voice<P>,
    pub(super) agenda: Agenda<Due<P>>,
    pub(super) desk: Desk<P>,
    pub(super) failure: Option<Failure>,
    pub(super) nonces: u64,
    pub(super) seed: u64,
    sink: Option<Sink>,
    steps: u64,
    at_once: u32,
}

impl<P: Protocol, I: Image<P>, W: Watch<P, I>> Cluster<P, I, W> {
    /// Machines with empty disks, all linked; no process runs yet.
    pub fn new(
        seed: u64,
        setting: Setting,
        voice: Voice<P>,
        configs: impl IntoIterator<Item = (NodeId, P::Config)>,
        watch: W,
    ) -> Self {
        let machine = |(id, config)| Machine::new(id, config, setting.disk, seed);
        let machines: Vec<Machine<P, I>> = configs.into_iter().map(machine).collect();
        let pairs = (machines.len() * machines.len()) as u64;
        let link = |pair| Link::new(setting.network, Random::new(seed, 4 << 32 | pair));
        Self {
            watch,
            now: Time(0),
            links: (0..pairs).map(link).collect(),
            machines,
            setting,
            voice,
            agenda: Agenda::default(),
            desk: Desk::default(),
            failure: None,
            nonces: 0,
            seed,
            sink: None,
            steps: 0,
            at_once: 0,
        }
    }

    /// Sends every line of the trace there, from now on.
    #[must_use]
    pub fn traced(mut self, sink: Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Now.
    #[must_use]
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Steps of all nodes so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// All machines, to look at.
    #[must_use]
    pub fn view(&self) -> View<'_, P, I> {
        View {
            now: self.now,
            machines: &self.machines,
        }
    }

    /// One machine.
    ///
    /// # Panics
    /// If there is no such machine: the script is wrong.
    #[must_use]
    pub fn machine(&self, id: NodeId) -> &Machine<P, I> {
        &self.machines[self.place(id)]
    }

    /// The state of a node, if its process lives.
    #[must_use]
    pub fn state(&self, id: NodeId) -> Option<&P> {
        self.machine(id).state()
    }

    /// All nodes.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<'_, P, I, W> {
        self.machines.iter().map(|machine| machine.id)
    }

    /// Lets so much time go by.
    ///
    /// # Errors
    /// What was wrong, as soon as something is; nothing moves after that.
    pub fn run_for(&mut self, length: Time) -> Result<(), Failure> {
        self.run_until(length, |_| false).map(|_| ())
    }

    /// Lets time go by until it holds, asked now and after every event, but no longer than so much. Whether it holds.
    ///
    /// # Errors
    /// What was wrong, as soon as something is; nothing moves after that.
    pub fn run_until(&mut self, length: Time, mut holds: impl FnMut(&Self) -> bool) -> Result<bool, Failure> {
        let end = self.now + length;
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            if holds(self) {
                return Ok(true);
            }
            if self.agenda.next_at().is_none_or(|at| at > end) {
                self.now = end;
                return Ok(false);
            }
            if let Some((at, due)) = self.agenda.take() {
                self.at_once = if at == self.now { self.at_once + 1 } else { 0 };
                self.now = at;
                if self.at_once > AT_ONCE_MAX {
                    self.fail("time stands still: a circle of events without a delay".into());
                }
                self.happen(due);
            }
        }
    }

    /// Puts a command into a node's mailbox; lost if no process lives there.
    pub fn command(&mut self, id: NodeId, request: RequestId, command: P::Command) {
        let at = self.place(id);
        self.post(at, Mail::Command(request, command));
    }

    pub(super) fn place(&self, id: NodeId) -> usize {
        let place = self.machines.iter().position(|machine| machine.id == id);
        place.unwrap_or_else(|| panic!("there is no {id} in this cluster"))
    }

    fn happen(&mut self, due: Due<P>) {
        match due {
            Due::Post { to, life, mail } if self.machines[to].lives == life => self.post(to, mail),
            Due::Alarm { at, life } if self.machines[at].lives == life => {
                if let Some(process) = &mut self.machines[at].process {
                    process.alarm = process.alarm.filter(|alarm| *alarm > self.now);
                    self.turn(at);
                }
            }
            Due::DiskDone { at, life } if self.machines[at].lives == life => {
                let done = self.machines[at].disk.end();
                self.disk_says(at, done);
            }
            Due::Post { .. } | Due::Alarm { .. } | Due::DiskDone { .. } => {}
        }
    }

    /// Something reaches a mailbox.
    pub(super) fn post(&mut self, to: usize, mail: Mail<P>) {
        let room = self.setting.mailbox;
        if self.machines[to].suspended {
            return;
        }
        if let Some(process) = &mut self.machines[to].process
            && process.mail.len() < room
        {
            process.mail.push_back(mail);
            self.turn(to);
        }
    }

    /// Tells those who look on.
    pub(super) fn see(&mut self, at: usize, sight: &Sight<'_, P>) {
        let id = self.machines[at].id;
        let view = View {
            now: self.now,
            machines: &self.machines,
        };
        self.watch.see(&view, id, sight);
        if let Some(sink) = &mut self.sink {
            match sight {
                Sight::Started => sink(self.now, format_args!("{id} starts")),
                Sight::Died => sink(self.now, format_args!("{id} dies")),
                Sight::Paused => sink(self.now, format_args!("{id} freezes")),
                Sight::Resumed => sink(self.now, format_args!("{id} goes on")),
                Sight::Hears(from, message) => sink(self.now, format_args!("{id} <- {from} {message:?}")),
                Sight::Notice(to, notice) => sink(self.now, format_args!("{id} -> {to} {notice:?}")),
                Sight::Claim(to, claim) => sink(self.now, format_args!("{id} -> {to} {claim:?}")),
                Sight::Event(event) => sink(self.now, format_args!("{id} now {event:?}")),
                Sight::Report(report) => sink(self.now, format_args!("{id} reports {report:?}")),
            }
        }
    }

    /// Writes a line into the trace, if there is one.
    pub(super) fn trace(&mut self, line: Arguments<'_>) {
        if let Some(sink) = &mut self.sink {
            sink(self.now, line);
        }
    }

    /// A script's own line in the trace.
    pub fn remark(&mut self, line: &str) {
        self.trace(format_args!("-- {line}"));
    }

    /// After every step: does all hold?
    pub(super) fn judge(&mut self, at: usize) {
        self.steps += 1;
        let Self {
            watch, machines, now, ..
        } = self;
        let view = View { now: *now, machines };
        let machine = &machines[at];
        let verdict = machine
            .check()
            .map_err(|broken| format!("{}: {broken}", machine.id))
            .and_then(|()| watch.judge(&view, machine.id));
        if let Err(what) = verdict {
            self.fail(what);
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.trace(format_args!("WRONG: {what}"));
        let at = self.now;
        self.failure.get_or_insert(Failure { at, what });
    }
}

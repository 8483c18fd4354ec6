//! A member of PEHRA: guard duty beside the log that it rests on. It hosts both, and carries words between them.
//!
//! | the log says | guard duty hears | | guard duty says | the log does |
//! | --- | --- | --- | --- | --- |
//! | leads, follows, lost its leader | the same | | decide this | proposes it |
//! | decided, in order | the same | | let another lead | hands over |
//! | what was proposed was refused | dropped | | | |
//!
//! What is decided boils down to a few decrees, the last of each kind. They are the snapshot, and are taken every so many entries.

use alloc::vec::Vec;
use core::mem;

use super::guard::{self, Decree, Guard, News, Order};
use crate::election::{self, Role};
use crate::members::NodeSet;
use crate::protocol::{Drawn, Effects, Input, Protocol, Recovered};
use crate::replication::{self, Body, LogId, Query, Replication, Rows, Whom};
use crate::types::{Broken, Never, NodeId, RequestId, Term};

/// The log that PEHRA rests on.
pub type Decrees = Replication<Decree>;

/// What a member is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of the log and its election.
    pub log: replication::Config,
    /// Of guard duty.
    pub guard: guard::Config,
    /// After so many applied entries the log is replaced by a snapshot.
    pub snapshot_every: u16,
}

/// What rests on nothing durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notice {
    /// Of the log.
    Log(replication::Notice<Decree>),
    /// Of guard duty.
    Guard(guard::Notice),
}

/// What rests on durable state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// Of the log.
    Log(replication::Claim),
    /// Of guard duty.
    Guard(guard::Claim),
}

/// What a member hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A notice.
    Notice(Notice),
    /// A claim.
    Claim(Claim),
}

/// What the shell may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Of the election: who leads, hand over, resign, drain.
    Election(election::Command),
    /// Of guard duty.
    Order(Order),
}

/// What holds, or may be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Of the election.
    Election(election::Event<LogId>),
    /// Of guard duty: never [`guard::Event::Propose`] or [`guard::Event::Yield`], which are for the log.
    Guard(guard::Event),
}

/// Timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Of the election.
    Election(election::Timer),
    /// Of guard duty.
    Guard(guard::Timer),
}

/// Ungated news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Report {
    /// Of the log.
    Log(replication::Report),
    /// Of guard duty.
    Guard(guard::Report),
}

/// The children's effects, and what they said to each other.
#[derive(Debug, Default)]
pub struct Parts {
    log: Effects<Decrees>,
    guard: Effects<Guard>,
    from_log: Vec<replication::Event<Decree>>,
    from_guard: Vec<guard::Event>,
}

/// What guard duty was last told of who leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Told {
    term: Term,
    leader: Option<NodeId>,
}

/// A snapshot that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Loading {
    base: LogId,
    /// What was decided after it and may not be told before it.
    after: Vec<(LogId, Decree)>,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sleep {
    log: Decrees,
    guard: Guard,
    told: Told,
    loading: Option<Loading>,
}

type Fx<'a> = &'a mut Effects<Sleep>;

/// Names what guard duty itself proposes. No shell may use it.
pub const OWN: RequestId = RequestId(u64::MAX);

/// Names a piece of a snapshot.
const SNAPSHOT: RequestId = RequestId(u64::MAX - 1);

impl Protocol for Sleep {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;
    type Heard = Message;
    type Notice = Notice;
    type Claim = Claim;
    type Note = replication::Note;
    type Record = replication::Record<Decree>;
    type Durable = replication::Durable;
    type Query = Query;
    type Rows = Rows<Decree>;
    type Report = Report;
    type Parts = Parts;

    fn recover(config: &Config, recovered: Recovered<replication::Durable>, fx: Fx<'_>) -> Self {
        let mut parts = mem::take(&mut fx.parts);
        let mut sleep = Self {
            log: Decrees::recover(&config.log, recovered, &mut parts.log),
            guard: Guard::recover(&config.guard, Recovered::Fresh, &mut parts.guard),
            told: Told {
                term: Term::ZERO,
                leader: None,
            },
            loading: None,
        };
        sleep.settle(config, &mut parts, fx);
        fx.parts = parts;
        sleep
    }

    fn step(&mut self, config: &Config, input: Input<Self>, fx: Fx<'_>) {
        let mut parts = mem::take(&mut fx.parts);
        match input {
            Input::Received { from, message } => self.on_message(config, from, message, &mut parts),
            Input::Fired(Timer::Election(timer)) => self.log(config, Input::Fired(timer), &mut parts),
            Input::Fired(Timer::Guard(timer)) => self.guard(config, Input::Fired(timer), &mut parts),
            Input::Commanded(request, Command::Election(command)) => {
                let command = replication::Command::Election(command);
                self.log(config, Input::Commanded(request, command), &mut parts);
            }
            Input::Commanded(request, Command::Order(order)) => {
                let command = guard::Command::Order(order);
                self.guard(config, Input::Commanded(request, command), &mut parts);
            }
            Input::Fetched {
                query:
                    Query::Piece {
                        base,
                        nth,
                        whom: Whom::Host,
                    },
                rows,
            } => self.on_piece(config, (base, nth), rows, &mut parts, fx),
            Input::Fetched { query, rows } => self.log(config, Input::Fetched { query, rows }, &mut parts),
            Input::Durable(note) => self.log(config, Input::Durable(note), &mut parts),
            // Of those who may lead, and of those who sleep: for both, whose turn it is.
            Input::Drawn(drawn @ Drawn::Order { .. }) => {
                self.log(config, Input::Drawn(drawn), &mut parts);
                self.guard(config, Input::Drawn(drawn), &mut parts);
            }
            Input::Drawn(drawn @ Drawn::Nonce(_)) => self.guard(config, Input::Drawn(drawn), &mut parts),
            Input::Link { peer, up } => self.log(config, Input::Link { peer, up }, &mut parts),
            Input::Stalled(full) => self.log(config, Input::Stalled(full), &mut parts),
            Input::Paused => {
                self.log(config, Input::Paused, &mut parts);
                self.guard(config, Input::Paused, &mut parts);
            }
        }
        self.settle(config, &mut parts, fx);
        fx.parts = parts;
    }

    fn check(&self, config: &Config) -> Result<(), Broken> {
        let watches = matches!(self.guard.role(), guard::Role::Pehredar(_));
        if watches != matches!(self.log.election().role(), Role::Leader(_)) {
            return Err(Broken("sleep: the Pehredar is another than the leader"));
        }
        if self.told != self.leads(config) {
            return Err(Broken("sleep: guard duty has another leader in mind"));
        }
        self.log.check(&config.log)?;
        self.guard.check(&config.guard)
    }
}

impl Sleep {
    /// The log and its election.
    #[must_use]
    pub const fn decrees(&self) -> &Decrees {
        &self.log
    }

    /// Guard duty.
    #[must_use]
    pub const fn duty(&self) -> &Guard {
        &self.guard
    }

    /// The same member with the locks and tickets of its guard duty renamed; for models.
    #[must_use]
    pub fn renamed(&self, name: &impl Fn(u64) -> u64) -> Self {
        let guard = self.guard.renamed(name);
        Self { guard, ..self.clone() }
    }

    fn log(&mut self, config: &Config, input: Input<Decrees>, parts: &mut Parts) {
        self.log.step(&config.log, input, &mut parts.log);
    }

    fn guard(&mut self, config: &Config, input: Input<Guard>, parts: &mut Parts) {
        self.guard.step(&config.guard, input, &mut parts.guard);
    }

    fn on_message(&mut self, config: &Config, from: NodeId, message: Message, parts: &mut Parts) {
        let message = match message {
            Message::Notice(Notice::Log(notice)) => {
                return self.log(config, received(from, notice.into()), parts);
            }
            Message::Claim(Claim::Log(claim)) => return self.log(config, received(from, claim.into()), parts),
            Message::Notice(Notice::Guard(notice)) => guard::Message::Notice(notice),
            Message::Claim(Claim::Guard(claim)) => guard::Message::Claim(claim),
        };
        if config.guard.members().contains(from) && from != config.guard.me {
            self.guard(config, received(from, message), parts);
        } else {
            let misbehaved = election::Report::Misbehaved {
                from,
                what: "what only a member may say",
            };
            parts.log.report(replication::Report::Election(misbehaved));
        }
    }

    /// Takes over what both said, and carries their words to each other, until they have no more.
    fn settle(&mut self, config: &Config, parts: &mut Parts, fx: Fx<'_>) {
        loop {
            self.tell_who_leads(config, parts);
            let Parts {
                log,
                guard,
                from_log,
                from_guard,
            } = parts;
            let refused = log.has_report(|report| matches!(report, replication::Report::Refused { request: OWN, .. }));
            fx.absorb(log, Timer::Election, |_, event| from_log.push(event));
            fx.absorb(guard, Timer::Guard, |_, event| from_guard.push(event));
            if from_log.is_empty() && from_guard.is_empty() && !refused {
                return;
            }
            if refused {
                self.guard_news(config, News::Dropped, parts);
            }
            let (mut said_log, mut said_guard) = (mem::take(&mut parts.from_log), mem::take(&mut parts.from_guard));
            for event in said_log.drain(..) {
                self.on_log(config, event, parts, fx);
            }
            for event in said_guard.drain(..) {
                self.on_guard(config, event, parts, fx);
            }
            // Their memory is kept for the next step.
            if parts.from_log.is_empty() {
                parts.from_log = said_log;
            }
            if parts.from_guard.is_empty() {
                parts.from_guard = said_guard;
            }
        }
    }

    fn on_log(&mut self, config: &Config, event: replication::Event<Decree>, parts: &mut Parts, fx: Fx<'_>) {
        match event {
            replication::Event::Election(event) => fx.emit(Event::Election(event)),
            replication::Event::Decided(entry) => {
                if let Body::Command(decree) = entry.body {
                    match &mut self.loading {
                        Some(loading) => loading.after.push((entry.id, decree)),
                        None => self.decided(config, entry.id, decree, parts),
                    }
                }
                self.take_snapshot(config, entry.id, parts);
            }
            replication::Event::Load { base } => {
                self.loading = Some(Loading {
                    base,
                    after: Vec::new(),
                });
                fetch(base, 0, fx);
            }
            // Nobody reads this log by asking the leader, and whether a member votes is its log's business.
            replication::Event::Compacted { .. }
            | replication::Event::Whole { .. }
            | replication::Event::Readable { .. } => {}
        }
    }

    fn on_guard(&mut self, config: &Config, event: guard::Event, parts: &mut Parts, fx: Fx<'_>) {
        match event {
            guard::Event::Propose(decree) => {
                let command = replication::Command::Propose(decree);
                self.log(config, Input::Commanded(OWN, command), parts);
            }
            guard::Event::Yield => {
                let command = replication::Command::Election(election::Command::Transfer(None));
                self.log(config, Input::Commanded(OWN, command), parts);
            }
            guard::Event::Look { .. }
            | guard::Event::Stop
            | guard::Event::Sleep { .. }
            | guard::Event::Maintain
            | guard::Event::Watching { .. } => fx.emit(Event::Guard(event)),
        }
    }

    fn decided(&mut self, config: &Config, id: LogId, decree: Decree, parts: &mut Parts) {
        self.guard_news(config, News::Decided { id, decree }, parts);
    }

    fn guard_news(&mut self, config: &Config, news: News, parts: &mut Parts) {
        self.guard(config, Input::Commanded(OWN, guard::Command::News(news)), parts);
    }

    fn leads(&self, config: &Config) -> Told {
        Told {
            term: self.log.election().term(),
            leader: self.log.election().leader(&config.log.election),
        }
    }

    /// Guard duty learns at once, before anything is durable, that its leader has changed or its term is over: bad news must not
    /// wait, and what good news makes it claim waits behind the same writes.
    fn tell_who_leads(&mut self, config: &Config, parts: &mut Parts) {
        let now = self.leads(config);
        if now == self.told {
            return;
        }
        self.told = now;
        let term = now.term;
        let news = match now.leader {
            Some(leader) if leader == config.guard.me => News::Leading { term },
            Some(leader) => News::Following { leader, term },
            None => News::Leaderless { term },
        };
        self.guard_news(config, news, parts);
    }

    // --- snapshots --------------------------------------------------------------------------------------------------

    /// The last decree of each kind says all.
    fn take_snapshot(&mut self, config: &Config, upto: LogId, parts: &mut Parts) {
        let covered = self.log.log().base().index;
        let due = upto.index.0.saturating_sub(covered.0) >= u64::from(config.snapshot_every);
        if !due || self.loading.is_some() || upto.index != self.log.applied() {
            return;
        }
        let (epoch, on) = self.guard.switch();
        let plan = self.guard.plan().map(|(_, plan)| Decree::Plan(plan));
        let left: NodeSet = self.guard.round();
        let pieces = plan
            .into_iter()
            .chain([Decree::Switch { epoch, on }, Decree::Round { left }]);
        let last = 2_u32.saturating_sub(u32::from(self.guard.plan().is_none()));
        for (nth, body) in (0..).zip(pieces) {
            let piece = replication::Command::Piece {
                upto: upto.index,
                nth,
                end: nth == last,
                body,
            };
            self.log(config, Input::Commanded(SNAPSHOT, piece), parts);
        }
    }

    fn on_piece(
        &mut self,
        config: &Config,
        (base, nth): (LogId, u32),
        rows: Rows<Decree>,
        parts: &mut Parts,
        fx: Fx<'_>,
    ) {
        let Rows::Piece { piece, end } = rows else {
            fx.fault(Broken("sleep: the store answered another question"));
            return;
        };
        let Some(loading) = self.loading.as_mut().filter(|loading| loading.base == base) else {
            return;
        };
        // Another snapshot has taken its place, and has said so.
        let Some(decree) = piece else { return };
        let after = if end { mem::take(&mut loading.after) } else { Vec::new() };
        self.decided(config, base, decree, parts);
        if !end {
            fetch(base, nth.saturating_add(1), fx);
            return;
        }
        self.loading = None;
        for (id, decree) in after {
            self.decided(config, id, decree, parts);
        }
    }
}

fn fetch(base: LogId, nth: u32, fx: Fx<'_>) {
    fx.fetch(Query::Piece {
        base,
        nth,
        whom: Whom::Host,
    });
}

const fn received<P: Protocol>(from: NodeId, message: P::Heard) -> Input<P> {
    Input::Received { from, message }
}

impl From<Notice> for Message {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

impl From<Claim> for Message {
    fn from(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}

impl From<replication::Notice<Decree>> for Notice {
    fn from(notice: replication::Notice<Decree>) -> Self {
        Self::Log(notice)
    }
}

impl From<guard::Notice> for Notice {
    fn from(notice: guard::Notice) -> Self {
        Self::Guard(notice)
    }
}

impl From<replication::Claim> for Claim {
    fn from(claim: replication::Claim) -> Self {
        Self::Log(claim)
    }
}

impl From<guard::Claim> for Claim {
    fn from(claim: guard::Claim) -> Self {
        Self::Guard(claim)
    }
}

impl From<replication::Report> for Report {
    fn from(report: replication::Report) -> Self {
        Self::Log(report)
    }
}

impl From<guard::Report> for Report {
    fn from(report: guard::Report) -> Self {
        Self::Guard(report)
    }
}

impl From<Never> for replication::Record<Decree> {
    fn from(never: Never) -> Self {
        match never {}
    }
}

impl From<Never> for replication::Note {
    fn from(never: Never) -> Self {
        match never {}
    }
}

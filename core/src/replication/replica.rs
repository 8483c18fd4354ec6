//! One member: its state, and how its parts hang together. It hosts the election.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem;

use super::catching_up::CatchUp;
use super::leading::Lead;
use super::{
    Body, Claim, Command, Config, Durable, Entry, Event, Index, Log, LogId, Message, Note, Notice, Payload, Query,
    Record, Refusal, Report, Rows, Whom,
};
use crate::election::{self, Election, Loyalty, Role};
use crate::members::NodeSet;
use crate::protocol::{Durably, Effects, Input, Protocol, Recovered};
use crate::types::{Broken, NodeId, RequestId};

/// The election's effects, and its events until they are dealt with.
#[derive(Debug, Default)]
pub struct Parts {
    pub(super) election: Effects<Election<LogId>>,
    events: Vec<election::Event<LogId>>,
}

impl Parts {
    /// Takes over what the election said so far, but for its events.
    fn take_over<C: Payload>(&mut self, fx: Fx<'_, C>) {
        let Self { election, events } = self;
        fx.absorb(election, |timer| timer, |_, event| events.push(event));
    }
}

/// A log and the election over it, at one member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replication<C> {
    pub(super) election: Election<LogId>,
    pub(super) log: Log,
    /// Known to be decided, and in this log.
    pub(super) decided: Index,
    /// The host has been told of all up to here.
    pub(super) applied: Index,
    /// The next entries to apply are being fetched.
    applying: bool,
    /// Its own copy is durable up to here.
    pub(super) stored: Index,
    pub(super) lead: Option<Lead>,
    pub(super) catch_up: Option<CatchUp>,
    /// The snapshot that is being gathered: whose, up to where, and how many pieces there are.
    pub(super) gathered: Option<(NodeId, LogId, u32)>,
    pub(super) full: bool,
    /// It may lack entries that it has acknowledged, and abstains.
    lacks: bool,
    commands: PhantomData<C>,
}

/// The effects of a member.
pub(super) type Fx<'a, C> = &'a mut Effects<Replication<C>>;

impl<C: Payload> Protocol for Replication<C> {
    type Config = Config;
    type Command = Command<C>;
    type Event = Event<C>;
    type Timer = election::Timer;
    type Heard = Message<C>;
    type Notice = Notice<C>;
    type Claim = Claim;
    type Note = Note;
    type Record = Record<C>;
    type Durable = Durable;
    type Query = Query;
    type Rows = Rows<C>;
    type Report = Report;
    type Parts = Parts;

    fn recover(config: &Config, recovered: Recovered<Durable>, fx: Fx<'_, C>) -> Self {
        let mut parts = mem::take(&mut fx.parts);
        let (hard, durable) = match recovered {
            Recovered::Known(durable) => (Recovered::Known(durable.hard), durable),
            Recovered::Fresh => (Recovered::Fresh, Durable::default()),
            Recovered::Lost => (Recovered::Lost, Durable::default()),
        };
        let Durable {
            base,
            runs,
            last,
            lacks,
            ..
        } = durable;
        #[cfg(seeded_bugs)]
        let lacks = lacks && !config.has(super::bugs::Bug::VotesWhileItLacks);
        let log = Log::new(base, runs, last).unwrap_or_else(|| {
            fx.fault(Broken("replication: the stored log is not one"));
            Log::default()
        });
        let mut member = Self {
            election: Election::recover(&config.election, hard, &mut parts.election),
            decided: base.index,
            applied: base.index,
            applying: false,
            stored: log.last().index,
            log,
            lead: None,
            catch_up: None,
            gathered: None,
            full: false,
            lacks,
            commands: PhantomData,
        };
        member.election.log_goes_to(member.log.last());
        if lacks {
            member.election.abstain();
            fx.report(Report::Lacks);
        }
        if base != LogId::ZERO {
            fx.emit(Event::Load { base });
        }
        member.settle(config, &mut parts, fx);
        fx.parts = parts;
        member
    }

    fn step(&mut self, config: &Config, input: Input<Self>, fx: Fx<'_, C>) {
        let mut parts = mem::take(&mut fx.parts);
        match input {
            Input::Received { from, message } => self.on_message(config, from, message, &mut parts, fx),
            Input::Fired(timer) => self.on_timer(config, timer, &mut parts, fx),
            Input::Commanded(request, command) => self.on_command(config, request, command, &mut parts, fx),
            Input::Fetched { query, rows } => self.on_fetched(config, query, rows, fx),
            Input::Durable(note) => self.on_note(config, note, &mut parts, fx),
            Input::Drawn(drawn) => self.elect(config, Input::Drawn(drawn), &mut parts),
            Input::Link { peer, up } => {
                self.elect(config, Input::Link { peer, up }, &mut parts);
                if up {
                    self.on_peer_back(peer, fx);
                }
            }
            Input::Stalled(full) => {
                self.full = full;
                self.elect(config, Input::Stalled(full), &mut parts);
            }
            Input::Paused => self.elect(config, Input::Paused, &mut parts),
        }
        self.settle(config, &mut parts, fx);
        fx.parts = parts;
    }

    fn check(&self, config: &Config) -> Result<(), Broken> {
        let last = self.log.last();
        let holds = [
            (
                self.log.is_sound(),
                "replication: the log's terms or places do not rise",
            ),
            (
                self.log.base().index <= self.decided && self.decided <= last.index,
                "replication: what is decided is not in the log",
            ),
            (
                self.applied <= self.decided,
                "replication: something undecided was applied",
            ),
            (self.stored <= last.index, "replication: more is durable than there is"),
            (
                last.term <= self.election.term(),
                "replication: an entry of a term to come",
            ),
            (
                self.election.last() == last,
                "replication: the election has another log in mind",
            ),
            (
                self.lead.is_some() == matches!(self.election.role(), Role::Leader(_)),
                "replication: the log and the election disagree on who leads",
            ),
            (
                self.catch_up.is_none() || self.may_stand_yet(),
                "replication: it catches up, but not to stand",
            ),
            (
                !self.lacks || matches!(self.election.role(), Role::Observer),
                "replication: it may lack entries, and votes",
            ),
        ];
        if let Some(lead) = &self.lead {
            lead.check(last.index)?;
        }
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or_else(|| self.election.check(&config.election), |(_, what)| Err(Broken(what)))
    }
}

impl<C: Payload> Replication<C> {
    /// The election.
    #[must_use]
    pub const fn election(&self) -> &Election<LogId> {
        &self.election
    }

    /// The log, without its entries.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Known to be decided.
    #[must_use]
    pub const fn decided(&self) -> Index {
        self.decided
    }

    /// Told to the host.
    #[must_use]
    pub const fn applied(&self) -> Index {
        self.applied
    }

    /// Durable here.
    #[must_use]
    pub const fn stored(&self) -> Index {
        self.stored
    }

    /// Whether it may lack entries that it has acknowledged, and so does not vote.
    #[must_use]
    pub const fn lacks(&self) -> bool {
        self.lacks
    }

    /// The leader's view of the others' logs, while it leads.
    #[must_use]
    pub const fn lead(&self) -> Option<&Lead> {
        self.lead.as_ref()
    }

    fn on_message(&mut self, config: &Config, from: NodeId, message: Message<C>, parts: &mut Parts, fx: Fx<'_, C>) {
        let members = config.election.voters.or(config.election.observers);
        if !members.contains(from) || from == config.election.me {
            fx.report(Report::Election(election::Report::Misbehaved {
                from,
                what: "what only a member may say",
            }));
            return;
        }
        match message {
            Message::Notice(Notice::Election(notice)) => self.hear(config, from, notice.into(), parts),
            Message::Claim(Claim::Election(claim)) => self.hear(config, from, claim.into(), parts),
            Message::Notice(Notice::Append {
                term,
                prev,
                entry,
                decided,
            }) if self.follows(from) && term == self.election.term() => {
                self.on_append(config, from, (prev, entry, decided), parts, fx);
            }
            // Its heartbeat makes followers, and is answered if its term is over.
            Message::Notice(Notice::Append { .. }) => {}
            Message::Notice(Notice::Ask { last, decided }) => self.on_ask(config, from, last, decided, fx),
            Message::Notice(Notice::Suffix { prev, entry, last, end }) => {
                self.on_suffix(config, from, (prev, entry), (last, end), parts, fx);
            }
            Message::Notice(Notice::Piece { term, last, piece }) => {
                self.on_piece(config, from, (term, last), piece, parts, fx);
            }
            Message::Claim(Claim::Appended { term, upto, decided }) if term == self.election.term() => {
                self.on_appended(config, from, upto, decided, fx);
            }
            Message::Claim(Claim::Missing { term, hint }) if term == self.election.term() => {
                self.on_missing(config, from, hint, fx);
            }
            Message::Claim(Claim::Appended { .. } | Claim::Missing { .. }) => {}
            Message::Claim(Claim::Pieced { base, next }) => self.on_pieced(from, base, next, fx),
        }
    }

    fn on_timer(&mut self, config: &Config, timer: election::Timer, parts: &mut Parts, fx: Fx<'_, C>) {
        self.elect(config, Input::Fired(timer), parts);
        if timer == election::Timer::Heartbeat {
            // The heartbeat leaves first: who has been away follows by it, and only then listens.
            parts.take_over(fx);
            self.probe(fx);
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::CopiesAnyLog) && matches!(self.election.role(), Role::PreCandidate { .. }) {
            config
                .election
                .peers()
                .iter()
                .for_each(|voter| self.ask(voter, self.log.last(), fx));
        }
    }

    fn on_command(
        &mut self,
        config: &Config,
        request: RequestId,
        command: Command<C>,
        parts: &mut Parts,
        fx: Fx<'_, C>,
    ) {
        match command {
            Command::Election(command) => {
                self.elect(config, Input::Commanded(request, command), parts);
            }
            Command::Propose(body) => self.on_proposal(config, request, body, parts, fx),
            Command::Read => self.on_read(config, request, parts, fx),
            Command::Piece { upto, nth, end, body } => {
                self.on_own_piece(config, request, (upto, nth, end), body, parts, fx);
            }
        }
    }

    fn on_fetched(&mut self, config: &Config, query: Query, rows: Rows<C>, fx: Fx<'_, C>) {
        match (query, rows) {
            (
                Query::Entries {
                    from, whom: Whom::Host, ..
                },
                Rows::Entries(entries),
            ) => {
                self.on_applicable(config, from, entries, fx);
            }
            (
                Query::Entries {
                    from,
                    whom: Whom::Follower(node),
                    ..
                },
                Rows::Entries(entries),
            ) => {
                self.on_fetched_for_follower(config, node, from, entries, fx);
            }
            (
                Query::Entries {
                    whom: Whom::Asker(node),
                    ..
                },
                Rows::Entries(entries),
            ) => {
                self.on_fetched_for_asker(node, entries, fx);
            }
            (Query::Piece { base, nth, whom }, Rows::Piece { piece, end }) => {
                self.on_fetched_piece(whom, (base, nth), piece, end, fx);
            }
            (Query::Entries { .. }, Rows::Piece { .. }) | (Query::Piece { .. }, Rows::Entries(_)) => {
                fx.fault(Broken("replication: the store answered another question"));
            }
        }
    }

    fn on_note(&mut self, config: &Config, note: Durably<Note>, parts: &mut Parts, fx: Fx<'_, C>) {
        let mut stored = None;
        let of_election = note.child(|note| match note {
            Note::Election(note) => Some(note),
            Note::Stored { upto } => {
                stored = Some(upto);
                None
            }
        });
        if let Some(note) = of_election {
            self.elect(config, Input::Durable(note), parts);
        }
        // What was cut and written anew meanwhile has another name.
        if let Some(upto) = stored
            && self.log.holds(upto)
        {
            self.stored = self.stored.max(upto.index);
            self.decide(config, fx);
            self.apply(config, fx);
        }
    }

    // --- the election -----------------------------------------------------------------------------------------------

    fn hear(&mut self, config: &Config, from: NodeId, message: election::Message<LogId>, parts: &mut Parts) {
        self.elect(config, Input::Received { from, message }, parts);
    }

    pub(super) fn elect(&mut self, config: &Config, input: Input<Election<LogId>>, parts: &mut Parts) {
        self.election.step(&config.election, input, &mut parts.election);
    }

    /// Takes over what the election said, and does what follows from it for the log, until nothing more follows.
    fn settle(&mut self, config: &Config, parts: &mut Parts, fx: Fx<'_, C>) {
        self.notice_loss(fx);
        parts.take_over(fx);
        let mut events = mem::take(&mut parts.events);
        for event in events.drain(..) {
            match event {
                election::Event::Leading { .. } => {
                    fx.emit(Event::Election(event));
                    self.begin_leading(config, parts, fx);
                }
                election::Event::Confirmed { upto, .. } => {
                    fx.emit(Event::Election(event));
                    self.on_confirmed(config, upto, fx);
                }
                election::Event::NeedsLog { from, last } => self.begin_catch_up(from, last, fx),
                election::Event::Following { .. } | election::Event::Leased { .. } => fx.emit(Event::Election(event)),
            }
        }
        parts.events = events;
        // What the log made the election say: that it writes.
        fx.absorb(&mut parts.election, |timer| timer, |_, _| {});
        if self.catch_up.is_some() && !self.may_stand_yet() {
            self.catch_up = None;
        }
    }

    fn notice_loss(&mut self, fx: Fx<'_, C>) {
        if matches!(self.election.role(), Role::Leader(_)) {
            return;
        }
        if let Some(lead) = self.lead.take()
            && let Some(upto) = lead.unanswered()
        {
            fx.report(Report::Unreadable { upto });
        }
    }

    /// It stands, or has let another try first: what it has asked for it still needs, if that one fails.
    fn may_stand_yet(&self) -> bool {
        match self.election.role() {
            Role::PreCandidate { .. } => true,
            Role::Follower => self.election.loyalty() == Loyalty::Free,
            Role::Candidate { .. } | Role::Leader(_) | Role::Observer => false,
        }
    }

    /// Whether this one leads, as far as this member has heard.
    pub(super) fn follows(&self, leader: NodeId) -> bool {
        self.election.loyalty() == Loyalty::To(leader)
    }

    pub(super) fn refuse(&self, config: &Config, request: RequestId, refusal: Option<Refusal>, fx: Fx<'_, C>) {
        let refusal = refusal.unwrap_or(Refusal::NotLeader {
            leader: self.election.leader(&config.election),
        });
        fx.report(Report::Refused { request, refusal });
    }

    // --- the log ----------------------------------------------------------------------------------------------------

    /// Appends an entry to the log and the store.
    pub(super) fn append(&mut self, config: &Config, entry: Entry<C>, parts: &mut Parts, fx: Fx<'_, C>) {
        if !self.log.push(entry.id) {
            fx.fault(Broken("replication: an entry out of order"));
            return;
        }
        let upto = entry.id;
        fx.persist(Record::Append(entry));
        self.wrote(config, upto, parts, fx);
    }

    /// The log has changed on the way to the disk: the election must know how far it goes, and watch the disk.
    pub(super) fn wrote(&mut self, config: &Config, upto: LogId, parts: &mut Parts, fx: Fx<'_, C>) {
        self.election.log_goes_to(self.log.last());
        self.election.wrote(&config.election, &mut parts.election);
        fx.note(Note::Stored { upto });
    }

    /// Cuts the log after this place.
    pub(super) fn cut(&mut self, after: Index, fx: Fx<'_, C>) {
        if after < self.decided {
            fx.fault(Broken("replication: a decided entry would be cut"));
            return;
        }
        self.log.truncate(after);
        self.stored = self.stored.min(after);
        fx.persist(Record::Truncate { after });
        fx.report(Report::Cut { after });
    }

    /// Takes one entry that follows `prev`, which is in the log: cuts what differs, appends what is new.
    pub(super) fn take(&mut self, config: &Config, prev: LogId, entry: Entry<C>, parts: &mut Parts, fx: Fx<'_, C>) {
        match self.log.term_at(entry.id.index) {
            Some(term) if term == entry.id.term => {
                #[cfg(seeded_bugs)]
                if config.has(super::bugs::Bug::L5CutsAfterEach) && self.log.last().index > entry.id.index {
                    self.cut(entry.id.index, fx);
                    self.wrote(config, entry.id, parts, fx);
                }
            }
            Some(_) => {
                self.cut(prev.index, fx);
                self.append(config, entry, parts, fx);
            }
            None => self.append(config, entry, parts, fx),
        }
    }

    /// More is known to be decided.
    pub(super) fn learn_decided(&mut self, config: &Config, upto: Index, fx: Fx<'_, C>) {
        if upto > self.decided {
            self.decided = upto;
            self.apply(config, fx);
        }
    }

    /// The leader has said what is decided. If an entry of its own term is, and is here, then so is all before it.
    pub(super) fn look_whole(&mut self, config: &Config, fx: Fx<'_, C>) {
        let whole = self.log.term_at(self.decided) == Some(self.election.term());
        #[cfg(seeded_bugs)]
        let whole = whole || config.has(super::bugs::Bug::WholeTooEarly);
        if self.lacks && whole {
            self.lacks = false;
            // Its votes are held back until this is durable, and with it the log.
            fx.persist(Record::Whole);
            self.election.votes_again(&config.election);
            fx.emit(Event::Whole { upto: self.decided });
        }
    }

    /// Fetches the next entries that are decided and durable here.
    pub(super) fn apply(&mut self, config: &Config, fx: Fx<'_, C>) {
        let ready = self.decided.min(self.stored);
        #[cfg(seeded_bugs)]
        let ready = if config.has(super::bugs::Bug::AppliesUndecided) {
            self.stored
        } else {
            ready
        };
        if self.applying || self.applied >= ready {
            return;
        }
        self.applying = true;
        fx.fetch(Query::Entries {
            from: self.applied.next(),
            upto: ready.min(self.applied.plus(config.chunk.into())),
            whom: Whom::Host,
        });
    }

    fn on_applicable(&mut self, config: &Config, from: Index, entries: Vec<Entry<C>>, fx: Fx<'_, C>) {
        self.applying = false;
        if from == self.applied.next() {
            if entries.is_empty() {
                fx.fault(Broken("replication: the store does not hold what it reported durable"));
                return;
            }
            for entry in entries {
                if !self.log.holds(entry.id) {
                    fx.fault(Broken("replication: the store holds another entry than was decided"));
                    return;
                }
                self.applied = entry.id.index;
                fx.emit(Event::Decided(entry));
            }
        }
        self.apply(config, fx);
    }

    /// All voters and observers but this one.
    pub(super) fn others(config: &Config) -> NodeSet {
        config
            .election
            .peers()
            .or(config.election.observers)
            .without(config.election.me)
    }
}

impl<C> Body<C> {
    /// The command, if it is one.
    #[must_use]
    pub const fn command(&self) -> Option<&C> {
        match self {
            Self::Command(command) => Some(command),
            Self::Empty => None,
        }
    }
}

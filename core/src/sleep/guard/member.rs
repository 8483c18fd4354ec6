//! One member: its state, and who deals with what comes in.

use super::watch::Watch;
use super::{Claim, Command, Config, Decree, Event, Message, News, Note, Notice, Order, Plan, Report, State, Timer};
use crate::members::NodeSet;
use crate::protocol::{Drawn, Effects, Input, Protocol, Recovered};
use crate::replication::LogId;
use crate::types::{Broken, Delay, Never, NodeId, RequestId, Term};

/// What a member is to the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It follows, or waits for someone to follow.
    None,
    /// No Pehredar is to be found. It may wake, and nothing else: nothing here can make a grant.
    Temporary,
    /// It leads: the Pehredar of this term.
    Pehredar(Watch),
}

/// One member's part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    /// The highest term that the log has told of.
    pub(super) term: Term,
    /// The leader that is heard.
    pub(super) pehredar: Option<NodeId>,
    pub(super) role: Role,
    pub(super) state: State,
    /// The latest decree that it knows.
    pub(super) known: LogId,
    pub(super) plan: Option<(LogId, Plan)>,
    pub(super) epoch: u64,
    pub(super) on: bool,
    /// Whom the round of maintenance still has to visit.
    pub(super) round: NodeSet,
    /// The number that a grant must name; zero while there is none.
    pub(super) lock: u64,
    pub(super) echo: u64,
    pub(super) carried_out: bool,
    /// No traffic for the idle time.
    pub(super) idle: bool,
    /// It has been awake for less than the idle time.
    pub(super) fresh: bool,
    pub(super) stay_awake: bool,
    pub(super) fit: bool,
    /// It goes back to sleep after its alarm clock has rung.
    pub(super) again: bool,
    /// Who comes before it in the order that was drawn for this term; nothing, if it is not in that order.
    pub(super) ahead: Option<(Term, NodeSet)>,
    /// A reading of the cluster is under way.
    pub(super) looking: bool,
    /// It began before what it is to show: it is thrown away.
    pub(super) look_again: bool,
}

pub(super) type Fx<'a> = &'a mut Effects<Guard>;

impl Protocol for Guard {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Timer = Timer;
    type Heard = Message;
    type Notice = Notice;
    type Claim = Claim;
    type Note = Note;
    type Record = Never;
    type Durable = Never;
    type Query = Never;
    type Rows = Never;
    type Report = Report;
    type Parts = ();

    /// Nothing but the log survives. Whoever starts is waking: the broker is started, whatever was granted before.
    fn recover(config: &Config, _: Recovered<Never>, fx: Fx<'_>) -> Self {
        let has_broker = config.brokers.contains(config.me);
        let mut guard = Self {
            term: Term::ZERO,
            pehredar: None,
            role: Role::None,
            state: if has_broker { State::Waking } else { State::Active },
            known: LogId::ZERO,
            plan: None,
            epoch: 0,
            on: false,
            round: NodeSet::EMPTY,
            lock: 0,
            echo: 0,
            carried_out: false,
            idle: true,
            fresh: true,
            stay_awake: config.stay_awake,
            fit: true,
            again: false,
            ahead: None,
            looking: false,
            look_again: false,
        };
        #[cfg(seeded_bugs)]
        let has_broker = has_broker && !config.has(super::bugs::Bug::RestartLeavesDown);
        if has_broker {
            fx.report(Report::Start);
        }
        guard.renew_lock(fx);
        fx.arm(Timer::Idle, Delay::exactly(config.timing.idle));
        fx.arm(Timer::Probe, Delay::about(config.timing.probe));
        fx.arm(Timer::Tell, Delay::about(config.timing.tell));
        guard
    }

    fn step(&mut self, config: &Config, input: Input<Self>, fx: Fx<'_>) {
        match input {
            Input::Received { from, message } => self.on_message(config, from, message, fx),
            Input::Fired(timer) => self.on_timer(config, timer, fx),
            Input::Commanded(_, Command::News(news)) => self.on_news(config, news, fx),
            Input::Commanded(request, Command::Order(order)) => self.on_order(config, request, order, fx),
            Input::Drawn(Drawn::Nonce(nonce)) => self.on_nonce(config, nonce, fx),
            Input::Drawn(Drawn::Order { term, order }) => self.take_place(config, term, &order),
            Input::Paused => self.on_paused(config, fx),
            // Of the first two there are none.
            Input::Durable(_) | Input::Fetched { .. } | Input::Link { .. } | Input::Stalled(_) => {}
        }
    }

    fn check(&self, config: &Config) -> Result<(), Broken> {
        let watches = matches!(self.role, Role::Pehredar(_));
        let holds = [
            (
                !watches || self.pehredar == Some(config.me),
                "sleep: a Pehredar that follows another",
            ),
            (
                !watches || !matches!(self.state, State::Draining { .. } | State::Sleeping | State::Ringing),
                "sleep: the Pehredar sleeps",
            ),
            (
                config.brokers.contains(config.me) || self.state == State::Active,
                "sleep: a member without a broker put it to sleep",
            ),
            (
                !matches!(self.state, State::Sleeping | State::Draining { .. }) || self.lock == 0,
                "sleep: a sleeper has a lock that fits a grant",
            ),
            (
                self.plan.is_none_or(|(id, _)| id <= self.known),
                "sleep: the plan is newer than what is known",
            ),
            (
                self.looking || !self.look_again,
                "sleep: no reading is under way to throw away",
            ),
        ];
        holds
            .into_iter()
            .find(|(holds, _)| !holds)
            .map_or(Ok(()), |(_, what)| Err(Broken(what)))
    }
}

impl Guard {
    /// What it is to the others.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// What its broker does.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The Pehredar that it follows, itself if it is one.
    #[must_use]
    pub const fn pehredar(&self) -> Option<NodeId> {
        self.pehredar
    }

    /// The highest term that it knows.
    #[must_use]
    pub const fn term(&self) -> Term {
        self.term
    }

    /// The latest plan that it knows to be decided.
    #[must_use]
    pub const fn plan(&self) -> Option<(LogId, Plan)> {
        self.plan
    }

    /// Whether it knows brokers to be let sleep at all, and by the order of which epoch.
    #[must_use]
    pub const fn switch(&self) -> (u64, bool) {
        (self.epoch, self.on)
    }

    /// Whom the round of maintenance still has to visit.
    #[must_use]
    pub const fn round(&self) -> NodeSet {
        self.round
    }

    /// Whether a person wants it awake.
    #[must_use]
    pub const fn stays_awake(&self) -> bool {
        self.stay_awake
    }

    /// Whether it has seen no traffic for the idle time.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.idle
    }

    /// The number that a grant must name.
    #[must_use]
    pub const fn lock(&self) -> u64 {
        self.lock
    }

    /// Whether a reading of the cluster is under way for it.
    #[must_use]
    pub const fn is_looking(&self) -> bool {
        self.looking
    }

    /// The same member with its locks and tickets renamed, zero kept: they are compared, and nothing else. For models, in which
    /// states that differ only in such names are one.
    #[must_use]
    pub fn renamed(&self, name: &impl Fn(u64) -> u64) -> Self {
        let mut renamed = self.clone();
        renamed.lock = name(self.lock);
        renamed.echo = name(self.echo);
        if let Role::Pehredar(watch) = &mut renamed.role {
            watch.rename(name);
        }
        renamed
    }

    /// Its locks and tickets, in a fixed order, zeros among them.
    pub fn tokens(&self, mut visit: impl FnMut(u64)) {
        visit(self.lock);
        visit(self.echo);
        if let Role::Pehredar(watch) = &self.role {
            watch.tokens(visit);
        }
    }

    /// The plan that counts: the latest one, if it was decided in this term.
    pub(super) fn current_plan(&self) -> Option<Plan> {
        self.plan.filter(|(id, _)| id.term == self.term).map(|(_, plan)| plan)
    }

    /// Whether it has promised to stay awake under the plan that it knows.
    #[must_use]
    pub fn has_promised(&self, config: &Config) -> bool {
        self.state == State::Active && self.plan.is_some_and(|(_, plan)| plan.watch.contains(config.me))
    }

    fn on_message(&mut self, config: &Config, from: NodeId, message: Message, fx: Fx<'_>) {
        match message {
            Message::Notice(Notice::Wake { ticket }) => self.on_wake(config, from, ticket, fx),
            Message::Notice(Notice::Traffic) => self.on_traffic_elsewhere(config, from, fx),
            Message::Claim(Claim::Standing(standing)) => self.on_standing(config, from, standing, fx),
            Message::Claim(Claim::Grant {
                purpose,
                plan,
                lock,
                counted,
            }) => self.on_grant(config, from, purpose, (plan, lock, counted), fx),
        }
    }

    fn on_timer(&mut self, config: &Config, timer: Timer, fx: Fx<'_>) {
        match timer {
            Timer::Idle => {
                (self.idle, self.fresh) = (true, false);
                self.tell(config, fx);
                self.look_as_pehredar(config, fx);
            }
            Timer::Tell => {
                fx.arm(Timer::Tell, Delay::about(config.timing.tell));
                if let Role::Pehredar(watch) = &mut self.role {
                    watch.listened = true;
                }
                self.tell(config, fx);
                self.look_as_pehredar(config, fx);
            }
            Timer::Probe => self.on_probe(config, fx),
            Timer::Alarm => self.alarm_clock(config, fx),
            Timer::Drain => self.wake_up(config, fx),
            Timer::Rouse => self.rouse_again(config, fx),
            Timer::Wake => self.on_wake_failed(config, fx),
            Timer::Answer => self.on_unanswered(config, fx),
        }
    }

    fn on_news(&mut self, config: &Config, news: News, fx: Fx<'_>) {
        match news {
            News::Leading { term } => self.become_pehredar(config, term, fx),
            News::Following { leader, term } => self.follow(config, leader, term, fx),
            News::Leaderless { term } => self.lose_pehredar(config, term, fx),
            News::Decided { id, decree } => self.on_decided(config, id, decree, fx),
            News::Dropped => {
                if let Role::Pehredar(watch) = &mut self.role {
                    watch.proposed = false;
                }
            }
        }
    }

    fn on_order(&mut self, config: &Config, request: RequestId, order: Order, fx: Fx<'_>) {
        match order {
            Order::Traffic => self.on_traffic(config, fx),
            Order::View(view) => self.on_view(config, Some(view), fx),
            Order::Blind => self.on_view(config, None, fx),
            Order::Stopped => self.on_stopped(config, fx),
            Order::Up => self.on_up(config, fx),
            Order::Down => self.on_down(config, fx),
            Order::Fit(fit) => {
                self.fit = fit;
                if !fit {
                    self.void_grants(config, fx);
                }
                self.tell(config, fx);
            }
            Order::Wake => {
                self.void_grants(config, fx);
                self.wake_up(config, fx);
            }
            Order::StayAwake(awake) => {
                self.stay_awake = awake;
                if awake {
                    self.void_grants(config, fx);
                    self.wake_up(config, fx);
                }
                self.tell(config, fx);
            }
            Order::Done => self.on_done(config, fx),
            Order::WakeAll => self.wake_up_all(config, fx),
            Order::Enable { epoch } => self.enable_pehra(config, request, epoch, fx),
            Order::Disable => self.disable_pehra(config, request, fx),
            Order::Maintain(nodes) => self.maintenance(config, request, nodes, fx),
        }
    }

    // --- the log ----------------------------------------------------------------------------------------------------

    fn become_pehredar(&mut self, config: &Config, term: Term, fx: Fx<'_>) {
        self.term = term;
        self.pehredar = Some(config.me);
        self.role = Role::Pehredar(Watch::default());
        // Everybody has a whole period to say how it stands.
        fx.arm(Timer::Tell, Delay::about(config.timing.tell));
        fx.disarm(Timer::Probe);
        fx.disarm(Timer::Rouse);
        fx.disarm(Timer::Wake);
        fx.disarm(Timer::Answer);
        // Whoever watches is awake, and what was granted to it before is void.
        self.void_grants(config, fx);
        self.wake_up(config, fx);
        fx.emit(Event::Watching { term });
        self.look_as_pehredar(config, fx);
    }

    fn follow(&mut self, config: &Config, leader: NodeId, term: Term, fx: Fx<'_>) {
        self.stop_watching(config, fx);
        let changed = self.pehredar != Some(leader) || self.term != term;
        self.term = term;
        self.pehredar = Some(leader);
        if self.state != State::Ringing {
            fx.disarm(Timer::Probe);
        }
        if changed {
            self.abort(config, fx);
        }
        self.tell(config, fx);
    }

    fn lose_pehredar(&mut self, config: &Config, term: Term, fx: Fx<'_>) {
        self.stop_watching(config, fx);
        self.term = term;
        self.pehredar = None;
        self.abort(config, fx);
        fx.arm(Timer::Probe, Delay::about(config.timing.probe));
    }

    /// Ends what only a Pehredar, real or temporary, does.
    fn stop_watching(&mut self, config: &Config, fx: Fx<'_>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P9KeepsWatching) && matches!(self.role, Role::Pehredar(_)) {
            return;
        }
        let _ = config;
        match self.role {
            Role::None => return,
            Role::Temporary => {}
            Role::Pehredar(_) => {
                fx.report(Report::StoppedWatching { term: self.term });
                fx.disarm(Timer::Wake);
                fx.disarm(Timer::Answer);
            }
        }
        fx.disarm(Timer::Rouse);
        self.role = Role::None;
    }

    fn on_decided(&mut self, config: &Config, id: LogId, decree: Decree, fx: Fx<'_>) {
        self.known = id;
        match decree {
            Decree::Plan(plan) => {
                self.plan = Some((id, plan));
                // Whoever was counted for a grant under the plan before may be free now.
                self.abort(config, fx);
            }
            Decree::Switch { epoch, on } => self.on_switch(config, epoch, on, fx),
            Decree::Round { left } => {
                self.round = left;
                if !left.is_empty() {
                    self.abort(config, fx);
                }
            }
        }
        if let Role::Pehredar(watch) = &mut self.role {
            watch.decided(id, self.term);
        }
        self.tell(config, fx);
        self.look_as_pehredar(config, fx);
    }

    fn on_switch(&mut self, config: &Config, epoch: u64, on: bool, fx: Fx<'_>) {
        let counts = if on { epoch > self.epoch } else { epoch >= self.epoch };
        #[cfg(seeded_bugs)]
        let counts = counts || config.has(super::bugs::Bug::OldEpochEnables);
        if !counts {
            return;
        }
        (self.epoch, self.on) = (epoch, on);
        if !on {
            self.void_grants(config, fx);
            self.wake_up(config, fx);
        }
    }

    /// What was granted under what held before does not hold any more.
    fn abort(&mut self, config: &Config, fx: Fx<'_>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P19OutlivesItsPlan) {
            return;
        }
        if matches!(self.state, State::Draining { .. }) {
            self.wake_up(config, fx);
        }
    }

    // --- waking -----------------------------------------------------------------------------------------------------

    fn on_wake(&mut self, config: &Config, from: NodeId, ticket: u64, fx: Fx<'_>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P14WakeNeedsPehredar) && self.pehredar != Some(from) {
            return;
        }
        let _ = from;
        if ticket != 0 {
            self.echo_of(ticket, false);
        }
        self.void_grants(config, fx);
        self.wake_up(config, fx);
        self.tell(config, fx);
    }

    /// No grant that is under way may be taken any more.
    pub(super) fn void_grants(&mut self, config: &Config, fx: Fx<'_>) {
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P4LockOutlivesWake) {
            return;
        }
        let _ = config;
        if self.lock != 0 {
            self.renew_lock(fx);
        }
    }

    fn on_paused(&mut self, config: &Config, fx: Fx<'_>) {
        self.void_grants(config, fx);
        self.abort(config, fx);
        self.alarm_clock(config, fx);
    }

    /// Somebody needs more than is awake, here.
    fn on_traffic(&mut self, config: &Config, fx: Fx<'_>) {
        self.saw_traffic(config, fx);
        self.wake_up(config, fx);
        match (&self.role, self.pehredar) {
            (Role::Pehredar(_), _) => self.on_need(config, fx),
            #[cfg(seeded_bugs)]
            (Role::None, Some(_)) if config.has(super::bugs::Bug::P23TrafficUntold) => {}
            (Role::None, Some(pehredar)) => {
                fx.notice(pehredar, Notice::Traffic);
                self.tell(config, fx);
            }
            (Role::None, None) => self.become_temporary(config, fx),
            (Role::Temporary, _) => {}
        }
    }

    fn on_probe(&mut self, config: &Config, fx: Fx<'_>) {
        // Nobody has let it sleep again.
        if self.state == State::Ringing {
            self.wake_up(config, fx);
        }
        if self.pehredar.is_none() {
            self.become_temporary(config, fx);
        }
    }

    /// `allDown`, and whenever nobody watches: wakes everybody, and does nothing else, until someone leads.
    fn become_temporary(&mut self, config: &Config, fx: Fx<'_>) {
        fx.disarm(Timer::Probe);
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::NoTemporary) {
            return;
        }
        #[cfg(seeded_bugs)]
        if config.has(super::bugs::Bug::P20TemporaryGrants) {
            self.become_pehredar(config, self.term, fx);
            return;
        }
        if !matches!(self.role, Role::Temporary) {
            self.role = Role::Temporary;
            fx.report(Report::Temporary);
        }
        self.wake_up(config, fx);
        self.call_all(config, fx);
    }

    /// Calls everybody once, and again after a while.
    pub(super) fn call_all(&mut self, config: &Config, fx: Fx<'_>) {
        Self::call(config.members().without(config.me), config, 0, fx);
        fx.arm(Timer::Rouse, Delay::exactly(config.timing.rouse));
    }

    /// Wakes these, by message and by whatever means the agents have.
    pub(super) fn call(whom: NodeSet, config: &Config, ticket: u64, fx: Fx<'_>) {
        for node in whom.iter() {
            fx.notice(node, Notice::Wake { ticket });
            if config.brokers.contains(node) {
                fx.report(Report::Rouse { node });
            }
        }
    }

    fn on_nonce(&mut self, config: &Config, nonce: u64, fx: Fx<'_>) {
        self.lock = match self.state {
            State::Draining { .. } | State::Sleeping => 0,
            State::Active | State::Ringing | State::Waking | State::Maintenance => nonce,
        };
        self.tell(config, fx);
        self.ticket_is(config, nonce, fx);
    }
}

//! Alarm slots: when the machines of those who sleep under one plan come up for the first time, under every order that may be drawn.
//!
//! Each broker has a deployed node of guard duty. It is led through a whole night: told the order, the log and a plan, granted, asked
//! twice whether it is covered, asleep. What its alarm clock is set to is held against its place in the order, which is reckoned here
//! again from outside. Who sleeps under the plan, one restart, and a second term with another order are tried in all ways.

use pehra_core::members::{NodeSet, Order as Drawing};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Draw, Drawn, Input, Recovered};
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{
    Claim, Command, Config, Decree, Event, Guard, Message, News, Order, Plan, Purpose, State as Broker, Timer, Timing,
};
use pehra_core::types::{NodeId, RequestId, Term, Ticks};
use stateright::{Model, Property};

use crate::kinds::Kinds;

/// Apart.
pub const APART: &str =
    "sleep/S14 no two sleepers of a plan have one alarm slot, and each slot is a whole part of the period";
/// Drawn.
pub const DRAWN: &str = "sleep/S14 an alarm slot is the sleeper's place in the order that was drawn for the term";

/// It leads, and has no broker.
const PEHREDAR: NodeId = NodeId(0);
/// Those who may sleep are n1 to n3.
const SLEEPERS: u16 = 3;
/// Into parts for one, two and three.
const PERIOD: u32 = 6000;

/// Three that may sleep.
#[derive(Clone, Debug)]
pub struct Nights {
    configs: Vec<Config>,
}

/// One of those who may sleep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    node: Node<Guard>,
    /// How many numbers it has drawn.
    drawn: u64,
    /// What its alarm clock is set to, while it sleeps.
    alarm: Option<Ticks>,
}

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    term: Term,
    /// The order of this term, as numbers.
    order: Vec<u16>,
    /// Whom the plan lets sleep.
    sleepers: NodeSet,
    members: Vec<Member>,
    /// Restarts that may still come.
    restarts: u8,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// This one goes to sleep.
    Sleep(NodeId),
    /// Its machine starts again: it draws and is told everything anew.
    Restart(NodeId),
    /// All wake, and another term begins with this order.
    NextTerm(Vec<u16>),
}

impl Nights {
    /// All orders of the Pehredar and three others.
    #[must_use]
    pub fn new() -> Self {
        let brokers: NodeSet = (1..=SLEEPERS).map(NodeId).collect();
        let config = |me: u16| {
            let timing = Timing {
                alarm: Ticks(PERIOD),
                ..Timing::TEST
            };
            Config {
                gear: Gear::Watch,
                ..Config::new(NodeId(me), NodeSet::only(PEHREDAR), brokers, timing)
            }
        };
        Self {
            configs: (1..=SLEEPERS).map(config).collect(),
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub fn with_bug(mut self, bug: pehra_core::sleep::guard::bugs::Bug) -> Self {
        for config in &mut self.configs {
            config.bug = Some(bug);
        }
        self
    }

    fn at(member: NodeId) -> usize {
        usize::from(member.0) - 1
    }

    fn beginning(&self, order: Vec<u16>, sleepers: NodeSet) -> State {
        let mut state = State {
            term: Term(1),
            order,
            sleepers,
            members: Vec::new(),
            restarts: 1,
        };
        for config in &self.configs {
            let member = self.started(config.me, 0, &state);
            state.members.push(member);
        }
        state
    }

    /// Up and idle, having drawn this many numbers in its lives before.
    fn started(&self, me: NodeId, drawn: u64, state: &State) -> Member {
        let config = &self.configs[Self::at(me)];
        let mut desk = Desk::default();
        let node = Node::recover(config, GateBound::MODEL, Recovered::Fresh, &mut desk);
        let mut member = Member {
            node,
            drawn,
            alarm: None,
        };
        member.perform(config, &mut desk);
        member.begin_term(config, state);
        member.order(config, Order::Up);
        member.feed(config, Input::Fired(Timer::Idle));
        member
    }
}

impl Default for Nights {
    fn default() -> Self {
        Self::new()
    }
}

impl Member {
    fn feed(&mut self, config: &Config, input: Input<Guard>) {
        let mut desk = Desk::default();
        let _ = self.node.step(config, input, &mut desk);
        self.perform(config, &mut desk);
    }

    fn order(&mut self, config: &Config, order: Order) {
        self.feed(config, Input::Commanded(RequestId(0), Command::Order(order)));
    }

    fn news(&mut self, config: &Config, news: News) {
        self.feed(config, Input::Commanded(RequestId(0), Command::News(news)));
    }

    fn perform(&mut self, config: &Config, desk: &mut Desk<Guard>) {
        let mut draws = 0;
        for output in desk.outputs() {
            match output {
                Output::Emit {
                    event: Event::Sleep { alarm },
                    ..
                } => self.alarm = Some(alarm),
                Output::Draw { draw: Draw::Nonce, .. } => draws += 1,
                _ => {}
            }
        }
        for _ in 0..draws {
            self.drawn += 1;
            self.feed(config, Input::Drawn(Drawn::Nonce(self.drawn)));
        }
    }

    /// Order and leader of the term, and what is decided in it: the switch, then the plan.
    fn begin_term(&mut self, config: &Config, state: &State) {
        let order = Drawing::new(state.order.iter().map(|id| NodeId(*id)));
        let term = state.term;
        self.feed(config, Input::Drawn(Drawn::Order { term, order }));
        self.news(config, News::Following { leader: PEHREDAR, term });
        let (switch, plan) = state.log();
        self.news(config, switch);
        self.news(config, plan);
    }
}

impl State {
    fn plan(&self) -> (LogId, Plan) {
        let id = LogId {
            term: self.term,
            index: Index(1 + self.term.0),
        };
        let brokers: NodeSet = (1..=SLEEPERS).map(NodeId).collect();
        let plan = Plan {
            gear: Gear::Watch,
            watch: brokers.minus(self.sleepers).with(PEHREDAR),
            members: brokers,
        };
        (id, plan)
    }

    fn log(&self) -> (News, News) {
        let first = LogId {
            term: Term(1),
            index: Index(1),
        };
        let on = Decree::Switch { epoch: 1, on: true };
        let (id, plan) = self.plan();
        let decree = Decree::Plan(plan);
        (News::Decided { id: first, decree: on }, News::Decided { id, decree })
    }

    fn member(&self, id: NodeId) -> &Member {
        &self.members[Nights::at(id)]
    }

    fn sleeps(&self, id: NodeId) -> bool {
        self.member(id).node.state().state() == Broker::Sleeping
    }

    /// Those who sleep, and what their alarm clocks are set to.
    fn alarms(&self) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        let asleep = self.sleepers.iter().filter(|id| self.sleeps(*id));
        asleep.map(|id| (id, self.member(id).alarm.map_or(0, |alarm| alarm.0)))
    }

    /// What one part of the period is.
    fn part(&self) -> u32 {
        PERIOD / self.sleepers.count()
    }
}

/// All orders of these.
fn orders(of: &[u16]) -> Vec<Vec<u16>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let first = |first: &u16| {
        let rest: Vec<u16> = of.iter().copied().filter(|id| id != first).collect();
        let begins = move |rest: Vec<u16>| [vec![*first], rest].concat();
        orders(&rest).into_iter().map(begins).collect::<Vec<_>>()
    };
    of.iter().flat_map(first).collect()
}

impl Model for Nights {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let all: Vec<u16> = (0..=SLEEPERS).collect();
        let sets = (1..1_u64 << SLEEPERS).map(|bits| NodeSet::from_bits(bits << 1));
        let with = |sleepers| {
            let begin = move |order| self.beginning(order, sleepers);
            orders(&all).into_iter().map(begin).collect::<Vec<_>>()
        };
        sets.flat_map(with).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let up = state.sleepers.iter().filter(|id| !state.sleeps(*id));
        actions.extend(up.map(Action::Sleep));
        if state.restarts > 0 {
            actions.extend(state.sleepers.iter().map(Action::Restart));
        }
        if state.term == Term(1) && state.sleepers.iter().all(|id| state.sleeps(id)) {
            let all: Vec<u16> = (0..=SLEEPERS).collect();
            actions.extend(orders(&all).into_iter().map(Action::NextTerm));
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Sleep(id) => {
                let (config, (plan, decided)) = (&self.configs[Self::at(id)], state.plan());
                let member = &mut state.members[Self::at(id)];
                let grant = Claim::Grant {
                    purpose: Purpose::Sleep,
                    plan,
                    lock: member.node.state().lock(),
                    counted: decided.watch,
                };
                let view = View {
                    healthy: true,
                    ..View::default()
                };
                let message = Message::Claim(grant);
                member.feed(
                    config,
                    Input::Received {
                        from: PEHREDAR,
                        message,
                    },
                );
                member.order(config, Order::View(view.clone()));
                member.order(config, Order::Stopped);
                member.order(config, Order::View(view));
            }
            Action::Restart(id) => {
                state.restarts = state.restarts.checked_sub(1)?;
                state.members[Self::at(id)] = self.started(id, before.member(id).drawn, before);
            }
            Action::NextTerm(order) => {
                (state.term, state.order) = (Term(2), order);
                let next = state.clone();
                for (member, config) in state.members.iter_mut().zip(&self.configs) {
                    member.alarm = None;
                    member.order(config, Order::Wake);
                    member.begin_term(config, &next);
                    member.order(config, Order::Up);
                    member.feed(config, Input::Fired(Timer::Idle));
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(APART, |_, state: &State| {
                let is_slot = |alarm: u32| alarm > 0 && alarm <= PERIOD && alarm.is_multiple_of(state.part());
                let mut others = state.alarms().enumerate();
                others
                    .all(|(at, (_, alarm))| is_slot(alarm) && state.alarms().take(at).all(|(_, other)| other != alarm))
            }),
            Property::always(DRAWN, |_, state: &State| {
                state.alarms().all(|(id, alarm)| {
                    let before = state.order.iter().take_while(|other| **other != id.0);
                    let before = before.filter(|other| state.sleepers.contains(NodeId(**other))).count();
                    alarm == state.part() * u32::try_from(before + 1).expect("few")
                })
            }),
            Property::sometimes("all three sleep", |_, state: &State| state.alarms().count() == 3),
            Property::sometimes("one sleeps again after a restart", |_, state: &State| {
                state.restarts == 0 && state.alarms().count() == 3
            }),
            Property::sometimes(
                "the highest number rings first, in a second term",
                |_, state: &State| {
                    let first = state.alarms().min_by_key(|(_, alarm)| *alarm);
                    state.term == Term(2)
                        && state.alarms().count() == 3
                        && first.is_some_and(|(id, _)| id.0 == SLEEPERS)
                },
            ),
        ]
    }
}

impl Kinds for Nights {
    const KINDS: &'static [&'static str] = &["sleep", "restart", "next term"];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Sleep(_) => "sleep",
            Action::Restart(_) => "restart",
            Action::NextTerm(_) => "next term",
        }
    }
}

//! Guard duty, one member at a time: plans, the slots of alarm clocks, and calls that are repeated.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm
)]

use pehra_core::members::{self, NodeSet};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Draw, Drawn, Input, Recovered};
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::cover::{Cover, View};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{
    Claim, Command, Config, Decree, Doing, Event, Guard, Message, News, Notice, Order, Plan, Purpose, Standing, Timer,
    Timing, WakeRule,
};
use pehra_core::types::{NodeId, RequestId, Term, Ticks};

const TERM: Term = Term(1);
const PERIOD: u32 = 1_800_000;

/// A member whose draws are answered at once, and what it emits.
struct Member {
    config: Config,
    node: Node<Guard>,
    desk: Desk<Guard>,
    drawn: u64,
    events: Vec<Event>,
    armed: Vec<Timer>,
    /// The ticket of the last call.
    ticket: u64,
}

impl Member {
    /// Brokers n0 to n3, and a voter n4 without one.
    fn new(me: u16) -> Self {
        let config = Config {
            me: NodeId(me),
            voters: NodeSet::only(NodeId(4)),
            brokers: NodeSet::first(4),
            voter_spare: 0,
            gear: Gear::Lean,
            wake: WakeRule::Needed,
            disable_on_traffic: false,
            stay_awake: false,
            timing: Timing {
                idle: Ticks(300_000),
                tell: Ticks(5000),
                probe: Ticks(3000),
                drain: Ticks(60_000),
                alarm: Ticks(PERIOD),
                rouse: Ticks(2000),
                answer: Ticks(15_000),
                wake: Ticks(60_000),
            },
            #[cfg(seeded_bugs)]
            bug: None,
        };
        let mut desk = Desk::default();
        let node = Node::recover(&config, GateBound::DEPLOYED, Recovered::Fresh, &mut desk);
        let mut member = Self {
            config,
            node,
            desk,
            drawn: 0,
            events: Vec::new(),
            armed: Vec::new(),
            ticket: 0,
        };
        member.perform();
        member
    }

    fn feed(&mut self, input: Input<Guard>) {
        let _ = self.node.step(&self.config, input, &mut self.desk);
        self.perform();
    }

    fn perform(&mut self) {
        let mut draws = 0;
        for output in self.desk.outputs() {
            match output {
                Output::Emit { event, .. } => self.events.push(event),
                Output::Arm { timer, .. } => self.armed.push(timer),
                Output::Notice {
                    notice: Notice::Wake { ticket },
                    ..
                } => self.ticket = ticket,
                Output::Draw { draw: Draw::Nonce, .. } => draws += 1,
                Output::Fault { broken, .. } => panic!("{broken}"),
                _ => {}
            }
        }
        for _ in 0..draws {
            self.drawn += 1;
            let drawn = Drawn::Nonce(self.drawn);
            let _ = self.node.step(&self.config, Input::Drawn(drawn), &mut self.desk);
            self.perform();
        }
    }

    fn news(&mut self, news: News) {
        self.feed(Input::Commanded(RequestId(0), Command::News(news)));
    }

    fn decided(&mut self, index: u64, decree: Decree) -> LogId {
        let id = LogId {
            term: TERM,
            index: Index(index),
        };
        self.news(News::Decided { id, decree });
        id
    }

    fn order(&mut self, order: Order) {
        self.feed(Input::Commanded(RequestId(0), Command::Order(order)));
    }

    /// What was emitted since the last time.
    fn take(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }
}

fn nodes(ids: &[u16]) -> NodeSet {
    ids.iter().copied().map(NodeId).collect()
}

fn view(among: &[u16], need: u8, sleepers: &[u16], healthy: bool) -> Order {
    Order::View(View {
        covers: vec![Cover {
            among: nodes(among),
            others: NodeSet::EMPTY,
            need,
        }],
        sleepers: nodes(sleepers),
        healthy,
    })
}

fn proposed(events: &[Event]) -> Option<Plan> {
    events.iter().find_map(|event| match event {
        Event::Propose(Decree::Plan(plan)) => Some(*plan),
        _ => None,
    })
}

/// The Pehredar leads before any broker has started, so nobody is on duty in its first plan. A larger watch is needed once they are
/// up, or nobody could ever be let sleep.
#[test]
fn a_first_plan_without_brokers_is_not_the_last() {
    let mut pehredar = Member::new(4);
    pehredar.news(News::Leading { term: TERM });
    pehredar.order(view(&[], 2, &[], false));
    let first = proposed(&pehredar.take()).expect("a term begins with a plan");
    assert_eq!(first.watch, nodes(&[4]));
    let known = pehredar.decided(2, Decree::Plan(first));
    let standing = Standing {
        known,
        doing: Doing::Active,
        willing: false,
        busy: false,
        lock: 7,
        echo: 0,
        carried_out: false,
    };
    for node in [0, 1, 2, 3] {
        let message = Message::Claim(Claim::Standing(standing));
        pehredar.feed(Input::Received {
            from: NodeId(node),
            message,
        });
    }
    pehredar.take();
    // Two readings: one may have been begun before the last of them was heard.
    for _ in 0..2 {
        pehredar.order(view(&[0, 1, 2, 3], 2, &[2, 3], true));
    }
    let second = proposed(&pehredar.take()).expect("one with brokers on duty");
    assert_eq!(second.watch, nodes(&[0, 1, 4]));
}

/// The Pehredar's own broker started last, so the plan has it not. It is up all the same, and takes the place of another.
#[test]
fn a_pehredar_that_is_up_is_on_duty() {
    let mut pehredar = Member::new(0);
    pehredar.config.voters = NodeSet::only(NodeId(0));
    pehredar.news(News::Leading { term: TERM });
    pehredar.order(Order::Up);
    let known = pehredar.decided(
        2,
        Decree::Plan(Plan {
            gear: Gear::Lean,
            watch: nodes(&[1, 2]),
            members: NodeSet::first(4),
        }),
    );
    let standing = Standing {
        known,
        doing: Doing::Active,
        willing: false,
        busy: false,
        lock: 7,
        echo: 0,
        carried_out: false,
    };
    for node in [1, 2, 3] {
        let message = Message::Claim(Claim::Standing(standing));
        pehredar.feed(Input::Received {
            from: NodeId(node),
            message,
        });
    }
    pehredar.feed(Input::Fired(Timer::Idle));
    pehredar.take();
    for _ in 0..2 {
        pehredar.order(view(&[0, 1, 2, 3], 2, &[2, 3], true));
    }
    let next = proposed(&pehredar.take()).expect("a plan with the Pehredar on duty");
    assert_eq!(next.watch, nodes(&[0, 1]));
}

/// Traffic that goes on calls everybody again and again, also those who are up. Whoever did not hear the first call must not wait for
/// its end.
#[test]
fn traffic_does_not_put_the_next_call_off() {
    let mut pehredar = Member::new(4);
    pehredar.config.wake = WakeRule::All;
    pehredar.news(News::Leading { term: TERM });
    pehredar.armed.clear();
    pehredar.order(Order::Traffic);
    assert!(pehredar.armed.contains(&Timer::Rouse), "the first call");
    pehredar.armed.clear();
    let up = Standing {
        known: LogId::ZERO,
        doing: Doing::Active,
        willing: false,
        busy: true,
        lock: 7,
        echo: pehredar.ticket,
        carried_out: false,
    };
    for _ in 0..3 {
        let message = Message::Claim(Claim::Standing(up));
        pehredar.feed(Input::Received {
            from: NodeId(0),
            message,
        });
        pehredar.order(Order::Traffic);
    }
    assert!(!pehredar.armed.contains(&Timer::Rouse), "the call is put off");
    pehredar.feed(Input::Fired(Timer::Rouse));
    assert!(pehredar.armed.contains(&Timer::Rouse), "and repeated");
}

/// A member that may sleep, up and idle, and the plan that lets it and two others.
fn one_of_three_sleepers(me: u16) -> (Member, LogId) {
    let mut sleeper = Member::new(me);
    sleeper.news(News::Following {
        leader: NodeId(4),
        term: TERM,
    });
    sleeper.order(Order::Up);
    sleeper.decided(2, Decree::Switch { epoch: 1, on: true });
    let plan = sleeper.decided(
        3,
        Decree::Plan(Plan {
            gear: Gear::Lean,
            watch: nodes(&[0, 4]),
            members: NodeSet::first(4),
        }),
    );
    sleeper.feed(Input::Fired(Timer::Idle));
    (sleeper, plan)
}

fn draw(sleeper: &mut Member, term: Term, order: &[u16]) {
    let order = members::Order::new(order.iter().copied().map(NodeId));
    sleeper.feed(Input::Drawn(Drawn::Order { term, order }));
}

fn fall_asleep(sleeper: &mut Member, plan: LogId) -> Option<Ticks> {
    grant(sleeper, plan);
    sleeper.order(view(&[0], 1, &[], true));
    sleeper.order(Order::Stopped);
    sleeper.order(view(&[0], 1, &[], true));
    alarm(sleeper)
}

/// The first ring comes in the member's slot, each further one after the whole period: with a slot each time, the first of many sleepers would
/// ring all the time.
#[test]
fn only_the_first_ring_comes_in_the_slot() {
    let (mut sleeper, plan) = one_of_three_sleepers(3);
    draw(&mut sleeper, TERM, &[4, 3, 0, 2, 1]);
    assert_eq!(
        fall_asleep(&mut sleeper, plan),
        Some(Ticks(PERIOD / 3)),
        "the first of three sleepers"
    );
    for _ in 0..2 {
        sleeper.feed(Input::Fired(Timer::Alarm));
        grant(&mut sleeper, plan);
        sleeper.order(view(&[0], 1, &[], true));
        assert_eq!(alarm(&mut sleeper), Some(Ticks(PERIOD)));
    }
}

/// Those on duty have no slot: only the places of sleepers count, whatever their numbers.
#[test]
fn slots_are_places_among_the_sleepers() {
    for (me, slot) in [(2, 1), (3, 2), (1, 3)] {
        let (mut sleeper, plan) = one_of_three_sleepers(me);
        draw(&mut sleeper, TERM, &[0, 2, 4, 3, 1]);
        assert_eq!(fall_asleep(&mut sleeper, plan), Some(Ticks(PERIOD / 3 * slot)), "n{me}");
    }
}

/// Whoever cannot know its slot rings at the end of the period, and never by number.
#[test]
fn without_a_place_in_the_order_of_the_plan_it_rings_last() {
    let first = [1, 2, 3, 0, 4];
    for draws in [
        &[][..],
        &[(Term(2), &first[..])],
        &[(TERM, &first[1..])],
        &[(TERM, &first), (Term(2), &first)],
    ] {
        let (mut sleeper, plan) = one_of_three_sleepers(1);
        for (term, order) in draws {
            draw(&mut sleeper, *term, order);
        }
        assert_eq!(fall_asleep(&mut sleeper, plan), Some(Ticks(PERIOD)), "{draws:?}");
    }
    // An order of the past is no news.
    let (mut sleeper, plan) = one_of_three_sleepers(1);
    draw(&mut sleeper, TERM, &first);
    draw(&mut sleeper, Term(0), &[2, 3, 1]);
    assert_eq!(fall_asleep(&mut sleeper, plan), Some(Ticks(PERIOD / 3)));
}

fn grant(sleeper: &mut Member, plan: LogId) {
    let claim = Claim::Grant {
        purpose: Purpose::Sleep,
        plan,
        lock: sleeper.node.state().lock(),
        counted: nodes(&[0, 4]),
    };
    sleeper.feed(Input::Received {
        from: NodeId(4),
        message: Message::Claim(claim),
    });
}

fn alarm(sleeper: &mut Member) -> Option<Ticks> {
    sleeper.take().into_iter().find_map(|event| match event {
        Event::Sleep { alarm } => Some(alarm),
        _ => None,
    })
}

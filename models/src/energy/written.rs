//! The original's rules, to compare with: all but one sleep as soon as nobody asks for anything, each with an alarm clock of its own
//! making; the one that watches calls once, and calls all.
//!
//! No checked core stands behind this. What it lets sleep is more than any coverage allows: with more brokers than copies, most
//! partitions then have no copy awake at all. It is here for its energy and its outages only.

use pehra_core::members::NodeSet;
use pehra_core::types::NodeId;

use super::contest::Run;
use super::hardware::Hardware;
use super::kafka::Kafka;
use super::load::Load;
use super::meter::{Draws, Meter, Times};
use crate::simulator::agenda::Agenda;
use crate::simulator::{Random, Span, Time, ms};

/// Nobody has asked for so long: the original's idle delay.
const IDLE: Time = ms(4_000);
/// Each node picks its own interval.
const ALARM: Span = Span::ms(300_000, 1_800_000);
/// How long a node whose alarm clock rang looks for the one that watches.
const PROBE: Time = ms(3_000);
/// Until traffic is seen.
const SENSE: Time = ms(250);
/// So many of a thousand calls are lost. Nobody notices.
const LOSS_PERMILLE: u16 = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Stopping,
    GoingDown,
    Asleep,
    ComingUp { called: bool },
    Lit,
    Starting,
}

#[derive(Clone, Copy)]
enum Todo {
    Begin,
    End,
    Idle(u64),
    Call(u64),
    Next(usize, u32),
    Alarm(usize, u32),
}

struct Node {
    state: State,
    turn: u32,
    meter: Meter,
    interval: Time,
}

struct World<'a> {
    hardware: &'a Hardware,
    kafka: Kafka,
    nodes: Vec<Node>,
    agenda: Agenda<Todo>,
    chance: Random,
    now: Time,
    busy: bool,
    episode: u64,
    watchman: usize,
    waiting: Option<Time>,
    lacking: Option<Time>,
    run: Run,
}

/// One run.
#[must_use]
pub fn run(brokers: u16, hardware: &Hardware, load: &Load, seed: u64) -> Run {
    let mut chance = Random::new(seed, 400);
    let mut node = || Node {
        state: State::Up,
        turn: 0,
        meter: Meter::new(Draws::Idle, Time(0)),
        interval: chance.within(ALARM),
    };
    let mut world = World {
        hardware,
        kafka: Kafka::new(brokers),
        nodes: (0..brokers).map(|_| node()).collect(),
        agenda: Agenda::default(),
        chance,
        now: Time(0),
        busy: false,
        episode: 0,
        watchman: 0,
        waiting: None,
        lacking: None,
        run: Run::default(),
    };
    world.agenda.enter(IDLE, Todo::Idle(0));
    for episode in &load.episodes {
        world.agenda.enter(episode.from, Todo::Begin);
        world.agenda.enter(episode.to, Todo::End);
    }
    while world.agenda.next_at().is_some_and(|at| at < load.length) {
        if let Some((at, todo)) = world.agenda.take() {
            world.now = at;
            world.happen(todo);
        }
    }
    let mut times = Times::default();
    world
        .nodes
        .iter()
        .for_each(|node| times.merge(&node.meter.read(load.length)));
    Run { times, ..world.run }
}

impl World<'_> {
    fn happen(&mut self, todo: Todo) {
        match todo {
            Todo::Begin => {
                self.busy = true;
                self.episode += 1;
                self.waiting.get_or_insert(self.now);
                self.lacking.get_or_insert(self.now);
                self.serve();
                self.draw_all();
                self.agenda.enter(self.now + SENSE, Todo::Call(self.episode));
            }
            Todo::End => {
                self.busy = false;
                self.draw_all();
                self.agenda.enter(self.now + IDLE, Todo::Idle(self.episode));
            }
            Todo::Idle(episode) if episode == self.episode && !self.busy => {
                let count = self.nodes.len() as u64;
                self.watchman = usize::try_from(self.chance.below(count)).unwrap_or(0);
                for at in 0..self.nodes.len() {
                    if at != self.watchman && self.nodes[at].state == State::Up {
                        let takes = self.chance.within(self.hardware.stop);
                        self.go(at, State::Stopping, Some(takes));
                    }
                }
            }
            // To all, and once.
            Todo::Call(episode) if episode == self.episode => (0..self.nodes.len()).for_each(|at| self.call(at)),
            Todo::Next(at, turn) if self.nodes[at].turn == turn => self.next(at),
            Todo::Alarm(at, turn) if self.nodes[at].turn == turn => {
                self.run.counts.alarms += 1;
                self.go(at, State::ComingUp { called: false }, Some(self.hardware.up));
            }
            Todo::Idle(_) | Todo::Call(_) | Todo::Next(..) | Todo::Alarm(..) => {}
        }
    }

    /// It enters a state, and leaves it after so long.
    fn go(&mut self, at: usize, state: State, takes: Option<Time>) {
        let node = &mut self.nodes[at];
        node.state = state;
        node.turn += 1;
        let turn = node.turn;
        if let Some(takes) = takes {
            self.agenda.enter(self.now + takes, Todo::Next(at, turn));
        }
        self.draw(at);
    }

    fn next(&mut self, at: usize) {
        match self.nodes[at].state {
            State::Stopping => self.go(at, State::GoingDown, Some(self.hardware.down)),
            State::GoingDown => {
                self.go(at, State::Asleep, None);
                let (turn, interval) = (self.nodes[at].turn, self.nodes[at].interval);
                self.agenda.enter(self.now + interval, Todo::Alarm(at, turn));
            }
            State::ComingUp { called: true } => self.start(at),
            State::ComingUp { called: false } => self.go(at, State::Lit, Some(PROBE)),
            // Whoever watches says whether there is something to do.
            State::Lit if self.busy => {
                self.run.counts.alarms_full += 1;
                self.start(at);
            }
            State::Lit => self.go(at, State::GoingDown, Some(self.hardware.down)),
            State::Starting => {
                self.go(at, State::Up, None);
                self.serve();
            }
            State::Up | State::Asleep => {}
        }
    }

    fn start(&mut self, at: usize) {
        let takes = self.chance.within(self.hardware.start) + self.chance.within(self.hardware.catch_up);
        self.go(at, State::Starting, Some(takes));
    }

    fn call(&mut self, at: usize) {
        let lost = self.chance.chance(LOSS_PERMILLE);
        match self.nodes[at].state {
            State::Asleep if !lost => {
                self.run.counts.calls += 1;
                self.go(at, State::ComingUp { called: true }, Some(self.hardware.up));
            }
            State::Asleep | State::GoingDown => self.run.counts.packets_lost += 1,
            State::Lit | State::Stopping => self.start(at),
            State::ComingUp { .. } | State::Starting | State::Up => {}
        }
    }

    fn up(&self) -> NodeSet {
        let up = (0..).zip(&self.nodes).filter(|(_, node)| node.state == State::Up);
        up.map(|(id, _)| NodeId(id)).collect()
    }

    fn serve(&mut self) {
        let up = self.up();
        if let Some(since) = self.waiting
            && self.kafka.is_writable(up)
        {
            self.waiting = None;
            self.run.outages.push(self.now - since);
        }
        if let Some(since) = self.lacking
            && usize::try_from(up.count()) == Ok(self.nodes.len())
        {
            self.lacking = None;
            self.run.fulls.push(self.now - since);
        }
    }

    fn draw(&mut self, at: usize) {
        let draws = match self.nodes[at].state {
            State::Up if self.busy => Draws::Active,
            State::Up => Draws::Idle,
            State::Stopping | State::GoingDown => Draws::Down,
            State::Asleep => Draws::Asleep,
            State::ComingUp { .. } | State::Starting => Draws::Up,
            State::Lit => Draws::Lit,
        };
        self.nodes[at].meter.set(self.now, draws);
    }

    fn draw_all(&mut self) {
        (0..self.nodes.len()).for_each(|at| self.draw(at));
    }
}

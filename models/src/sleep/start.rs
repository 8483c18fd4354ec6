//! How a world begins: one leads, all are up and idle, and it is switched on.

use pehra_core::members::NodeSet;
use pehra_core::sleep::guard::Timer;

use super::bounds::BROKERS;
use super::net::{Letter, Net};
use super::renaming::Draws;
use super::state::{Action, Around, Left, Nothing, Process, State};
use super::world::World;
use crate::kafka::{Kafka, Setup};
use crate::site::Site;

impl World {
    /// The first state.
    pub(super) fn start(&self) -> State {
        let first = |member: u8| {
            let mut said = Vec::new();
            let config = self.config(member);
            let site = Site::start(config, Nothing, &mut Draws(u64::from(member)), &mut said);
            self.parts.members.share(site)
        };
        let mut members = [first(0); BROKERS];
        for member in 1..self.bounds.brokers {
            members[usize::from(member)] = first(member);
        }
        let around = Around {
            process: Process::Up,
            wanted_up: true,
            look: None,
            applied: 0,
            term: 0,
            heard: false,
            proposed: None,
            looked_before: false,
            granted: 0,
            yields: false,
        };
        let bounds = &self.bounds;
        let kafka = bounds
            .kafka
            .map_or_else(|| Kafka::new(&Setup::new(1, 0, 1, 1)), |it| Kafka::new(&it.setup));
        let start = State {
            members,
            around: [around; BROKERS],
            log: self.parts.logs.share(Vec::new()),
            leaders: self.parts.leaders.share(Vec::new()),
            kafka: self.parts.kafkas.share(kafka),
            net: self.parts.nets.share(Net::default()),
            writes: bounds.kafka.map_or(0, |kafka| kafka.records),
            left: Left {
                crashes: bounds.crashes,
                traffic: bounds.traffic,
                wakes: bounds.wakes,
                losses: bounds.losses,
                switches: bounds.switches + 1,
                rounds: bounds.rounds,
                hasty: bounds.hasty,
            },
            calm: false,
            needed: false,
            visited: NodeSet::EMPTY,
            paged: NodeSet::EMPTY,
            broken: 0,
        };
        let mut state = self.renamed(start);
        self.repeat_first(&mut state);
        self.settle(state)
    }

    /// The first member leads, an admin has switched on, all are up and idle and have said so. What was said before is lost.
    fn settle(&self, mut state: State) -> State {
        let mut go = |action: Action| state = self.apply(&state, &action).expect("a start without hindrance");
        go(Action::Elect(0, self.bounds.voters));
        for member in self.members() {
            go(Action::Up(member));
            if member != 0 {
                go(Action::Follow(member));
            }
        }
        self.deliver_all(&mut state);
        self.decide_all(&mut state);
        self.deliver_all(&mut state);
        state = self.apply(&state, &Action::Enable(0, 1)).expect("all are awake");
        self.decide_all(&mut state);
        for member in self.members() {
            state = self.apply(&state, &Action::Fire(member, Timer::Idle)).expect("a timer");
        }
        self.change_net(&mut state, |net| net.retain(|_| false));
        state.calm = self.bounds.calm_from_start;
        self.renamed(state)
    }

    fn deliver_all(&self, state: &mut State) {
        let letters: Vec<Letter> = state.net.iter().copied().collect();
        for letter in letters {
            // Its names may have changed meanwhile: only those that are still there.
            if state.net.iter().any(|known| *known == letter) {
                *state = self.apply(state, &Action::Deliver(letter)).expect("it is heard");
            }
        }
    }

    fn decide_all(&self, state: &mut State) {
        let go = |state: &mut State, action: &Action| {
            if let Some(next) = self.apply(state, action) {
                *state = next;
            }
        };
        for _ in 0..2 {
            go(state, &Action::View(0));
            go(state, &Action::Decide(0));
            for member in self.members() {
                while usize::from(state.at(member).applied) < state.log.len() {
                    go(state, &Action::Learn(member));
                }
            }
        }
    }
}

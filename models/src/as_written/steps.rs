//! What the original does, text by text.

use pehra_core::members::NodeSet;
use pehra_core::types::NodeId;

use super::properties::wrong;
use super::state::{Action, NODES, Node, State};
use super::world::{Text, World};
use crate::kafka::Step;

const fn id(node: u8) -> NodeId {
    NodeId(node as u16)
}

impl World {
    pub(super) fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Idle => {
                state.left[0] = state.left[0].checked_sub(1)?;
                state.traffic = false;
                if self.text == Text::Simulation {
                    // Whether one runs already is asked of the new timer, so each "0" starts another.
                    state.timers += 1;
                }
            }
            Action::Traffic(drawn) => {
                state.left[1] = state.left[1].checked_sub(1)?;
                state.traffic = true;
                self.write(&mut state);
                self.serve(&mut state, drawn)?;
            }
            Action::Elect(winner) => self.elect(&mut state, winner)?,
            Action::Ring(node) => self.ring(&mut state, node)?,
            Action::Set(node) => {
                let sleeps = state.node(node) == Node::Asleep;
                if self.text == Text::Simulation || !sleeps || state.clocks.contains(id(node)) {
                    return None;
                }
                state.clocks.insert(id(node));
            }
            Action::Crash(node) => {
                state.left[2] = state.left[2].checked_sub(1)?;
                state.nodes[usize::from(node)] = Node::Dead;
                state.clocks.remove(id(node));
                self.kafka(&mut state, Step::Kill(node));
            }
            Action::Cut(node) => {
                state.left[3] = state.left[3].checked_sub(1)?;
                state.cut_off = Some(node);
            }
            Action::Kafka(step) => state.kafka = state.kafka.step(&self.setup, step)?,
        }
        Some(state)
    }

    fn kafka(&self, state: &mut State, step: Step) {
        if let Some(next) = state.kafka.step(&self.setup, step) {
            state.kafka = next;
        }
    }

    /// A client writes with `acks=all`.
    fn write(&self, state: &mut State) {
        let all_live = state.all(Node::Dead).next().is_none();
        match state.kafka.step(&self.setup, Step::Produce(0)) {
            Some(next) => state.kafka = next,
            None if all_live => state.wrong |= wrong::REFUSED,
            None => {}
        }
    }

    /// What the nodes do about traffic.
    fn serve(&self, state: &mut State, drawn: u8) -> Option<()> {
        let awake: Vec<u8> = state.all(Node::Awake).collect();
        if self.text == Text::Simulation {
            if !state.watchmen.is_empty() {
                state.timers = state.timers.saturating_sub(1);
            }
            if awake.is_empty() {
                self.wake_all(state, None);
                return (drawn == 0).then_some(());
            }
            // A number below that of the awake ones, which is then looked up among all.
            if usize::from(drawn) >= awake.len() {
                return None;
            }
            if state.node(drawn) == Node::Asleep {
                state.wrong |= wrong::TASK_ASLEEP;
            }
            return Some(());
        }
        // Wake all, then go on with those that are active: a task for one of them.
        for node in awake {
            self.wake_all(state, Some(node));
        }
        (drawn == 0).then_some(())
    }

    /// All whom this node reaches; all there are, if nobody in particular calls.
    fn wake_all(&self, state: &mut State, caller: Option<u8>) {
        for node in 0..NODES {
            if caller.is_none_or(|caller| state.reaches(caller, node)) {
                self.wake(state, node);
            }
        }
    }

    fn wake(&self, state: &mut State, node: u8) {
        if state.node(node) == Node::Asleep {
            state.nodes[usize::from(node)] = Node::Awake;
            state.clocks.remove(id(node));
            self.kafka(state, Step::Start(node));
            self.kafka(state, Step::Unfence(node));
        }
    }

    fn sleep(&self, state: &mut State, node: u8) {
        if state.node(node) == Node::Awake {
            state.nodes[usize::from(node)] = Node::Asleep;
            if self.text != Text::Simulation {
                state.clocks.insert(id(node));
            }
            self.kafka(state, Step::Stop(node));
            self.kafka(state, Step::Stopped(node));
            if state.traffic {
                state.wrong |= wrong::SLEPT_IN_TRAFFIC;
            }
        }
    }

    /// No votes, no messages: one of the side is named, and the others sleep at once.
    fn elect(&self, state: &mut State, winner: u8) -> Option<()> {
        let side: Vec<u8> = (0..NODES).filter(|node| state.reaches(winner, *node)).collect();
        let watched = side.iter().any(|node| state.is_watched_by(*node));
        match self.text {
            Text::Simulation => {
                state.timers = state.timers.checked_sub(1)?;
                // Asleep or not, it is declared active.
                self.wake(state, winner);
            }
            Text::Chart if state.traffic || state.node(winner) != Node::Awake => return None,
            Text::Readme if state.traffic || watched || state.node(winner) != Node::Awake => return None,
            Text::Chart | Text::Readme => {}
        }
        let side_set: NodeSet = side.iter().map(|node| id(*node)).collect();
        state.watchmen = state.watchmen.minus(side_set).with(id(winner));
        for node in side {
            if node != winner {
                self.sleep(state, node);
            }
        }
        Some(())
    }

    fn ring(&self, state: &mut State, node: u8) -> Option<()> {
        if !state.clocks.contains(id(node)) {
            return None;
        }
        match self.text {
            Text::Simulation => return None,
            // "Is alarm expired?" Yes: is there traffic? No: is there traffic? A sleeper learns nothing from either.
            Text::Chart => state.clocks.remove(id(node)),
            Text::Readme => {
                let mut side = (0..NODES).filter(|other| state.reaches(node, *other));
                if side.any(|other| state.is_watched_by(other)) {
                    // It goes back to sleep, and its clock is set.
                    return None;
                }
                self.wake(state, node);
                self.wake_all(state, Some(node));
            }
        }
        Some(())
    }
}

impl State {
    /// Whether this node watches and is awake.
    #[must_use]
    pub fn is_watched_by(&self, node: u8) -> bool {
        self.watchmen.contains(id(node)) && self.node(node) == Node::Awake
    }
}

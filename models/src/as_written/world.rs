//! The original as a Stateright model.

use pehra_core::members::NodeSet;
use stateright::{Model, Property};

use super::properties::{self, Failure};
use super::state::{Action, NODES, Node, State};
use super::words;
use crate::kafka::{Kafka, Setup, Step};

/// Which of the texts is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Text {
    /// The published simulation, as it is.
    Simulation,
    /// The flow chart.
    Chart,
    /// The list of operations in the README.
    Readme,
}

impl Text {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Simulation, Self::Chart, Self::Readme];
}

/// What may happen, how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Times that there is said to be no traffic.
    pub idles: u8,
    /// Writes.
    pub writes: u8,
    /// Nodes that die.
    pub crashes: u8,
    /// Nodes that are cut off from the others.
    pub cuts: u8,
}

impl Bounds {
    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "three nodes, one partition with a copy on each, min.insync.replicas 2, {} times no traffic, {} writes, {} crashes, {} \
             cuts",
            self.idles, self.writes, self.crashes, self.cuts
        )
    }
}

/// Three nodes that follow one text, asked one question.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Whose rules.
    pub text: Text,
    /// What is looked for.
    pub failure: Failure,
    bounds: Bounds,
    pub(super) setup: Setup,
}

impl World {
    /// A world. The simulation is one process: nothing can cut it, so a budget for cuts is left unused there.
    #[must_use]
    pub fn new(text: Text, failure: Failure, bounds: Bounds) -> Self {
        let cuts = if text == Text::Simulation { 0 } else { bounds.cuts };
        Self {
            text,
            failure,
            bounds: Bounds { cuts, ..bounds },
            setup: Setup::new(NODES, 1, NODES, 2),
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Bounds {
            idles,
            writes,
            crashes,
            cuts,
        } = self.bounds;
        vec![State {
            nodes: [Node::Awake; NODES as usize],
            watchmen: NodeSet::EMPTY,
            kafka: Kafka::new(&self.setup),
            traffic: true,
            timers: 0,
            clocks: NodeSet::EMPTY,
            cut_off: None,
            left: [idles, writes, crashes, cuts],
            wrong: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.push(Action::Idle);
        actions.extend((0..NODES).map(Action::Traffic));
        for act in [Action::Elect, Action::Ring, Action::Set, Action::Crash, Action::Cut] {
            actions.extend((0..NODES).map(act));
        }
        let mut own = Vec::new();
        state.kafka.own_steps(&self.setup, &mut own);
        // Followers that keep up, and leaderships that come back, change nothing about what is asked here.
        own.retain(|step| !matches!(step, Step::Shrink(..) | Step::Prefer(_)));
        actions.extend(own.into_iter().map(Action::Kafka));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::asked(self.failure)
    }

    fn format_action(&self, action: &Action) -> String {
        words::action(*action, self.text)
    }
}

//! Members, brokers, log and network as one Stateright model.
//!
//! What may happen is in `possible`, what comes of it in `happens`, and what one member makes of it in `steps`. How it all begins is
//! in `start`; `renaming` and `dead` make one state of those that no property can tell apart.

use std::sync::Arc;

use pehra_core::protocol::Input;
use pehra_core::sleep::guard::{Config, Guard, State as Broker};
use stateright::{Model, Path, Property};

use super::bounds::{BROKERS, Bounds};
use super::diagram;
use super::net::Net;
use super::properties;
use super::renaming::Names;
use super::state::{Action, Decided, Member, State};
use super::steps::{Outcome, What};
use super::words;
use crate::kafka::Kafka;
use crate::shared::{Memo, Pool, Shared};

/// A cluster.
#[derive(Clone)]
pub struct World {
    pub(super) bounds: Bounds,
    configs: Vec<Config>,
    pub(super) parts: Arc<Parts>,
}

/// Each part of a state is kept once, and each step of a member computed once.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) members: Pool<Member>,
    pub(super) nets: Pool<Net>,
    pub(super) logs: Pool<Vec<Decided>>,
    pub(super) kafkas: Pool<Kafka>,
    pub(super) leaders: Pool<Vec<u8>>,
    pub(super) steps: Memo<(u8, Shared<Member>, What), Option<Outcome>>,
    pub(super) names: Memo<(Shared<Member>, Names), Shared<Member>>,
}

impl World {
    /// The world of these bounds.
    ///
    /// # Panics
    /// If it has more members than a state can hold.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        assert!(usize::from(bounds.brokers) <= BROKERS);
        Self {
            configs: (0..bounds.brokers).map(|me| bounds.config(me)).collect(),
            bounds,
            parts: Arc::default(),
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// What a member is told.
    #[must_use]
    pub fn config(&self, member: u8) -> &Config {
        &self.configs[usize::from(member)]
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> std::ops::Range<u8> {
        0..self.bounds.brokers
    }

    /// What its broker would do after this input, which no action of the model has; nothing if there is no such input for it now.
    #[must_use]
    pub fn tried(&self, state: &State, member: u8, input: Input<Guard>) -> Option<Broker> {
        let before = state.members[usize::from(member)];
        let outcome = self.step(member, before, What::Feed(input))?;
        Some(outcome.member.node.state().state())
    }

    /// What its broker would do after a crash and a restart, whether or not the bounds leave room for one.
    #[must_use]
    pub fn restarted(&self, state: &State, member: u8) -> Option<Broker> {
        let before = state.members[usize::from(member)];
        let outcome = self.step(member, before, What::Crash)?;
        Some(outcome.member.node.state().state())
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.candidates(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, &action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn format_action(&self, action: &Action) -> String {
        words::action(action)
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        Some(diagram::svg(self.bounds.brokers, &path.into_vec()))
    }
}

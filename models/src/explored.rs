//! What a walk leaves behind: the states, the counts, the verdicts, and the way to each state.

use stateright::Expectation;

use crate::graph::Edges;
use crate::kinds::Kinds;
use crate::store::Store;
use crate::trace::{Step, Trace};

/// What a walk counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Initial states and transitions within the boundary: the same number as Stateright's `state_count` (unless
    /// an initial state is listed twice, which Stateright would also expand twice).
    pub generated: u64,
    /// Steps from an initial state to the farthest state.
    pub depth: usize,
    /// States from which no step leads to another state.
    pub terminal: u64,
    /// Steps cut off by the model's boundary. Liveness over such a graph is not judged by the gate.
    pub clipped: u64,
    /// How often each kind of action happened.
    pub kinds: Vec<KindCount>,
}

/// How often one kind of action happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCount {
    /// Its name.
    pub name: &'static str,
    /// Steps of this kind within the boundary.
    pub taken: u64,
    /// Those of them that led to another state. A kind that never did is dead.
    pub changed: u64,
}

/// What became of one property.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its name.
    pub name: &'static str,
    /// What it promises. `Eventually` is never judged here: ask [`crate::lasso`].
    pub expectation: Expectation,
    /// The nearest state that breaks an `always` or witnesses a `sometimes`.
    pub found: Option<u32>,
}

/// Everything that a walk saw.
pub struct Explored<'m, M: Kinds> {
    /// What it counted.
    pub counts: Counts,
    /// What became of each property.
    pub judged: Vec<Judged>,
    /// The walk ended at a violation, so the counts are partial.
    pub stopped: bool,
    /// How long it took.
    pub seconds: f64,
    pub(crate) model: &'m M,
    pub(crate) edges: Option<Edges>,
    pub(crate) store: Store<M::State>,
    pub(crate) parents: Vec<u32>,
}

/// The parent of an initial state; also the first number that no state may have.
pub(crate) const NO_PARENT: u32 = u32::MAX;

impl<'m, M: Kinds> Explored<'m, M> {
    /// Number of different states.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether the model has no state at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The model that was walked.
    #[must_use]
    pub fn model(&self) -> &'m M {
        self.model
    }

    /// A state by number. Numbers run in breadth-first order.
    #[must_use]
    pub fn state(&self, index: u32) -> &M::State {
        self.store.get(index)
    }

    /// Every state, in breadth-first order: for checks that are no property of the model, such as evaluating the
    /// invariants of a proof.
    pub fn states(&self) -> impl Iterator<Item = &M::State> {
        (0..self.len() as u32).map(|index| self.state(index))
    }

    /// The edges, if the walk was told to keep them.
    #[must_use]
    pub fn edges(&self) -> Option<&Edges> {
        self.edges.as_ref()
    }

    /// The nearest state that breaks an `always`, and the name of what it breaks.
    #[must_use]
    pub fn violation(&self) -> Option<(&'static str, u32)> {
        let broken = self
            .judged
            .iter()
            .filter(|judged| judged.expectation == Expectation::Always);
        broken
            .filter_map(|judged| Some((judged.name, judged.found?)))
            .min_by_key(|&(_, state)| state)
    }

    /// The state that decided the property of this name: its violation or its witness.
    #[must_use]
    pub fn decided(&self, name: &str) -> Option<u32> {
        self.judged.iter().find(|judged| judged.name == name)?.found
    }

    /// A shortest walk from an initial state to this one.
    ///
    /// # Panics
    ///
    /// When the model does not answer the same question twice in the same way, which no checker survives: look for a
    /// hash map that is iterated, a clock, or a random number.
    #[must_use]
    pub fn trace(&self, index: u32) -> Trace<M::State, M::Action> {
        let mut path = vec![index];
        while let Some(&at) = path.last().filter(|&&at| self.parents[at as usize] != NO_PARENT) {
            path.push(self.parents[at as usize]);
        }
        path.reverse();
        let steps = path
            .windows(2)
            .map(|pair| self.step(pair[0], pair[1], |_| true))
            .collect();
        Trace {
            init: self.state(path[0]).clone(),
            steps,
        }
    }

    /// The step between two neighbours by the first action that `wanted` accepts. Actions are not stored: asking the
    /// model again costs nothing for a trace and saves memory on every state.
    pub(crate) fn step(&self, from: u32, to: u32, wanted: impl Fn(&M::Action) -> bool) -> Step<M::State, M::Action> {
        let (from, to) = (self.state(from), self.state(to));
        let mut actions = Vec::new();
        self.model.actions(from, &mut actions);
        let action = actions
            .into_iter()
            .find(|action| wanted(action) && self.model.next_state(from, action.clone()).as_ref() == Some(to))
            .expect("the model gave another answer to the same question: it is not deterministic");
        Step {
            action,
            state: to.clone(),
        }
    }
}

//! The edges of an explored graph, kept only where liveness is asked for.

use crate::kinds::{Kinds, Strength};

/// Edges in compressed rows: for each state its successors, each with its fairness class.
///
/// An edge that leads back to where it starts is not kept: a step that changes nothing is the same as standing
/// still, so it neither enables its class nor counts as taking it. (A delivery that is ignored does not oblige the
/// network to anything.) Cost: 5 bytes an edge and 4 a state.
#[derive(Default)]
pub struct Edges {
    ends: Vec<u32>,
    targets: Vec<u32>,
    labels: Vec<u8>,
    classes: Vec<u16>,
    label_of: Vec<u8>,
}

/// No class: the environment.
const FREE: u8 = u8::MAX;

impl Edges {
    /// Number of edges, those to oneself left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no edge at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The successors of a state, each with the position of its class in [`Edges::classes`].
    pub fn from(&self, state: u32) -> impl Iterator<Item = (u32, Option<u8>)> + '_ {
        let range = self.range(state);
        let labels = self.labels[range.clone()].iter();
        self.targets[range]
            .iter()
            .zip(labels)
            .map(|(&target, &label)| (target, (label != FREE).then_some(label)))
    }

    /// The fairness classes that occurred, by their position.
    #[must_use]
    pub fn classes(&self) -> &[u16] {
        &self.classes
    }

    /// The classes enabled in a state, as bits by position.
    #[must_use]
    pub fn enabled(&self, state: u32) -> u128 {
        self.labels[self.range(state)]
            .iter()
            .filter(|&&label| label != FREE)
            .fold(0, |set, &label| set | 1 << label)
    }

    /// The promises the model makes: weak ones and strong ones, as bits by position.
    pub(crate) fn promises<M: Kinds>(&self, model: &M) -> Promises {
        let mut promises = Promises::default();
        for (at, &class) in self.classes.iter().enumerate() {
            match model.strength(class) {
                Strength::Weak => promises.weak |= 1 << at,
                Strength::Strong => promises.strong |= 1 << at,
            }
        }
        promises
    }

    pub(crate) fn push(&mut self, target: u32, class: Option<u16>) {
        let label = class.map_or(FREE, |class| self.label(class));
        self.targets.push(target);
        self.labels.push(label);
    }

    /// Ends the row of the next state.
    pub(crate) fn close(&mut self) {
        self.ends
            .push(u32::try_from(self.targets.len()).expect("fewer than 2^32 edges: shrink the bounds"));
    }

    pub(crate) fn target(&self, edge: usize) -> u32 {
        self.targets[edge]
    }

    pub(crate) fn class_bit(&self, edge: usize) -> u128 {
        let label = self.labels[edge];
        if label == FREE { 0 } else { 1 << label }
    }

    /// The edges of a state, by number.
    pub(crate) fn range(&self, state: u32) -> std::ops::Range<usize> {
        let state = state as usize;
        let start = if state == 0 { 0 } else { self.ends[state - 1] as usize };
        start..self.ends[state] as usize
    }

    fn label(&mut self, class: u16) -> u8 {
        let at = usize::from(class);
        if self.label_of.len() <= at {
            self.label_of.resize(at + 1, FREE);
        }
        if self.label_of[at] == FREE {
            assert!(
                self.classes.len() < 128,
                "more than 128 fairness classes: join some, or shrink the bounds"
            );
            self.label_of[at] = self.classes.len() as u8;
            self.classes.push(class);
        }
        self.label_of[at]
    }
}

/// Which classes are promised, and how strongly. None of both: everything may stand still for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Promises {
    pub(crate) weak: u128,
    pub(crate) strong: u128,
}

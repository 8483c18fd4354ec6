//! A walk through a model that a person can read.

use std::fmt::{self, Debug, Display};

use stateright::Model;

/// One step: what was done and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<S, A> {
    /// What was done.
    pub action: A,
    /// The state it led to.
    pub state: S,
}

/// A walk from an initial state. Those that the explorer hands out are the shortest to where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<S, A> {
    /// Where it begins.
    pub init: S,
    /// What happens, in order.
    pub steps: Vec<Step<S, A>>,
}

impl<S, A> Trace<S, A> {
    /// The state in which the walk ends.
    #[must_use]
    pub fn last(&self) -> &S {
        self.steps.last().map_or(&self.init, |step| &step.state)
    }

    /// The actions alone.
    pub fn actions(&self) -> impl Iterator<Item = &A> {
        self.steps.iter().map(|step| &step.action)
    }

    /// The walk as numbered lines: the first state, every action, the last state. With `states`, every state.
    ///
    /// Actions are written by the model's `format_action`.
    #[must_use]
    pub fn lines<M>(&self, model: &M, states: bool) -> Vec<String>
    where
        M: Model<State = S, Action = A>,
        S: Debug,
        A: Debug,
    {
        let mut lines = vec![format!("{:>4}  {:?}", 0, self.init)];
        lines.extend(step_lines(model, &self.steps, 1, states));
        if !states && !self.steps.is_empty() {
            lines.push(format!("   =  {:?}", self.last()));
        }
        lines
    }

    /// The same as one printable value.
    pub fn show<'a, M>(&'a self, model: &'a M) -> impl Display + 'a
    where
        M: Model<State = S, Action = A>,
        S: Debug,
        A: Debug,
    {
        Shown(self.lines(model, false))
    }
}

/// Numbered lines for a stretch of steps, counting from `first`.
pub(crate) fn step_lines<M: Model>(
    model: &M,
    steps: &[Step<M::State, M::Action>],
    first: usize,
    states: bool,
) -> Vec<String>
where
    M::State: Debug,
    M::Action: Debug,
{
    let mut lines = Vec::new();
    for (number, step) in (first..).zip(steps) {
        lines.push(format!("{number:>4}  {}", model.format_action(&step.action)));
        if states {
            lines.push(format!("      {:?}", step.state));
        }
    }
    lines
}

struct Shown(Vec<String>);

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

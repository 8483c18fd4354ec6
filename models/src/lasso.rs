//! Liveness: does every fair run that meets `from` also meet `to`?
//!
//! A run that never does has, in a finite graph, the shape of a lasso: a walk to a state in which `from` holds, on
//! through states in which `to` does not, and then a cycle (or standing still) for ever. The search finds a lasso
//! that keeps every promise of [`Kinds::fairness`], or shows that none exists.
//!
//! The rules, exactly:
//!
//! * A class is *enabled* in a state if one of its actions leads to **another** state. A step back to the same state
//!   is a no-op: it enables nothing and takes nothing, whatever its class.
//! * A *weak* promise is kept by a cycle that takes the class, or in one of whose states the class is disabled.
//! * A *strong* promise is kept by a cycle that takes the class, or in all of whose states it is disabled.
//! * Any state may be stood in for ever unless a promise forbids it; so a single state is a component.
//! * Everything without a class is the environment and may never happen again.
//!
//! The states of the cycle are real, one after the other, with a witness for every promise among them. To name a
//! whole strongly connected component instead would report "cycles" that no single run follows; to reject a whole
//! component that breaks a strong promise would miss the smaller ones inside it that keep it.

use crate::explore::Explored;
use crate::graph::{Edges, Promises};
use crate::kinds::Kinds;
use crate::trace::{Step, Trace, step_lines};
use crate::trap::{Trap, Waiting};

/// The question: whenever `from` holds, does `to` hold then or later?
pub struct Leads<M: Kinds> {
    /// The name in reports and in the ledger of claims.
    pub name: &'static str,
    /// Where waiting begins.
    pub from: fn(&M, &M::State) -> bool,
    /// What is waited for.
    pub to: fn(&M, &M::State) -> bool,
}

impl<M: Kinds> Clone for Leads<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Kinds> Copy for Leads<M> {}

/// Which promises count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fairness {
    /// Those the model makes.
    Promised,
    /// None. A query that holds even so asks for nothing: `from` never holds without `to`.
    Ignored,
}

/// The answer.
#[derive(Clone, Debug)]
pub enum Verdict<S, A> {
    /// Every fair run that meets `from` meets `to`.
    Holds {
        /// States in which the waiting begins: `from` without `to`.
        asked: usize,
        /// States in which one may be waiting.
        waiting: usize,
    },
    /// A fair run waits for ever.
    Violated(Box<Lasso<S, A>>),
}

/// A run that waits for ever.
#[derive(Clone, Debug)]
pub struct Lasso<S, A> {
    /// A shortest walk from an initial state to where the waiting begins.
    pub stem: Trace<S, A>,
    /// On to the first state of the cycle, never meeting `to`.
    pub path: Vec<Step<S, A>>,
    /// Round and back to the same state. Empty: everything stands still.
    pub cycle: Vec<Step<S, A>>,
    /// For each promise of the model, why this run keeps it.
    pub kept: Vec<String>,
}

impl<S, A> Verdict<S, A> {
    /// Whether no fair run waits for ever.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::Holds { .. })
    }

    /// The run that waits for ever, if there is one.
    #[must_use]
    pub fn lasso(&self) -> Option<&Lasso<S, A>> {
        match self {
            Self::Holds { .. } => None,
            Self::Violated(lasso) => Some(lasso),
        }
    }
}

impl<S: std::fmt::Debug, A: std::fmt::Debug> Lasso<S, A> {
    /// Steps until the cycle begins, and the steps of the cycle.
    #[must_use]
    pub fn steps(&self) -> (usize, usize) {
        (self.stem.steps.len() + self.path.len(), self.cycle.len())
    }

    /// The run as numbered lines a person can follow.
    #[must_use]
    pub fn lines<M: Kinds<State = S, Action = A>>(&self, model: &M) -> Vec<String> {
        let mut lines = self.stem.lines(model, false);
        lines.push("  -- the waiting begins --".into());
        let (before, round) = self.steps();
        lines.extend(step_lines(model, &self.path, self.stem.steps.len() + 1, false));
        let knot = self.path.last().map_or(self.stem.last(), |step| &step.state);
        if round == 0 {
            lines.push("  -- and nothing need ever happen again --".into());
            lines.push(format!("   =  {knot:?}"));
        } else {
            lines.push("  -- for ever, from --".into());
            lines.push(format!("   =  {knot:?}"));
            lines.extend(step_lines(model, &self.cycle, before + 1, true));
        }
        lines.extend(self.kept.iter().map(|kept| format!("  fair: {kept}")));
        lines
    }
}

/// Asks whether `from` leads to `to` on every run that keeps the promises that count.
///
/// # Panics
///
/// When the walk kept no edges or was stopped at a violation: half a graph has no liveness.
#[must_use]
pub fn leads<M: Kinds>(
    explored: &Explored<'_, M>,
    query: &Leads<M>,
    fairness: Fairness,
) -> Verdict<M::State, M::Action> {
    let edges = whole(explored);
    let promises = match fairness {
        Fairness::Promised => edges.promises(explored.model),
        Fairness::Ignored => Promises::default(),
    };
    let to = |at: u32| (query.to)(explored.model, explored.state(at));
    let waiting = Waiting::collect(edges, explored.len(), |at| {
        let goal = to(at);
        (goal, !goal && (query.from)(explored.model, explored.state(at)))
    });
    match waiting.nearest_trap(edges, promises) {
        None => Verdict::Holds {
            asked: waiting.asked,
            waiting: waiting.order.len(),
        },
        Some(trap) => Verdict::Violated(Box::new(describe(
            explored,
            edges,
            promises,
            &waiting.path_to(trap.knot),
            &trap,
        ))),
    }
}

/// Whether a region, once entered, is left.
#[derive(Clone, Debug)]
pub enum Closed<S, A> {
    /// No step from `from` with `to` leads to a state without `to`.
    Holds {
        /// States from which every step was looked at.
        asked: usize,
        /// Steps that leave `from` itself. Only if there are none does "stays" mean "for ever": let `from` be
        /// irreversible, such as "the network has calmed down".
        escapes: usize,
    },
    /// A walk whose last step leaves `to`.
    Broken(Box<Trace<S, A>>),
}

impl<S, A> Closed<S, A> {
    /// Whether the region is never left, and `from` neither.
    #[must_use]
    pub fn for_ever(&self) -> bool {
        matches!(self, Self::Holds { escapes: 0, .. })
    }
}

/// Asks whether `to`, once reached while `from` holds, is kept by every step. Together with [`leads`] and an
/// irreversible `from` this gives "from some point on, always".
///
/// # Panics
///
/// As [`leads`].
#[must_use]
pub fn closed<M: Kinds>(explored: &Explored<'_, M>, query: &Leads<M>) -> Closed<M::State, M::Action> {
    let edges = whole(explored);
    let (mut asked, mut escapes) = (0, 0);
    for at in 0..explored.len() as u32 {
        let state = explored.state(at);
        if !(query.from)(explored.model, state) || !(query.to)(explored.model, state) {
            continue;
        }
        asked += 1;
        for (next, _) in edges.from(at) {
            if !(query.to)(explored.model, explored.state(next)) {
                let mut trace = explored.trace(at);
                trace.steps.push(explored.step(at, next, |_| true));
                return Closed::Broken(Box::new(trace));
            }
            escapes += usize::from(!(query.from)(explored.model, explored.state(next)));
        }
    }
    Closed::Holds { asked, escapes }
}

fn whole<'e, M: Kinds>(explored: &'e Explored<'_, M>) -> &'e Edges {
    assert!(
        !explored.stopped,
        "the walk stopped at a violation: half a graph has no liveness"
    );
    explored
        .edges
        .as_ref()
        .expect("liveness needs the edges: explore with Keep::Edges")
}

/// Numbers into states and actions, with the reason why each promise is kept. The reasons are worked out anew from
/// the cycle alone, so a mistake in the search shows here and not in somebody's trust.
fn describe<M: Kinds>(
    explored: &Explored<'_, M>,
    edges: &Edges,
    promises: Promises,
    path: &[u32],
    trap: &Trap,
) -> Lasso<M::State, M::Action> {
    let stem = explored.trace(path[0]);
    let to_step = |from, to| explored.step(from, to, |_| true);
    let before = stem.steps.len() + path.len();
    let step = |&(from, edge): &(u32, usize)| {
        let class = edges.class_bit(edge);
        explored.step(from, edges.target(edge), |action| {
            let of = explored.model.fairness(explored.state(from), action);
            of.map_or(0, |of| {
                1 << edges.classes().iter().position(|&known| known == of).unwrap_or(127)
            }) == class
        })
    };
    let kept = |(at, &class): (usize, &u16)| {
        let bit = 1_u128 << at;
        let name = explored.model.class_name(class);
        let states = || std::iter::once(trap.knot).chain(trap.cycle.iter().map(|&(_, edge)| edges.target(edge)));
        if (promises.weak | promises.strong) & bit == 0 {
            None
        } else if states().all(|state| edges.enabled(state) & bit == 0) {
            Some(format!("{name}: never enabled here"))
        } else if let Some(taken) = trap.cycle.iter().position(|&(_, edge)| edges.class_bit(edge) == bit) {
            Some(format!("{name}: taken at {}", before + taken))
        } else {
            let idle = states()
                .position(|state| edges.enabled(state) & bit == 0)
                .filter(|_| promises.weak & bit != 0);
            Some(format!(
                "{name} (weak): disabled after {}",
                before - 1 + idle.expect("the lasso keeps its promises")
            ))
        }
    };
    Lasso {
        path: path.windows(2).map(|pair| to_step(pair[0], pair[1])).collect(),
        cycle: trap.cycle.iter().map(step).collect(),
        kept: edges.classes().iter().enumerate().filter_map(kept).collect(),
        stem,
    }
}

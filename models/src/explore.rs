//! The exact explorer: breadth first, every state once, shortest traces.

use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use stateright::{Expectation, Property};

use crate::explored::NO_PARENT;
pub use crate::explored::{Counts, Explored, Judged, KindCount};
use crate::graph::Edges;
use crate::kinds::Kinds;
use crate::store::Store;

/// Walks every reachable state of the model.
///
/// Breadth first and single-threaded, so the first state found to break a property is also a nearest one. States are
/// compared by value, never by fingerprint. Nothing but [`Limits`] cuts the walk short, and a walk cut short is an
/// error, so a pass always means that everything was seen.
///
/// # Errors
///
/// [`Incomplete`] when there are more states than the limit allows.
///
/// # Panics
///
/// When an action's kind is not among [`Kinds::KINDS`], and when there are more than 2^32 edges to keep.
pub fn explore<M: Kinds>(model: &M, options: Options) -> Result<Explored<'_, M>, Incomplete> {
    let mut walk = Walk::new(model, options);
    for state in model
        .init_states()
        .into_iter()
        .filter(|state| model.within_boundary(state))
    {
        walk.found.counts.generated += 1;
        walk.admit(state, NO_PARENT)?;
    }
    let mut actions = Vec::new();
    let mut level_end = walk.found.len();
    let mut current = 0;
    while (current as usize) < walk.found.len() && !walk.stopped() {
        if current as usize == level_end {
            walk.found.counts.depth += 1;
            level_end = walk.found.len();
        }
        walk.expand(current, &mut actions)?;
        walk.ticker.tick(&walk.found.counts, walk.found.len());
        current += 1;
    }
    Ok(walk.finish())
}

/// How to walk.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What to keep besides the states.
    pub keep: Keep,
    /// When to stop.
    pub stop: Stop,
    /// How far to go at most.
    pub limits: Limits,
    /// The name in progress lines.
    pub label: String,
    /// No progress lines on standard error.
    pub quiet: bool,
}

/// What to keep besides the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: enough for safety.
    #[default]
    States,
    /// The edges too, which [`crate::lasso`] needs.
    Edges,
}

/// When to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// When everything was seen.
    #[default]
    Exhausted,
    /// At the first state that breaks an `always` property; no other violation is nearer to the start.
    FirstViolation,
}

/// How far to go at most. Reaching a limit is an error and never a pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most states to store.
    pub states_max: usize,
}

impl Default for Limits {
    /// No limit but that of a 32-bit state number.
    fn default() -> Self {
        Self {
            states_max: NO_PARENT as usize,
        }
    }
}

/// The walk met its limit, so it proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// States stored when it stopped.
    pub states: usize,
    /// Steps from an initial state by then.
    pub depth: usize,
}

impl Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "incomplete: stopped at the limit of {} states, {} steps deep; nothing is proved. Shrink the model's \
             budgets or raise the limit",
            self.states, self.depth
        )
    }
}

impl std::error::Error for Incomplete {}

/// A walk under way.
struct Walk<'m, M: Kinds> {
    found: Explored<'m, M>,
    properties: Vec<Property<M>>,
    options: Options,
    ticker: Ticker,
}

impl<'m, M: Kinds> Walk<'m, M> {
    fn new(model: &'m M, options: Options) -> Self {
        let properties = model.properties();
        let judged = |p: &Property<M>| Judged {
            name: p.name,
            expectation: p.expectation.clone(),
            found: None,
        };
        let kinds = M::KINDS
            .iter()
            .map(|&name| KindCount {
                name,
                taken: 0,
                changed: 0,
            })
            .collect();
        let found = Explored {
            counts: Counts {
                kinds,
                ..Counts::default()
            },
            judged: properties.iter().map(judged).collect(),
            stopped: false,
            seconds: 0.0,
            model,
            edges: (options.keep == Keep::Edges).then(Edges::default),
            store: Store::new(),
            parents: Vec::new(),
        };
        let ticker = Ticker::new(&options);
        Self {
            found,
            properties,
            options,
            ticker,
        }
    }

    /// Tries every action of one state.
    fn expand(&mut self, current: u32, actions: &mut Vec<M::Action>) -> Result<(), Incomplete> {
        let model = self.found.model;
        model.actions(self.found.store.get(current), actions);
        let mut moved = false;
        for action in actions.drain(..) {
            let state = self.found.store.get(current);
            let kind = kind_index::<M>(&self.found.counts.kinds, &action);
            let class = self.found.edges.as_ref().and_then(|_| model.fairness(state, &action));
            let Some(next) = model.next_state(state, action) else {
                continue;
            };
            if !model.within_boundary(&next) {
                self.found.counts.clipped += 1;
                continue;
            }
            self.found.counts.generated += 1;
            self.found.counts.kinds[kind].taken += 1;
            let target = self.admit(next, current)?;
            if target != current {
                moved = true;
                self.found.counts.kinds[kind].changed += 1;
                if let Some(edges) = &mut self.found.edges {
                    edges.push(target, class);
                }
            }
            if self.stopped() {
                break;
            }
        }
        self.found.counts.terminal += u64::from(!moved);
        if let Some(edges) = &mut self.found.edges {
            edges.close();
        }
        Ok(())
    }

    /// The number of this state; if it is new, it is judged.
    fn admit(&mut self, state: M::State, parent: u32) -> Result<u32, Incomplete> {
        let (index, new) = self.found.store.insert(state);
        if new {
            if self.found.len() > self.options.limits.states_max.min(NO_PARENT as usize) {
                return Err(Incomplete {
                    states: self.found.len() - 1,
                    depth: self.found.counts.depth,
                });
            }
            self.found.parents.push(parent);
            self.judge(index);
        }
        Ok(index)
    }

    fn judge(&mut self, index: u32) {
        let state = self.found.store.get(index);
        for (property, judged) in self.properties.iter().zip(&mut self.found.judged) {
            let deciding = match property.expectation {
                Expectation::Always => false,
                Expectation::Sometimes => true,
                Expectation::Eventually => continue,
            };
            if judged.found.is_none() && (property.condition)(self.found.model, state) == deciding {
                judged.found = Some(index);
                self.found.stopped |= !deciding && self.options.stop == Stop::FirstViolation;
            }
        }
    }

    fn stopped(&self) -> bool {
        self.found.stopped
    }

    fn finish(mut self) -> Explored<'m, M> {
        self.found.seconds = self.ticker.started.elapsed().as_secs_f64();
        self.found
    }
}

/// The position of the action's kind: mostly found by address, as names are literals.
fn kind_index<M: Kinds>(kinds: &[KindCount], action: &M::Action) -> usize {
    let name = M::kind(action);
    kinds
        .iter()
        .position(|kind| std::ptr::eq(kind.name, name))
        .or_else(|| kinds.iter().position(|kind| kind.name == name))
        .unwrap_or_else(|| panic!("action kind {name:?} is not listed in KINDS"))
}

/// Says now and then how far a long walk has come.
struct Ticker {
    label: String,
    quiet: bool,
    started: Instant,
    spoken: Instant,
    turns: u32,
}

impl Ticker {
    fn new(options: &Options) -> Self {
        let now = Instant::now();
        Self {
            label: options.label.clone(),
            quiet: options.quiet,
            started: now,
            spoken: now,
            turns: 0,
        }
    }

    fn tick(&mut self, counts: &Counts, states: usize) {
        self.turns = self.turns.wrapping_add(1);
        if self.quiet || self.turns & 0xFFF != 0 || self.spoken.elapsed() < Duration::from_secs(4) {
            return;
        }
        self.spoken = Instant::now();
        let rate = counts.generated as f64 / self.started.elapsed().as_secs_f64() / 1e6;
        eprintln!(
            "  {}: {states} states, {} steps deep, {rate:.2} M transitions/s",
            self.label, counts.depth
        );
    }
}

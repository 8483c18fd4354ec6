//! The hunt: a model with a seeded bug must be caught.
//!
//! A check that never catches anything may be blind. Each seeded bug is hunted by the same properties and queries
//! that the real protocol must pass; the first catch counts, with a shortest trace.

use std::fmt::{self, Display};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::explore::{Incomplete, Keep, Limits, Options, Stop, explore};
use crate::kinds::Kinds;
use crate::lasso::{Closed, Fairness, Leads, Verdict, closed, leads};

/// One model with a bug in it.
pub struct Hunt<'m, M: Kinds> {
    model: &'m M,
    name: String,
    limits: Limits,
    queries: Vec<(Leads<M>, bool)>,
}

/// What became of the hunt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catch {
    /// The bug's name.
    pub bug: String,
    /// What it stands for, in a sentence.
    pub stands_for: String,
    /// Why nothing can catch it, for one that is known to change nothing.
    pub equivalent: Option<String>,
    /// What caught it: the name of a property or query. `None`: it survived everything, and everything was seen.
    pub by: Option<String>,
    /// Steps of the shortest trace; for a lasso, up to the cycle.
    pub steps: usize,
    /// Steps of the cycle; 0 for safety, and where everything stands still.
    pub cycle: usize,
    /// States visited until then.
    pub states: u64,
    /// Seconds until then.
    pub seconds: f64,
    /// The trace, as lines.
    pub trace: Vec<String>,
}

impl<'m, M: Kinds> Hunt<'m, M> {
    /// A hunt for the bug in this model.
    #[must_use]
    pub fn new(model: &'m M) -> Self {
        Self {
            model,
            name: "unnamed".into(),
            limits: Limits::default(),
            queries: Vec::new(),
        }
    }

    /// The bug's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The most states to store: a bug may make the space much larger.
    #[must_use]
    pub fn states_max(mut self, states_max: usize) -> Self {
        self.limits = Limits { states_max };
        self
    }

    /// Hunts with this query too, once safety has found nothing. Queries are asked in the order given.
    #[must_use]
    pub fn leads(mut self, query: Leads<M>) -> Self {
        self.queries.push((query, false));
        self
    }

    /// As [`Hunt::leads`], and what was reached must also be kept.
    #[must_use]
    pub fn settles(mut self, query: Leads<M>) -> Self {
        self.queries.push((query, true));
        self
    }

    /// Hunts until the first catch.
    ///
    /// # Errors
    ///
    /// [`Incomplete`] when the limit came before a catch: then nothing is known.
    ///
    /// # Panics
    ///
    /// When queries are asked of a model whose boundary cuts steps off: what they catch might be the boundary.
    pub fn run(self) -> Result<Catch, Incomplete> {
        let started = Instant::now();
        let keep = if self.queries.is_empty() {
            Keep::States
        } else {
            Keep::Edges
        };
        let options = Options {
            keep,
            stop: Stop::FirstViolation,
            limits: self.limits,
            label: self.name.clone(),
            quiet: false,
        };
        let explored = explore(self.model, options)?;
        let mut catch = Catch {
            bug: self.name,
            stands_for: String::new(),
            equivalent: None,
            by: None,
            steps: 0,
            cycle: 0,
            states: explored.len() as u64,
            seconds: 0.0,
            trace: Vec::new(),
        };
        if let Some((property, state)) = explored.violation() {
            catch.take(property, &explored.trace(state).lines(self.model, false));
            catch.steps = explored.trace(state).steps.len();
        }
        for (query, stays) in &self.queries {
            if catch.by.is_some() {
                break;
            }
            assert!(
                explored.counts.clipped == 0,
                "the boundary cuts steps off: make it a budget in the state"
            );
            if let Verdict::Violated(lasso) = leads(&explored, query, Fairness::Promised) {
                catch.take(query.name, &lasso.lines(self.model));
                (catch.steps, catch.cycle) = lasso.steps();
            } else if let (true, Closed::Broken(trace)) = (*stays, closed(&explored, query)) {
                catch.take(query.name, &trace.lines(self.model, false));
                catch.steps = trace.steps.len();
            }
        }
        catch.seconds = started.elapsed().as_secs_f64();
        Ok(catch)
    }
}

impl Catch {
    /// The catch, if it was made by the property that should make it.
    ///
    /// # Panics
    ///
    /// If the bug survived, or something else caught it first.
    #[track_caller]
    #[allow(
        clippy::must_use_candidate,
        reason = "called for its panic as often as for its value"
    )]
    pub fn require(self, by: &str) -> Self {
        assert!(
            self.by.as_deref() == Some(by),
            "the bug should be caught by \"{by}\":\n{self}"
        );
        self
    }

    fn take(&mut self, by: &str, trace: &[String]) {
        self.by = Some(by.to_owned());
        self.trace = trace.to_vec();
    }
}

impl Display for Catch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bug,
            steps,
            cycle,
            states,
            seconds,
            ..
        } = self;
        match &self.by {
            None => writeln!(
                f,
                "SURVIVED  {bug}: all {states} states seen in {seconds:.2} s, nothing broken"
            ),
            Some(by) => {
                let round = if *cycle > 0 {
                    format!(" and a cycle of {cycle}")
                } else {
                    String::new()
                };
                writeln!(
                    f,
                    "caught  {bug}: by \"{by}\" in {steps} steps{round}, {states} states, {seconds:.2} s"
                )?;
                self.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
            }
        }
    }
}

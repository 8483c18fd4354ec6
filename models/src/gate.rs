//! The gate: everything must hold, and must have been looked at.
//!
//! It replaces Stateright's `assert_properties`, which also passes when nothing was explored. A gate passes only if
//!
//! * no limit was set, or none was met;
//! * our explorer and Stateright count the same states and transitions, and as many states as were pinned;
//! * no `always` is broken in either engine, every `sometimes` has a witness in both, and there is an `always`;
//! * no property is an `eventually`, which Stateright cannot decide;
//! * every kind of action that the bounds leave room for changed a state somewhere;
//! * every liveness query holds with the model's fairness, and fails without.
//!
//! It stops at the first violation, so a failure is quick and its trace is a shortest one.

use stateright::Expectation;

use crate::engines::{self, Search};
use crate::explore::{Explored, Keep, Limits, Options, Stop, explore};
use crate::kinds::Kinds;
use crate::lasso::{Closed, Fairness, Leads, Verdict, closed, leads};
use crate::report::{Finding, Report};

/// One model that must pass.
pub struct Gate<M: Kinds> {
    model: M,
    name: String,
    bounds: String,
    golden: Option<u64>,
    limits: Limits,
    threads: usize,
    queries: Vec<(Leads<M>, Shape)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Leads,
    Settles,
}

impl<M: Kinds> Gate<M> {
    /// A gate over this model.
    #[must_use]
    pub fn new(model: M) -> Self {
        Self {
            model,
            name: "unnamed".into(),
            bounds: String::new(),
            golden: None,
            limits: Limits::default(),
            threads: 2,
            queries: Vec::new(),
        }
    }

    /// The name in reports.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The bounds, as words: "3 nodes, 3 terms, 2 crashes".
    #[must_use]
    pub fn bounds(mut self, bounds: impl Into<String>) -> Self {
        self.bounds = bounds.into();
        self
    }

    /// The pinned number of states. A gate without one fails: a guard that silently removes behaviour shows in this
    /// number first. Run with `PEHRA_PIN=1` to have the new number printed; nothing is ever edited by itself.
    #[must_use]
    pub fn golden(mut self, states: u64) -> Self {
        self.golden = Some(states);
        self
    }

    /// The most states to store. Meeting the limit fails the gate; it only protects the machine.
    #[must_use]
    pub fn states_max(mut self, states_max: usize) -> Self {
        self.limits = Limits { states_max };
        self
    }

    /// Threads for Stateright; two unless said otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Also asks that `from` leads to `to`.
    #[must_use]
    pub fn leads(mut self, query: Leads<M>) -> Self {
        self.queries.push((query, Shape::Leads));
        self
    }

    /// Also asks that `from` leads to `to` for good: no later step may leave `to`, nor `from`.
    #[must_use]
    pub fn settles(mut self, query: Leads<M>) -> Self {
        self.queries.push((query, Shape::Settles));
        self
    }

    /// Looks at everything and says what is wrong.
    #[must_use = "a gate that nobody reads guards nothing: call `require` on the report"]
    pub fn run(self) -> Report
    where
        M: Send + Sync + 'static,
        M::State: Send + Sync + 'static,
    {
        let mut report = Report {
            name: self.name.clone(),
            bounds: self.bounds.clone(),
            ..Report::default()
        };
        check_shape(&self.model, &mut report);
        if report.passed() {
            self.own_engine(&mut report);
        }
        if report.passed() {
            let (opinion, seconds) = engines::stateright(self.model, Search::Depth, self.threads);
            compare(&mut report, &opinion);
            report.stateright = Some(opinion);
            report.stateright_seconds = seconds;
        }
        check_golden(&mut report, self.golden);
        report
    }

    fn own_engine(&self, report: &mut Report) {
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
        let started = std::time::Instant::now();
        match explore(&self.model, options) {
            Err(incomplete) => {
                report.states = incomplete.states as u64;
                report.failures.push(incomplete.to_string());
            }
            Ok(explored) => {
                record(report, &explored);
                if !explored.stopped {
                    check_kinds(report, &explored);
                    self.check_queries(report, &explored);
                }
            }
        }
        report.seconds = started.elapsed().as_secs_f64();
    }

    fn check_queries(&self, report: &mut Report, explored: &Explored<'_, M>) {
        if !self.queries.is_empty() && explored.counts.clipped > 0 {
            report.failures.push(format!(
                "{} steps are cut off by the boundary: where a bound forbids a step, liveness is judged wrongly. Put \
                 the bound into the state as a budget of the environment",
                explored.counts.clipped
            ));
        }
        for (query, shape) in &self.queries {
            let finding = ask(report, explored, query, *shape);
            report.properties.push(finding);
        }
    }
}

/// What can be refused before walking.
fn check_shape<M: Kinds>(model: &M, report: &mut Report) {
    let properties = model.properties();
    if !properties.iter().any(|p| p.expectation == Expectation::Always) {
        report
            .failures
            .push("the model promises nothing: it has no `always` property".into());
    }
    for property in properties.iter().filter(|p| p.expectation == Expectation::Eventually) {
        report.failures.push(format!(
            "`eventually` cannot be trusted in Stateright: ask \"{}\" as a liveness query of the gate",
            property.name
        ));
    }
}

fn record<M: Kinds>(report: &mut Report, explored: &Explored<'_, M>) {
    let counts = &explored.counts;
    report.states = explored.len() as u64;
    report.generated = counts.generated;
    report.depth = counts.depth;
    report.kinds = counts
        .kinds
        .iter()
        .map(|kind| (kind.name.to_owned(), kind.changed))
        .collect();
    // After an early stop only what was decided is known; the rest is neither good nor bad.
    for judged in explored
        .judged
        .iter()
        .filter(|judged| judged.found.is_some() || !explored.stopped)
    {
        let trace = judged.found.map(|state| explored.trace(state));
        let steps = trace.as_ref().map(|trace| trace.steps.len());
        let (shape, good) = match judged.expectation {
            Expectation::Always => ("always", trace.is_none()),
            _ => ("sometimes", trace.is_some()),
        };
        let finding = Finding {
            name: judged.name.into(),
            shape: shape.into(),
            good,
            steps,
            asked: None,
        };
        if let Some(trace) = trace.filter(|_| shape == "always") {
            report.failures.push(format!(
                "\"{}\" is broken after {} steps; a shortest way:\n{}",
                judged.name,
                trace.steps.len(),
                trace.lines(explored.model(), false).join("\n")
            ));
        } else if !good {
            report.failures.push(format!(
                "\"{}\" never happens: the model cannot do what it should",
                judged.name
            ));
        }
        report.properties.push(finding);
    }
}

fn check_kinds<M: Kinds>(report: &mut Report, explored: &Explored<'_, M>) {
    for kind in &explored.counts.kinds {
        let wanted = explored.model().has_kind(kind.name);
        if wanted && kind.changed == 0 {
            report.failures.push(format!(
                "no action of kind \"{}\" ever changed a state ({} were tried): part of the model is dead",
                kind.name, kind.taken
            ));
        } else if !wanted && kind.changed > 0 {
            report.failures.push(format!(
                "{} actions of kind \"{}\" changed a state, but the bounds are said to leave no room for it",
                kind.changed, kind.name
            ));
        }
    }
}

fn ask<M: Kinds>(report: &mut Report, explored: &Explored<'_, M>, query: &Leads<M>, shape: Shape) -> Finding {
    let name = query.name;
    let before = report.failures.len();
    let mut finding = Finding {
        name: name.into(),
        shape: if shape == Shape::Leads { "leads" } else { "settles" }.into(),
        good: false,
        steps: None,
        asked: None,
    };
    match leads(explored, query, Fairness::Promised) {
        Verdict::Holds { asked, .. } => finding.asked = Some(asked),
        Verdict::Violated(lasso) => {
            let (steps, cycle) = lasso.steps();
            finding.steps = Some(steps);
            report.failures.push(format!(
                "\"{name}\" may wait for ever: {steps} steps, then a cycle of {cycle}:\n{}",
                lasso.lines(explored.model()).join("\n")
            ));
        }
    }
    if leads(explored, query, Fairness::Ignored).holds() {
        report
            .failures
            .push(format!("\"{name}\" holds even without fairness: it asks for nothing"));
    }
    if shape == Shape::Settles {
        match closed(explored, query) {
            Closed::Holds { escapes: 0, asked } if asked > 0 => {}
            Closed::Holds { escapes: 0, .. } => {
                report
                    .failures
                    .push(format!("\"{name}\": what is waited for never holds, so nothing stays"));
            }
            Closed::Holds { escapes, .. } => report.failures.push(format!(
                "\"{name}\": {escapes} steps leave the region in which waiting begins, so \"stays\" is not for ever"
            )),
            Closed::Broken(trace) => report.failures.push(format!(
                "\"{name}\" is reached and left again:\n{}",
                trace.lines(explored.model(), false).join("\n")
            )),
        }
    }
    finding.good = report.failures.len() == before;
    finding
}

fn compare(report: &mut Report, opinion: &engines::Opinion) {
    if (report.states, report.generated) != (opinion.unique, opinion.generated) {
        report.failures.push(format!(
            "the engines disagree: {} states and {} transitions here, {} and {} in Stateright. Usual causes: \
             Hash or Eq that do not match, or answers of the model that depend on more than its arguments",
            report.states, report.generated, opinion.unique, opinion.generated
        ));
    }
    for finding in &report.properties {
        let discovered = opinion.discoveries.contains(&finding.name);
        if (finding.shape == "always" && discovered) || (finding.shape == "sometimes" && !discovered) {
            report
                .failures
                .push(format!("Stateright disagrees about \"{}\"", finding.name));
        }
    }
}

fn check_golden(report: &mut Report, golden: Option<u64>) {
    if !report.passed() || golden == Some(report.states) {
        return;
    }
    if std::env::var_os("PEHRA_PIN").is_some_and(|value| value == "1") {
        eprintln!("pin: {} => .golden({})", report.name, grouped(report.states));
    }
    let pinned = golden.map_or_else(
        || "no number of states is pinned".into(),
        |pinned| format!("{pinned} are pinned"),
    );
    report.failures.push(format!(
        "{} states, but {pinned}. If the change is meant, say why in the commit and write .golden({})",
        report.states,
        grouped(report.states)
    ));
}

/// `1234567` as `1_234_567`, the way it is written in Rust.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join("_")
}

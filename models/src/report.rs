//! What a gate reports: figures for the ledger, lines for people.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use crate::engines::Opinion;

/// The result of one gate. It passes only if `failures` is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The model's name.
    pub name: String,
    /// Its bounds, as words.
    pub bounds: String,
    /// Different states.
    pub states: u64,
    /// Initial states and transitions.
    pub generated: u64,
    /// Steps to the farthest state.
    pub depth: usize,
    /// Seconds of our own explorer, lasso searches included.
    pub seconds: f64,
    /// Stateright's opinion; none if the gate had failed before it was asked.
    pub stateright: Option<Opinion>,
    /// Seconds of Stateright.
    pub stateright_seconds: f64,
    /// Every property and liveness query.
    pub properties: Vec<Finding>,
    /// Steps of each kind of action that changed a state.
    pub kinds: Vec<(String, u64)>,
    /// Everything that is wrong. Each entry is one sentence, or a sentence and the lines of a trace.
    pub failures: Vec<String>,
}

/// What became of one property or query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its name.
    pub name: String,
    /// `always`, `sometimes`, `leads`, `settles`.
    pub shape: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// Length of the shortest trace that decides it: to the violation or to the witness.
    pub steps: Option<usize>,
    /// For a query, in how many states its waiting begins.
    pub asked: Option<usize>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// The report, if the gate passed.
    ///
    /// # Panics
    ///
    /// With the whole report, traces included, if it did not.
    #[track_caller]
    #[allow(
        clippy::must_use_candidate,
        reason = "called for its panic as often as for its value"
    )]
    pub fn require(self) -> Self {
        assert!(self.passed(), "\n{self}");
        self
    }

    /// The report as one JSON object, for the folder of results.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report is plain data")
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "pass" } else { "FAIL" };
        writeln!(f, "{verdict}  {}  [{}]", self.name, self.bounds)?;
        writeln!(
            f,
            "  {} states, {} transitions, {} steps deep; own explorer {:.2} s, Stateright {:.2} s",
            self.states, self.generated, self.depth, self.seconds, self.stateright_seconds
        )?;
        for property in &self.properties {
            let mark = if property.good { "ok" } else { "NO" };
            write!(f, "  {mark}  {:<9} {}", property.shape, property.name)?;
            if let Some(steps) = property.steps {
                write!(f, "  ({steps} steps)")?;
            }
            if let Some(asked) = property.asked {
                write!(f, "  (from {asked} states)")?;
            }
            writeln!(f)?;
        }
        let kinds: Vec<String> = self
            .kinds
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "  steps: {}", kinds.join(", "))?;
        for failure in &self.failures {
            writeln!(f, "  FAIL: {}", failure.replace('\n', "\n  "))?;
        }
        Ok(())
    }
}

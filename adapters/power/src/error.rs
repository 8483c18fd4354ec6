//! What went wrong with power.

use std::fmt;

/// What was being done, where, what went wrong, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PowerError {
    /// What was being done, such as `start the broker`.
    pub doing: String,
    /// The file, unit or address that it was done with.
    pub at: String,
    /// What went wrong.
    pub why: String,
    /// What to do next.
    pub next: String,
}

impl PowerError {
    pub(crate) fn new(
        doing: impl Into<String>,
        at: impl fmt::Display,
        why: impl fmt::Display,
        next: impl Into<String>,
    ) -> Self {
        Self {
            doing: doing.into(),
            at: at.to_string(),
            why: why.to_string(),
            next: next.into(),
        }
    }
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} ({}): {}; {}", self.doing, self.at, self.why, self.next)
    }
}

impl std::error::Error for PowerError {}

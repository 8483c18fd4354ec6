//! What is wrong with a configuration file: where, which rule, and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, or unwise, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; none if the file as a whole is meant.
    pub line: Option<usize>,
    /// The key, such as `node.address`; empty if no key is meant.
    pub key: String,
    /// The rule that is broken, with what was found.
    pub rule: String,
    /// What to write instead.
    pub instead: String,
}

impl Problem {
    /// A problem with `key` on `line`.
    pub fn new(
        line: impl Into<Option<usize>>,
        key: impl Into<String>,
        rule: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        Self {
            line: line.into(),
            key: key.into(),
            rule: rule.into(),
            instead: instead.into(),
        }
    }

    /// The sentence, with the file in front, as compilers write it.
    #[must_use]
    pub fn in_file(&self, path: &Path) -> String {
        let line = self.line.map_or(String::new(), |line| format!(":{line}"));
        let key = if self.key.is_empty() { "" } else { ": " };
        format!(
            "{}{line}{key}{}: {}; {}",
            path.display(),
            self.key,
            self.rule,
            self.instead
        )
    }
}

/// A file that cannot be used. All that is wrong with it is told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, in the order of the lines; never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            f.write_str(&problem.in_file(&self.path))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The known word that is nearest to what was written, if one is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|word| (distance(written, word), *word));
    let (far, word) = distances.min()?;
    (far <= 2 || far * 3 <= word.len()).then_some(word)
}

/// Edits from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in other.iter().enumerate() {
            let replace = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replace.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Says which words there are, and which of them may have been meant.
pub(crate) fn one_of(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(word) => format!("did you mean `{word}`? There are: {}", known.join(", ")),
        None => format!("there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let known = ["heartbeat-ms", "election-ms", "lease-ms"];
        assert_eq!(nearest("hartbeat-ms", &known), Some("heartbeat-ms"));
        assert_eq!(nearest("election_ms", &known), Some("election-ms"));
        assert_eq!(nearest("colour", &known), None);
    }
}

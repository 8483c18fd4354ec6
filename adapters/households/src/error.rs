//! What goes wrong with a file.

use core::fmt;
use std::{io, path::PathBuf};

/// What is the matter with a file, and what to do about it.
#[derive(Debug)]
pub enum Trouble {
    /// The system refused.
    Io(io::Error),
    /// The file holds something else than it should.
    Content {
        /// What was found.
        found: String,
        /// What to do.
        advice: &'static str,
    },
}

/// A file that could not be read or written.
#[derive(Debug)]
pub struct FileError {
    /// The file or directory.
    pub path: PathBuf,
    /// The line, from 1, if it was a line.
    pub line: Option<u64>,
    /// What is the matter.
    pub trouble: Trouble,
}

impl FileError {
    pub(crate) fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self {
            path: path.into(),
            line: None,
            trouble: Trouble::Io(error),
        }
    }

    pub(crate) fn content(
        path: impl Into<PathBuf>,
        line: Option<u64>,
        found: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            trouble: Trouble::Content {
                found: found.into(),
                advice,
            },
        }
    }

    pub(crate) fn csv(path: impl Into<PathBuf>, error: csv::Error) -> Self {
        let line = error.position().map(csv::Position::line);
        let found = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self {
                path: path.into(),
                line,
                trouble: Trouble::Io(error),
            },
            _ => Self::content(path, line, found, "save the file as UTF-8 text with one reading a line"),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        match &self.trouble {
            Trouble::Io(error) => write!(f, ": {error}"),
            Trouble::Content { found, advice } => write!(f, ": {found}; {advice}"),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.trouble {
            Trouble::Io(error) => Some(error),
            Trouble::Content { .. } => None,
        }
    }
}

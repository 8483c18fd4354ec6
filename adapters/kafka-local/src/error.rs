//! What goes wrong.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::INSTALL;

/// Why there is no Kafka.
#[derive(Debug)]
pub enum Error {
    /// Nobody says where to keep it: neither `XDG_CACHE_HOME` nor `HOME` is set.
    NoHome,
    /// A program is not there, or cannot be started.
    Program {
        /// `java` or `mvn`.
        name: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A program ended with an error.
    Failed {
        /// What it was to do.
        what: String,
        /// What it said.
        said: String,
    },
    /// A file or folder cannot be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is no free port.
    Port(io::Error),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    pub(crate) fn program(name: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Program { name, error }
    }

    /// An error unless it ended well.
    pub(crate) fn unless_done(what: impl FnOnce() -> String, output: &Output) -> Result<(), Self> {
        if output.status.success() {
            return Ok(());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Err(Self::Failed {
            what: what(),
            said: [text(&output.stdout), text(&output.stderr)]
                .join("\n")
                .trim()
                .to_owned(),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHome => write!(
                f,
                "neither XDG_CACHE_HOME nor HOME is set: set one, so that Kafka can be kept below it"
            ),
            Self::Program { name, error } => write!(f, "cannot start {name} ({error}). Install it with: {INSTALL}"),
            Self::Failed { what, said } => write!(f, "{what} failed:\n{said}"),
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Port(error) => write!(f, "no free port on loopback: {error}"),
        }
    }
}

impl std::error::Error for Error {}

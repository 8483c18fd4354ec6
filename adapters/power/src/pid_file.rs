//! The file that says which process is the broker, and that there is only one.
//!
//! Whoever starts a broker holds the file's lock, and hands the open file to the broker as its standard input. The kernel
//! lets go of the lock when the last of its holders has ended, however that came about. So a held lock means that a broker
//! runs, also after the agent was killed and started again, and no process that got the same number later is taken for it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use crate::PowerError;

/// What the file says.
pub(crate) enum Found {
    /// Nobody: here is the lock, to be handed to the broker.
    Free(Claim),
    /// This process, started by an agent before us.
    Running(Pid),
}

/// The lock, and the right to write who has it.
pub(crate) struct Claim {
    file: File,
}

impl Claim {
    /// What the broker gets as its standard input. It reads as empty.
    pub(crate) fn stdin(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Writes who the broker is, and lets go: from now on the broker alone holds the lock.
    pub(crate) fn name(mut self, pid: u32) -> std::io::Result<()> {
        self.file.write_all(format!("{pid}\n").as_bytes())
    }
}

/// Looks who the broker is, and takes its place if there is none.
pub(crate) fn claim(path: &Path) -> Result<Found, PowerError> {
    let doing = "see whether a broker runs already";
    let wrong = |why: &dyn std::fmt::Display, next: &str| PowerError::new(doing, path.display(), why, next);
    let folder = "name a file in a folder that the agent may write, as pid-file";
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| wrong(&error, folder))?;
    match file.try_lock() {
        Ok(()) => {
            // Emptied before the broker is there: a number that stands here was written for whoever holds the lock.
            file.set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .map_err(|error| wrong(&error, folder))?;
            Ok(Found::Free(Claim { file }))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|error| wrong(&error, folder))?;
            let who = text.trim().parse().ok().and_then(Pid::from_raw);
            who.filter(|pid| has_as_stdin(*pid, &file))
                .map(Found::Running)
                .ok_or_else(|| {
                    let why = "somebody holds the file, and it is not the process that it names";
                    let next = format!("look who it is with `fuser {}`, and end it", path.display());
                    wrong(&why, &next)
                })
        }
        Err(TryLockError::Error(error)) => Err(wrong(&error, folder)),
    }
}

/// Whether that process has the file as its standard input: the same file, not one of the same name.
fn has_as_stdin(pid: Pid, file: &File) -> bool {
    let theirs = PathBuf::from(format!("/proc/{}/fd/0", pid.as_raw_nonzero()));
    match (std::fs::metadata(theirs), file.metadata()) {
        (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()),
        _ => false,
    }
}

//! The file that says which process is the broker, and that there is only one.
//!
//! Whoever starts a broker holds the file's lock, and hands the open file to the broker as its standard input. The kernel
//! lets go of the lock when the last of its holders has ended, however that came about. So a held lock means that a broker
//! runs, also after the agent was killed and started again, and no process that got the same number later is taken for it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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

/// For how long a lock that nobody is named for is looked at again. A process that this one is just starting has a copy of
/// every open file, until it becomes its own program: for so long it also holds a lock that was let go.
const LINGERING: Duration = Duration::from_millis(500);

/// Looks who the broker is, and takes its place if there is none.
pub(crate) async fn claim(path: &Path) -> Result<Found, PowerError> {
    let began = Instant::now();
    loop {
        match look(path)? {
            Look::Stranger if began.elapsed() < LINGERING => tokio::time::sleep(LINGERING / 50).await,
            Look::Stranger => {
                let why = "somebody holds the file, and it is not the process that it names";
                let next = format!("look who it is with `fuser {}`, and end it", path.display());
                return Err(PowerError::new(DOING, path.display(), why, next));
            }
            Look::Found(found) => return Ok(found),
        }
    }
}

const DOING: &str = "see whether a broker runs already";

enum Look {
    Found(Found),
    /// Somebody holds the lock, and is not whom the file names.
    Stranger,
}

fn look(path: &Path) -> Result<Look, PowerError> {
    let folder = "name a file in a folder that the agent may write, as pid-file";
    let wrong = |error: std::io::Error| PowerError::new(DOING, path.display(), error, folder);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {
            // Emptied before the broker is there: a number that stands here was written for whoever holds the lock.
            file.set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .map_err(wrong)?;
            Ok(Look::Found(Found::Free(Claim { file })))
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(wrong)?;
            let who = text.trim().parse().ok().and_then(Pid::from_raw);
            let running = who.filter(|pid| has_as_stdin(*pid, &file));
            Ok(running.map_or(Look::Stranger, |pid| Look::Found(Found::Running(pid))))
        }
        Err(TryLockError::Error(error)) => Err(wrong(error)),
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

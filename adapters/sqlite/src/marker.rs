//! What lies beside a member's database: the lock of the folder, and the marker that tells when the database lost something.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use pehra_driver::StoreError;

const MARKER: &str = "marker";
/// How long to wait for the lock: the process that is being replaced may still be ending.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// What the marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) store: u64,
    pub(crate) incarnation: u64,
    pub(crate) seal: u64,
}

impl Marker {
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(MARKER);
        let doing = format!("reading {}", path.display());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::new(doing, hint(&error))),
        };
        let mut words = text.split_whitespace();
        let mut next = |radix| words.next().and_then(|word| u64::from_str_radix(word, radix).ok());
        match (next(16), next(10), next(10)) {
            (Some(store), Some(incarnation), Some(seal)) => Ok(Some(Self {
                store,
                incarnation,
                seal,
            })),
            // Guessing could forget a vote: a person has to look.
            _ => Err(StoreError::new(
                doing,
                "it does not hold three numbers: put back the file as it was, or give this node a new --id and an empty \
                 folder",
            )),
        }
    }

    /// Replaces the file, durably.
    pub(crate) fn write(self, folder: &Path) -> Result<(), StoreError> {
        let (path, new) = (folder.join(MARKER), folder.join("marker.new"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            writeln!(file, "{:016x} {} {}", self.store, self.incarnation, self.seal)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| StoreError::new(format!("writing {}", path.display()), hint(&error)))
    }
}

pub(crate) fn hint(error: &std::io::Error) -> String {
    format!("{error}: does the disk have room, and may this user write there?")
}

/// Takes the folder for this process alone, as long as the file stays open.
pub(crate) fn be_alone(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let doing = format!("locking {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::new(&doing, hint(&error)))?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let problem = format!(
                    "another process (pid {}) runs with this folder: stop it, or start this one with an --id and a \
                     folder of its own",
                    holder.trim()
                );
                return Err(StoreError::new(doing, problem));
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::new(doing, error)),
        }
    }
    // Only for the sentence above.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

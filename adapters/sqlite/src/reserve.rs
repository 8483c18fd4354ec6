//! A file that only takes space, so that a full disk still has room to drain: when space runs out it is given up, rows
//! can then be acknowledged and trimmed, and when space is back it is taken again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The reserve beside a database.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
}

impl Reserve {
    /// Takes `bytes` beside `database`, if there is room for twice as much.
    #[must_use]
    pub fn beside(database: &Path, bytes: u64) -> Self {
        let path = database.with_extension("reserve");
        let held = fs::metadata(&path).is_ok_and(|file| file.len() >= bytes);
        if !held {
            // What a crash left of an unfinished one would be neither reserve nor room.
            let _ = fs::remove_file(&path);
        }
        let mut reserve = Self { path, bytes, held };
        reserve.restore();
        reserve
    }

    /// Whether space is short: the reserve had to be given up.
    #[must_use]
    pub const fn is_given_up(&self) -> bool {
        !self.held
    }

    /// Free bytes on the file system, for this user.
    fn free(&self) -> u64 {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        rustix::fs::statvfs(folder).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Gives the space up, if little is left besides. `true` if that made room.
    pub fn give_up(&mut self) -> bool {
        let had = self.held;
        self.held = false;
        had && fs::remove_file(&self.path).is_ok()
    }

    /// Looks at the disk: gives up in time, takes back when twice the reserve is free.
    pub fn look(&mut self) {
        if self.held && self.free() < self.bytes / 4 {
            self.give_up();
        } else if !self.held {
            self.restore();
        }
    }

    fn restore(&mut self) {
        if self.held || self.free() < self.bytes.saturating_mul(2) {
            return;
        }
        // Written, not just made long: a hole would take no space.
        let fill = || -> std::io::Result<()> {
            let mut file = File::create(&self.path)?;
            let block = vec![0x5a; 64 * 1024];
            let mut left = self.bytes;
            while left > 0 {
                let now = left.min(block.len() as u64);
                file.write_all(&block[..usize::try_from(now).unwrap_or(block.len())])?;
                left -= now;
            }
            file.sync_all()
        };
        self.held = fill().is_ok();
        if !self.held {
            // A part of it would be neither reserve nor room.
            let _ = fs::remove_file(&self.path);
        }
    }
}

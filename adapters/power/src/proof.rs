//! The wake proof: that this node was woken from outside, and when.
//!
//! Wake-on-LAN breaks without a sign: after a reboot, a new cable, a new setting of the firmware. So a node counts as
//! wakeable only if somebody else woke it in the last days. Else it stays up, or it is put to sleep once as a canary, with
//! others awake, to renew the proof.
//!
//! The proof is a small file of the node that was woken: its own guard asks for it before it accepts to sleep, and it must
//! outlive a power-off. It holds a wall-clock time, as no other clock does; a time in the future says that the clock was set
//! back, and proves nothing. A missing or damaged file is no proof. All of that errs towards staying up.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::PowerError;

/// How old a proof may be by default.
pub const PROOF_AGE_MAX: Duration = Duration::from_hours(7 * 24);

/// By what a node was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WokenBy {
    /// A magic packet.
    WakeOnLan,
    /// Its BMC.
    Bmc,
    /// A message to its agent, which was up: with the power back end `process`, where the host does not sleep.
    Message,
}

/// A node was woken from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WakeProof {
    /// When, in seconds since 1970 (UTC).
    pub woken_at_s: u64,
    /// By what.
    pub by: WokenBy,
}

impl WakeProof {
    /// A proof of that moment.
    #[must_use]
    pub fn new(woken_at: SystemTime, by: WokenBy) -> Self {
        let since = woken_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            woken_at_s: since.as_secs(),
            by,
        }
    }

    /// Whether it still counts.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime, age_max: Duration) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        now.checked_sub(self.woken_at_s)
            .is_some_and(|age| Duration::from_secs(age) <= age_max)
    }
}

/// Where a node keeps its proof.
#[derive(Clone, Debug)]
pub struct ProofFile {
    path: PathBuf,
}

impl ProofFile {
    /// The file at `path`, which need not be there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The proof; nothing if there is none yet.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. Then there is no proof either.
    pub fn read(&self) -> Result<Option<WakeProof>, PowerError> {
        let wrong = |why: &dyn std::fmt::Display| {
            let next = "the node stays awake until it is woken from outside once more, which writes the file anew";
            PowerError::new("read the wake proof", self.path.display(), why, next)
        };
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| wrong(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(&error)),
        }
    }

    /// Replaces the proof, durably: a crash leaves the old one or the new one. Blocks for two syncs of the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, proof: &WakeProof) -> Result<(), PowerError> {
        self.replace(proof).map_err(|error| {
            let next = "look after its folder's rights and free space; until then the node's proof grows old";
            PowerError::new("write the wake proof", self.path.display(), error, next)
        })
    }

    fn replace(&self, proof: &WakeProof) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(proof)?)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_counts_for_seven_days_and_not_before_it_was_made() {
        let woken = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let proof = WakeProof::new(woken, WokenBy::WakeOnLan);
        let is_fresh = |now: SystemTime| proof.is_fresh(now, PROOF_AGE_MAX);
        assert!(is_fresh(woken) && is_fresh(woken + PROOF_AGE_MAX));
        assert!(!is_fresh(woken + PROOF_AGE_MAX + Duration::from_secs(1)));
        assert!(!is_fresh(woken - Duration::from_secs(1)), "the clock was set back");
    }

    #[test]
    fn a_proof_is_there_after_a_restart_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = ProofFile::new(folder.path().join("wake-proof.json"));
        assert_eq!(file.read(), Ok(None));
        let proof = WakeProof::new(SystemTime::now(), WokenBy::Bmc);
        file.write(&proof).expect("there is room");
        file.write(&proof).expect("and again");
        assert_eq!(
            ProofFile::new(folder.path().join("wake-proof.json")).read(),
            Ok(Some(proof))
        );
        fs::write(folder.path().join("wake-proof.json"), "{\"woken-at-s\":17").expect("there is room");
        let error = file.read().expect_err("half a file").to_string();
        assert!(
            error.contains("wake-proof.json") && error.contains("stays awake"),
            "{error}"
        );
    }

    #[test]
    fn a_proof_that_cannot_be_written_is_said() {
        let file = ProofFile::new("/proc/nowhere/wake-proof.json");
        let error = file
            .write(&WakeProof::new(UNIX_EPOCH, WokenBy::Message))
            .expect_err("no such folder");
        assert!(error.to_string().contains("cannot write the wake proof"), "{error}");
    }
}

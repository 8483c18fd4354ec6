//! A Python peer that speaks NNG: pynng, which is NNG's own C library of a newer version than the Rust crate has.
//!
//! pynng is fetched once into a virtual environment outside the clone, in `$XDG_CACHE_HOME/pehra/pynng-<version>`
//! (`~/.cache` if unset).

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::process::Process;

/// What installs what this needs.
const INSTALL: &str = "apt-get install -y python3-venv";

/// The version of pynng.
const VERSION: &str = "0.9.0";

/// What the peer runs.
const SCRIPT: &str = include_str!("../pynng/peer.py");

/// How long a peer may take to say something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A virtual environment with pynng in it.
#[derive(Clone, Debug)]
pub struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes it, unless that was done before.
    ///
    /// # Panics
    /// If Python or its `venv` is missing, with the line that installs them; if pynng cannot be fetched.
    #[must_use]
    pub fn fetch() -> Self {
        let caches = crate::cache_folder();
        fs::create_dir_all(&caches).unwrap_or_else(|error| panic!("cannot make {}: {error}", caches.display()));
        let folder = caches.join(format!("pynng-{VERSION}"));
        // Held until the end of this function, also by other processes that would make the same.
        let lock = File::create(caches.join(format!("pynng-{VERSION}.lock"))).expect("making the lock of pynng");
        lock.lock().expect("waiting for the lock of pynng");
        let venv = Self { folder };
        let complete = venv.folder.join(".complete");
        // The Python that it was made with may have been removed since.
        if complete.exists() && venv.works() {
            return venv;
        }
        let _ = fs::remove_dir_all(&venv.folder);
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv.folder).output();
        match made {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!(
                "Python cannot make a virtual environment. Install what it lacks with: {INSTALL}\n{}",
                said(&output)
            ),
            Err(error) => panic!("cannot start python3 ({error}). Install it with: {INSTALL}"),
        }
        let pynng = format!("pynng=={VERSION}");
        let fetched = Command::new(venv.python())
            .args(["-m", "pip", "install", "--disable-pip-version-check", &pynng])
            .output();
        match fetched {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("pip could not fetch {pynng}; is the network there?\n{}", said(&output)),
            Err(error) => panic!("cannot start {}: {error}", venv.python().display()),
        }
        assert!(
            venv.works(),
            "{} is there, but cannot be imported",
            venv.folder.display()
        );
        fs::write(&complete, "").expect("marking pynng complete");
        venv
    }

    /// A replier that listens on a port of its own choice and answers each request with `prefix` and the request.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn rep(&self, prefix: &str) -> Rep {
        let peer = self.start(&["rep", "tcp://127.0.0.1:0", prefix]);
        let ready = peer.line();
        let port = ready.strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("{ready:?} is not what a replier says first"));
        Rep { _peer: peer, port }
    }

    /// A requester that sends `count` requests to `url`, one after the other: `request 0`, `request 1` and so on. NNG
    /// sends each again after every `resend_ms` without a reply.
    #[must_use]
    pub fn req(&self, url: &str, count: u32, resend_ms: u32) -> Req {
        Req(self.start(&["req", url, &count.to_string(), &resend_ms.to_string()]))
    }

    fn start(&self, arguments: &[&str]) -> Peer {
        let mut command = Command::new(self.python());
        command
            .args(["-c", SCRIPT])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Process::start(&mut command, INSTALL);
        let output = process.child().stdout.take().expect("it was asked for");
        let (tell, lines) = channel();
        // Ends with the process, which closes its output.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Peer {
            _process: process,
            lines,
        }
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    fn works(&self) -> bool {
        let imported = Command::new(self.python()).args(["-c", "import pynng"]).output();
        imported.is_ok_and(|output| output.status.success())
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A replier; ends when dropped.
#[derive(Debug)]
pub struct Rep {
    _peer: Peer,
    port: u16,
}

impl Rep {
    /// Where it listens, on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// A requester; ends when dropped.
#[derive(Debug)]
pub struct Req(Peer);

impl Req {
    /// Waits for the next reply that it got, as text.
    ///
    /// # Panics
    /// If none comes in half a minute, or it ended without.
    #[must_use]
    pub fn reply(&self) -> String {
        let line = self.0.line();
        line.strip_prefix("reply ")
            .unwrap_or_else(|| panic!("{line:?} is no reply"))
            .to_owned()
    }
}

/// The process and what it says, line by line.
#[derive(Debug)]
struct Peer {
    _process: Process,
    lines: Receiver<String>,
}

impl Peer {
    fn line(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the Python peer says nothing for {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the Python peer ended; its complaint is above"),
        }
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

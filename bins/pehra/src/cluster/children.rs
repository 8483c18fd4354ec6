//! Nodes as child processes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pehra_cluster::{Address, Cluster};
use rustix::process::{Pid, Signal, kill_process};

/// How long a node is given to stop.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Pauses between a death and the restart: the first, and the longest.
const RESTART_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A node that ran for this long has recovered.
const RAN_WELL: Duration = Duration::from_secs(10);

/// How much of a log is read for a node's last words, in bytes.
const LAST_WORDS_MAX: u64 = 4096;

/// A local node and its process.
pub struct NodeProcess {
    pub id: u16,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    child: Option<Child>,
    started: Instant,
    restart_at: Option<Instant>,
    pause: Duration,
}

impl NodeProcess {
    /// A node that is not started yet.
    pub fn new(id: u16, program: &Path, cluster: &Cluster) -> Self {
        Self {
            id,
            program: program.to_owned(),
            config: cluster.path.clone(),
            log: cluster.data.join(format!("node{id}.log")),
            child: None,
            started: Instant::now(),
            restart_at: None,
            pause: RESTART_PAUSES.0,
        }
    }

    /// Its process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it. Its log is appended to a file.
    pub fn start(&mut self) -> Result<u32, String> {
        let doing = |error: std::io::Error| format!("cannot start node {}: {error}", self.id);
        if let Some(folder) = self.log.parent() {
            std::fs::create_dir_all(folder).map_err(doing)?;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(doing)?;
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .args(["--id", &self.id.to_string()])
            // A Ctrl-C in the terminal is for the parent alone: it ends the nodes in order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(doing)?;
        let pid = child.id();
        self.child = Some(child);
        self.started = Instant::now();
        self.restart_at = None;
        Ok(pid)
    }

    /// How it ended, if it has; told once.
    pub fn ended(&mut self) -> Option<(u32, ExitStatus)> {
        let child = self.child.as_mut()?;
        let status = child.try_wait().ok()??;
        let pid = child.id();
        self.child = None;
        if self.started.elapsed() > RAN_WELL {
            self.pause = RESTART_PAUSES.0;
        }
        self.restart_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(RESTART_PAUSES.1);
        Some((pid, status))
    }

    /// Whether it is time to start it again.
    pub fn is_due(&self) -> bool {
        self.child.is_none() && self.restart_at.is_some_and(|at| at <= Instant::now())
    }

    /// How a person starts it, and where its log is.
    pub fn by_hand(&self) -> String {
        format!(
            "{} --config {} --id {} (its log: {})",
            near(&self.program).display(),
            self.config.display(),
            self.id,
            near(&self.log).display()
        )
    }

    /// Why it ended, if it could still say so: the last line of its log.
    pub fn last_words(&self) -> Option<String> {
        let mut log = File::open(&self.log).ok()?;
        let end = log.seek(SeekFrom::End(0)).ok()?;
        log.seek(SeekFrom::Start(end.saturating_sub(LAST_WORDS_MAX))).ok()?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let said = text.lines().last()?.strip_prefix("pehra-broker: ")?;
        Some(said.to_owned())
    }

    fn signal(&self, signal: Signal) {
        let pid = self
            .pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Gone already is as good as signalled.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Asks all to stop and waits for them; kills those that take too long. Returns those that had to be killed.
pub fn stop_all(nodes: &mut [NodeProcess]) -> Vec<u16> {
    for node in nodes.iter() {
        // One that was stopped by a signal could not hear the other one.
        node.signal(Signal::TERM);
        node.signal(Signal::CONT);
    }
    let patience = Instant::now() + STOP_MAX;
    let mut killed = Vec::new();
    for node in nodes {
        let Some(mut child) = node.child.take() else { continue };
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        if matches!(child.try_wait(), Ok(None)) {
            killed.push(node.id);
            let _ = child.kill();
        }
        let _ = child.wait();
    }
    killed
}

/// The path as seen from here, where that is shorter.
fn near(path: &Path) -> PathBuf {
    let Ok(whole) = path.canonicalize() else {
        return path.to_owned();
    };
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let inside = here
        .ok()
        .and_then(|here| whole.strip_prefix(here).ok().map(Path::to_owned));
    inside.unwrap_or(whole)
}

/// Whether this machine has the address: only then can a port be taken there.
pub fn is_local(address: &Address) -> bool {
    let host = address.host.trim_start_matches('[').trim_end_matches(']');
    TcpListener::bind((host, 0)).is_ok()
}

//! A child process that ends with its owner.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `command`. A program that is not there panics with `install`, the line that brings it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command, install: &str) -> Self {
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                panic!(
                    "{:?} is not installed, and this test needs it. Install it with: {install}",
                    command.get_program()
                )
            }
            Err(error) => panic!("cannot start {:?}: {error}", command.get_program()),
        }
    }

    /// The process itself.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal; gone already is as good as signalled. After a STOP all of its threads stand still: on a busy machine one may
    /// go on for a while otherwise, and answer.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        if signal == Signal::STOP {
            wait_until("it stands still", Duration::from_secs(10), || self.stands_still());
        }
    }

    /// Whether each of its threads is stopped, or it is gone.
    fn stands_still(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0.id())) else {
            return true;
        };
        let states = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
        // Behind the name, which may have anything in it.
        let state = |stat: String| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        states
            .filter_map(state)
            .all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Asks it to end, waits, and kills it if that takes longer than `patience`. Whether it ended by itself.
    pub fn stop(&mut self, patience: Duration) -> bool {
        self.signal(Signal::TERM);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if !self.is_running() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill9();
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// Asks `ready` every 20 ms until it is true.
///
/// # Panics
/// After `patience`, with `what` was waited for.
pub fn wait_until(what: &str, patience: Duration, mut ready: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !ready() {
        assert!(Instant::now() < until, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Below those that Linux gives to outgoing connections (32768 and up): one of them could be taken by any client between the
/// moment it is asked for here and the moment its server starts.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A TCP port that was free a moment ago, and that neither this process nor another test that still runs was given before: what
/// a test has killed must find its own port free when it starts again, not taken by the server of the test beside it.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeMap<u16, File>> = Mutex::new(BTreeMap::new());
    let count = u64::from(PORTS.end - PORTS.start);
    for _ in 0..10_000 {
        // Each of these hashes otherwise: two processes that ask at once begin in different places.
        let drawn = RandomState::new().hash_one(0) % count;
        let port = PORTS.start + u16::try_from(drawn).expect("fewer than all ports");
        let mut given = GIVEN.lock().expect("nobody panics with it");
        if !given.contains_key(&port)
            && let Some(claim) = claim(port)
            && TcpListener::bind(("127.0.0.1", port)).is_ok()
        {
            given.insert(port, claim);
            return port;
        }
    }
    panic!("no free port from {} to {} on loopback", PORTS.start, PORTS.end);
}

/// Claims a port for as long as this process lives: by a lock on a file, which ends with its process however that ends.
fn claim(port: u16) -> Option<File> {
    let folder = std::env::temp_dir().join("pehra-ports");
    let made = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join(port.to_string())));
    let file = made.unwrap_or_else(|error| panic!("{}: cannot claim port {port}: {error}", folder.display()));
    file.try_lock().is_ok().then_some(file)
}

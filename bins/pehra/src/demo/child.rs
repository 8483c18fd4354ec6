//! A child process that can be killed, stopped at a named place, and started again.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child as Process, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process and how to start it again.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    running: Mutex<Option<Running>>,
    kills: AtomicU64,
    /// Rows that its log says were sent again.
    resent: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    control: Option<ChildStdin>,
    stopped: Receiver<()>,
}

impl Child {
    /// Starts `program` with `arguments`; its log is appended to `log`.
    pub fn start(name: &'static str, program: PathBuf, arguments: Vec<String>, log: PathBuf) -> Result<Self, String> {
        let child = Self {
            name,
            program,
            arguments,
            log,
            running: Mutex::default(),
            kills: AtomicU64::new(0),
            resent: Arc::default(),
        };
        child.restart()?;
        Ok(child)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it was killed.
    pub fn kills(&self) -> u64 {
        self.kills.load(Ordering::Relaxed)
    }

    /// Rows that it sent again, over all its lives.
    pub fn resent(&self) -> u64 {
        self.resent.load(Ordering::Relaxed)
    }

    /// Starts it (again).
    pub fn restart(&self) -> Result<(), String> {
        let doing = |error: std::io::Error| format!("cannot start {}: {error}", self.program.display());
        let mut process = Command::new(&self.program)
            .args(&self.arguments)
            // A Ctrl-C in the terminal is for the demo alone: it ends its children in order.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(doing)?;
        let (tell, stopped) = channel();
        if let Some(out) = process.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    if line.starts_with("stopped ") {
                        let _ = tell.send(());
                    }
                }
            });
        }
        if let Some(errors) = process.stderr.take() {
            let log = File::options()
                .create(true)
                .append(true)
                .open(&self.log)
                .map_err(doing)?;
            let resent = Arc::clone(&self.resent);
            std::thread::spawn(move || copy_log(BufReader::new(errors), log, &resent));
        }
        let control = process.stdin.take();
        *self.lock() = Some(Running {
            process,
            control,
            stopped,
        });
        Ok(())
    }

    /// Lets it stand still, or go on.
    pub fn signal(&self, signal: Signal) {
        if let Some(running) = &*self.lock()
            && let Some(pid) = i32::try_from(running.process.id()).ok().and_then(Pid::from_raw)
        {
            // Gone already is as good as signalled.
            let _ = kill_process(pid, signal);
        }
    }

    /// Arms a named stop; `true` once it stands there, `false` if it did not come by in time.
    pub fn stop_at(&self, stop: &str, patience: Duration) -> bool {
        let mut running = self.lock();
        let Some(running) = running.as_mut() else { return false };
        let armed = running
            .control
            .as_mut()
            .is_some_and(|control| writeln!(control, "stop {stop}").is_ok());
        armed && running.stopped.recv_timeout(patience).is_ok()
    }

    /// Kills it with `kill -9` and waits until it is gone.
    pub fn kill9(&self) {
        if let Some(mut running) = self.lock().take() {
            let _ = running.process.kill();
            let _ = running.process.wait();
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Its exit, if it ended by itself.
    pub fn exit(&self) -> Option<String> {
        let mut running = self.lock();
        let status = running.as_mut()?.process.try_wait().ok()??;
        Some(format!(
            "{} ended by itself: {status}; see {}",
            self.name,
            self.log.display()
        ))
    }

    /// Asks it to end, and waits; kills it if that takes too long.
    pub fn stop(&self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let Some(mut running) = self.lock().take() else { return };
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if matches!(running.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = running.process.kill();
        let _ = running.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(mut running) = self.lock().take() {
            let _ = running.process.kill();
            let _ = running.process.wait();
        }
    }
}

/// Copies log lines to the file; those that say that rows are sent again are counted.
fn copy_log(errors: impl BufRead, mut log: File, resent: &AtomicU64) {
    for line in errors.lines().map_while(Result::ok) {
        if line.contains("sending again\"")
            && let Ok(entry) = serde_json::from_str::<serde_json::Value>(&line)
        {
            let number = |name: &str| entry.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
            resent.fetch_add(number("to").saturating_sub(number("after")), Ordering::Relaxed);
        }
        if writeln!(log, "{line}").is_err() {
            return;
        }
    }
}

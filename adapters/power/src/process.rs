//! The broker as a process: started from a command line, watched, and asked to end by SIGTERM.
//!
//! The broker outlives the agent: it is in a process group of its own, so that Ctrl-C does not reach it, and an agent that is
//! started again finds it by its pid file ([`Process::open`]) instead of starting a second one. It is never killed unless
//! [`Process::kill`] is called.
//!
//! The command has to *become* the broker, as Kafka's own start script does (`exec`): the signal goes to the process that was
//! started, not to its children.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, oneshot, watch};

use crate::PowerError;
use crate::broker::{Exit, Started, Stopped};
use crate::config::ProcessConfig;
use crate::pid_file::{Found, claim};

/// A broker that is a process of this host.
#[derive(Debug)]
pub struct Process {
    config: ProcessConfig,
    state: Arc<watch::Sender<State>>,
    /// Held while one is being started.
    starting: Mutex<()>,
    /// The last exit that [`Process::ended`] has told.
    told: Mutex<u64>,
}

#[derive(Debug, Default)]
struct State {
    up: Option<Up>,
    /// How many ended without being asked, and how the last one did.
    ended: (u64, Option<Exit>),
    /// How the last one ended, asked or not.
    last: Option<Exit>,
}

#[derive(Debug)]
struct Up {
    pid: Pid,
    /// Names this very process, also when its number is given to another.
    handle: Arc<OwnedFd>,
    /// It was told to end.
    asked: bool,
}

impl Process {
    /// Looks whether a broker runs already, and watches it then. Needs a tokio runtime, and nothing else.
    ///
    /// # Errors
    /// If the pid file cannot be read, or somebody else holds it.
    pub async fn open(config: ProcessConfig) -> Result<Self, PowerError> {
        let (state, _) = watch::channel(State::default());
        let process = Self {
            config,
            state: Arc::new(state),
            starting: Mutex::new(()),
            told: Mutex::new(0),
        };
        if let Found::Running(pid) = claim(&process.config.pid_file).await? {
            process.adopt(pid)?;
        }
        Ok(process)
    }

    /// Whether it runs. That it serves is for Kafka to say.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.borrow().up.is_some()
    }

    /// Its number while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let state = self.state.borrow();
        let pid = state.up.as_ref()?.pid.as_raw_nonzero().get();
        u32::try_from(pid).ok()
    }

    /// Starts it. One that was told to end is waited for first, however long that takes; one that runs is left alone.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(&self) -> Result<Started, PowerError> {
        let _turn = self.starting.lock().await;
        let mut state = self.state.subscribe();
        let is_settled = |state: &State| state.up.as_ref().is_none_or(|up| !up.asked);
        // The sender is ours, so that waiting cannot fail.
        let is_up = state.wait_for(is_settled).await.is_ok_and(|state| state.up.is_some());
        if is_up {
            return Ok(Started::WasUp);
        }
        match claim(&self.config.pid_file).await? {
            Found::Running(pid) => {
                self.adopt(pid)?;
                Ok(Started::WasUp)
            }
            Found::Free(place) => {
                self.spawn(place)?;
                Ok(Started::Now)
            }
        }
    }

    /// Asks it to end, and waits. Nothing is killed when the time is over; call again to wait on. A call that is dropped has
    /// asked all the same.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub async fn stop(&self, deadline: Duration) -> Result<Stopped, PowerError> {
        self.end(Signal::TERM, deadline).await
    }

    /// SIGKILL: for a person who says so. The broker's log is recovered at its next start, which takes long.
    ///
    /// # Errors
    /// If the signal cannot be sent.
    pub async fn kill(&self) -> Result<Stopped, PowerError> {
        self.end(Signal::KILL, Duration::from_secs(10)).await
    }

    /// The next end that nobody asked for; each is told once.
    pub async fn ended(&self) -> Exit {
        let mut told = self.told.lock().await;
        let mut state = self.state.subscribe();
        // The sender is ours, so that waiting cannot fail.
        let next = state.wait_for(|state| state.ended.0 > *told).await;
        let (count, exit) = next.map_or((0, None), |state| state.ended);
        *told = count;
        exit.unwrap_or(Exit::Unseen)
    }

    async fn end(&self, signal: Signal, deadline: Duration) -> Result<Stopped, PowerError> {
        let began = Instant::now();
        let mut state = self.state.subscribe();
        let mut handle = None;
        self.state.send_if_modified(|state| {
            if let Some(up) = &mut state.up {
                up.asked = true;
                handle = Some((up.pid, Arc::clone(&up.handle)));
            }
            handle.is_some()
        });
        let Some((pid, handle)) = handle else {
            return Ok(Stopped::WasDown);
        };
        match pidfd_send_signal(&*handle, signal) {
            // It ended just now: its watcher will say so.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => {
                let at = format!("process {}", pid.as_raw_nonzero());
                let next = "does the agent run as the broker's user?";
                return Err(PowerError::new("ask the broker to end", at, error, next));
            }
        }
        let down = tokio::time::timeout(deadline, state.wait_for(|state| state.up.is_none())).await;
        Ok(match down {
            Err(_) => Stopped::StillRunning,
            Ok(state) => {
                let exit = state.ok().and_then(|state| state.last).unwrap_or(Exit::Unseen);
                Stopped::of(exit, began.elapsed())
            }
        })
    }

    fn spawn(&self, place: crate::pid_file::Claim) -> Result<(), PowerError> {
        let (program, arguments) = self.config.command.split_first().ok_or_else(|| {
            let next = "write command = [\"…\"] in [power.process]";
            PowerError::new("start the broker", "no command", "there is none", next)
        })?;
        let wrong = |at: &dyn std::fmt::Display, error: std::io::Error, next: &str| {
            PowerError::new("start the broker", at, error, next)
        };
        let log = OpenOptions::new().append(true).create(true).open(&self.config.log);
        let log = log.and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|error| {
            wrong(
                &self.config.log.display(),
                error,
                "name a file that the agent may write, as log",
            )
        })?;
        let stdin = place
            .stdin()
            .map_err(|error| wrong(&self.config.pid_file.display(), error, "try again"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(&self.config.environment)
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(out))
            .stderr(Stdio::from(err))
            .process_group(0)
            .kill_on_drop(false);
        if let Some(folder) = &self.config.directory {
            command.current_dir(folder);
        }
        let child = command.spawn().map_err(|error| {
            let next = "is the program there, may it be run, and is the directory there?";
            wrong(&program, error, next)
        })?;
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| wrong(&program, std::io::ErrorKind::NotFound.into(), "look into its log"))?;
        // It cannot be gone from the kernel's table before it is waited for, so the number is its own.
        let handle = self.open_handle(pid)?;
        if let Err(error) = place.name(pid.as_raw_nonzero().get().unsigned_abs()) {
            tracing::warn!(file = %self.config.pid_file.display(), %error,
                "the broker's number could not be written: an agent that is started again will not know it");
        }
        self.watch(pid, handle, Watch::Child(child));
        Ok(())
    }

    fn adopt(&self, pid: Pid) -> Result<(), PowerError> {
        let handle = self.open_handle(pid)?;
        let (tell, told) = oneshot::channel();
        let seen = handle.try_clone().and_then(|handle| {
            // A thread of its own, as this waits as long as the broker lives: longer than this agent, it may be.
            std::thread::Builder::new()
                .name("broker's end".into())
                .spawn(move || tell.send(until_gone(&handle)))
        });
        seen.map_err(|error| {
            let at = format!("process {}", pid.as_raw_nonzero());
            let next = "stop it, then start the agent again";
            PowerError::new("watch the broker that runs already", at, error, next)
        })?;
        tracing::info!(pid = pid.as_raw_nonzero(), "a broker runs already");
        self.watch(pid, handle, Watch::Stranger(told));
        Ok(())
    }

    fn open_handle(&self, pid: Pid) -> Result<OwnedFd, PowerError> {
        pidfd_open(pid, PidfdFlags::empty()).map_err(|error| {
            let at = format!("process {}", pid.as_raw_nonzero());
            PowerError::new("watch the broker", at, error, "Linux 5.3 or newer is needed")
        })
    }

    fn watch(&self, pid: Pid, handle: OwnedFd, watch: Watch) {
        let handle = Arc::new(handle);
        self.state.send_modify(|state| {
            state.up = Some(Up {
                pid,
                handle,
                asked: false,
            });
        });
        let state = Arc::clone(&self.state);
        tokio::spawn(async move {
            let exit = watch.exit().await;
            state.send_modify(|state| {
                let asked = state.up.take().is_some_and(|up| up.asked);
                state.last = Some(exit);
                if !asked {
                    state.ended = (state.ended.0 + 1, Some(exit));
                }
            });
        });
    }
}

/// How the end of a process is seen.
enum Watch {
    Child(Child),
    /// Started by an agent before us: the kernel tells its end, and to nobody but its parent how.
    Stranger(oneshot::Receiver<rustix::io::Result<()>>),
}

impl Watch {
    async fn exit(self) -> Exit {
        match self {
            Self::Child(mut child) => child.wait().await.map_or(Exit::Unseen, exit),
            Self::Stranger(told) => {
                if let Ok(Err(error)) = told.await {
                    tracing::warn!(%error, "the broker can no longer be watched");
                }
                Exit::Unseen
            }
        }
    }
}

/// Waits until the process has ended.
fn until_gone(handle: &OwnedFd) -> rustix::io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(handle, PollFlags::IN)], None) {
            Err(Errno::INTR) => {}
            outcome => return outcome.map(drop),
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unseen,
    }
}

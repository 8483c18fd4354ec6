//! The broker, however it is run.

use std::fmt;
use std::time::Duration;

use crate::PowerError;
use crate::process::Process;
use crate::systemd::Unit;

/// What happened when a broker was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It was started. Whether it serves is for Kafka to say.
    Now,
    /// It ran already.
    WasUp,
}

/// How a broker's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody saw how: it was not started by this agent.
    Unseen,
}

impl Exit {
    /// What a Java program ends with after it was asked to by SIGTERM and has done all that it does then.
    const ASKED: i32 = 128 + 15;

    /// Whether it ended as a program does that was asked to and had nothing against it.
    #[must_use]
    pub const fn is_clean(self) -> bool {
        matches!(self, Self::Code(0 | Self::ASKED))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Unseen => write!(f, "ended, and nobody saw how"),
        }
    }
}

/// What happened when a broker was to be stopped. Whatever it is, only Kafka's controllers know whether the others do
/// without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It ended by itself, so long after it was asked.
    Clean(Duration),
    /// It ended otherwise, such as by a signal from somebody else.
    Killed(Exit),
    /// It ended so long after it was asked, and nobody saw how: it was started by an agent before this one.
    Unseen(Duration),
    /// It still runs. It has been asked, so it may end at any time; `start` waits for that.
    StillRunning,
    /// There was none.
    WasDown,
}

impl Stopped {
    pub(crate) const fn of(exit: Exit, took: Duration) -> Self {
        match exit {
            Exit::Unseen => Self::Unseen(took),
            exit if exit.is_clean() => Self::Clean(took),
            exit => Self::Killed(exit),
        }
    }

    /// Whether no broker runs any more.
    #[must_use]
    pub const fn is_down(self) -> bool {
        !matches!(self, Self::StillRunning)
    }
}

/// The broker, however it is run.
#[derive(Debug)]
pub enum Broker {
    /// A process that the agent starts itself.
    Process(Process),
    /// A unit of systemd.
    Systemd(Unit),
}

impl Broker {
    /// Starts it, if it does not run.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(&self) -> Result<Started, PowerError> {
        match self {
            Self::Process(process) => process.start().await,
            Self::Systemd(unit) => unit.start().await,
        }
    }

    /// Asks it to end, which for Kafka is a controlled shutdown, and waits so long at the most.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn stop(&self, deadline: Duration) -> Result<Stopped, PowerError> {
        match self {
            Self::Process(process) => process.stop(deadline).await,
            Self::Systemd(unit) => unit.stop(deadline).await,
        }
    }

    /// SIGKILL: only because a person said so.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub async fn kill(&self) -> Result<Stopped, PowerError> {
        match self {
            Self::Process(process) => process.kill().await,
            Self::Systemd(unit) => unit.kill().await,
        }
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub async fn is_up(&self) -> Result<bool, PowerError> {
        match self {
            Self::Process(process) => Ok(process.is_up()),
            Self::Systemd(unit) => unit.is_up().await,
        }
    }

    /// The next end of the broker that was not asked for here.
    pub async fn ended(&self) -> Exit {
        match self {
            Self::Process(process) => process.ended().await,
            Self::Systemd(unit) => unit.ended().await,
        }
    }
}

//! The machine under the broker, and how it sleeps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::PowerError;
use crate::alarm::since_boot;
use crate::ladder::Depth;
use crate::logind::Logind;

/// How a host sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sleep {
    /// To memory (S3): it is back within seconds. Many server boards do not have it.
    #[default]
    Suspend,
    /// To disk (S4).
    Hibernate,
    /// Off (S5): it boots when it is woken, and the agent begins anew.
    PowerOff,
}

impl Sleep {
    /// How deep that is for whoever wakes it.
    #[must_use]
    pub const fn depth(self) -> Depth {
        match self {
            Self::Suspend => Depth::Memory,
            Self::Hibernate | Self::PowerOff => Depth::Off,
        }
    }

    /// As the configuration writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Hibernate => "hibernate",
            Self::PowerOff => "power-off",
        }
    }
}

/// A host is awake again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awake {
    /// From the beginning of going to sleep until now; counted by a clock that runs on while the host sleeps.
    pub after: Duration,
    /// Whether the alarm was due: otherwise somebody or something else woke it.
    pub by_alarm: bool,
}

impl Awake {
    pub(crate) fn since(began: Duration, alarm_in: Duration) -> Self {
        let after = since_boot().saturating_sub(began);
        Self {
            after,
            by_alarm: after >= alarm_in,
        }
    }
}

/// The machine under the broker.
pub enum Host {
    /// It never sleeps: the broker being down is all there is. Nothing is saved by that; it is for tests and for trying out.
    StaysUp,
    /// It sleeps by logind.
    Logind(Logind),
    /// It sleeps by a program like `rtcwake`.
    Command(RtcWake),
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StaysUp => "StaysUp",
            Self::Logind(_) => "Logind",
            Self::Command(_) => "Command",
        })
    }
}

impl Host {
    /// Sleeps, with an alarm that wakes it at the latest, and returns when it is awake again.
    ///
    /// A host that stays up waits for the alarm: who hears a wake before drops the call. A host that really sleeps hears nothing
    /// until it is awake, and returns then. One that is powered off does not return at all: the process is ended on the way.
    ///
    /// # Errors
    /// If it did not sleep. It then is as awake as before.
    pub async fn suspend(&self, alarm_in: Duration) -> Result<Awake, PowerError> {
        match self {
            Self::StaysUp => {
                let began = since_boot();
                tokio::time::sleep(alarm_in).await;
                Ok(Awake::since(began, alarm_in))
            }
            Self::Logind(logind) => logind.suspend(alarm_in).await,
            Self::Command(program) => program.suspend(alarm_in).await,
        }
    }

    /// Keeps the host from being put to sleep by others, such as by its lid or by `systemctl suspend`, from now until
    /// [`Self::suspend`] and after that again. Does nothing where there is no logind.
    ///
    /// # Errors
    /// If logind refuses.
    pub async fn keep_awake(&self, why: &str) -> Result<(), PowerError> {
        match self {
            Self::Logind(logind) => logind.keep_awake(why).await,
            Self::StaysUp | Self::Command(_) => Ok(()),
        }
    }
}

/// A program that sets the alarm and sleeps, as `rtcwake` of util-linux does: `PROGRAM… -m mem|disk|off -s SECONDS`. It returns when
/// the host is awake again.
#[derive(Clone, Debug)]
pub struct RtcWake {
    command: Vec<String>,
    sleep: Sleep,
    armed: Option<WakeArmed>,
}

impl RtcWake {
    /// With this program and its first arguments, such as `["sudo", "rtcwake"]`.
    #[must_use]
    pub const fn new(command: Vec<String>, sleep: Sleep, armed: Option<WakeArmed>) -> Self {
        Self { command, sleep, armed }
    }

    async fn suspend(&self, alarm_in: Duration) -> Result<Awake, PowerError> {
        if let Some(armed) = &self.armed {
            armed.check()?;
        }
        let began = since_boot();
        let shown = self.command.join(" ");
        let wrong = |why: &dyn fmt::Display| {
            let next = "run the line by hand to see; not every clock takes an alarm a day ahead, and not every host every sleep";
            PowerError::new("put the host to sleep", &shown, why, next)
        };
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| wrong(&"there is no program"))?;
        let seconds = alarm_in.as_millis().div_ceil(1000).max(1);
        let mode = match self.sleep {
            Sleep::Suspend => "mem",
            Sleep::Hibernate => "disk",
            Sleep::PowerOff => "off",
        };
        let output = Command::new(program)
            .args(arguments)
            .args(["-m", mode, "-s", &seconds.to_string()])
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|error| wrong(&error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(wrong(&format!("{}: {}", output.status, said.trim())));
        }
        Ok(Awake::since(began, alarm_in))
    }
}

/// Looks whether a network card still listens for magic packets. Most forget it when the host boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakeArmed {
    /// The card's folder below `/sys/class/net`.
    folder: PathBuf,
}

impl WakeArmed {
    /// For the card with that folder, such as `/sys/class/net/eth0`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Looks.
    ///
    /// # Errors
    /// If it does not listen, or does not say.
    pub fn check(&self) -> Result<(), PowerError> {
        let file = self.folder.join("device/power/wakeup");
        let card = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let wrong = |why: &dyn fmt::Display| {
            let next =
                format!("`ethtool -s {card} wol g`, and in a .link file WakeOnLan=magic, or the next boot forgets it");
            PowerError::new("sleep and be woken by the network", Path::display(&file), why, next)
        };
        match std::fs::read_to_string(&file) {
            Ok(text) if text.trim() == "enabled" => Ok(()),
            Ok(text) => Err(wrong(&format!("the card's wake-up is {:?}", text.trim()))),
            Err(error) => Err(wrong(&error)),
        }
    }
}

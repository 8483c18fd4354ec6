//! Sleeping by logind, over D-Bus.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::time::timeout;
use zbus::Connection;

use crate::PowerError;
use crate::alarm::{Alarm, since_boot};
use crate::host::{Awake, Sleep, WakeArmed};

/// How long others may delay the sleep: five seconds by logind's default, and a margin.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// How long a host may take to power off under us.
const OFF_MAX: Duration = Duration::from_secs(120);

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Manager {
    fn suspend(&self, interactive: bool) -> zbus::Result<()>;
    fn hibernate(&self, interactive: bool) -> zbus::Result<()>;
    fn power_off(&self, interactive: bool) -> zbus::Result<()>;
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<zbus::OwnedFd>;
    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
    #[zbus(signal)]
    fn prepare_for_shutdown(&self, start: bool) -> zbus::Result<()>;
}

/// A host that sleeps by logind.
#[derive(Clone)]
pub struct Logind(Arc<Inner>);

struct Inner {
    manager: ManagerProxy<'static>,
    sleep: Sleep,
    alarm: Alarm,
    armed: Option<WakeArmed>,
    /// Nobody sleeps while it is open, and what for.
    inhibitor: Mutex<Option<(OwnedFd, String)>>,
}

impl Logind {
    /// Speaks to the logind of a bus, such as [`connect`](crate::connect) gives. `armed` is looked at before each sleep.
    ///
    /// # Errors
    /// If the bus does not work.
    pub async fn open(
        connection: &Connection,
        sleep: Sleep,
        alarm: Alarm,
        armed: Option<WakeArmed>,
    ) -> Result<Self, PowerError> {
        let manager = ManagerProxy::new(connection).await;
        Ok(Self(Arc::new(Inner {
            manager: manager.map_err(|error| wrong("speak to logind", &error))?,
            sleep,
            alarm,
            armed,
            inhibitor: Mutex::new(None),
        })))
    }

    /// Takes the block on sleep, and keeps it until [`Self::suspend`].
    ///
    /// # Errors
    /// If logind refuses.
    pub async fn keep_awake(&self, why: &str) -> Result<(), PowerError> {
        let mut held = self.0.inhibitor.lock().await;
        *held = Some(self.0.inhibit(why).await?);
        Ok(())
    }

    /// Sets the alarm, lets go of the block, sleeps, and takes the block again. Returns when the host is awake. A call that is
    /// dropped goes on by itself: the host may be on its way down already, and the block has to come back.
    ///
    /// # Errors
    /// If the host did not sleep. The block is held and the alarm is off, as before.
    pub async fn suspend(&self, alarm_in: Duration) -> Result<Awake, PowerError> {
        let inner = Arc::clone(&self.0);
        let sleeping = tokio::spawn(async move { inner.suspend(alarm_in).await });
        sleeping.await.unwrap_or_else(|error| {
            let next = "this is an error of the agent: please report it";
            Err(PowerError::new("put the host to sleep", "logind", error, next))
        })
    }
}

impl Inner {
    async fn suspend(&self, alarm_in: Duration) -> Result<Awake, PowerError> {
        let mut held = self.inhibitor.lock().await;
        if let Some(armed) = &self.armed {
            armed.check()?;
        }
        let alarm = self.alarm.arm(alarm_in)?;
        // Our own block would refuse us.
        let why = held.take().map(|(_, why)| why);
        let began = since_boot();
        let slept = match self.sleep {
            Sleep::PowerOff => self.power_off().await,
            Sleep::Suspend | Sleep::Hibernate => self.sleep_and_wake().await,
        };
        drop(alarm);
        if let Some(why) = why {
            match self.inhibit(&why).await {
                Ok(block) => *held = Some(block),
                Err(error) => tracing::warn!(%error, "others may put this host to sleep"),
            }
        }
        slept.map(|()| Awake::since(began, alarm_in))
    }

    async fn inhibit(&self, why: &str) -> Result<(OwnedFd, String), PowerError> {
        let block = self.manager.inhibit("sleep:shutdown", "pehra", why, "block").await;
        let block = block.map_err(|error| wrong("keep the host awake", &error))?;
        Ok((block.into(), why.to_owned()))
    }

    async fn sleep_and_wake(&self) -> Result<(), PowerError> {
        let doing = "put the host to sleep";
        // Listened for before it is asked for, or the first one may be missed.
        let signals = self.manager.receive_prepare_for_sleep().await;
        let mut signals = signals.map_err(|error| wrong(doing, &error))?;
        let asked = match self.sleep {
            Sleep::Hibernate => self.manager.hibernate(false).await,
            Sleep::Suspend | Sleep::PowerOff => self.manager.suspend(false).await,
        };
        asked.map_err(|error| wrong(doing, &error))?;
        let mut next = async || -> Option<bool> { Some(signals.next().await?.args().ok()?.start) };
        let began = timeout(BEGIN_MAX, async {
            while !next().await? {}
            Some(())
        })
        .await;
        if !matches!(began, Ok(Some(()))) {
            let why = format!(
                "logind took the order and did not begin within {} s",
                BEGIN_MAX.as_secs()
            );
            let at = format!("logind, {}", self.sleep.name());
            let next = "look into `journalctl -u systemd-logind` and `systemd-inhibit --list`";
            return Err(PowerError::new(doing, at, why, next));
        }
        // However long it sleeps, this process sleeps as well: there is nothing to time.
        while next().await.ok_or_else(|| {
            let next = "the host is awake; is D-Bus still running?";
            PowerError::new("see that the host is awake again", "logind", "the bus is gone", next)
        })? {}
        Ok(())
    }

    async fn power_off(&self) -> Result<(), PowerError> {
        let off = self.manager.power_off(false).await;
        off.map_err(|error| wrong("power the host off", &error))?;
        tokio::time::sleep(OFF_MAX).await;
        let why = format!("it was told to and is still up after {} s", OFF_MAX.as_secs());
        let next = "look into `systemctl list-jobs` for what does not end";
        Err(PowerError::new("power the host off", "logind", why, next))
    }
}

fn wrong(doing: &str, error: &zbus::Error) -> PowerError {
    let next = "does `busctl status org.freedesktop.login1` work, can this host sleep like that (`cat /sys/power/state`), and may \
                the agent's user ask for it (polkit: org.freedesktop.login1)?";
    PowerError::new(doing, "logind", error, next)
}

//! The broker as a unit of systemd, over D-Bus.
//!
//! The unit's `TimeoutStopSec` has to be longer than the drain deadline: systemd kills when it is over, we do not. Its
//! `Restart` must not start again what has ended by itself. States are asked for and not waited for by signal: a
//! signal that is lost would be waited for in vain.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath};

use crate::PowerError;
use crate::broker::{Exit, Started, Stopped};

/// From one look at a unit that is changing to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// From one look at a unit that should stay as it is to the next.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long a unit may take to be active. Kafka's units are as soon as the process is there.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a killed process may take to be gone.
const KILL_MAX: Duration = Duration::from_secs(10);

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1"
)]
trait UnitState {
    #[zbus(property)]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn load_state(&self) -> zbus::Result<String>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1"
)]
trait Service {
    #[zbus(property)]
    fn exec_main_code(&self) -> zbus::Result<i32>;
    #[zbus(property)]
    fn exec_main_status(&self) -> zbus::Result<i32>;
}

/// A broker that is a unit of systemd.
#[derive(Debug)]
pub struct Unit {
    name: String,
    manager: ManagerProxy<'static>,
    state: UnitStateProxy<'static>,
    service: ServiceProxy<'static>,
    /// Whether it should run: it was started, or found running, and nobody told it to end.
    wanted: Mutex<bool>,
}

impl Unit {
    /// Finds the unit on a bus, such as [`connect`](crate::connect) gives.
    ///
    /// # Errors
    /// If systemd is not there or has no such unit.
    pub async fn open(connection: &Connection, name: &str) -> Result<Self, PowerError> {
        let wrong = |error: zbus::Error| wrong("find the broker's unit", name, &error);
        let manager = ManagerProxy::new(connection).await.map_err(wrong)?;
        let path = manager.load_unit(name).await.map_err(wrong)?;
        let state = UnitStateProxy::builder(connection)
            .path(path.clone())
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .map_err(wrong)?;
        let service = ServiceProxy::builder(connection)
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .map_err(wrong)?;
        // systemd gives a path to any name; only this says whether there is a file behind it.
        let loaded = state.load_state().await.map_err(wrong)?;
        if loaded != "loaded" {
            let next = format!("install {name}, then `systemctl daemon-reload`; or name another unit");
            let why = format!("systemd says that it is {loaded}");
            return Err(PowerError::new("find the broker's unit", name, why, next));
        }
        let unit = Self {
            name: name.to_owned(),
            manager,
            state,
            service,
            wanted: Mutex::new(false),
        };
        *unit.wanted.lock().await = unit.is_up().await?;
        Ok(unit)
    }

    /// Whether it runs, or is being started or stopped.
    ///
    /// # Errors
    /// If systemd does not say.
    pub async fn is_up(&self) -> Result<bool, PowerError> {
        Ok(!is_down(&self.look().await?))
    }

    /// Starts it, and waits until it is active. One that is being stopped is waited for first.
    ///
    /// # Errors
    /// If it fails, or is not active in time.
    pub async fn start(&self) -> Result<Started, PowerError> {
        const DOING: &str = "start the broker's unit";
        while self.look().await? == "deactivating" {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let was_up = self.look().await? == "active";
        if !was_up {
            let started = self.manager.start_unit(&self.name, "replace").await;
            started.map_err(|error| wrong(DOING, &self.name, &error))?;
        }
        let began = Instant::now();
        loop {
            let state = self.look().await?;
            if state == "active" {
                *self.wanted.lock().await = true;
                return Ok(if was_up { Started::WasUp } else { Started::Now });
            }
            if state == "failed" || began.elapsed() > START_MAX {
                let next = format!("look into `journalctl -u {}`", self.name);
                return Err(PowerError::new(DOING, &self.name, format!("it is {state}"), next));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops it, and waits. Nothing is killed by us when the time is over; call again to wait on.
    ///
    /// # Errors
    /// If systemd refuses.
    pub async fn stop(&self, deadline: Duration) -> Result<Stopped, PowerError> {
        *self.wanted.lock().await = false;
        if is_down(&self.look().await?) {
            return Ok(Stopped::WasDown);
        }
        let began = Instant::now();
        let stopped = self.manager.stop_unit(&self.name, "replace").await;
        stopped.map_err(|error| wrong("stop the broker's unit", &self.name, &error))?;
        self.until_down(began, deadline).await
    }

    /// SIGKILL to all of its processes: for a person who says so.
    ///
    /// # Errors
    /// If systemd refuses.
    pub async fn kill(&self) -> Result<Stopped, PowerError> {
        *self.wanted.lock().await = false;
        if is_down(&self.look().await?) {
            return Ok(Stopped::WasDown);
        }
        let began = Instant::now();
        let killed = self.manager.kill_unit(&self.name, "all", 9).await;
        killed.map_err(|error| wrong("kill the broker's unit", &self.name, &error))?;
        self.until_down(began, KILL_MAX).await
    }

    /// The next end that was not asked for here. While systemd does not answer, nothing is known and nothing is told.
    pub async fn ended(&self) -> Exit {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            // Held while looking: a stop that comes in between would make its own end look unasked.
            let mut wanted = self.wanted.lock().await;
            if *wanted && self.look().await.is_ok_and(|state| is_down(&state)) {
                *wanted = false;
                return self.exit().await.unwrap_or(Exit::Unseen);
            }
        }
    }

    async fn until_down(&self, began: Instant, deadline: Duration) -> Result<Stopped, PowerError> {
        loop {
            if is_down(&self.look().await?) {
                return Ok(Stopped::of(self.exit().await?, began.elapsed()));
            }
            if began.elapsed() >= deadline {
                return Ok(Stopped::StillRunning);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self) -> Result<String, PowerError> {
        let state = self.state.active_state().await;
        state.map_err(|error| wrong("see whether the broker's unit runs", &self.name, &error))
    }

    /// How its main process ended, in the words of wait(2).
    async fn exit(&self) -> Result<Exit, PowerError> {
        const EXITED: i32 = 1;
        const BY_SIGNAL: [i32; 2] = [2, 3];
        let wrong = |error: zbus::Error| wrong("see how the broker's unit ended", &self.name, &error);
        let code = self.service.exec_main_code().await.map_err(wrong)?;
        let status = self.service.exec_main_status().await.map_err(wrong)?;
        Ok(match code {
            EXITED => Exit::Code(status),
            code if BY_SIGNAL.contains(&code) => Exit::Signal(status),
            _ => Exit::Unseen,
        })
    }
}

fn is_down(active_state: &str) -> bool {
    matches!(active_state, "inactive" | "failed")
}

fn wrong(doing: &str, name: &str, error: &zbus::Error) -> PowerError {
    let next =
        "is this systemd's bus, and may the agent's user manage units (polkit: org.freedesktop.systemd1.manage-units)?";
    PowerError::new(doing, name, error, next)
}

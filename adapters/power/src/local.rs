//! This node: its broker and its host.

use std::time::Duration;

use crate::broker::{Broker, Exit, Started, Stopped};
use crate::config::{AlarmKind, BrokerKind, HostKind, Power};
use crate::host::{Awake, Host, RtcWake, WakeArmed};
use crate::logind::Logind;
use crate::process::Process;
use crate::systemd::Unit;
use crate::{Alarm, PowerError, connect};

/// This node's broker and its host. All calls take `&self`, so that an agent can share it between tasks; a call that is
/// dropped leaves nothing half done that another call would not see.
#[derive(Debug)]
pub struct Local {
    broker: Broker,
    host: Host,
}

impl Local {
    /// What the configuration says. D-Bus is reached only if something in it needs D-Bus.
    ///
    /// # Errors
    /// If something that it names is not there.
    pub async fn open(power: &Power) -> Result<Self, PowerError> {
        let needs_bus = power.broker == BrokerKind::Systemd || power.host == HostKind::Logind;
        let bus = match needs_bus {
            true => Some(connect(power.bus.as_deref()).await?),
            false => None,
        };
        let missing = |what: &str| {
            let next = "check the configuration before it is used";
            PowerError::new("run the broker", what, "it is missing", next)
        };
        let broker = match (power.broker, &bus) {
            (BrokerKind::Systemd, Some(bus)) => {
                let systemd = power.systemd.as_ref().ok_or_else(|| missing("[power.systemd]"))?;
                Broker::Systemd(Unit::open(bus, &systemd.unit).await?)
            }
            _ => {
                let process = power.process.clone().ok_or_else(|| missing("[power.process]"))?;
                Broker::Process(Process::open(process).await?)
            }
        };
        let armed = power.wake_interface.as_ref();
        let armed = armed.map(|card| WakeArmed::new(std::path::Path::new("/sys/class/net").join(card)));
        let host = match (power.host, &bus) {
            (HostKind::Logind, Some(bus)) => {
                let alarm = match power.alarm {
                    AlarmKind::Rtc => Alarm::Rtc(power.rtc.clone()),
                    AlarmKind::Timer => Alarm::Timer,
                };
                Host::Logind(Logind::open(bus, power.sleep, alarm, armed).await?)
            }
            (HostKind::Rtcwake, _) => Host::Command(RtcWake::new(power.rtcwake.clone(), power.sleep, armed)),
            _ => Host::StaysUp,
        };
        Ok(Self { broker, host })
    }

    /// From its parts.
    #[must_use]
    pub const fn new(broker: Broker, host: Host) -> Self {
        Self { broker, host }
    }

    /// Starts the broker, if it does not run. One that was asked to end is waited for first.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(&self) -> Result<Started, PowerError> {
        self.broker.start().await
    }

    /// Asks the broker to end and waits so long at the most. It is never killed by that.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn stop(&self, deadline: Duration) -> Result<Stopped, PowerError> {
        self.broker.stop(deadline).await
    }

    /// Kills the broker: only because a person said so.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub async fn kill(&self) -> Result<Stopped, PowerError> {
        self.broker.kill().await
    }

    /// Whether the broker runs. That it serves is for Kafka to say.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub async fn is_up(&self) -> Result<bool, PowerError> {
        self.broker.is_up().await
    }

    /// The next end of the broker that was not asked for by [`Self::stop`] or [`Self::kill`].
    pub async fn ended(&self) -> Exit {
        self.broker.ended().await
    }

    /// Sleeps until something wakes the host, the alarm at the latest; see [`Host::suspend`].
    ///
    /// # Errors
    /// If a broker still runs, or the host did not sleep.
    pub async fn suspend(&self, alarm_in: Duration) -> Result<Awake, PowerError> {
        if self.broker.is_up().await? {
            let next = "stop it and wait until it is down";
            return Err(PowerError::new(
                "put the host to sleep",
                "this node",
                "its broker runs",
                next,
            ));
        }
        self.host.suspend(alarm_in).await
    }

    /// Keeps others from putting the host to sleep; see [`Host::keep_awake`].
    ///
    /// # Errors
    /// If logind refuses.
    pub async fn keep_awake(&self, why: &str) -> Result<(), PowerError> {
        self.host.keep_awake(why).await
    }
}

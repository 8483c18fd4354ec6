//! What a configuration file says about power: the table `[power]`.
//!
//! ```toml
//! [power]
//! broker = "process"            # or "systemd"
//! host = "stays-up"             # or "logind", "rtcwake"
//! sleep = "suspend"             # or "hibernate", "power-off"
//! drain-ms = 60000              # how long a broker may take to hand over and end
//! proof-file = "wake-proof.json"
//! alarm-only = false            # true: nobody can wake this host, so it may sleep without a wake proof
//!
//! [power.process]
//! command = ["/opt/kafka/bin/kafka-server-start.sh", "/etc/kafka/server.properties"]
//! environment = { KAFKA_HEAP_OPTS = "-Xmx1g" }
//! log = "broker.log"
//! pid-file = "broker.pid"
//!
//! [power.wake]                  # all of this may be left out
//! stagger-ms = 1000
//!
//! [[power.node]]                # how the others are woken
//! id = 2
//! mac = "52:54:00:12:34:02"
//! broadcast = "192.168.1.255:9"
//! bmc = "https://10.0.0.2"
//! bmc-user = "pehra"
//! bmc-password-file = "bmc.password"
//! bmc-ca = "bmc-ca.pem"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::Sleep;
use crate::ladder::Times;
use crate::proof::PROOF_AGE_MAX;

/// How the broker is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerKind {
    /// The agent starts it; needs `[power.process]`.
    #[default]
    Process,
    /// systemd does; needs `[power.systemd]`.
    Systemd,
}

/// How the host sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// Not at all.
    #[default]
    StaysUp,
    /// By logind.
    Logind,
    /// By `rtcwake`.
    Rtcwake,
}

/// What wakes a host that sleeps by logind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmKind {
    /// The real-time clock.
    #[default]
    Rtc,
    /// A timer of the kernel; only for `sleep = "suspend"`.
    Timer,
}

/// How the BMC wants to be spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BmcLogin {
    /// Name and password with each request.
    #[default]
    Basic,
    /// A session for each power-on, ended after it.
    Session,
}

/// The table `[power]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Power {
    /// How the broker is run.
    pub broker: BrokerKind,
    /// How the host sleeps.
    pub host: HostKind,
    /// How deep.
    pub sleep: Sleep,
    /// How long a broker may take to end after it was asked to, in milliseconds.
    pub drain_ms: u64,
    /// The broker as a process.
    pub process: Option<ProcessConfig>,
    /// The broker as a unit of systemd.
    pub systemd: Option<SystemdConfig>,
    /// What wakes a host that sleeps by logind.
    pub alarm: AlarmKind,
    /// The real-time clock's folder.
    pub rtc: PathBuf,
    /// The program of host = "rtcwake", with its first arguments.
    pub rtcwake: Vec<String>,
    /// The address of D-Bus, unless it is the system's bus.
    pub bus: Option<String>,
    /// The network card, such as `eth0`, that has to listen for magic packets before the host sleeps.
    pub wake_interface: Option<String>,
    /// Where this node keeps that it was woken from outside.
    pub proof_file: PathBuf,
    /// How many days that counts.
    pub proof_days: u64,
    /// Nobody can wake this host: it needs no proof, and comes back when its alarm clock rings. Whoever needs its broker waits for that.
    pub alarm_only: bool,
    /// How others are woken.
    pub wake: WakeConfig,
    /// By what each of them is woken.
    pub node: Vec<NodeConfig>,
}

impl Default for Power {
    fn default() -> Self {
        Self {
            broker: BrokerKind::default(),
            host: HostKind::default(),
            sleep: Sleep::default(),
            drain_ms: 60_000,
            process: None,
            systemd: None,
            alarm: AlarmKind::default(),
            rtc: "/sys/class/rtc/rtc0".into(),
            rtcwake: vec!["rtcwake".into()],
            bus: None,
            wake_interface: None,
            proof_file: "wake-proof.json".into(),
            proof_days: PROOF_AGE_MAX.as_secs() / 86_400,
            alarm_only: false,
            wake: WakeConfig::default(),
            node: Vec::new(),
        }
    }
}

/// The table `[power.process]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProcessConfig {
    /// The program and its arguments. It has to become the broker (`exec`), as Kafka's start script does.
    pub command: Vec<String>,
    /// Where it runs; by default where the agent does.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// What is added to the agent's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where what it says is appended.
    #[serde(default = "broker_log")]
    pub log: PathBuf,
    /// Which process it is; held by the broker while it runs.
    #[serde(default = "broker_pid")]
    pub pid_file: PathBuf,
}

fn broker_log() -> PathBuf {
    "broker.log".into()
}

fn broker_pid() -> PathBuf {
    "broker.pid".into()
}

/// The table `[power.systemd]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SystemdConfig {
    /// The broker's unit, such as `kafka.service`.
    pub unit: String,
}

/// The table `[power.wake]`: the ladder's times. What is left out is as in [`Times::of`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WakeConfig {
    /// How many magic packets.
    pub packets: Option<u32>,
    /// From one to the next, in milliseconds.
    pub packet_every_ms: Option<u64>,
    /// From the beginning to the first power-on by a BMC, in milliseconds.
    pub bmc_after_ms: Option<u64>,
    /// From one power-on to the next, in milliseconds.
    pub bmc_every_ms: Option<u64>,
    /// From the beginning until a person is called, in milliseconds.
    pub page_after_ms: Option<u64>,
    /// From waking one node to waking the next, in milliseconds; 1,000 by default.
    pub stagger_ms: Option<u64>,
}

/// One `[[power.node]]`: by what a node is woken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeConfig {
    /// Its id in the cluster.
    pub id: u16,
    /// Its network card, for magic packets.
    #[serde(default)]
    pub mac: Option<String>,
    /// The broadcast address of its network with a port; `255.255.255.255:9` by default.
    #[serde(default)]
    pub broadcast: Option<String>,
    /// Its card's SecureOn password. It travels in clear and protects nothing; some cards want one.
    #[serde(default)]
    pub secure_on: Option<String>,
    /// Its BMC, as `https://HOST` or `https://HOST:PORT`.
    #[serde(default)]
    pub bmc: Option<String>,
    /// Which of the BMC's systems it is; `1` by default.
    #[serde(default)]
    pub bmc_system: Option<String>,
    /// Who may power it on.
    #[serde(default)]
    pub bmc_user: Option<String>,
    /// The file with that user's password.
    #[serde(default)]
    pub bmc_password_file: Option<PathBuf>,
    /// The certificate (PEM) that the BMC's own is signed by. The BMC's own has to name its host.
    #[serde(default)]
    pub bmc_ca: Option<PathBuf>,
    /// How the BMC wants to be spoken to.
    #[serde(default)]
    pub bmc_login: BmcLogin,
}

impl Power {
    /// The ladder's times.
    #[must_use]
    pub fn times(&self) -> Times {
        let defaults = Times::of(self.sleep.depth());
        let wake = &self.wake;
        let or = |ms: Option<u64>, default| ms.map_or(default, Duration::from_millis);
        Times {
            packets: wake.packets.unwrap_or(defaults.packets),
            packet_every: or(wake.packet_every_ms, defaults.packet_every),
            power_on_after: or(wake.bmc_after_ms, defaults.power_on_after),
            power_on_every: or(wake.bmc_every_ms, defaults.power_on_every),
            page_after: or(wake.page_after_ms, defaults.page_after),
        }
    }

    /// From waking one node to waking the next.
    #[must_use]
    pub fn stagger(&self) -> Duration {
        Duration::from_millis(self.wake.stagger_ms.unwrap_or(1000))
    }

    /// How long a broker may take to end.
    #[must_use]
    pub const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// How old a wake proof may be.
    #[must_use]
    pub const fn proof_age_max(&self) -> Duration {
        Duration::from_secs(self.proof_days.saturating_mul(86_400))
    }

    /// Makes paths absolute that are written as seen from the file, which lies in `folder`.
    pub(crate) fn seen_from(&mut self, folder: &Path) {
        let place = |path: &mut PathBuf| *path = folder.join(&*path);
        place(&mut self.proof_file);
        place(&mut self.rtc);
        if let Some(process) = &mut self.process {
            place(&mut process.log);
            place(&mut process.pid_file);
            process.directory.iter_mut().for_each(place);
        }
        for node in &mut self.node {
            node.bmc_password_file.iter_mut().for_each(place);
            node.bmc_ca.iter_mut().for_each(place);
        }
    }
}

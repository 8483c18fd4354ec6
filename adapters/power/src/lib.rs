//! How an agent puts its broker's machine to sleep, and how it wakes the machines of others.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`Local`] | this node: [`Local::start`], [`Local::stop`], [`Local::suspend`], [`Local::ended`] |
//! | [`Broker`] | the broker: a [`Process`] that the agent starts, or a [`Unit`] of systemd |
//! | [`Host`] | the machine: it stays up, sleeps by [`Logind`], or by a program like `rtcwake`; an [`Alarm`] wakes it |
//! | [`wake()`], [`wake_all`] | other nodes, by their [`Means`]: magic packets, then the BMC, then a person |
//! | [`ladder`] | when to try what: without a clock, so that all of it is checked |
//! | [`ProofFile`] | that this node was woken from outside, and when: without that it should not sleep |
//! | [`Power`] | the table `[power]` of a configuration file |
//! | [`PowerError`] | what was being done, where, what went wrong, what to do next |
//!
//! # What holds
//! * Waking never asks whether it may. Sleeping does: [`Local::suspend`] refuses while the broker runs, and before it sleeps
//!   the alarm is set and read back.
//! * A broker is asked to end and waited for; it is killed only by [`Local::kill`].
//! * There is one broker, also when the agent was killed and started again: it holds its pid file, and is found by that.
//! * With `broker = "process"` and `host = "stays-up"` nothing is needed but Linux (5.3 or newer): no D-Bus, no rights.
//!
//! # What it cannot do
//! It does not know whether the node *may* sleep, nor whether a broker that runs serves: the first is for the protocol, the
//! second for Kafka. It cannot see that a machine sleeps: neither does a magic packet come back, nor a BMC's word mean much. IPMI
//! is not spoken. A stopped process saves no energy worth naming.

mod alarm;
mod broker;
mod bus;
mod check;
pub mod config;
mod error;
mod host;
mod https;
pub mod ladder;
mod local;
mod logind;
mod pid_file;
mod process;
mod proof;
mod redfish;
mod systemd;
mod wake;
mod wol;

pub use alarm::Alarm;
pub use broker::{Broker, Exit, Started, Stopped};
pub use bus::connect;
pub use check::{ConfigError, Problem};
pub use config::Power;
pub use error::PowerError;
pub use host::{Awake, Host, RtcWake, Sleep, WakeArmed};
pub use local::Local;
pub use logind::Logind;
pub use process::Process;
pub use proof::{PROOF_AGE_MAX, ProofFile, WakeProof, WokenBy};
pub use redfish::Redfish;
pub use systemd::Unit;
pub use wake::{Means, NeedsAPerson, Tried, Woken, wake, wake_all};
pub use wol::{EVERYWHERE, Six, WakeOnLan};

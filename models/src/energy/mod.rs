//! Clusters of sleeping brokers in virtual time: what sleeping saves, and whether anybody waits too long.
//!
//! Every member runs the deployed `Node<Sleep>` in [`crate::simulator`]. Around it, all is simple and counted in whole numbers:
//!
//! * [`hardware`] - what a machine draws in each state, and how long it takes from one to the other.
//! * [`kafka`] - who has copies of what; who is up is in sync, and after a while everybody who starts is up.
//! * [`load`] - when there is something to do: drawn from a seed, or read from recorded traffic.
//! * [`plant`] - machines, brokers and agents around the nodes: stops, starts, suspends, magic packets, alarm clocks.
//! * [`meter`] - how long each machine was in which state, and how much it drew.
//! * [`written`], [`oracle`] - to compare with: the original's rules, and somebody who knows the future.
//! * [`contest`] - all policies on the same load.
//! * [`outcome`] - what came of it, to be kept and read.
//!
//! **All figures are modelled**: watts and durations are those of [`hardware`], and nothing was measured.
//!
//! More than [`pehra_core::members::MEMBERS_MAX`] members are simulated as *wards*: clusters of their own within the
//! cluster, each with its own Pehredar and its own topics.

pub mod contest;
pub mod hardware;
pub mod kafka;
pub mod load;
pub mod meter;
pub mod oracle;
pub mod outcome;

pub mod plant;
mod said;
pub mod written;

pub use contest::{Case, Policy, Run};
pub use hardware::Hardware;
pub use load::Load;
pub use outcome::Outcome;
pub use plant::{Build, Plant, Voters};

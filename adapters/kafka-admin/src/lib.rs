//! What a Kafka cluster looks like, and the few changes that Pehra asks of it.
//!
//! The agent and `pehra plan` need requests that librdkafka's binding does not have: which brokers are fenced, who is in
//! sync and who may still lead, where every copy's log ends, who votes among the controllers. They go over
//! `kafka-protocol`, which knows every message, and over a thin client of our own: one connection a broker, one request at a
//! time, each with a deadline.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`Admin`] | asks a cluster: [`Admin::view`], [`Admin::log_ends`], and for a change: [`Admin::elect_preferred`], [`Admin::reassign`] |
//! | [`View`] | one reading of a cluster, and its [`Topology`](pehra_core::sleep::coverage::Topology) for the core |
//! | [`AdminError`] | what was being done, where, what went wrong, what to do next |
//!
//! # What this cannot do
//! There is no way in here to elect an unclean leader, to unregister a broker, to change `min.insync.replicas` or any other
//! setting, or to reduce a partition's copies: each would give up a record or a promise to those who write.
//!
//! # Bounds
//! A reply longer than [`Limits::frame_max`] is refused before anything of it is read, and no length inside one makes us
//! reserve more than the reply could hold. Only flexible versions of messages are spoken, as that bound is checked where they
//! write their lengths. Brokers have to be of Kafka 4.0 or newer: older ones do not tell which brokers are fenced.
//! Connections are plain TCP: neither TLS nor SASL yet.

mod admin;
mod change;
mod connection;
mod error;
mod frame;
mod read;
mod view;

pub use admin::{Admin, Limits};
pub use change::{Move, Outcome, Reassignment, TopicPartition};
pub use error::{AdminError, Problem};
pub use read::LogEnd;
pub use view::{BrokerView, Numbered, PartitionView, QuorumView, TopicView, View, VoterView};

//! An abstract Kafka: what a KRaft cluster does with its partitions while brokers stop, start, die and freeze.
//!
//! It is what sleep does its work on, so it has to be right about three things: who may lead, who counts as in sync, and
//! which records each copy holds. The rules are those of Kafka 4 with eligible leader replicas (KIP-966), or without; each
//! step says where it is from. They were read in Kafka's source, and are held against a real cluster of three controllers and
//! three brokers (`bins/pehra/tests/kafka_abstract.rs`): the same is done to both, and what the real one then shows has to be one of
//! the states in which this one may come to rest.
//!
//! * [`Setup`] - how many brokers and copies, and what is switched on.
//! * [`Kafka`] - a state: [`Kafka::step`] is a pure function, [`Kafka::own_steps`] what the cluster may do by itself,
//!   [`Kafka::settled`] where that can end, [`Kafka::topology`] what the deployed coverage sees of it.
//! * [`World`], [`Bounds`] - Kafka alone, with operators who stop and start it and a power supply that fails.
//! * [`properties`] - what must hold.
//!
//! # What is left out
//! * The controllers: they are one, never fail, and every broker sees at once what they decide. A deposed leader that has
//!   not heard of it can acknowledge nothing with `acks=all`, as its in-sync followers fetch elsewhere by then; what it
//!   acknowledges with `acks=1` is no part of any claim here, and there is no `acks=1`.
//! * A record is acknowledged as soon as it may be, which is the hardest case for whoever must not lose it. What a leader
//!   remembers of a follower that has since lost its disk's tail is not kept: such a record is acknowledged here only while
//!   the follower holds it.
//! * Reassignments, and topics that come or go.

mod kinds;
mod log;
pub mod properties;
mod setup;
mod state;
mod steps;
pub(crate) mod words;
mod world;

pub use log::{Log, RECORDS};
pub use setup::{BROKERS, Misuse, PARTITIONS, Setup};
pub use state::{Kafka, Partition, Presence};
pub use steps::Step;
pub use world::{Bounds, State, World};

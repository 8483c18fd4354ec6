//! Brokers of a real Kafka cluster sleep and wake, by real agents: three controllers, three brokers behind proxies, three agents.
//!
//! One program, so that two of its tests run side by side (`--test-threads=2`): most of their time they wait for brokers to start, and
//! for clocks.

#[path = "../common/mod.rs"]
mod common;
#[path = "../sleeping/mod.rs"]
mod sleeping;

mod cycles;
mod faults;
mod idle;
mod sockets;

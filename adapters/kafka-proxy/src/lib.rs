//! Stands at a Kafka broker's advertised address, in front of the broker.
//!
//! Clients connect to it and it to the broker, which listens on loopback. It passes every byte on as it came, in both
//! directions, and says what it saw: how often there was [`traffic`](pehra_core::sleep::traffic), and how often somebody came
//! while the broker was down. Whoever came is held until the broker is up, for at most [`Limits::hold_max`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`Proxy`] | one listener in front of one broker |
//! | [`Seen`] | what it saw so far: numbers that only grow |
//! | [`Limits`] | its bounds in room and time |
//!
//! # What holds
//! Nothing that comes in makes it say that a broker is idle: numbers only grow, and that they did not grow for long is for
//! whoever reads them to judge. What cannot be Kafka's protocol ends its own connection and no other. No frame is collected: a
//! connection has two buffers of [`Limits::buffer_bytes`], however long a frame is.
//!
//! # What it cannot do
//! Frames inside TLS cannot be read, and neither can the oldest form of SASL (`SaslHandshake` version 0), which leaves the
//! framing: such connections are ended. Answers to Fetch in versions newer than 18 are not looked into and count as traffic.

mod connection;
mod proxy;
mod relay;
mod seen;

pub use proxy::{Limits, Proxy};
pub use seen::Seen;

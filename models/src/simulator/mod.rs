//! A whole cluster in virtual time: the deployed nodes, with everything around them drawn from one seed.
//!
//! The models try every order of events and know no durations; here there are durations, and one order for each seed.
//! So this is where a sentence with a time in it is held: "a new leader within one and a half timeouts".
//!
//! Read from the top:
//!
//! * [`Cluster`] - the machines, the network between them, and what is due next. A script is a plain function that
//!   calls it: run for a while, run until something holds, do some harm, go on.
//! * [`faults`] - the harm: processes that die, freeze and return, links that fail, disks that are slow or stand still.
//! * [`Watch`] - who looks on: told of everything that leaves a node, asked after every step whether all is well.
//! * [`election`] - a watch for elections, with their claims as oracles.
//! * [`machine`] - one process and how its loop turns: what `pehra-driver` promises a protocol, in virtual time.
//! * [`disk`], [`network`] - what a machine writes to and talks through.
//! * [`time`], [`random`], [`agenda`] - whole numbers, one seed, one queue.
//!
//! Nothing here depends on the machine it runs on: no clock, no floating point, no hash order. The same seed and the
//! same script give the same run, to the microsecond, anywhere.

pub mod agenda;
pub mod cluster;
pub mod disk;
pub mod election;
pub mod faults;
pub mod machine;
pub mod network;
mod perform;
pub mod random;
pub mod time;
pub mod watch;

pub use cluster::{Cluster, Failure, Setting, Voice};
pub use disk::Latency;
pub use faults::{Death, Keep};
pub use network::Quality;
pub use random::Random;
pub use time::{Span, Time, ms};
pub use watch::{Sight, View, Watch};

//! Runs a core node against the world.
//!
//! The contract (from core): feed inputs one at a time; perform outputs in order; fuse commits if you like, but never
//! split or reorder them; report each when it is durable. On a storage error drop the node, reopen the store and
//! recover; on a fault stay down. This crate keeps that contract once, for every protocol; what differs comes in
//! through two ports, [`Store`] and [`Shell`].

mod clock;
mod ports;
mod recorder;
mod run;
pub mod stops;
mod store_thread;

pub use clock::BootClock;
pub use ports::{Shell, Store, StoreError};
pub use recorder::{BadRecording, Digest, FILE_MAX_BYTES, Recorder, Recording, Replayed, Seen};
pub use run::{End, Mail, Mailbox, Options, mailbox, run};

//! Stores in SQLite: the edge's ([`EdgeStore`]), a small one for a cloud without Redis ([`CloudStore`]), a voter's
//! ([`ElectionStore`]), and a voter's with a log ([`LogStore`]).
//!
//! One connection writes, on the driver's store thread; there is no pool (a pool was measured 16 times slower, with
//! waits of seconds). Write-ahead log, `synchronous = FULL`: a commit returns after the log is synced.

mod cloud;
mod database;
mod edge;
mod election;
mod looks;
mod marker;
mod peers;
mod read;
mod replication;
mod reserve;
mod schema;
mod sealed;

pub use cloud::{CloudStore, names_of_edges, read_windows};
pub use edge::EdgeStore;
pub use election::ElectionStore;
pub use looks::{Backlog, ListedAside, backlog, list_set_aside, records_taken, windows_closed};
pub use peers::PeerBook;
pub use replication::LogStore;
pub use reserve::Reserve;
pub use sealed::Owner;

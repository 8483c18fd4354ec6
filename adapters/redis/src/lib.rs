//! The cloud's store in Redis.
//!
//! Rows, marks and codes of one commit are one `MULTI … EXEC`. With `appendfsync always` Redis answers after the log is
//! synced, so an answered commit is durable; a server with weaker settings is refused, or used with a loud warning if
//! the operator says so. A marker key tells an emptied Redis from one that was never used: it is watched by every
//! commit, so none can land in a Redis that lost what came before.
//!
//! | key | type | content |
//! | --- | --- | --- |
//! | `pehra:store` | string | the marker: a random number, made once |
//! | `pehra:run` | string | the run of the server whose log was made whole after its start |
//! | `pehra:edges` | set | names of all edges |
//! | `pehra:edge:<edge>` | hash | `epoch`, `high`, `retired`, `rows_applied`, `skipped` |
//! | `pehra:codes` | hash | household → postal code, never changed |
//! | `pehra:windows:<edge>:<household>` | hash | start (ms) → the window or gap |
//! | `pehra:totals:<edge>` | hash | household → sums over all its windows |
//! | `pehra:skipped:<edge>` | list | ranges of rows that will never come |
//!
//! In an edge's name a colon is written `%3A` and a percent sign `%25`.

mod keys;
mod log;
mod server;
mod span;
mod store;

pub use server::{Durability, refuse_weak_settings};
pub use store::{RedisStore, names_of_edges, read_windows};

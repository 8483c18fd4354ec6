//! Idle brokers sleep, and are woken before anyone is hurt.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`coverage`] | who may sleep now, why others may not, how many at once, and what layout would let more sleep |
//! | [`traffic`] | what on a client's connection to a broker is traffic |
//! | [`cover`] | coverage as the protocol carries it |
//! | [`member`] | a member: guard duty beside the log that it rests on |
//! | [`guard`] | who watches, who sleeps, and who wakes whom |

pub mod cover;
pub mod coverage;
pub mod guard;
pub mod member;
pub mod traffic;

pub use member::Sleep;

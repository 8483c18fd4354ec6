//! Idle brokers sleep, and are woken before anyone is hurt.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`coverage`] | who may sleep now, why others may not, how many at once, and what layout would let more sleep |

pub mod coverage;

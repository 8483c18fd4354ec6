//! The real outside things, started for tests and benches.
//!
//! Whatever is missing on the machine makes the test that needs it fail with the line that installs it; nothing is
//! skipped.
//!
//! | module | starts |
//! | --- | --- |
//! | [`kafka`] | Apache Kafka, one node in KRaft mode |
//! | [`redis`] | a `redis-server` |
//! | [`pynng`] | a Python peer that speaks NNG |
//! | [`proxy`] | a TCP proxy that cuts, stalls and swallows |
//! | [`records`] | nothing: the records that a real edge and cloud write, for tests of stores |
//! | [`process`] | a child process that ends with its owner |

pub mod kafka;
pub mod process;
pub mod proxy;
pub mod pynng;
pub mod records;
pub mod redis;

//! The real outside things, started for tests and benches.
//!
//! Whatever is missing on the machine makes the test that needs it fail with the line that installs it; nothing is
//! skipped.
//!
//! | module | starts |
//! | --- | --- |
//! | [`kafka`] | Apache Kafka in KRaft mode: one node, or a cluster of controllers and brokers |
//! | [`redis`] | a `redis-server` |
//! | [`browser`] | headless Chromium |
//! | [`pynng`] | a Python peer that speaks NNG |
//! | [`proxy`] | a TCP proxy that cuts, stalls and swallows |
//! | [`records`] | nothing: the records that a real edge and cloud write, for tests of stores |
//! | [`certificates`] | nothing: a certificate authority for tests of TLS |
//! | [`process`] | a child process that ends with its owner |

use std::path::PathBuf;

pub mod browser;
pub mod certificates;
pub mod kafka;
pub mod process;
pub mod proxy;
pub mod pynng;
pub mod records;
pub mod redis;

/// Where the things that tests fetch once are kept, outside the clone.
fn cache_folder() -> PathBuf {
    let caches = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    caches
        .unwrap_or_else(|| panic!("neither XDG_CACHE_HOME nor HOME is set: where should be kept what the tests fetch?"))
        .join("pehra")
}

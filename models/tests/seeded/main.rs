//! Every seeded bug must be caught by the properties that the right code passes.
//!
//! The bugs are compiled in only under a cfg, in a target folder of their own, so that nothing else ever holds them:
//!
//! ```text
//! RUSTFLAGS="--cfg seeded_bugs" CARGO_TARGET_DIR=target/seeded cargo test -p pehra-models --test seeded
//! ```
//!
//! Without the cfg this file is empty, and `tests/seeded_table.rs` holds the committed table against the list of bugs.
#![cfg(seeded_bugs)]

mod delivery;
mod duty;
mod election;
mod log;
mod seen;

use pehra_models::{Catch, results};

/// Each must be caught, or be listed as equivalent; and as the committed table says.
fn judge(catches: impl IntoIterator<Item = Catch>) {
    let catches: Vec<Catch> = catches.into_iter().collect();
    let right = |catch: &&Catch| catch.by.is_some() != catch.equivalent.is_some();
    for catch in &catches {
        println!("{}", catch.to_string().lines().next().unwrap_or_default());
    }
    let wrong: Vec<&str> = catches
        .iter()
        .filter(|catch| !right(catch))
        .map(|catch| &*catch.bug)
        .collect();
    assert!(wrong.is_empty(), "not as it should be: {wrong:?}");
    for catch in &catches {
        results::compare("seeded", catch);
    }
}

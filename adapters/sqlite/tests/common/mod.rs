//! The child of the tests that kill, trace, or measure a process: this test binary once more, in another role.
#![allow(dead_code)] // each test binary uses its part

use std::path::Path;
use std::process::Command;

/// What the child is told, by environment.
pub const ROLE: &str = "PEHRA_TEST_ROLE";
pub const DATABASE: &str = "PEHRA_TEST_DATABASE";
pub const FROM: &str = "PEHRA_TEST_FROM";
pub const TO: &str = "PEHRA_TEST_TO";

/// A command that runs `child`, an ignored test of this binary, in `role` on `database`.
pub fn as_child(program: &Path, role: &str, database: &Path, from: usize) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DATABASE, database)
        .env(FROM, from.to_string());
    command
}

/// This binary.
pub fn me() -> std::path::PathBuf {
    std::env::current_exe().expect("this binary has a path")
}

/// What the parent told this child.
pub fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: this is a child of the other tests, not a test"))
}

/// Commits that the children fuse, in turn, so that a torn group would show.
pub const GROUPS: [usize; 4] = [1, 3, 2, 5];

/// Where the group that holds commit number `at` (from 0) ends, in a life of `len` commits.
pub fn group_end(at: usize, len: usize) -> usize {
    let mut end = 0;
    for group in GROUPS.iter().cycle() {
        end += group;
        if end > at || end >= len {
            return end.min(len);
        }
    }
    len
}

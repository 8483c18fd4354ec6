//! Everything that fuzzing found worth keeping, again, on stable Rust. `core/fuzz/README.md` says how it got there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "../fuzz/checks/mod.rs"]
mod checks;
#[allow(dead_code)]
#[path = "shared/messages.rs"]
mod messages;

use std::path::PathBuf;
use std::{env, fs};

use pehra_core::delivery::Receiver;
use pehra_core::pipeline::Pipeline;
use pehra_core::types::EdgeName;
use pehra_core::window::Tuple;
use pehra_core::wire::{Recorded, encode_down, encode_up};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target].iter().collect()
}

/// Checks every file of a corpus; an empty or missing one would check nothing.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // Shown if the check fails.
        println!("{}", file.display());
        check(&fs::read(&file).unwrap());
    }
}

#[test]
fn frames_to_the_cloud_have_one_form() {
    replay("wire_up", checks::wire_up);
}

#[test]
fn frames_to_an_edge_have_one_form() {
    replay("wire_down", checks::wire_down);
}

#[test]
fn entries_of_recordings_have_one_form() {
    replay("record", checks::record);
}

#[test]
fn no_story_of_edge_and_cloud_breaks_an_invariant() {
    replay("steps", checks::steps);
}

/// Writes seeds that a search can start from: real messages, real entries, and stories at random.
#[test]
#[ignore = "writes to the corpora: PEHRA_FUZZ_SEEDS=1 cargo test -p pehra-core --test corpus -- --ignored"]
fn seeds_are_written() {
    if env::var_os("PEHRA_FUZZ_SEEDS").is_none() {
        return;
    }
    let runner = &mut TestRunner::deterministic();
    let edge = EdgeName::new("e").unwrap();
    for n in 0..4 {
        let mut frame = Vec::new();
        encode_up(&edge, &some(&messages::uplink(), runner), &mut frame);
        write("wire_up", n, &frame);
        write("record", n + 100, &[&[5], &frame[..]].concat());
        encode_down(&some(&messages::downlink(), runner), &mut frame);
        write("wire_down", n, &frame);
        write("record", n + 200, &[&[4], &frame[..]].concat());
        let mut entry = vec![0];
        Pipeline::encode_input(&some(&messages::pipeline_input(), runner), &mut entry);
        write("record", n + 300, &entry);
        entry = vec![1];
        Receiver::<Tuple>::encode_input(&some(&messages::receiver_input(), runner), &mut entry);
        write("record", n + 400, &entry);
        entry = vec![2];
        Pipeline::encode_recovered(&some(&messages::pipeline_recovered(), runner), &mut entry);
        write("record", n + 500, &entry);
        entry = vec![3];
        Receiver::<Tuple>::encode_recovered(&some(&messages::receiver_recovered(), runner), &mut entry);
        write("record", n + 600, &entry);
        let story = proptest::collection::vec(proptest::num::u8::ANY, 100..600);
        write("steps", n, &some(&story, runner));
    }
}

fn some<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

fn write(target: &str, n: u32, bytes: &[u8]) {
    let folder = folder(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("seed-{n:03}")), bytes).unwrap();
}

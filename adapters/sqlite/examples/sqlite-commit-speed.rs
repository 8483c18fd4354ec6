//! Prints durable rows/s of both stores at several batch sizes: `cargo run --release --example sqlite-commit-speed [FOLDER]`.
//! The figures are those of the folder's disk.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pehra_core::delivery::{ReceiverRecord, SenderRecord, Seq};
use pehra_core::pipeline::{Pipeline, PipelineRecord};
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Span, Tuple};
use pehra_driver::{Store, StoreError};
use pehra_sqlite::{CloudStore, EdgeStore};

/// How long each figure is measured.
const FOR: Duration = Duration::from_secs(2);

fn tuple(at: u64) -> Tuple {
    let name = format!("household-{:03}", at % 200);
    Tuple {
        household: Household::new(&name).unwrap_or_else(|| unreachable!("a short name")),
        start_ms: i64::try_from(at / 200).unwrap_or(0) * 5000,
        span: Span::Window {
            sum_mw: 1_234_567,
            n: 2,
            min_mw: 600_000,
            max_mw: 634_567,
            first_register: Some(at * 10),
            last_register: Some(at * 10 + 9),
            revision: 0,
        },
    }
}

fn measure(what: &str, batch: u64, mut commit: impl FnMut(u64) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let (started, mut rows) = (Instant::now(), 0);
    while started.elapsed() < FOR {
        commit(rows + 1)?;
        rows += batch;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{what:6} {batch:5} rows a commit: {:9.0} rows/s", rows as f64 / seconds);
    Ok(())
}

fn main() -> Result<(), StoreError> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    for batch in [1, 100, 1000] {
        let path = folder.join(format!("commit-speed-{}-{batch}.db", std::process::id()));
        let mut edge = EdgeStore::open_with_reserve(&path, 4096)?;
        measure("edge", batch, |first| {
            let mut records = Vec::new();
            for seq in first..first + batch {
                // What a step that closes a window writes: the position, and the row.
                records.push(PipelineRecord::Position {
                    partition: 0,
                    next: seq,
                });
                let body = tuple(seq);
                records.push(PipelineRecord::Sender(SenderRecord::Row { seq: Seq(seq), body }));
            }
            Store::<Pipeline>::commit(&mut edge, &records)
        })?;
        drop(edge);
        remove(&path);
    }
    for batch in [1, 100, 1000] {
        let path = folder.join(format!("commit-speed-{}-{batch}.db", std::process::id()));
        let edge = EdgeName::new("edge").unwrap_or_else(|| unreachable!("a short name"));
        let mut cloud = CloudStore::open(&path, edge, Box::new(|_, _, _| {}))?;
        cloud.commit(&[ReceiverRecord::Adopted(1)])?;
        measure("cloud", batch, |first| {
            let bodies = (first..first + batch).map(tuple).collect();
            let high = Seq(first + batch - 1);
            let first = Seq(first);
            cloud.commit(&[ReceiverRecord::Applied { first, bodies, high }])
        })?;
        drop(cloud);
        remove(&path);
    }
    Ok(())
}

fn remove(path: &std::path::Path) {
    for end in ["db", "db-wal", "db-shm", "reserve", "lock"] {
        // Some of them are not there.
        let _ = std::fs::remove_file(path.with_extension(end));
    }
}

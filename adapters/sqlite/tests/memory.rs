//! An edge with a million rows waiting holds no more memory than one with none: rows stay in the store.

mod common;

use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{DATABASE, as_child, me, told};
use pehra_core::delivery::{RowsQuery, SenderRecord, Seq};
use pehra_core::pipeline::{Pipeline, PipelineRecord};
use pehra_core::types::Household;
use pehra_core::window::{Span, Tuple};
use pehra_driver::Store;
use pehra_sqlite::EdgeStore;

const ROWS: u64 = 1_000_000;

fn row(seq: u64) -> PipelineRecord {
    let body = Tuple {
        household: Household::new(&format!("household-{:03}", seq % 300)).expect("a name"),
        start_ms: 1_700_000_000_000 + i64::try_from(seq / 300).unwrap_or(0) * 5000,
        span: Span::Window {
            sum_mw: 1_000_000,
            n: 2,
            min_mw: 400_000,
            max_mw: 600_000,
            first_register: Some(seq),
            last_register: Some(seq + 1),
            revision: 0,
        },
    };
    PipelineRecord::Sender(SenderRecord::Row { seq: Seq(seq), body })
}

/// Appends rows up to `last`, and acknowledges up to `acked`.
fn fill(path: &Path, first: u64, last: u64, acked: u64) {
    let mut store = EdgeStore::open_with_reserve(path, 4096).expect("it opens");
    let rows: Vec<u64> = (first..=last).collect();
    for chunk in rows.chunks(10_000) {
        let records: Vec<PipelineRecord> = chunk.iter().map(|seq| row(*seq)).collect();
        Store::<Pipeline>::commit(&mut store, &records).expect("a commit");
    }
    let acked = SenderRecord::Acked {
        to: Seq(acked),
        codes: Vec::new(),
    };
    let records = [SenderRecord::Sent(Seq(last)), acked].map(PipelineRecord::Sender);
    Store::<Pipeline>::commit(&mut store, &records).expect("a commit");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("a VmRSS line");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}

/// What an edge does at its start and for a while after it: loads, fetches batches, appends.
#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let path = PathBuf::from(told(DATABASE));
    let started = Instant::now();
    let mut store = EdgeStore::open_with_reserve(&path, 4096).expect("it opens");
    let loaded = Store::<Pipeline>::load(&mut store).expect("it loads");
    let load_us = started.elapsed().as_micros();
    let pehra_core::protocol::Recovered::Known(durable) = loaded else {
        panic!("nothing is there")
    };
    let last = durable.sender.last.0;
    for batch in 0..100 {
        let first = Seq((last / 100 * batch).max(1));
        let rows = store.answer(&RowsQuery { first, count: 1000 }).expect("an answer");
        assert!(!rows.bodies.is_empty());
    }
    for seq in last + 1..=last + 500 {
        Store::<Pipeline>::commit(&mut store, &[row(seq)]).expect("a commit");
    }
    println!("figures: {} {load_us}", resident_kib());
}

fn figures(database: &Path) -> (u64, u64) {
    let output = as_child(&me(), "unused", database, 0).output().expect("the child runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, figures) = said.rsplit_once("figures: ").unwrap_or_else(|| {
        panic!("no figures: {said}{}", String::from_utf8_lossy(&output.stderr));
    });
    let mut numbers = figures.split_whitespace().map_while(|number| number.parse().ok());
    (numbers.next().expect("memory"), numbers.next().expect("time"))
}

#[test]
fn a_million_rows_waiting_take_no_memory_and_no_time_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (few, many) = (folder.path().join("few.db"), folder.path().join("many.db"));
    // Without a backlog an edge still holds the rows that it keeps for healing: enough to fill its cache of pages.
    fill(&few, 1, 112_500, 112_500);
    fill(&many, 1, ROWS, 0);
    let (none_kib, none_us) = figures(&few);
    let (backlog_kib, backlog_us) = figures(&many);
    println!("resident: {none_kib} KiB without a backlog, {backlog_kib} KiB with {ROWS} rows");
    println!("opened and loaded in: {none_us} µs without, {backlog_us} µs with");
    assert!(
        backlog_kib * 10 <= none_kib * 11,
        "{backlog_kib} KiB are more than {none_kib} KiB + 10 %"
    );
    assert!(
        backlog_us < 200_000,
        "the backlog was read at the start: {backlog_us} µs"
    );

    let connection = rusqlite::Connection::open(&many).expect("it opens");
    let ask = |sql: &str| -> (i64, u128) {
        let started = Instant::now();
        let answer = connection.query_row(sql, [], |row| row.get(0)).expect("an answer");
        (answer, started.elapsed().as_micros())
    };
    let (id, newest_us) = ask("SELECT id FROM power_averages ORDER BY id DESC LIMIT 1");
    let (count, all_us) = ask("SELECT count(*) FROM power_averages WHERE sent = 1 AND average > 0");
    println!("power_averages over {count} rows: the newest in {newest_us} µs, all in {all_us} µs");
    assert!(id > i64::try_from(ROWS).expect("it fits") && count >= i64::try_from(ROWS).expect("it fits"));
    assert!(
        newest_us < 100_000,
        "the view is made whole to show one row: {newest_us} µs"
    );
}

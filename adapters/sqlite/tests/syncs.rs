//! `kill -9` cannot show a missing sync, since the system keeps what a dead process wrote. So a tracer watches a child:
//! between the last write to the log and each report of durability there must be a sync of that log.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::{DATABASE, ROLE, as_child, me, told};
use pehra_core::pipeline::Pipeline;
use pehra_core::replication::{Body, Entry, Index, LogId, Record};
use pehra_core::types::{EdgeName, NodeId, Term};
use pehra_driver::Store;
use pehra_sqlite::{CloudStore, EdgeStore, LogStore, Owner};
use pehra_testbed::records::{calm_acts, longest_cloud_life, longest_edge_life};

/// What installs the tracer.
const INSTALL: &str = "apt-get install -y strace";

const COMMITS: usize = 200;

fn report(at: usize) {
    // One write call a line, so that the trace shows it whole.
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(format!("durable {at}\n").as_bytes())
        .and_then(|()| out.flush())
        .expect("a parent");
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let path = PathBuf::from(told(DATABASE));
    match told(ROLE).as_str() {
        "edge" => {
            let mut store = EdgeStore::open_with_reserve(&path, 4096).expect("it opens");
            for (at, commit) in longest_edge_life(&calm_acts(1, 2000)).iter().take(COMMITS).enumerate() {
                Store::<Pipeline>::commit(&mut store, commit).expect("a commit");
                report(at);
            }
        }
        "cloud" => {
            let name = EdgeName::new("edge").expect("a name");
            let mut store = CloudStore::open(&path, name, Box::new(|_, _, _| {})).expect("it opens");
            for (at, commit) in longest_cloud_life(&calm_acts(1, 4000)).iter().take(COMMITS).enumerate() {
                store.commit(commit).expect("a commit");
                report(at);
            }
        }
        "log" => {
            let owner = Owner {
                cluster: "home".into(),
                number: 1,
                node: NodeId(0),
            };
            let mut store =
                LogStore::<Vec<u8>>::open_with_reserve(&path.with_extension("folder"), &owner, 4096).expect("it opens");
            for at in 0..COMMITS {
                let place = Index(u64::try_from(at).expect("few") + 1);
                let (id, body) = (LogId::new(Term(1), place), Body::Command(vec![1; 300]));
                store.commit(&[Record::Append(Entry { id, body })]).expect("a commit");
                report(at);
            }
        }
        // The same with one setting changed: what the check below must not let pass.
        "normal" => {
            let connection = rusqlite::Connection::open(&path).expect("it opens");
            connection.pragma_update(None, "journal_mode", "wal").expect("wal");
            connection.pragma_update(None, "synchronous", "normal").expect("normal");
            connection.execute_batch("CREATE TABLE t (a)").expect("a table");
            for at in 0..COMMITS {
                connection.execute("INSERT INTO t VALUES (1)", []).expect("a commit");
                report(at);
            }
        }
        role => panic!("no role {role}"),
    }
}

fn trace(role: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (database, trace) = (folder.path().join("store.db"), folder.path().join("trace"));
    let plain = as_child(&me(), role, &database, 0);
    let mut traced = Command::new("strace");
    traced
        .args([
            "-f",
            "-y",
            "-s",
            "64",
            "-e",
            "trace=write,pwrite64,fsync,fdatasync",
            "-o",
        ])
        .arg(&trace)
        .arg(plain.get_program())
        .args(plain.get_args());
    for (name, value) in plain.get_envs() {
        traced.env(name, value.unwrap_or_default());
    }
    match traced.output() {
        Ok(output) if output.status.success() => fs::read_to_string(&trace).expect("a trace"),
        Ok(output) => panic!("the traced child failed: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cannot start strace ({error}). Install it with: {INSTALL}"),
    }
}

/// Reads a trace: how many reports there are, and how many of them came while something written was not synced.
fn unsynced_reports(trace: &str) -> (usize, usize) {
    let (mut reports, mut unsynced, mut dirty, mut written) = (0, 0, false, false);
    for line in trace.lines() {
        let on_log = line.contains("-wal>");
        if line.contains("pwrite64(") && on_log {
            (dirty, written) = (true, true);
        } else if (line.contains("fsync(") || line.contains("fdatasync(")) && on_log {
            assert!(line.contains("= 0"), "a sync failed: {line}");
            dirty = false;
        } else if line.contains("write(1") && line.contains("durable ") {
            reports += 1;
            // A report without anything written before it would also be one too many.
            unsynced += usize::from(dirty || !written);
            written = false;
        }
    }
    (reports, unsynced)
}

#[test]
fn every_report_of_durability_follows_a_sync() {
    for role in ["edge", "cloud", "log"] {
        let (reports, unsynced) = unsynced_reports(&trace(role));
        assert_eq!((reports, unsynced), (COMMITS, 0), "{role}");
    }
}

#[test]
fn the_check_rejects_a_database_that_is_not_synced() {
    let (reports, unsynced) = unsynced_reports(&trace("normal"));
    assert_eq!(reports, COMMITS);
    assert!(unsynced > COMMITS / 2, "only {unsynced} of {reports} were seen");
}

#[test]
fn a_new_database_is_synced_into_its_folder() {
    let trace = trace("edge");
    let synced = |line: &str| (line.contains("fsync(") || line.contains("fdatasync(")) && !line.contains(".db");
    let first = trace
        .lines()
        .position(|line| line.contains("durable 0"))
        .expect("a report");
    let before: Vec<&str> = trace.lines().take(first).collect();
    assert!(before.iter().any(|line| synced(line)), "{before:#?}");
}

//! Files that are not what they should be: each message says what, where, and what next.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use common::{DATABASE, as_child, me, told};
use pehra_core::types::EdgeName;
use pehra_driver::Store;
use pehra_sqlite::{CloudStore, EdgeStore};
use pehra_testbed::records::{calm_acts, longest_edge_life};

fn refusal(path: &Path) -> String {
    let edge = EdgeStore::open_with_reserve(path, 4096)
        .expect_err("the edge refuses it")
        .to_string();
    let name = EdgeName::new("edge").expect("a name");
    let cloud = CloudStore::open(path, name, Box::new(|_, _, _| {})).map(drop);
    cloud.expect_err("the cloud refuses it");
    edge
}

fn says(message: &str, what: &[&str]) {
    for part in what {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

/// A small database with content, closed, all in one file.
fn written(path: &Path) {
    let mut store = EdgeStore::open_with_reserve(path, 4096).expect("it opens");
    for commit in longest_edge_life(&calm_acts(3, 2000)) {
        store.commit(&commit).expect("a commit");
    }
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edge.db");
    fs::write(
        &path,
        "these are a person's notes, long enough to be looked at, and no database".repeat(100),
    )
    .expect("a file");
    says(&refusal(&path), &["edge.db", "not a database", "move it away"]);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let message = refusal(Path::new("/nowhere/at/all/edge.db"));
    says(&message, &["/nowhere/at/all/edge.", "does the folder exist"]);
}

#[test]
fn a_damaged_file_is_an_error_and_never_wrong_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edge.db");
    written(&path);
    let sound = fs::read(&path).expect("the file");
    let _ = fs::remove_file(path.with_extension("db-wal"));
    let mut refused = 0;
    // The pages' heads, one after the other.
    for page in 1..sound.len() / 4096 {
        let mut damaged = sound.clone();
        damaged[page * 4096..page * 4096 + 64].fill(0xa5);
        fs::write(&path, &damaged).expect("a file");
        let _ = fs::remove_file(path.with_extension("db-wal"));
        let outcome = EdgeStore::open_with_reserve(&path, 4096).and_then(|mut store| {
            let found = store.load()?;
            let query = pehra_core::delivery::RowsQuery {
                first: pehra_core::delivery::Seq(1),
                count: 100_000,
            };
            store.answer(&query).map(|rows| (found, rows))
        });
        if let Err(error) = outcome {
            refused += 1;
            says(&error.to_string(), &["move it away", "safe there"]);
        }
    }
    // Pages of indices that the load does not read, and of what was set aside, may go unnoticed.
    assert!(
        refused >= 5,
        "only {refused} of {} damages were noticed",
        sound.len() / 4096
    );
}

#[test]
fn a_second_edge_on_one_database_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edge.db");
    let first = EdgeStore::open_with_reserve(&path, 4096).expect("it opens");
    let message = EdgeStore::open_with_reserve(&path, 4096)
        .expect_err("it is taken")
        .to_string();
    says(&message, &["edge.lock", "another edge", "of its own"]);
    drop(first);
    EdgeStore::open_with_reserve(&path, 4096).expect("it is free again");
}

#[test]
#[ignore = "no test of its own: the tests beside it start it as a child process"]
fn child() {
    let error = EdgeStore::open_with_reserve(&PathBuf::from(told(DATABASE)), 4096).map(drop);
    println!("answer: {}", error.expect_err("this user may not write"));
}

/// Whoever may do everything cannot be refused: then the child is nobody.
#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    // A copy where anybody can reach it.
    let program = folder.path().join("child");
    fs::copy(me(), &program).expect("a copy of this binary");
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).expect("a folder");
    for (path, mode) in [(folder.path(), 0o755), (&program, 0o755), (&closed, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let mut command = as_child(&program, "unused", &closed.join("edge.db"), 0);
    command.current_dir(folder.path());
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("the child runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    says(&said, &["answer: ", "closed/edge.", "may this user write to it?"]);
}

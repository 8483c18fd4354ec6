//! Opening a database the one way that all stores here use.

use std::path::Path;
use std::time::{Duration, Instant};

use pehra_driver::StoreError;
use rusqlite::{Connection, OpenFlags};

/// Turns an SQLite error into a store error that says where and what to do.
pub(crate) fn failed(doing: &str) -> impl FnOnce(rusqlite::Error) -> StoreError + '_ {
    move |error| {
        let hint = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => {
                " (the disk is full: free some space; nothing that was taken is lost)"
            }
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                " (the file is damaged: move it away and start again; rows that the cloud has acknowledged are safe there)"
            }
            Some(rusqlite::ErrorCode::DatabaseBusy) => " (another process has it open: is a second one running?)",
            Some(rusqlite::ErrorCode::ReadOnly) => " (may this user write to the file and its folder?)",
            Some(rusqlite::ErrorCode::CannotOpen) => " (does the folder exist, and may this user write to it?)",
            _ => "",
        };
        StoreError::new(doing, format!("{error}{hint}"))
    }
}

/// How long to wait for another connection.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Opens a database for writing and brings its schema up to date. `migrations` are SQL scripts; the database
/// remembers how many it has had.
pub(crate) fn open(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    let doing = format!("opening {}", path.display());
    let connection = Connection::open(path).map_err(failed(&doing))?;
    let settle = |connection: &Connection| -> rusqlite::Result<()> {
        connection.busy_timeout(BUSY_MAX)?;
        use_log(connection)?;
        connection.pragma_update(None, "synchronous", "full")?;
        // Bounded memory, whatever the backlog: 4 MiB of pages, and a log that is folded back every 4 MiB.
        connection.pragma_update(None, "cache_size", -4096)?;
        connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    settle(&connection).map_err(failed(&doing))?;
    require_full_sync(&connection, &doing)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&connection, migrations, &doing)?;
    Ok(connection)
}

/// Switches to the write-ahead log. While another connection does the same on a new file SQLite says at once that it is
/// busy, whatever the timeout.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + BUSY_MAX;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
}

/// Looks whether the settings that durability rests on were taken: SQLite ignores in silence what it cannot do.
fn require_full_sync(connection: &Connection, doing: &str) -> Result<(), StoreError> {
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed(doing))?;
    let sync: i64 = connection
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .map_err(failed(doing))?;
    if mode == "wal" && sync == 2 {
        return Ok(());
    }
    let problem = format!(
        "journal_mode is {mode:?} and synchronous is {sync}, not wal and 2: commits would not be durable. \
         Is it on a file system that cannot share memory? Put it on a local one"
    );
    Err(StoreError::new(doing, problem))
}

fn migrate(connection: &Connection, migrations: &[&str], doing: &str) -> Result<(), StoreError> {
    if version(connection).map_err(failed(doing))? == migrations.len() {
        return Ok(());
    }
    // The version is read again under the lock: another connection may be making the same tables right now.
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed(doing))?;
    let done = version(connection).map_err(failed(doing))?;
    if done > migrations.len() {
        let problem = format!(
            "its schema is version {done}, this build knows up to {}: it was written by a newer release; install that one",
            migrations.len()
        );
        return Err(StoreError::new(doing, problem));
    }
    for script in migrations.iter().skip(done) {
        connection.execute_batch(script).map_err(failed(doing))?;
    }
    let settled = format!("PRAGMA user_version = {}; COMMIT;", migrations.len());
    connection.execute_batch(&settled).map_err(failed(doing))
}

/// How many migrations the database has had.
fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Opens a database for looking only; the writer may be running.
pub(crate) fn look(path: &Path) -> Result<Connection, StoreError> {
    let doing = format!("reading {}", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed(&doing))?;
    connection.busy_timeout(BUSY_MAX).map_err(failed(&doing))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE fruit (name TEXT)";
    const SECOND: &str = "ALTER TABLE fruit ADD COLUMN colour TEXT DEFAULT 'green'";

    #[test]
    fn an_older_file_is_migrated_and_keeps_its_rows() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let old = open(&path, &[FIRST]).expect("a new file");
        old.execute_batch("INSERT INTO fruit VALUES ('apple')").expect("a row");
        drop(old);
        let new = open(&path, &[FIRST, SECOND]).expect("it is migrated");
        let row: (String, String) = new
            .query_row("SELECT name, colour FROM fruit", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("the row");
        assert_eq!(row, ("apple".into(), "green".into()));
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        drop(open(&path, &[FIRST, SECOND]).expect("a new file"));
        let error = open(&path, &[FIRST]).expect_err("it is newer").to_string();
        assert!(error.contains("a.db") && error.contains("newer release"), "{error}");
        drop(open(&path, &[FIRST, SECOND]).expect("it is as it was"));
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        drop(open(&path, &[FIRST]).expect("a new file"));
        open(&path, &[FIRST, SECOND, "CREATE TABLE fruit (name TEXT)"]).expect_err("the third cannot be done");
        drop(open(&path, &[FIRST, SECOND]).expect("the second was undone, and is done now"));
    }

    #[test]
    fn many_that_make_one_new_file_at_once_all_get_it() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("a.db");
            let open_one = || open(&path, &[FIRST, SECOND]).map(drop);
            let outcomes = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(open_one)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().expect("no panic"))
                    .collect::<Vec<_>>()
            });
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        }
    }

    #[test]
    fn a_file_system_without_a_log_is_refused() {
        let connection = Connection::open_in_memory().expect("memory");
        let error = require_full_sync(&connection, "opening x")
            .expect_err("memory has no log")
            .to_string();
        assert!(error.contains("not be durable"), "{error}");
    }
}

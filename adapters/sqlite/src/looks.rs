//! Looking at an edge's database from outside: for the operator's tool, and for tests. The edge may be running, or dead.

use std::path::Path;

use pehra_driver::StoreError;
use rusqlite::Connection;

use crate::database::{failed, look};
use crate::read::read_cursors;

/// How much an edge has not yet had acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// The newest row.
    pub last: u64,
    /// The last one acknowledged.
    pub acked: u64,
}

/// Looks at an edge's database from outside; the edge may be running, or dead.
///
/// # Errors
/// If it cannot be read.
pub fn backlog(path: &Path) -> Result<Backlog, StoreError> {
    let connection = look(path)?;
    let cursors = read_cursors(&connection)
        .map_err(failed("reading the edge's cursors"))?
        .unwrap_or_default();
    Ok(Backlog {
        last: cursors.last.0,
        acked: cursors.acked.0,
    })
}

/// Something that was set aside, as the store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAside {
    /// Why.
    pub why: String,
    /// Partition and position in the source.
    pub at: (u16, u64),
    /// Household, time (ms) and power (mW), if it could be read.
    pub reading: Option<(String, i64, i64)>,
    /// Its first bytes, if it could not.
    pub raw: Vec<u8>,
}

/// Lists what an edge has set aside, oldest first.
///
/// # Errors
/// If it cannot be read.
pub fn list_set_aside(path: &Path) -> Result<Vec<ListedAside>, StoreError> {
    let list = |connection: &Connection| -> rusqlite::Result<Vec<ListedAside>> {
        connection
            .prepare("SELECT why, partition, position, household, time_ms, power_mw, raw FROM set_aside ORDER BY id")?
            .query_map([], |row| {
                let household: Option<String> = row.get(3)?;
                let reading = match household {
                    Some(household) => Some((household, row.get(4)?, row.get(5)?)),
                    None => None,
                };
                Ok(ListedAside {
                    why: row.get(0)?,
                    at: (row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()),
                    reading,
                    raw: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
                })
            })?
            .collect()
    };
    list(&look(path)?).map_err(failed("listing what was set aside"))
}

fn count(path: &Path, doing: &str, sql: &str) -> Result<u64, StoreError> {
    let count: i64 = look(path)?
        .query_row(sql, [], |row| row.get(0))
        .map_err(failed(doing))?;
    Ok(count.cast_unsigned())
}

/// Positions of all partitions, added up: the records taken so far, if every partition began at 0.
///
/// # Errors
/// If the database cannot be read.
pub fn records_taken(path: &Path) -> Result<u64, StoreError> {
    count(
        path,
        "reading positions",
        "SELECT coalesce(sum(next), 0) FROM positions",
    )
}

/// Windows closed so far, each counted once whatever its revisions, as far as their rows are still kept.
///
/// # Errors
/// If the database cannot be read.
pub fn windows_closed(path: &Path) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM (SELECT DISTINCT household, start_ms FROM outbox WHERE n IS NOT NULL)";
    count(path, "counting windows", sql)
}

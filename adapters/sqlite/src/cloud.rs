//! A small store for a cloud without Redis: the same content, in one SQLite file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use pehra_core::delivery::{Body, CodesQuery, Receiver, ReceiverDurable, ReceiverRecord, Retired, Seq};
use pehra_core::protocol::Recovered;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Span, Total, Tuple};
use pehra_driver::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::database::{failed, look, open};
use crate::read::read_span;
use crate::schema;

/// Told of a household's total whenever it changes, and of all of them when the store is loaded.
type Tell = Box<dyn FnMut(&Household, Code, &Total) + Send>;

/// The cloud's store for one edge. All edges share one file; each has its own connection.
pub struct CloudStore {
    connection: Connection,
    edge: EdgeName,
    totals: HashMap<Household, (Code, Total)>,
    tell: Tell,
}

impl CloudStore {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// If it cannot be opened, is damaged, or was written by a newer release.
    pub fn open(path: &Path, edge: EdgeName, tell: Tell) -> Result<Self, StoreError> {
        Ok(Self {
            connection: open(path, schema::CLOUD)?,
            edge,
            totals: HashMap::new(),
            tell,
        })
    }

    fn read(&mut self) -> rusqlite::Result<Recovered<ReceiverDurable>> {
        let edge = self.edge.as_str();
        let marks = self
            .connection
            .query_row(
                "SELECT epoch, high, retired FROM marks WHERE edge = ?1",
                [edge],
                |row| {
                    let mut retired = Retired::default();
                    for epoch in row
                        .get::<_, String>(2)?
                        .split_terminator(',')
                        .filter_map(|text| text.parse().ok())
                    {
                        retired.push(epoch);
                    }
                    Ok(ReceiverDurable {
                        epoch: row.get::<_, Option<i64>>(0)?.map(i64::cast_unsigned),
                        high: Seq(row.get::<_, i64>(1)?.cast_unsigned()),
                        retired,
                    })
                },
            )
            .optional()?;
        self.totals.clear();
        // In two halves: SQLite's sum() gives up beyond 64 bits, and then this store could never be opened again.
        let mut windows = self.connection.prepare(
            "SELECT w.household, c.code, sum(w.sum_mw >> 32), sum(w.sum_mw & 4294967295), sum(w.n), count(w.n) FROM windows w
             JOIN codes c ON c.household = w.household WHERE w.edge = ?1 GROUP BY w.household",
        )?;
        let mut rows = windows.query([edge])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let (Some(household), Some(code)) = (Household::new(&name), parse_code(&row.get::<_, String>(1)?)) else {
                continue;
            };
            let [high, low, n] = [row.get(2)?, row.get(3)?, row.get(4)?].map(|sum: Option<i64>| sum.unwrap_or(0));
            let total = Total {
                sum_mw: (i128::from(high) << 32) + i128::from(low),
                n: n.cast_unsigned(),
                windows: row.get::<_, i64>(5)?.cast_unsigned(),
            };
            (self.tell)(&household, code, &total);
            self.totals.insert(household, (code, total));
        }
        Ok(marks.map_or(Recovered::Fresh, Recovered::Known))
    }

    fn write(&mut self, records: &[ReceiverRecord<Tuple>]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let edge = self.edge.as_str();
        for record in records {
            match record {
                ReceiverRecord::Adopted(epoch) => {
                    transaction.execute(
                        "INSERT INTO marks VALUES (?1, ?2, 0, '', 0) ON CONFLICT DO UPDATE SET
                         retired = retired || CASE WHEN epoch IS NULL THEN '' ELSE printf('%llu,', epoch) END,
                         epoch = ?2, high = 0, rows_applied = 0",
                        params![edge, epoch.cast_signed()],
                    )?;
                }
                ReceiverRecord::Skipped { from, to } => {
                    transaction.execute(
                        "INSERT INTO skipped SELECT edge, epoch, ?2, ?3 FROM marks WHERE edge = ?1",
                        params![edge, from.0.cast_signed(), to.0.cast_signed()],
                    )?;
                    transaction.execute(
                        "UPDATE marks SET high = ?2, rows_applied = rows_applied + (?2 - ?3 + 1) WHERE edge = ?1",
                        params![edge, to.0.cast_signed(), from.0.cast_signed()],
                    )?;
                }
                ReceiverRecord::Applied { bodies, high, .. } => {
                    for tuple in bodies {
                        apply(&transaction, edge, tuple, &mut self.totals)?;
                    }
                    transaction
                        .prepare_cached("UPDATE marks SET high = ?2, rows_applied = rows_applied + ?3 WHERE edge = ?1")?
                        .execute(params![
                            edge,
                            high.0.cast_signed(),
                            i64::try_from(bodies.len()).unwrap_or(0)
                        ])?;
                }
            }
        }
        transaction.commit()
    }
}

fn apply(
    transaction: &Transaction<'_>,
    edge: &str,
    tuple: &Tuple,
    totals: &mut HashMap<Household, (Code, Total)>,
) -> rusqlite::Result<()> {
    let household = tuple.household.as_str();
    if let Entry::Vacant(newcomer) = totals.entry(tuple.household) {
        let code = Tuple::first_code(&tuple.household);
        transaction.execute(
            "INSERT OR IGNORE INTO codes VALUES (?1, ?2)",
            params![household, code.as_str()],
        )?;
        let kept: String =
            transaction.query_row("SELECT code FROM codes WHERE household = ?1", [household], |row| {
                row.get(0)
            })?;
        newcomer.insert((parse_code(&kept).unwrap_or(code), Total::default()));
    }
    let before = transaction
        .prepare_cached(
            "SELECT gap_until_ms, sum_mw, n, min_mw, max_mw, first_register, last_register, revision FROM windows
             WHERE edge = ?1 AND household = ?2 AND start_ms = ?3",
        )?
        .query_row(params![edge, household, tuple.start_ms], |row| read_span(row, 0))
        .optional()?;
    if before.as_ref().is_some_and(|before| !tuple.span.replaces(before)) {
        return Ok(());
    }
    if let Some((_, total)) = totals.get_mut(&tuple.household) {
        total.count(before.as_ref(), &tuple.span);
    }
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO windows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    match tuple.span {
        Span::Window {
            sum_mw,
            n,
            min_mw,
            max_mw,
            first_register,
            last_register,
            revision,
        } => {
            statement.execute(params![
                edge,
                household,
                tuple.start_ms,
                None::<i64>,
                sum_mw,
                n,
                min_mw,
                max_mw,
                first_register.map(u64::cast_signed),
                last_register.map(u64::cast_signed),
                revision
            ])?;
        }
        Span::Gap { until_ms } => {
            let no = None::<i64>;
            statement.execute(params![
                edge,
                household,
                tuple.start_ms,
                until_ms,
                no,
                no,
                no,
                no,
                no,
                no,
                no
            ])?;
        }
    }
    Ok(())
}

fn parse_code(text: &str) -> Option<Code> {
    text.as_bytes().try_into().ok().map(Code)
}

impl Store<Receiver<Tuple>> for CloudStore {
    fn load(&mut self) -> Result<Recovered<ReceiverDurable>, StoreError> {
        self.read().map_err(failed("reading the cloud's store"))
    }

    fn commit(&mut self, records: &[ReceiverRecord<Tuple>]) -> Result<(), StoreError> {
        self.write(records).map_err(failed("committing to the cloud's store"))?;
        for record in records {
            if let ReceiverRecord::Applied { bodies, .. } = record {
                for tuple in bodies {
                    if let Some((code, total)) = self.totals.get(&tuple.household) {
                        (self.tell)(&tuple.household, *code, total);
                    }
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, query: &CodesQuery<Tuple>) -> Result<Vec<(Household, Code)>, StoreError> {
        let code = |household: &Household| self.totals.get(household).map(|(code, _)| (*household, *code));
        Ok(query.households.iter().filter_map(code).collect())
    }
}

/// All windows and gaps that the cloud holds of an edge, the number of rows it applied, and its mark.
///
/// # Errors
/// If the file cannot be read.
#[allow(clippy::type_complexity)]
pub fn read_windows(path: &Path, edge: &str) -> Result<(Vec<(String, i64, Span)>, u64, u64), StoreError> {
    let read = |connection: &Connection| -> rusqlite::Result<_> {
        let windows = connection
            .prepare(
                "SELECT household, start_ms, gap_until_ms, sum_mw, n, min_mw, max_mw, first_register, last_register,
                 revision FROM windows WHERE edge = ?1",
            )?
            .query_map([edge], |row| Ok((row.get(0)?, row.get(1)?, read_span(row, 2)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let (rows, high): (i64, i64) = connection
            .query_row("SELECT rows_applied, high FROM marks WHERE edge = ?1", [edge], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?
            .unwrap_or_default();
        Ok((windows, rows.cast_unsigned(), high.cast_unsigned()))
    };
    read(&look(path)?).map_err(failed("reading the cloud's windows"))
}

/// The names of all edges that ever delivered.
///
/// # Errors
/// If the file cannot be read.
pub fn names_of_edges(path: &Path) -> Result<Vec<String>, StoreError> {
    // Opened for writing, so that a first start finds a schema to ask.
    let connection = open(path, schema::CLOUD)?;
    let list = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        connection
            .prepare("SELECT edge FROM marks ORDER BY edge")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    list(&connection).map_err(failed("listing edges"))
}

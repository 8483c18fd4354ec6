//! The edge's store: source positions, windows, outbox and what was set aside, in one commit.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use pehra_core::delivery::{Rows, RowsQuery, SenderDurable, SenderRecord, Seq};
use pehra_core::pipeline::{Pipeline, PipelineDurable, PipelineRecord, SetAside};
use pehra_core::protocol::Recovered;
use pehra_core::types::Household;
use pehra_core::window::{Span, Tuple, Why, WindowRecord};
use pehra_driver::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::database::{failed, open};
use crate::read::{read_cursors, read_houses, read_positions, read_rows};
use crate::reserve::Reserve;
use crate::schema;

/// Size of the reserve that an edge takes beside its database.
const RESERVE_BYTES: u64 = 16 * 1024 * 1024;

/// How long to wait for the lock: an edge that is being replaced may still be ending, and a process that it is just
/// starting holds its files open until it runs.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The edge's store.
#[derive(Debug)]
pub struct EdgeStore {
    connection: Connection,
    reserve: Reserve,
    /// Held as long as this store is open.
    _alone: File,
    /// Numbers of the households, by name.
    households: HashMap<Household, i64>,
}

impl EdgeStore {
    /// Opens or makes the database at `path`.
    ///
    /// # Errors
    /// If it cannot be opened, is damaged, or was written by a newer release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with_reserve(path, RESERVE_BYTES)
    }

    /// As [`EdgeStore::open`], with a reserve of another size.
    ///
    /// # Errors
    /// Likewise.
    pub fn open_with_reserve(path: &Path, reserve_bytes: u64) -> Result<Self, StoreError> {
        let alone = be_alone(path)?;
        let connection = open(path, schema::EDGE)?;
        let reserve = Reserve::beside(path, reserve_bytes);
        Ok(Self {
            connection,
            reserve,
            _alone: alone,
            households: HashMap::new(),
        })
    }

    fn write(&mut self, records: &[PipelineRecord]) -> rusqlite::Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut batch = Batch {
            transaction: &transaction,
            households: &mut self.households,
            cursors: None,
        };
        let mut positions = BTreeMap::new();
        for record in records {
            match record {
                // Only the last of a partition matters to what is durable.
                PipelineRecord::Position { partition, next } => {
                    positions.insert(*partition, *next);
                }
                PipelineRecord::Window(record) => batch.window(record)?,
                PipelineRecord::Sender(record) => batch.sender(record)?,
                PipelineRecord::SetAside(item) => batch.set_aside(item)?,
            }
        }
        batch.finish()?;
        for (partition, next) in positions {
            transaction
                .prepare_cached("INSERT INTO positions VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = ?2")?
                .execute(params![partition, next.cast_signed()])?;
        }
        transaction.commit()
    }
}

/// Takes the lock beside the database: two edges on one file would each undo what the other wrote. The system lets go of
/// it when the process ends, however it ends.
fn be_alone(path: &Path) -> Result<File, StoreError> {
    let lock = path.with_extension("lock");
    let doing = format!("locking {}", lock.display());
    let file = File::create(&lock).map_err(|error| {
        StoreError::new(
            &doing,
            format!("{error}: does the folder exist, and may this user write to it?"),
        )
    })?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::new(
                    doing,
                    "another edge has this database open: stop it, or give this one a database and a name of its own",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::new(doing, error)),
        }
    }
}

impl Store<Pipeline> for EdgeStore {
    fn load(&mut self) -> Result<Recovered<PipelineDurable>, StoreError> {
        let doing = "reading the edge's store";
        let Some(sender) = read_cursors(&self.connection).map_err(failed(doing))? else {
            return Ok(Recovered::Fresh);
        };
        let positions = read_positions(&self.connection).map_err(failed(doing))?;
        let houses = read_houses(&self.connection, &mut self.households).map_err(failed(doing))?;
        Ok(Recovered::Known(PipelineDurable {
            positions,
            houses,
            sender,
        }))
    }

    fn commit(&mut self, records: &[PipelineRecord]) -> Result<(), StoreError> {
        let doing = "committing to the edge's store";
        match self.write(records) {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) && self.reserve.give_up() =>
            {
                // The transaction was rolled back, so its households may have other numbers now.
                self.households.clear();
                self.write(records).map_err(failed(doing))
            }
            outcome => outcome.map_err(failed(doing)),
        }
    }

    fn answer(&mut self, query: &RowsQuery) -> Result<Rows<Tuple>, StoreError> {
        read_rows(&self.connection, query).map_err(failed("fetching rows to send"))
    }

    fn is_short(&mut self) -> bool {
        self.reserve.look();
        self.reserve.is_given_up()
    }
}

/// One transaction under way.
struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    households: &'a mut HashMap<Household, i64>,
    cursors: Option<SenderDurable>,
}

impl Batch<'_> {
    /// The household's number; a new one is written down.
    fn household(&mut self, name: &Household) -> rusqlite::Result<i64> {
        if let Some(id) = self.households.get(name) {
            return Ok(*id);
        }
        let known = self
            .transaction
            .prepare_cached("SELECT id FROM households WHERE name = ?1")?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                self.transaction
                    .prepare_cached("INSERT INTO households (name) VALUES (?1)")?
                    .execute([name.as_str()])?;
                self.transaction.last_insert_rowid()
            }
        };
        self.households.insert(*name, id);
        Ok(id)
    }

    fn window(&mut self, record: &WindowRecord) -> rusqlite::Result<()> {
        match record {
            WindowRecord::Kept(reading) => {
                let household = self.household(&reading.household)?;
                self.transaction
                    .prepare_cached("INSERT INTO kept VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![
                        household,
                        reading.time_ms,
                        reading.power_mw,
                        reading.register.map(u64::cast_signed)
                    ])?;
            }
            WindowRecord::Closed {
                household,
                start_ms,
                until_ms,
                revision,
            } => {
                let household = self.household(household)?;
                self.transaction
                    .prepare_cached("INSERT INTO closed VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET revision = ?3")?
                    .execute(params![household, start_ms, revision])?;
                self.transaction
                    .prepare_cached("UPDATE households SET until_ms = max(coalesce(until_ms, ?2), ?2) WHERE id = ?1")?
                    .execute(params![household, until_ms])?;
            }
            WindowRecord::Forgotten { household, before_ms } => {
                let household = self.household(household)?;
                for sql in [
                    "DELETE FROM kept WHERE household = ?1 AND time_ms < ?2",
                    "DELETE FROM closed WHERE household = ?1 AND start_ms < ?2",
                ] {
                    self.transaction
                        .prepare_cached(sql)?
                        .execute(params![household, before_ms])?;
                }
            }
        }
        Ok(())
    }

    fn cursors(&mut self) -> rusqlite::Result<&mut SenderDurable> {
        if self.cursors.is_none() {
            let fresh = SenderDurable {
                oldest: Seq(1),
                ..SenderDurable::default()
            };
            self.cursors = Some(read_cursors(self.transaction)?.unwrap_or(fresh));
        }
        Ok(self.cursors.get_or_insert_default())
    }

    fn sender(&mut self, record: &SenderRecord<Tuple>) -> rusqlite::Result<()> {
        match record {
            SenderRecord::Epoch(epoch) => self.cursors()?.epoch = Some(*epoch),
            SenderRecord::Row { seq, body } => {
                self.cursors()?.last = *seq;
                let household = self.household(&body.household)?;
                let mut statement = self
                    .transaction
                    .prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
                let (seq, start_ms) = (seq.0.cast_signed(), body.start_ms);
                match body.span {
                    Span::Window {
                        sum_mw,
                        n,
                        min_mw,
                        max_mw,
                        first_register,
                        last_register,
                        revision,
                    } => statement.execute(params![
                        seq,
                        household,
                        start_ms,
                        None::<i64>,
                        sum_mw,
                        n,
                        min_mw,
                        max_mw,
                        first_register.map(u64::cast_signed),
                        last_register.map(u64::cast_signed),
                        revision
                    ])?,
                    Span::Gap { until_ms } => {
                        let nothing = None::<i64>;
                        statement.execute(params![
                            seq, household, start_ms, until_ms, nothing, nothing, nothing, nothing, nothing, nothing,
                            nothing
                        ])?
                    }
                };
            }
            SenderRecord::Sent(sent) => self.cursors()?.sent = *sent,
            SenderRecord::Acked { to, codes } => {
                self.cursors()?.acked = *to;
                for (household, code) in codes {
                    let household = self.household(household)?;
                    self.transaction
                        .prepare_cached("UPDATE households SET postal_code = ?2 WHERE id = ?1 AND postal_code IS NULL")?
                        .execute(params![household, code.as_str()])?;
                }
            }
            SenderRecord::Trimmed { oldest } => {
                self.cursors()?.oldest = *oldest;
                self.transaction
                    .prepare_cached("DELETE FROM outbox WHERE seq < ?1")?
                    .execute([oldest.0.cast_signed()])?;
            }
            SenderRecord::Rewound { to } => self.cursors()?.acked = *to,
        }
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO set_aside (why, partition, position, after, household, time_ms, power_mw, register, raw)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let reading = item.reading.as_ref();
        statement.execute(params![
            why_name(item.why),
            item.partition,
            item.position.cast_signed(),
            item.after.cast_signed(),
            reading.map(|reading| reading.household.as_str().to_owned()),
            reading.map(|reading| reading.time_ms),
            reading.map(|reading| reading.power_mw),
            reading.and_then(|reading| reading.register).map(u64::cast_signed),
            Some(&item.raw).filter(|raw| !raw.is_empty()),
        ])?;
        Ok(())
    }

    /// Writes the cursors, once for the whole transaction. A database that has been written to has a row of them.
    fn finish(&mut self) -> rusqlite::Result<()> {
        let cursors = *self.cursors()?;
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO cursors VALUES (1, ?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                cursors.epoch.map(u64::cast_signed),
                cursors.last.0.cast_signed(),
                cursors.sent.0.cast_signed(),
                cursors.acked.0.cast_signed(),
                cursors.oldest.0.cast_signed()
            ])?;
        Ok(())
    }
}

/// The reason's name in the store and on the terminal.
const fn why_name(why: Why) -> &'static str {
    match why {
        Why::Repeated => "repeated",
        Why::Conflict => "conflict",
        Why::TooLate => "late",
        Why::Future => "future",
        Why::OutOfRange => "out-of-range",
        Why::NoRoom => "no-room",
        Why::Unreadable => "unreadable",
        Why::Gone => "gone",
    }
}

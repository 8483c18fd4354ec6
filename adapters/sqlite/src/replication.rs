//! The store of a member with a log: term and vote, a snapshot in pieces, the entries after it, and a snapshot that is being
//! gathered. `sealed.rs` says how it finds out that it has forgotten.
//!
//! All records that are committed together are one transaction, in order: a crash leaves all of them or none.
//!
//! A member that was lost starts with an empty log each time, until the number of the configuration is raised: what it
//! gathers while it follows is then its log. From then on it may still lack entries, and says so until core says that it has all.
//! So does a store that is made under a number above the first.
//!
//! Commands and pieces are kept as the bytes that they have in frames.

use std::marker::PhantomData;
use std::path::Path;

use pehra_core::election::HardState;
use pehra_core::protocol::Recovered;
use pehra_core::replication::{Body, Durable, Entry, Index, LogId, Query, Record, Replication, Rows, Run};
use pehra_core::types::Term;
use pehra_core::wire::{Reader, WireBody, WireError, Writer};
use pehra_driver::{Store, StoreError};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::database::failed;
use crate::election::{read_hard, write_hard};
use crate::peers::PeerBook;
use crate::schema;
use crate::sealed::{Kind, Owner, Sealed};

/// Size of the reserve: room for what is still on its way when space runs out.
const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
const BECAUSE: &str = "it may have forgotten a vote, and decided entries; even then it votes only after it has got the whole log from \
                       a leader that the others elect";
/// An answer ends with the entry that reaches this: the rest is asked for again.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The durable state of a member with a log of commands `C`. One process at a time has it.
#[derive(Debug)]
pub struct LogStore<C>(Sealed, PhantomData<fn() -> C>);

impl<C> LogStore<C> {
    /// Opens or makes the store in `folder`, and raises its incarnation durably. One that a voter without a log has used
    /// is taken over, with its vote.
    ///
    /// # Errors
    /// If another process has it, it belongs to another voter, or the disk does not do what it is asked. A store that is
    /// lost is no error: see [`LogStore::lost`].
    pub fn open(folder: &Path, owner: &Owner) -> Result<Self, StoreError> {
        Self::open_with_reserve(folder, owner, RESERVE_BYTES)
    }

    /// The same, with a reserve of this size.
    ///
    /// # Errors
    /// As [`LogStore::open`].
    pub fn open_with_reserve(folder: &Path, owner: &Owner, reserve_bytes: u64) -> Result<Self, StoreError> {
        let kind = Kind {
            schema: schema::LOG,
            reserve_bytes,
            because: BECAUSE,
            may_lack: "UPDATE snapshot SET lacks = 1",
        };
        let store = Sealed::open(folder, owner, kind)?;
        if store.is_lost() {
            // It recovers as one that has no log, and would append to what is there.
            let forget = "DELETE FROM entries; DELETE FROM pieces;
                          UPDATE snapshot SET term = 0, idx = 0, gathered_term = NULL, gathered_idx = NULL, lacks = 1;";
            let all = format!("BEGIN IMMEDIATE; {forget} COMMIT;");
            let emptied = store.connection.execute_batch(&all);
            emptied.map_err(failed("emptying a log that was lost"))?;
        }
        Ok(Self(store, PhantomData))
    }

    /// What the store is known by: drawn when it was made, never zero.
    #[must_use]
    pub const fn store(&self) -> u64 {
        self.0.store()
    }

    /// How often it was opened.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.0.incarnation()
    }

    /// Why its content is lost, if it is, and what to do.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.0.lost()
    }

    /// A book of the peers' identities, for whoever greets them.
    #[must_use]
    pub fn peers(&self) -> PeerBook {
        self.0.peers()
    }
}

impl<C: WireBody> Store<Replication<C>> for LogStore<C> {
    fn load(&mut self) -> Result<Recovered<Durable>, StoreError> {
        let doing = "reading the log";
        if self.0.is_lost() {
            return Ok(Recovered::Lost);
        }
        let lacks = read_lacks(&self.0.connection).map_err(failed(doing))?;
        let hard = match read_hard(&self.0.connection).map_err(failed(doing))? {
            Some(hard) => hard,
            None if lacks => HardState::default(),
            None => return Ok(Recovered::Fresh),
        };
        let base = read_base(&self.0.connection).map_err(failed(doing))?;
        let (runs, last) = read_runs(&self.0.connection, base).map_err(failed(doing))?;
        let last = last.ok_or_else(|| {
            let problem = "entries are missing between others: put back the file as it was, or give this node a new --id and \
                           an empty folder";
            StoreError::new(doing, problem)
        })?;
        Ok(Recovered::Known(Durable {
            hard,
            base,
            runs,
            last,
            lacks,
        }))
    }

    fn commit(&mut self, records: &[Record<C>]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes = records.iter().map(size).fold(0, u64::saturating_add);
        self.0.commit("writing to the log", bytes, |connection| {
            let transaction = connection.transaction()?;
            records.iter().try_for_each(|record| write(&transaction, record))?;
            transaction.commit()
        })
    }

    fn answer(&mut self, query: &Query) -> Result<Rows<C>, StoreError> {
        let connection = &self.0.connection;
        match *query {
            Query::Entries { from, upto, .. } => read_entries(connection, from, upto).map(Rows::Entries),
            Query::Piece { base, nth, .. } => read_piece(connection, base, nth),
        }
        .map_err(failed("fetching from the log"))
    }

    fn is_short(&mut self) -> bool {
        self.0.is_short()
    }
}

// --- writing ------------------------------------------------------------------------------------------------------------

/// Roughly how much a record adds to the write-ahead log.
fn size<C: WireBody>(record: &Record<C>) -> u64 {
    let bytes = match record {
        Record::Append(entry) => entry.body.command().map_or(0, C::bytes),
        Record::Piece { piece, .. } => piece.bytes(),
        Record::Hard(_) | Record::Truncate { .. } | Record::Install { .. } | Record::Whole => 0,
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn write<C: WireBody>(transaction: &Transaction<'_>, record: &Record<C>) -> rusqlite::Result<()> {
    match record {
        Record::Hard(hard) => write_hard(transaction, hard),
        Record::Append(Entry { id, body }) => transaction
            .prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3)")?
            .execute(params![
                number(id.index.0),
                number(id.term.0),
                body.command().map(to_bytes)
            ])
            .map(drop),
        Record::Truncate { after } => transaction
            .prepare_cached("DELETE FROM entries WHERE idx > ?1")?
            .execute([number(after.0)])
            .map(drop),
        Record::Piece { base, nth: 0, piece } => {
            forget_gathered(transaction)?;
            transaction
                .prepare_cached("UPDATE snapshot SET gathered_term = ?1, gathered_idx = ?2")?
                .execute([number(base.term.0), number(base.index.0)])?;
            write_piece(transaction, *base, piece)
        }
        Record::Piece { base, piece, .. } => write_piece(transaction, *base, piece),
        Record::Install { base } => install(transaction, *base),
        Record::Whole => transaction.execute("UPDATE snapshot SET lacks = 0", []).map(drop),
    }
}

/// The next piece, if this is the snapshot that is being gathered.
fn write_piece<C: WireBody>(transaction: &Transaction<'_>, base: LogId, piece: &C) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO pieces
             SELECT number + 1, (SELECT coalesce(max(nth) + 1, 0) FROM pieces WHERE number = snapshot.number + 1), ?3
             FROM snapshot WHERE gathered_term = ?1 AND gathered_idx = ?2",
        )?
        .execute(params![number(base.term.0), number(base.index.0), to_bytes(piece)])
        .map(drop)
}

fn to_bytes<C: WireBody>(body: &C) -> Vec<u8> {
    let mut bytes = Vec::new();
    body.write(&mut Writer(&mut bytes));
    bytes
}

fn from_bytes<C: WireBody>(bytes: &[u8], column: usize) -> rusqlite::Result<C> {
    let mut reader = Reader(bytes);
    let body = C::read(&mut reader).and_then(|body| reader.end().map(|()| body));
    body.map_err(|error: WireError| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}

fn forget_gathered(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM pieces WHERE number > (SELECT number FROM snapshot)")?
        .execute([])
        .map(drop)
}

fn install(transaction: &Transaction<'_>, base: LogId) -> rusqlite::Result<()> {
    let follows = read_base(transaction)? == base || holds(transaction, base)?;
    let upto = if follows { number(base.index.0) } else { i64::MAX };
    transaction
        .prepare_cached("DELETE FROM entries WHERE idx <= ?1")?
        .execute([upto])?;
    transaction
        .prepare_cached(
            "UPDATE snapshot SET term = ?1, idx = ?2, number = number + (gathered_idx IS NOT NULL),
             gathered_term = NULL, gathered_idx = NULL",
        )?
        .execute([number(base.term.0), number(base.index.0)])?;
    transaction
        .prepare_cached("DELETE FROM pieces WHERE number < (SELECT number FROM snapshot)")?
        .execute([])
        .map(drop)
}

// --- reading ------------------------------------------------------------------------------------------------------------

/// SQLite's numbers are signed.
const fn number(number: u64) -> i64 {
    number.cast_signed()
}

/// An entry's id from two columns: its term, then its place.
fn read_id(row: &Row<'_>, first: usize) -> rusqlite::Result<LogId> {
    let term = Term(row.get::<_, i64>(first)?.cast_unsigned());
    let index = Index(row.get::<_, i64>(first + 1)?.cast_unsigned());
    Ok(LogId { term, index })
}

fn read_base(connection: &Connection) -> rusqlite::Result<LogId> {
    connection
        .prepare_cached("SELECT term, idx FROM snapshot")?
        .query_row([], |row| read_id(row, 0))
}

fn read_lacks(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT lacks FROM snapshot", [], |row| row.get(0))
}

fn holds(connection: &Connection, id: LogId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM entries WHERE idx = ?1 AND term = ?2")?
        .exists([number(id.index.0), number(id.term.0)])
}

/// Where terms begin, and the last place; `None` if places are missing between them.
fn read_runs(connection: &Connection, base: LogId) -> rusqlite::Result<(Vec<Run>, Option<Index>)> {
    let mut runs: Vec<Run> = Vec::new();
    let mut last = base.index;
    let mut statement = connection.prepare("SELECT term, idx FROM entries ORDER BY idx")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let LogId { term, index } = read_id(row, 0)?;
        if index != last.next() {
            return Ok((runs, None));
        }
        last = index;
        if runs.last().is_none_or(|run| run.term != term) {
            runs.push(Run { first: index, term });
        }
    }
    Ok((runs, Some(last)))
}

/// Entries from this place on, without a gap, as far as the limit on bytes lets them go, but at least one.
fn read_entries<C: WireBody>(connection: &Connection, from: Index, upto: Index) -> rusqlite::Result<Vec<Entry<C>>> {
    let mut entries = Vec::new();
    let (mut next, mut bytes) = (from, 0_usize);
    let mut statement =
        connection.prepare_cached("SELECT term, idx, body FROM entries WHERE idx BETWEEN ?1 AND ?2 ORDER BY idx")?;
    let mut rows = statement.query([number(from.0), number(upto.0)])?;
    while let Some(row) = rows.next()? {
        let id = read_id(row, 0)?;
        if id.index != next || bytes >= ANSWER_BYTES_MAX {
            break;
        }
        next = next.next();
        let body: Option<Vec<u8>> = row.get(2)?;
        bytes = bytes.saturating_add(body.as_ref().map_or(0, Vec::len));
        let body = match body {
            None => Body::Empty,
            Some(bytes) => Body::Command(from_bytes(&bytes, 2)?),
        };
        entries.push(Entry { id, body });
    }
    Ok(entries)
}

fn read_piece<C: WireBody>(connection: &Connection, base: LogId, nth: u32) -> rusqlite::Result<Rows<C>> {
    let count: u32 = connection
        .prepare_cached("SELECT count(*) FROM pieces WHERE number = (SELECT number FROM snapshot)")?
        .query_row([], |row| row.get(0))?;
    let piece = connection
        .prepare_cached(
            "SELECT body FROM pieces JOIN snapshot USING (number) WHERE term = ?1 AND idx = ?2 AND nth = ?3",
        )?
        .query_row(params![number(base.term.0), number(base.index.0), nth], |row| {
            from_bytes(&row.get::<_, Vec<u8>>(0)?, 0)
        })
        .optional()?;
    Ok(Rows::Piece {
        piece,
        end: nth.saturating_add(1) >= count,
    })
}

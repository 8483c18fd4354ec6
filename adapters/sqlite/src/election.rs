//! The store of a voter without a log: term and vote in one row. `sealed.rs` says how it finds out that it has forgotten.

use std::path::Path;

use pehra_core::election::{Election, HardState};
use pehra_core::protocol::Recovered;
use pehra_core::types::{Never, NodeId, Term};
use pehra_driver::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::database::failed;
use crate::peers::PeerBook;
use crate::schema;
use crate::sealed::{Kind, Owner, Sealed};

const KIND: Kind = Kind {
    schema: schema::ELECTION,
    // Room for some hundred commits.
    reserve_bytes: 1024 * 1024,
    because: "it may have forgotten a vote",
    may_lack: "",
};

/// A voter's durable state. One process at a time has it.
#[derive(Debug)]
pub struct ElectionStore(Sealed);

impl ElectionStore {
    /// Opens or makes the store in `folder`, and raises its incarnation durably.
    ///
    /// # Errors
    /// If another process has it, it belongs to another voter, or the disk does not do what it is asked. A store that is
    /// lost is no error: see [`ElectionStore::lost`].
    pub fn open(folder: &Path, owner: &Owner) -> Result<Self, StoreError> {
        Sealed::open(folder, owner, KIND).map(Self)
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

impl Store<Election<()>> for ElectionStore {
    fn load(&mut self) -> Result<Recovered<HardState>, StoreError> {
        if self.0.is_lost() {
            return Ok(Recovered::Lost);
        }
        let hard = read_hard(&self.0.connection).map_err(failed("reading term and vote"))?;
        Ok(hard.map_or(Recovered::Fresh, Recovered::Known))
    }

    /// Each record is the whole state, so the last one says all.
    fn commit(&mut self, records: &[HardState]) -> Result<(), StoreError> {
        let Some(last) = records.last() else { return Ok(()) };
        self.0
            .commit("writing term and vote", 0, |connection| write_hard(connection, last))
    }

    fn answer(&mut self, query: &Never) -> Result<Never, StoreError> {
        match *query {}
    }

    fn is_short(&mut self) -> bool {
        self.0.is_short()
    }
}

pub(crate) fn read_hard(connection: &Connection) -> rusqlite::Result<Option<HardState>> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(HardState {
            term: Term(row.get::<_, i64>(0)?.cast_unsigned()),
            vote: row.get::<_, Option<u16>>(1)?.map(NodeId),
        })
    };
    connection.query_row("SELECT term, vote FROM hard", [], read).optional()
}

pub(crate) fn write_hard(connection: &Connection, hard: &HardState) -> rusqlite::Result<()> {
    let vote = hard.vote.map(|node| node.0);
    connection
        .prepare_cached("INSERT INTO hard VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET term = ?1, vote = ?2")?
        .execute(params![hard.term.0.cast_signed(), vote])
        .map(drop)
}

//! The database of a member, which looks for its own loss. An election is safe only if no vote is ever forgotten, and a
//! log only if no entry is.
//!
//! A folder holds:
//!
//! | file | what |
//! | --- | --- |
//! | `election.db` | what the member must not forget, in SQLite: a torn write-ahead log is cut back to its last whole commit |
//! | `marker` | the store's identity and the seal that the database must have reached at least, replaced whole |
//! | `lock` | held while a process uses the folder |
//! | `election.reserve` | space that is given up when the disk is full |
//!
//! Each opening, and every thousandth commit (sooner if much was written), folds the log back into the database, raises
//! the seal in it, and then in the marker. So a database that is gone, is no database, is older than the marker, or lost
//! its log, is found out: the member is `Recovered::Lost`, keeps its identity, follows, and does not vote. What was there
//! is moved aside. It votes again once the cluster's configuration has a higher number: a person has then decided, and
//! all votes that were given under the old number have lost their worth.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pehra_core::types::NodeId;
use pehra_driver::StoreError;
use rand::Rng;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::database::{failed, open};
use crate::marker::{Marker, be_alone, hint};
use crate::peers::PeerBook;
use crate::reserve::Reserve;

const DATABASE: &str = "election.db";
/// Commits between two seals: they bound the log.
const COMMITS_PER_SEAL: u32 = 1000;
/// Bytes written between two seals: they bound it too.
const BYTES_PER_SEAL: u64 = 16 * 1024 * 1024;

/// The number of a cluster's first configuration.
const FIRST_NUMBER: u64 = 1;

/// Whose store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The cluster's name.
    pub cluster: String,
    /// The number of the cluster's configuration.
    pub number: u64,
    /// The voter.
    pub node: NodeId,
}

/// What distinguishes one kind of member from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The database's migrations.
    pub schema: &'static [&'static str],
    /// Size of the reserve.
    pub reserve_bytes: u64,
    /// What a member that lost its state must not do, because of what it may have forgotten, and what to wait for.
    pub because: &'static str,
    /// Done in a database that is made in the place of a lost one, or under a number above the first: whoever ran under an
    /// earlier number may have lost all of its folder.
    pub may_lack: &'static str,
}

/// A member's database. One process at a time has it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub connection: Connection,
    kind: Kind,
    folder: PathBuf,
    reserve: Reserve,
    row: Row,
    lost: Option<String>,
    commits: u32,
    bytes: u64,
    /// Held as long as this store is open.
    _alone: File,
}

/// What the database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cluster: String,
    node: u16,
    number: u64,
    store: u64,
    incarnation: u64,
    seal: u64,
    /// The number of the configuration under which the store was lost; 0 if it was not.
    lost_under: u64,
}

/// What an opening found.
enum Found {
    Nothing,
    Sound(Connection, Row),
    Lost(String),
}

impl Sealed {
    /// Opens or makes the store in `folder`, and raises its incarnation durably.
    ///
    /// # Errors
    /// If another process has it, it belongs to another voter, or the disk does not do what it is asked. A store that is
    /// lost is no error: see [`Sealed::lost`].
    pub(crate) fn open(folder: &Path, owner: &Owner, kind: Kind) -> Result<Self, StoreError> {
        let doing = format!("opening the voter's store in {}", folder.display());
        fs::create_dir_all(folder).map_err(|error| StoreError::new(&doing, hint(&error)))?;
        let alone = be_alone(folder)?;
        let marker = Marker::read(folder)?;
        let mut lost = None;
        let (connection, mut row) = match look(folder, marker, kind)? {
            Found::Sound(connection, row) => (connection, row),
            Found::Nothing => make(folder, owner, marker, kind, 0)?,
            Found::Lost(why) => {
                let aside = move_aside(folder).map_err(|error| StoreError::new(&doing, hint(&error)))?;
                lost = Some(format!("{why}{aside}"));
                make(folder, owner, marker, kind, owner.number)?
            }
        };
        check_owner(&row, owner).map_err(|problem| StoreError::new(&doing, problem))?;
        row.number = owner.number;
        if row.lost_under != 0 && row.lost_under < owner.number {
            row.lost_under = 0;
        } else if row.lost_under != 0 && lost.is_none() {
            lost = Some("it was lost before".into());
        }
        row.incarnation = row.incarnation.max(marker.map_or(0, |marker| marker.incarnation)) + 1;
        let mut store = Self {
            connection,
            kind,
            folder: folder.to_owned(),
            reserve: Reserve::beside(&folder.join(DATABASE), kind.reserve_bytes),
            row,
            lost,
            commits: 0,
            bytes: 0,
            _alone: alone,
        };
        store.seal()?;
        Ok(store)
    }

    /// What the store is known by: drawn when it was made, never zero.
    pub(crate) const fn store(&self) -> u64 {
        self.row.store
    }

    /// How often it was opened.
    pub(crate) const fn incarnation(&self) -> u64 {
        self.row.incarnation
    }

    /// Why its content is lost, if it is, and what to do.
    pub(crate) fn lost(&self) -> Option<String> {
        let why = self.lost.as_ref()?;
        let number = self.row.lost_under;
        Some(format!(
            "the state in {} is lost: {why}. This node follows and does not vote, because {}. \
             To let it vote again, stop all nodes, raise `number` in the cluster's file from {number} to {} on each of \
             them, and start them",
            self.folder.display(),
            self.kind.because,
            number + 1
        ))
    }

    /// A book of the peers' identities, for whoever greets them.
    pub(crate) fn peers(&self) -> PeerBook {
        PeerBook {
            path: self.folder.join(DATABASE),
            schema: self.kind.schema,
            number: self.row.number,
        }
    }

    /// Folds the log back, and raises the seal: first in the row, then in the marker.
    fn seal(&mut self) -> Result<(), StoreError> {
        let doing = "sealing the voter's store";
        self.row.seal += 1;
        (self.commits, self.bytes) = (0, 0);
        // Busy while the book of peers is being written: the next seal folds back what this one could not.
        let fold = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        fold.map_err(failed(doing))?;
        write_row(&self.connection, &self.row).map_err(failed(doing))?;
        let marker = Marker {
            store: self.row.store,
            incarnation: self.row.incarnation,
            seal: self.row.seal,
        };
        marker.write(&self.folder)
    }

    /// Whether it was lost under the present number of the configuration.
    pub(crate) const fn is_lost(&self) -> bool {
        self.row.lost_under != 0
    }

    /// Writes in one go, durably; once more if the reserve can be given up for it. `bytes` is roughly how much.
    pub(crate) fn commit(
        &mut self,
        doing: &str,
        bytes: u64,
        write: impl Fn(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        match write(&mut self.connection) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.reserve.give_up() => {
                write(&mut self.connection).map_err(failed(doing))?;
            }
            outcome => outcome.map_err(failed(doing))?,
        }
        self.commits += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.commits >= COMMITS_PER_SEAL || self.bytes >= BYTES_PER_SEAL {
            self.seal()?;
        }
        Ok(())
    }

    /// Whether space is short.
    pub(crate) fn is_short(&mut self) -> bool {
        self.reserve.look();
        self.reserve.is_given_up()
    }
}

// --- opening ------------------------------------------------------------------------------------------------------------

pub(crate) fn connect(path: &Path, schema: &[&str]) -> Result<Connection, StoreError> {
    let connection = open(path, schema)?;
    // Only a seal may fold the log back: else a log that vanished would not be missed.
    connection
        .pragma_update(None, "wal_autocheckpoint", 0)
        .map_err(failed("opening the voter's store"))?;
    Ok(connection)
}

/// Looks at what is there and compares it with the marker.
fn look(folder: &Path, marker: Option<Marker>, kind: Kind) -> Result<Found, StoreError> {
    let path = folder.join(DATABASE);
    if !path.exists() {
        return Ok(match marker {
            None => Found::Nothing,
            Some(_) => Found::Lost(format!("{} is gone", path.display())),
        });
    }
    if let Some(damage) = damage(&path)? {
        return Ok(Found::Lost(format!("{} is damaged ({damage})", path.display())));
    }
    let connection = connect(&path, kind.schema)?;
    let row = read_row(&connection).map_err(failed("reading the voter's store"))?;
    let Some(row) = row else {
        // Its making was cut short, or somebody emptied it.
        return Ok(match marker {
            None => Found::Nothing,
            Some(_) => Found::Lost(format!("{} is empty", path.display())),
        });
    };
    let Some(marker) = marker else {
        return Ok(Found::Sound(connection, row));
    };
    if row.store != marker.store {
        return Ok(Found::Lost(format!("{} is the file of another store", path.display())));
    }
    if row.seal < marker.seal {
        let why = "is older than its marker: a copy was put back, or its write-ahead log is gone";
        return Ok(Found::Lost(format!("{} {why}", path.display())));
    }
    Ok(Found::Sound(connection, row))
}

/// What is wrong with the file, if it is no sound database. Anything else that goes wrong is the disk's business.
fn damage(path: &Path) -> Result<Option<String>, StoreError> {
    let doing = format!("checking {}", path.display());
    let is_damage = |error: &rusqlite::Error| {
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    };
    let check = |path: &Path| -> rusqlite::Result<String> {
        Connection::open(path)?.query_row("PRAGMA quick_check", [], |row| row.get(0))
    };
    match check(path) {
        Ok(said) if said == "ok" => Ok(None),
        Ok(said) => Ok(Some(said)),
        Err(error) if is_damage(&error) => Ok(Some(error.to_string())),
        Err(error) => Err(failed(&doing)(error)),
    }
}

/// Makes a database. It keeps the identity of the marker, so that the peers know it again.
fn make(
    folder: &Path,
    owner: &Owner,
    marker: Option<Marker>,
    kind: Kind,
    lost_under: u64,
) -> Result<(Connection, Row), StoreError> {
    let mut connection = connect(&folder.join(DATABASE), kind.schema)?;
    let row = Row {
        cluster: owner.cluster.clone(),
        node: owner.node.0,
        number: owner.number,
        store: marker.map_or_else(|| rand::rng().next_u64().max(1), |marker| marker.store),
        incarnation: 0,
        seal: marker.map_or(0, |marker| marker.seal),
        lost_under,
    };
    let write = |connection: &mut Connection| -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        write_row(&transaction, &row)?;
        if lost_under != 0 || owner.number > FIRST_NUMBER {
            transaction.execute_batch(kind.may_lack)?;
        }
        transaction.commit()
    };
    write(&mut connection).map_err(failed("making the voter's store"))?;
    Ok((connection, row))
}

/// Moves a lost database out of the way; says where it is.
fn move_aside(folder: &Path) -> std::io::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut said = String::new();
    for tail in ["", "-wal", "-shm"] {
        let from = folder.join(format!("{DATABASE}{tail}"));
        if from.exists() {
            let to = folder.join(format!("lost-{}-{DATABASE}{tail}", now.as_millis()));
            fs::rename(&from, &to)?;
            if said.is_empty() {
                said = format!("; what is left of it is {}", to.display());
            }
        }
    }
    Ok(said)
}

fn check_owner(row: &Row, owner: &Owner) -> Result<(), String> {
    if (row.cluster.as_str(), row.node) != (owner.cluster.as_str(), owner.node.0) {
        return Err(format!(
            "it belongs to node {} of cluster {:?}, not to node {} of {:?}: name the right --id or --data",
            row.node, row.cluster, owner.node.0, owner.cluster
        ));
    }
    if row.number > owner.number {
        return Err(format!(
            "it has run with configuration number {}, and the file has number {}: use the newer file",
            row.number, owner.number
        ));
    }
    Ok(())
}

fn read_row(connection: &Connection) -> rusqlite::Result<Option<Row>> {
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    connection
        .query_row(
            "SELECT cluster, node, number, store, incarnation, seal, lost_under FROM voter",
            [],
            |row| {
                Ok(Row {
                    cluster: row.get(0)?,
                    node: row.get(1)?,
                    number: number(row, 2)?,
                    store: number(row, 3)?,
                    incarnation: number(row, 4)?,
                    seal: number(row, 5)?,
                    lost_under: number(row, 6)?,
                })
            },
        )
        .optional()
}

fn write_row(connection: &Connection, row: &Row) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO voter VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
             number = ?3, incarnation = ?5, seal = ?6, lost_under = ?7",
            params![
                row.cluster,
                row.node,
                row.number.cast_signed(),
                row.store.cast_signed(),
                row.incarnation.cast_signed(),
                row.seal.cast_signed(),
                row.lost_under.cast_signed()
            ],
        )
        .map(drop)
}

//! The store of a voter: term and vote in one row, and what the voter must know of itself and of its peers.
//!
//! An election is safe only if no vote is ever forgotten, so this store looks for its own loss. A folder holds:
//!
//! | file | what |
//! | --- | --- |
//! | `election.db` | the row, in SQLite: a torn write-ahead log is cut back to its last whole commit |
//! | `marker` | the store's identity and the seal that the row must have reached at least, replaced whole |
//! | `lock` | held while a process uses the folder |
//! | `election.reserve` | space that is given up when the disk is full |
//!
//! Each opening, and every thousandth commit, folds the log back into the database, raises the seal in the row, and then
//! in the marker. So a database that is gone, is no database, is older than the marker, or lost its log, is found out:
//! the voter is [`Recovered::Lost`], keeps its identity, follows, and does not vote. What was there is moved aside.
//! It votes again once the cluster's configuration has a higher number: a person has then decided, and all votes
//! that were given under the old number have lost their worth.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pehra_core::election::{Election, HardState};
use pehra_core::identity::Known;
use pehra_core::protocol::Recovered;
use pehra_core::types::{Never, NodeId, Term};
use pehra_driver::{Store, StoreError};
use rand::Rng;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::database::{failed, open};
use crate::reserve::Reserve;
use crate::schema;

/// Size of the reserve: room for some hundred commits.
const RESERVE_BYTES: u64 = 1024 * 1024;
/// How long to wait for the lock: the process that is being replaced may still be ending.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Commits between two seals: they bound the log.
const COMMITS_PER_SEAL: u32 = 1000;

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

/// A voter's durable state. One process at a time has it.
#[derive(Debug)]
pub struct ElectionStore {
    connection: Connection,
    folder: PathBuf,
    reserve: Reserve,
    row: Row,
    lost: Option<String>,
    commits: u32,
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

/// What the marker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marker {
    store: u64,
    incarnation: u64,
    seal: u64,
}

/// What an opening found.
enum Found {
    Nothing,
    Sound(Connection, Row),
    Lost(String),
}

impl ElectionStore {
    /// Opens or makes the store in `folder`, and raises its incarnation durably.
    ///
    /// # Errors
    /// If another process has it, it belongs to another voter, or the disk does not do what it is asked. A store that is
    /// lost is no error: see [`ElectionStore::lost`].
    pub fn open(folder: &Path, owner: &Owner) -> Result<Self, StoreError> {
        let doing = format!("opening the voter's store in {}", folder.display());
        fs::create_dir_all(folder).map_err(|error| StoreError::new(&doing, hint(&error)))?;
        let alone = be_alone(folder)?;
        let marker = Marker::read(folder)?;
        let mut lost = None;
        let (connection, mut row) = match look(folder, marker)? {
            Found::Sound(connection, row) => (connection, row),
            Found::Nothing => make(folder, owner, marker, 0)?,
            Found::Lost(why) => {
                let aside = move_aside(folder).map_err(|error| StoreError::new(&doing, hint(&error)))?;
                lost = Some(format!("{why}{aside}"));
                make(folder, owner, marker, owner.number)?
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
            folder: folder.to_owned(),
            reserve: Reserve::beside(&folder.join(DATABASE), RESERVE_BYTES),
            row,
            lost,
            commits: 0,
            _alone: alone,
        };
        store.seal()?;
        Ok(store)
    }

    /// What the store is known by: drawn when it was made, never zero.
    #[must_use]
    pub const fn store(&self) -> u64 {
        self.row.store
    }

    /// How often it was opened.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.row.incarnation
    }

    /// Why its content is lost, if it is, and what to do.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        let why = self.lost.as_ref()?;
        let number = self.row.lost_under;
        Some(format!(
            "the state in {} is lost: {why}. This node follows and does not vote, because it may have forgotten a vote. \
             To let it vote again, stop all nodes, raise `number` in the cluster's file from {number} to {} on each of \
             them, and start them",
            self.folder.display(),
            number + 1
        ))
    }

    /// A book of the peers' identities, for whoever greets them.
    #[must_use]
    pub fn peers(&self) -> PeerBook {
        PeerBook {
            path: self.folder.join(DATABASE),
            number: self.row.number,
        }
    }

    /// Folds the log back, and raises the seal: first in the row, then in the marker.
    fn seal(&mut self) -> Result<(), StoreError> {
        let doing = "sealing the voter's store";
        self.row.seal += 1;
        self.commits = 0;
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

    fn write(&mut self, hard: &HardState) -> rusqlite::Result<()> {
        let vote = hard.vote.map(|node| node.0);
        self.connection
            .prepare_cached("INSERT INTO hard VALUES (1, ?1, ?2) ON CONFLICT DO UPDATE SET term = ?1, vote = ?2")?
            .execute(params![hard.term.0.cast_signed(), vote])
            .map(drop)
    }
}

impl Store<Election<()>> for ElectionStore {
    fn load(&mut self) -> Result<Recovered<HardState>, StoreError> {
        if self.row.lost_under != 0 {
            return Ok(Recovered::Lost);
        }
        let doing = "reading term and vote";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(HardState {
                term: Term(row.get::<_, i64>(0)?.cast_unsigned()),
                vote: row.get::<_, Option<u16>>(1)?.map(NodeId),
            })
        };
        let hard = self
            .connection
            .query_row("SELECT term, vote FROM hard", [], read)
            .optional();
        Ok(hard.map_err(failed(doing))?.map_or(Recovered::Fresh, Recovered::Known))
    }

    /// Each record is the whole state, so the last one says all.
    fn commit(&mut self, records: &[HardState]) -> Result<(), StoreError> {
        let doing = "writing term and vote";
        let Some(last) = records.last() else { return Ok(()) };
        match self.write(last) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && self.reserve.give_up() => {
                self.write(last).map_err(failed(doing))?;
            }
            outcome => outcome.map_err(failed(doing))?,
        }
        self.commits += 1;
        if self.commits >= COMMITS_PER_SEAL {
            self.seal()?;
        }
        Ok(())
    }

    fn answer(&mut self, query: &Never) -> Result<Never, StoreError> {
        match *query {}
    }

    fn is_short(&mut self) -> bool {
        self.reserve.look();
        self.reserve.is_given_up()
    }
}

/// What is remembered of the peers, under the present number of the configuration. It opens the database for each use,
/// which is rare, so that it also finds one that was made anew.
#[derive(Clone, Debug)]
pub struct PeerBook {
    path: PathBuf,
    number: u64,
}

impl PeerBook {
    /// All that is remembered.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn known(&self) -> Result<Vec<(NodeId, Known)>, StoreError> {
        let list = |connection: &Connection| -> rusqlite::Result<Vec<_>> {
            connection
                .prepare("SELECT node, store, incarnation FROM known WHERE number = ?1 ORDER BY node")?
                .query_map([self.number.cast_signed()], |row| {
                    let known = Known {
                        store: row.get::<_, i64>(1)?.cast_unsigned(),
                        incarnation: row.get::<_, i64>(2)?.cast_unsigned(),
                    };
                    Ok((NodeId(row.get(0)?), known))
                })?
                .collect()
        };
        list(&connect(&self.path)?).map_err(failed("reading what is known of the peers"))
    }

    /// Remembers a peer, durably before it returns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remember(&self, node: NodeId, known: Known) -> Result<(), StoreError> {
        connect(&self.path)?
            .execute(
                "INSERT INTO known VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET store = ?3, incarnation = ?4",
                params![
                    self.number.cast_signed(),
                    node.0,
                    known.store.cast_signed(),
                    known.incarnation.cast_signed()
                ],
            )
            .map(drop)
            .map_err(failed("remembering a peer"))
    }
}

// --- opening ------------------------------------------------------------------------------------------------------------

const DATABASE: &str = "election.db";
const MARKER: &str = "marker";

fn hint(error: &std::io::Error) -> String {
    format!("{error}: does the disk have room, and may this user write there?")
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, schema::ELECTION)?;
    // Only a seal may fold the log back: else a log that vanished would not be missed.
    connection
        .pragma_update(None, "wal_autocheckpoint", 0)
        .map_err(failed("opening the voter's store"))?;
    Ok(connection)
}

fn be_alone(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let doing = format!("locking {}", path.display());
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::new(&doing, hint(&error)))?;
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let problem = format!(
                    "another process (pid {}) runs with this folder: stop it, or start this one with an --id and a \
                     folder of its own",
                    holder.trim()
                );
                return Err(StoreError::new(doing, problem));
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::new(doing, error)),
        }
    }
    // Only for the sentence above.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// Looks at what is there and compares it with the marker.
fn look(folder: &Path, marker: Option<Marker>) -> Result<Found, StoreError> {
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
    let connection = connect(&path)?;
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
    lost_under: u64,
) -> Result<(Connection, Row), StoreError> {
    let connection = connect(&folder.join(DATABASE))?;
    let row = Row {
        cluster: owner.cluster.clone(),
        node: owner.node.0,
        number: owner.number,
        store: marker.map_or_else(|| rand::rng().next_u64().max(1), |marker| marker.store),
        incarnation: 0,
        seal: marker.map_or(0, |marker| marker.seal),
        lost_under,
    };
    write_row(&connection, &row).map_err(failed("making the voter's store"))?;
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

impl Marker {
    fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(MARKER);
        let doing = format!("reading {}", path.display());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::new(doing, hint(&error))),
        };
        let mut words = text.split_whitespace();
        let mut next = |radix| words.next().and_then(|word| u64::from_str_radix(word, radix).ok());
        match (next(16), next(10), next(10)) {
            (Some(store), Some(incarnation), Some(seal)) => Ok(Some(Self {
                store,
                incarnation,
                seal,
            })),
            // Guessing could forget a vote: a person has to look.
            _ => Err(StoreError::new(
                doing,
                "it does not hold three numbers: put back the file as it was, or give this node a new --id and an empty \
                 folder",
            )),
        }
    }

    /// Replaces the file, durably.
    fn write(self, folder: &Path) -> Result<(), StoreError> {
        let (path, new) = (folder.join(MARKER), folder.join("marker.new"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&new)?;
            writeln!(file, "{:016x} {} {}", self.store, self.incarnation, self.seal)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| StoreError::new(format!("writing {}", path.display()), hint(&error)))
    }
}

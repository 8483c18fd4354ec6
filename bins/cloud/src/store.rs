//! Redis or SQLite, behind one type.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pehra_core::delivery::{CodesQuery, Receiver, ReceiverDurable, ReceiverRecord};
use pehra_core::protocol::Recovered;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Tuple};
use pehra_driver::{Store, StoreError};
use pehra_redis::{Durability, RedisStore};
use pehra_sqlite::CloudStore;

use crate::board::Board;
use crate::config::Settings;

/// Where the cloud keeps everything.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Redis, and the marker by which it is known again.
    Redis {
        url: String,
        durability: Durability,
        marker: Arc<Marker>,
    },
    /// One file.
    Sqlite(PathBuf),
}

/// Redis' marker as this cloud last saw it, kept in a file: so an emptied Redis is noticed also after a restart.
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
    seen: Mutex<Option<String>>,
}

impl Marker {
    fn read(path: PathBuf) -> Self {
        let seen = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
        Self {
            path,
            seen: Mutex::new(seen),
        }
    }

    fn get(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, marker: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_deref() != Some(marker) {
            // Only a comfort: without the file an emptied Redis looks fresh, and edges still send again.
            if let Err(error) = std::fs::write(&self.path, marker) {
                tracing::warn!(path = %self.path.display(), %error, "cannot remember the store's marker");
            }
            *seen = Some(marker.to_owned());
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis { url, .. } => f.write_str(url),
            Self::Sqlite(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Backend {
    /// Makes the folder it needs. A Redis that could lose what it acknowledges is refused here. Blocks.
    pub fn prepare(settings: &Settings) -> Result<Self, String> {
        if let Some(path) = &settings.sqlite {
            return Ok(Self::Sqlite(path.clone()));
        }
        pehra_redis::refuse_weak_settings(&settings.redis, settings.durability).map_err(|error| error.to_string())?;
        std::fs::create_dir_all(&settings.state_dir)
            .map_err(|error| format!("cannot make {}: {error}", settings.state_dir.display()))?;
        let marker = Arc::new(Marker::read(settings.state_dir.join("redis-marker")));
        Ok(Self::Redis {
            url: settings.redis.clone(),
            durability: settings.durability,
            marker,
        })
    }

    /// The edges that delivered before. Blocks.
    pub fn names_of_edges(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Redis { url, .. } => pehra_redis::names_of_edges(url),
            Self::Sqlite(path) => pehra_sqlite::names_of_edges(path),
        }
    }

    /// Opens an edge's store. Blocks.
    pub fn open(&self, edge: EdgeName, board: &Arc<Board>) -> Result<EdgeBackend, StoreError> {
        let board = Arc::clone(board);
        let tell = Box::new(
            move |household: &Household, code: Code, total: &pehra_core::window::Total| {
                board.put(edge, *household, code, *total);
            },
        );
        Ok(match self {
            Self::Redis {
                url,
                durability,
                marker,
            } => {
                let store = RedisStore::open(url, edge, *durability, marker.get(), tell)?;
                EdgeBackend::Redis(store, Arc::clone(marker))
            }
            Self::Sqlite(path) => EdgeBackend::Sqlite(CloudStore::open(path, edge, tell)?),
        })
    }
}

/// An open store of one edge.
pub enum EdgeBackend {
    Redis(RedisStore, Arc<Marker>),
    Sqlite(CloudStore),
}

impl Store<Receiver<Tuple>> for EdgeBackend {
    fn load(&mut self) -> Result<Recovered<ReceiverDurable>, StoreError> {
        match self {
            Self::Redis(store, marker) => {
                let recovered = store.load()?;
                if let Some(seen) = store.marker() {
                    marker.set(seen);
                }
                Ok(recovered)
            }
            Self::Sqlite(store) => store.load(),
        }
    }

    fn commit(&mut self, records: &[ReceiverRecord<Tuple>]) -> Result<(), StoreError> {
        match self {
            Self::Redis(store, _) => store.commit(records),
            Self::Sqlite(store) => store.commit(records),
        }
    }

    fn answer(&mut self, query: &CodesQuery<Tuple>) -> Result<Vec<(Household, Code)>, StoreError> {
        match self {
            Self::Redis(store, _) => store.answer(query),
            Self::Sqlite(store) => store.answer(query),
        }
    }
}

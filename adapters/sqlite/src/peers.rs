//! What a member remembers of its peers.

use std::path::PathBuf;

use pehra_core::identity::Known;
use pehra_core::types::NodeId;
use pehra_driver::StoreError;
use rusqlite::{Connection, params};

use crate::database::failed;
use crate::sealed::connect;

/// What is remembered of the peers, under the present number of the configuration. It opens the database for each use,
/// which is rare, so that it also finds one that was made anew.
#[derive(Clone, Debug)]
pub struct PeerBook {
    pub(crate) path: PathBuf,
    pub(crate) schema: &'static [&'static str],
    pub(crate) number: u64,
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
        list(&connect(&self.path, self.schema)?).map_err(failed("reading what is known of the peers"))
    }

    /// Remembers a peer, durably before it returns.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn remember(&self, node: NodeId, known: Known) -> Result<(), StoreError> {
        connect(&self.path, self.schema)?
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

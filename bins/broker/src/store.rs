//! The voter's store, watched: how many commits, and how long the slowest took.

use std::sync::Arc;
use std::time::Instant;

use pehra_core::election::{Election, HardState};
use pehra_core::protocol::Recovered;
use pehra_core::types::Never;
use pehra_driver::{Store, StoreError};
use pehra_sqlite::ElectionStore;

use crate::board::Board;

/// A store whose commits are measured.
pub struct Watched {
    pub store: ElectionStore,
    pub board: Arc<Board>,
}

impl Store<Election<()>> for Watched {
    fn load(&mut self) -> Result<Recovered<HardState>, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, records: &[HardState]) -> Result<(), StoreError> {
        let began = Instant::now();
        let outcome = self.store.commit(records);
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut board = self.board.lock();
        board.commits += 1;
        board.longest_ms = board.longest_ms.max(took);
        outcome
    }

    fn answer(&mut self, query: &Never) -> Result<Never, StoreError> {
        self.store.answer(query)
    }

    fn is_short(&mut self) -> bool {
        self.store.is_short()
    }
}

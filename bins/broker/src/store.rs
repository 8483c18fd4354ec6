//! The node's store, watched: how many commits, and how long the slowest took.

use std::sync::Arc;
use std::time::Instant;

use pehra_core::protocol::{Protocol, Recovered};
use pehra_driver::{Store, StoreError};

use crate::board::Board;

/// A store whose commits are measured.
pub struct Watched<S> {
    pub store: S,
    pub board: Arc<Board>,
}

impl<P: Protocol, S: Store<P>> Store<P> for Watched<S> {
    fn load(&mut self) -> Result<Recovered<P::Durable>, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, records: &[P::Record]) -> Result<(), StoreError> {
        let began = Instant::now();
        let outcome = self.store.commit(records);
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut board = self.board.lock();
        board.commits += 1;
        board.longest_ms = board.longest_ms.max(took);
        outcome
    }

    fn answer(&mut self, query: &P::Query) -> Result<P::Rows, StoreError> {
        self.store.answer(query)
    }

    fn is_short(&mut self) -> bool {
        self.store.is_short()
    }
}

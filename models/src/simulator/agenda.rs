//! What is due, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::time::Time;

/// Entries by the moment at which they are due; of those due together, the one that was entered first.
///
/// Only small keys move within the heap; the entries stay where they are and their places are used again.
#[derive(Debug)]
pub struct Agenda<E> {
    order: BinaryHeap<Reverse<(Time, u64, u32)>>,
    entries: Vec<Option<E>>,
    free: Vec<u32>,
    entered: u64,
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self {
            order: BinaryHeap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            entered: 0,
        }
    }
}

impl<E> Agenda<E> {
    /// Enters something.
    pub fn enter(&mut self, at: Time, entry: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 entries at once")
        });
        self.entries[place as usize] = Some(entry);
        self.order.push(Reverse((at, self.entered, place)));
        self.entered += 1;
    }

    /// When the next one is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next one.
    pub fn take(&mut self) -> Option<(Time, E)> {
        let Reverse((at, _, place)) = self.order.pop()?;
        self.free.push(place);
        self.entries[place as usize].take().map(|entry| (at, entry))
    }
}

//! Every state once, in the order of discovery, found again by value.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// States by number and numbers by state.
///
/// States lie in chunks, so growth neither copies them nor doubles the memory for a moment. The table beside them
/// holds 8 bytes for each: the number, and half of the hash, so that it can grow and can refuse most strangers
/// without touching a state. Nothing is decided by hash alone: this store is exact.
pub(crate) struct Store<S> {
    chunks: Vec<Vec<S>>,
    table: HashTable<Slot>,
    hasher: FixedState,
}

#[derive(Clone, Copy)]
struct Slot {
    tag: u32,
    index: u32,
}

const CHUNK_BITS: usize = 14;
const CHUNK: usize = 1 << CHUNK_BITS;

impl<S: Eq + Hash> Store<S> {
    pub(crate) fn new() -> Self {
        // A fixed seed: two runs of one model must not differ in anything, not even in speed.
        Self {
            chunks: Vec::new(),
            table: HashTable::new(),
            hasher: FixedState::with_seed(0x5045_4852_4121),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, index: u32) -> &S {
        let index = index as usize;
        &self.chunks[index >> CHUNK_BITS][index & (CHUNK - 1)]
    }

    /// Takes the state in unless it is known. Its number, and whether it is new.
    pub(crate) fn insert(&mut self, state: S) -> (u32, bool) {
        let Self { chunks, table, hasher } = self;
        let hash = hasher.hash_one(&state);
        let tag = (hash ^ (hash >> 32)) as u32;
        let same = |slot: &Slot| {
            slot.tag == tag && {
                let index = slot.index as usize;
                chunks[index >> CHUNK_BITS][index & (CHUNK - 1)] == state
            }
        };
        let index = table.len() as u32;
        match table.entry(spread(tag), same, |slot| spread(slot.tag)) {
            Entry::Occupied(known) => (known.get().index, false),
            Entry::Vacant(free) => {
                free.insert(Slot { tag, index });
                match chunks.last_mut() {
                    Some(last) if last.len() < CHUNK => last.push(state),
                    _ => chunks.push(start_chunk(state, index)),
                }
                (index, true)
            }
        }
    }
}

/// The first chunk grows as needed, so that a small model stays small; the others come in one piece.
fn start_chunk<S>(state: S, index: u32) -> Vec<S> {
    let mut chunk = if index == 0 {
        Vec::new()
    } else {
        Vec::with_capacity(CHUNK)
    };
    chunk.push(state);
    chunk
}

/// 64 bits out of 32: the table takes its bucket from the low bits and its filter from the high ones.
fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_order_of_arrival_across_chunks() {
        let mut store = Store::new();
        for n in 0..(3 * CHUNK as u64 + 7) {
            assert_eq!(store.insert(n * 3), (n as u32, true));
        }
        for n in 0..(3 * CHUNK as u64 + 7) {
            assert_eq!(store.insert(n * 3), (n as u32, false));
            assert_eq!(*store.get(n as u32), n * 3);
        }
        assert_eq!(store.len(), 3 * CHUNK + 7);
    }

    /// Every state with the same hash: slow, but still exact.
    #[test]
    fn equal_hashes_do_not_merge_states() {
        #[derive(PartialEq, Eq)]
        struct Blind(u32);
        impl Hash for Blind {
            fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
        }
        let mut store = Store::new();
        for n in 0..300 {
            assert_eq!(store.insert(Blind(n)), (n, true));
        }
        assert_eq!(store.insert(Blind(150)), (150, false));
    }
}

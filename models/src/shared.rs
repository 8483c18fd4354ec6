//! Equal parts of states are stored once, and each step of a part is computed once.
//!
//! A state of a system is made of few different parts: tens of millions of states may share some thousand states of
//! one node. So a state holds references to its parts, and what the deployed code does to a node with one input is
//! remembered, which is exact because core's steps depend on nothing else. Parts live until the process ends.

use std::fmt::{self, Debug};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

/// A part that is stored once in its [`Pool`]: as small as a reference, and compared like one.
///
/// Two parts of one pool are equal exactly if they are the same; parts of different pools must not be compared.
pub struct Shared<T: 'static>(&'static Entry<T>);

struct Entry<T> {
    hash: u64,
    value: T,
}

impl<T> Shared<T> {
    /// A number by which parts can be put in an order that is the same in every run.
    #[must_use]
    pub fn rank(self) -> u64 {
        self.0.hash
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Shared<T> {}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // The hash of the value, not of the address: two runs must not differ.
        hasher.write_u64(self.0.hash);
    }
}

impl<T: Debug> Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

const SHARDS: usize = 32;

fn hasher() -> FixedState {
    FixedState::with_seed(0x5045_4852_4121)
}

fn shard_of<S>(shards: &[S], hash: u64) -> &S {
    &shards[(hash >> 32) as usize % SHARDS]
}

/// All different parts of one kind.
pub struct Pool<T: 'static> {
    shards: Vec<RwLock<HashTable<Shared<T>>>>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }
}

impl<T: Eq + Hash> Pool<T> {
    /// The stored part that equals this one.
    pub fn share(&self, value: T) -> Shared<T> {
        let hash = hasher().hash_one(&value);
        let shard = shard_of(&self.shards, hash);
        let same = |known: &Shared<T>| known.0.value == value;
        if let Some(known) = shard.read().unwrap_or_else(PoisonError::into_inner).find(hash, same) {
            return *known;
        }
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shard.find(hash, same) {
            return *known;
        }
        let shared = Shared(Box::leak(Box::new(Entry { hash, value })));
        shard.insert_unique(hash, shared, |known| known.0.hash);
        shared
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        let count = |shard: &RwLock<HashTable<Shared<T>>>| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        self.shards.iter().map(count).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

type Answers<K, V> = RwLock<HashMap<K, &'static V, FixedState>>;

/// Answers by question, each computed once.
pub struct Memo<K, V: 'static> {
    shards: Vec<Answers<K, V>>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        let shard = || RwLock::new(HashMap::with_hasher(hasher()));
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }
}

impl<K: Eq + Hash, V> Memo<K, V> {
    /// The answer to this question.
    pub fn answer(&self, question: K, compute: impl FnOnce(&K) -> V) -> &'static V {
        let shard = shard_of(&self.shards, hasher().hash_one(&question));
        if let Some(known) = shard.read().unwrap_or_else(PoisonError::into_inner).get(&question) {
            return known;
        }
        let answer = compute(&question);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.entry(question).or_insert_with(|| Box::leak(Box::new(answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_one_part() {
        let pool = Pool::default();
        let (one, again, other) = (
            pool.share("one".to_owned()),
            pool.share("one".to_owned()),
            pool.share("other".to_owned()),
        );
        assert!(one == again && one != other && pool.len() == 2);
        assert_eq!(hasher().hash_one(one), hasher().hash_one(again));
        assert_eq!(format!("{one:?}"), "\"one\"");
    }

    #[test]
    fn a_question_is_answered_once() {
        let memo = Memo::default();
        assert_eq!(*memo.answer(3, |n| n * 2), 6);
        assert_eq!(*memo.answer(3, |_| unreachable!("it is known")), 6);
    }
}

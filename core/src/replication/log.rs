//! What a member keeps in memory of its log: not the entries, only where terms begin and how far it goes.

use alloc::vec::Vec;
use core::fmt;

use crate::election::Position;
use crate::types::Term;

/// The place of an entry, counted from 1; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl Index {
    /// Before the first.
    pub const ZERO: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; that before the first is the first's own.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// So many places on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many places after the other one; 0 if it is not after it.
    #[must_use]
    pub const fn since(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

/// An entry's name: who appended it (its term has one leader) and where. Logs compare as these of their ends do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term of the leader that appended it.
    pub term: Term,
    /// Its place.
    pub index: Index,
}

impl LogId {
    /// Before the first entry.
    pub const ZERO: Self = Self {
        term: Term::ZERO,
        index: Index::ZERO,
    };

    /// The id of these.
    #[must_use]
    pub const fn new(term: Term, index: Index) -> Self {
        Self { term, index }
    }
}

impl Position for LogId {}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index.0, self.term)
    }
}

/// Entries of one term that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The place of the first.
    pub first: Index,
    /// Their term.
    pub term: Term,
}

/// A log: after the snapshot's end come runs of entries, as far as the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Log {
    base: LogId,
    runs: Vec<Run>,
    last: Index,
}

impl Log {
    /// The log that these describe; `None` if they do not fit each other.
    #[must_use]
    pub fn new(base: LogId, runs: Vec<Run>, last: Index) -> Option<Self> {
        let log = Self { base, runs, last };
        log.is_sound().then_some(log)
    }

    /// Whether places and terms rise.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let begins = self
            .runs
            .first()
            .map_or(self.last == self.base.index, |run| run.first == self.base.index.next());
        let rises = self.runs.is_sorted_by(|a, b| a.first < b.first && a.term < b.term);
        let after_base = self.runs.first().is_none_or(|run| run.term >= self.base.term);
        let within = self.runs.last().is_none_or(|run| run.first <= self.last);
        begins && rises && after_base && within
    }

    /// The last entry that the snapshot covers.
    #[must_use]
    pub const fn base(&self) -> LogId {
        self.base
    }

    /// The last entry; the snapshot's end if there is none after it.
    #[must_use]
    pub fn last(&self) -> LogId {
        let term = self.runs.last().map_or(self.base.term, |run| run.term);
        LogId::new(term, self.last)
    }

    /// Where terms begin.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The term of the entry in this place; `None` before the snapshot's end and after the last.
    #[must_use]
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        if index < self.base.index || index > self.last {
            return None;
        }
        let after = self.runs.partition_point(|run| run.first <= index);
        self.runs.get(after.checked_sub(1)?).map(|run| run.term)
    }

    /// The name of the entry in this place.
    #[must_use]
    pub fn id_at(&self, index: Index) -> Option<LogId> {
        self.term_at(index).map(|term| LogId::new(term, index))
    }

    /// Whether it holds this entry, or its snapshot ends with it.
    #[must_use]
    pub fn holds(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The first place of the run that holds this one.
    #[must_use]
    pub fn run_of(&self, index: Index) -> Index {
        let after = self.runs.partition_point(|run| run.first <= index);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(self.base.index, |run| run.first)
    }

    /// Takes the next entry in. `false` if it is not the next, or of an older term.
    #[must_use]
    pub fn push(&mut self, id: LogId) -> bool {
        let end = self.last();
        if id.index != end.index.next() || id.term < end.term {
            return false;
        }
        if self.runs.last().is_none_or(|run| run.term != id.term) {
            self.runs.push(Run {
                first: id.index,
                term: id.term,
            });
        }
        self.last = id.index;
        true
    }

    /// Forgets what comes after this place, which is not before the snapshot's end.
    pub fn truncate(&mut self, after: Index) {
        let after = after.max(self.base.index);
        self.last = self.last.min(after);
        self.runs.retain(|run| run.first <= after);
    }

    /// A snapshot now covers all up to this entry. What follows it stays, if it follows this very entry. Whether it did.
    pub fn install(&mut self, base: LogId) -> bool {
        let keeps = self.holds(base);
        if keeps {
            let continues = self.last > base.index;
            self.runs.retain(|run| run.first > base.index || run.term >= base.term);
            if let Some(run) = self.runs.first_mut() {
                run.first = run.first.max(base.index.next());
            }
            if !continues {
                self.runs.clear();
            }
            // The snapshot may end where a run ends: then the next run begins right after it, and no empty run stays.
            let next = self.runs.get(1).map(|run| run.first);
            if next.is_some_and(|next| next == base.index.next()) {
                self.runs.remove(0);
            }
        } else {
            self.runs.clear();
            self.last = base.index;
        }
        self.base = base;
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(Term(term), Index(index))
    }

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::default();
        for (place, term) in (1..).zip(terms) {
            assert!(log.push(id(*term, place)));
        }
        log
    }

    fn terms(log: &Log) -> Vec<u64> {
        let from = log.base().index.next().0;
        (from..=log.last().index.0)
            .map(|index| log.term_at(Index(index)).map_or(0, |term| term.0))
            .collect()
    }

    #[test]
    fn it_knows_the_term_of_each_place() {
        let log = log(&[1, 1, 2, 4, 4]);
        assert_eq!(terms(&log), [1, 1, 2, 4, 4]);
        assert_eq!(log.last(), id(4, 5));
        assert_eq!(log.term_at(Index(6)), None);
        assert_eq!(log.run_of(Index(5)), Index(4));
        assert_eq!(log.runs().len(), 3);
    }

    #[test]
    fn it_takes_only_the_next_entry_and_no_older_term() {
        let mut log = log(&[2]);
        assert!(!log.push(id(2, 3)) && !log.push(id(1, 2)) && log.push(id(2, 2)));
    }

    /// Against the plain list of terms, for all logs of five places, all cuts and all snapshots.
    #[test]
    fn cutting_and_snapshots_are_those_of_a_plain_list() {
        for code in 0..3_u32.pow(5) {
            let mut list: Vec<u64> = (0..5).map(|place| u64::from(code / 3_u32.pow(place) % 3) + 1).collect();
            list.sort_unstable();
            for at in 0..=5_usize {
                let mut cut = log(&list);
                cut.truncate(Index(at as u64));
                assert_eq!(terms(&cut), list[..at]);
                assert!(cut.is_sound());
                for base in 1..=7_u64 {
                    for term in 1..=4 {
                        let mut kept = cut.clone();
                        let holds = usize::try_from(base).is_ok_and(|base| base <= at && list[base - 1] == term);
                        assert_eq!(kept.install(id(term, base)), holds);
                        let from = usize::try_from(base).unwrap_or(at).min(at);
                        let rest = if holds { &list[from..at] } else { &[] };
                        assert_eq!(terms(&kept), rest);
                        assert_eq!(kept.base(), id(term, base));
                        assert!(
                            kept.is_sound(),
                            "{list:?} cut at {at}, snapshot {base}/{term}: {kept:?}"
                        );
                    }
                }
            }
        }
    }
}

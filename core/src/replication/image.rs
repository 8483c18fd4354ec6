//! The store of a replicated log, as core specifies it.

use alloc::vec::Vec;

use super::{Durable, Entry, Index, LogId, Payload, Query, Record, Replication, Rows, Run};
use crate::election::HardState;
use crate::protocol::{Image, Recovered};

/// Everything that is durable: term and vote, a snapshot, the entries after it, and a snapshot that is being gathered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogImage<C> {
    /// Term and vote, once there are any.
    pub hard: Option<HardState>,
    /// The snapshot's end.
    pub base: LogId,
    /// The snapshot.
    pub pieces: Vec<C>,
    /// The snapshot that is being gathered, up to where, and its pieces so far. No restart resumes it.
    pub gathered: Option<(LogId, Vec<C>)>,
    /// The entries after the snapshot.
    pub entries: Vec<Entry<C>>,
    /// It was there, and is gone: a store that finds this out empties all the rest before it says so.
    pub lost: bool,
    /// It was lost, or is new in an old cluster, and has not caught up since.
    pub lacks: bool,
}

impl<C> Default for LogImage<C> {
    fn default() -> Self {
        Self {
            hard: None,
            base: LogId::ZERO,
            pieces: Vec::new(),
            gathered: None,
            entries: Vec::new(),
            lost: false,
            lacks: false,
        }
    }
}

impl<C: Payload> LogImage<C> {
    /// The last entry, or the snapshot's end.
    #[must_use]
    pub fn last(&self) -> LogId {
        self.entries.last().map_or(self.base, |entry| entry.id)
    }

    /// The entry in this place.
    #[must_use]
    pub fn entry(&self, index: Index) -> Option<&Entry<C>> {
        self.entries.iter().find(|entry| entry.id.index == index)
    }

    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for LogId { term, index } in self.entries.iter().map(|entry| entry.id) {
            if runs.last().is_none_or(|run| run.term != term) {
                runs.push(Run { first: index, term });
            }
        }
        runs
    }
}

impl<C: Payload> Image<Replication<C>> for LogImage<C> {
    fn apply(&mut self, record: &Record<C>) {
        match record {
            Record::Hard(hard) => self.hard = Some(*hard),
            Record::Append(entry) => self.entries.push(entry.clone()),
            Record::Truncate { after } => self.entries.retain(|entry| entry.id.index <= *after),
            Record::Piece { base, nth: 0, piece } => {
                self.gathered = Some((*base, Vec::from([piece.clone()])));
            }
            Record::Piece { base, piece, .. } => match &mut self.gathered {
                Some((gathered, pieces)) if gathered == base => pieces.push(piece.clone()),
                _ => {}
            },
            Record::Install { base } => {
                let keeps = *base == self.base || self.entries.iter().any(|entry| entry.id == *base);
                self.entries.retain(|entry| keeps && entry.id.index > base.index);
                if let Some((_, pieces)) = self.gathered.take() {
                    self.pieces = pieces;
                }
                self.base = *base;
            }
            Record::Whole => self.lacks = false,
        }
    }

    fn summary(&self) -> Recovered<Durable> {
        match self.hard {
            _ if self.lost => Recovered::Lost,
            None if !self.lacks => Recovered::Fresh,
            hard => Recovered::Known(Durable {
                hard: hard.unwrap_or_default(),
                base: self.base,
                runs: self.runs(),
                last: self.last().index,
                lacks: self.lacks,
            }),
        }
    }

    fn answer(&self, query: &Query) -> Rows<C> {
        match query {
            Query::Entries { from, upto, .. } => {
                let wanted = |entry: &&Entry<C>| entry.id.index >= *from && entry.id.index <= *upto;
                let entries: Vec<_> = self.entries.iter().filter(wanted).cloned().collect();
                // All of them from the first on, or none.
                let whole = entries.first().is_some_and(|entry| entry.id.index == *from);
                Rows::Entries(if whole { entries } else { Vec::new() })
            }
            Query::Piece { base, nth, .. } => {
                let here = *base == self.base;
                let nth = usize::try_from(*nth).unwrap_or(usize::MAX);
                Rows::Piece {
                    piece: self.pieces.get(nth).filter(|_| here).cloned(),
                    end: nth.saturating_add(1) >= self.pieces.len(),
                }
            }
        }
    }
}

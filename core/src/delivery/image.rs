//! The stores of both sides as core specifies them: the models' disks, and what every store adapter is held against.

use alloc::vec::Vec;

use super::{Body, CodesQuery, Receiver, ReceiverDurable, ReceiverRecord};
use super::{Rows, RowsQuery, Sender, SenderDurable, SenderRecord, Seq};
use crate::protocol::{Image, Recovered};

/// Codes by household, sorted.
type Codes<B> = Vec<(<B as Body>::Household, <B as Body>::Code)>;

/// Keeps the first code that a household was given.
fn keep_code<B: Body>(codes: &mut Codes<B>, household: &B::Household, code: impl FnOnce() -> B::Code) {
    if let Err(at) = codes.binary_search_by(|(known, _)| known.cmp(household)) {
        codes.insert(at, (household.clone(), code()));
    }
}

/// The edge's outbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeImage<B: Body> {
    written: bool,
    cursors: SenderDurable,
    /// The rows from `cursors.oldest` to `cursors.last`.
    rows: Vec<B>,
    codes: Codes<B>,
}

impl<B: Body> Default for EdgeImage<B> {
    fn default() -> Self {
        let cursors = SenderDurable {
            oldest: Seq(1),
            ..SenderDurable::default()
        };
        Self {
            written: false,
            cursors,
            rows: Vec::new(),
            codes: Vec::new(),
        }
    }
}

impl<B: Body> EdgeImage<B> {
    /// The cursors.
    #[must_use]
    pub const fn cursors(&self) -> &SenderDurable {
        &self.cursors
    }

    /// The rows that are still here, from `cursors().oldest` on.
    #[must_use]
    pub fn rows(&self) -> &[B] {
        &self.rows
    }

    /// The codes that are known, by household.
    #[must_use]
    pub fn codes(&self) -> &[(B::Household, B::Code)] {
        &self.codes
    }

    /// The seed's flag of a row: 0 new, 1 sent, 2 acknowledged.
    #[must_use]
    pub fn flag(&self, seq: Seq) -> u8 {
        u8::from(seq <= self.cursors.sent).saturating_add(u8::from(seq <= self.cursors.acked))
    }

    fn knows(&self, household: &B::Household) -> bool {
        self.codes.binary_search_by(|(known, _)| known.cmp(household)).is_ok()
    }
}

impl<B: Body> Image<Sender<B>> for EdgeImage<B> {
    fn apply(&mut self, record: &SenderRecord<B>) {
        self.written = true;
        match record {
            SenderRecord::Epoch(epoch) => self.cursors.epoch = Some(*epoch),
            SenderRecord::Row { seq, body } => {
                self.cursors.last = *seq;
                self.rows.push(body.clone());
            }
            SenderRecord::Sent(sent) => self.cursors.sent = *sent,
            SenderRecord::Acked { to, codes } => {
                self.cursors.acked = *to;
                for (household, code) in codes {
                    keep_code::<B>(&mut self.codes, household, || code.clone());
                }
            }
            SenderRecord::Trimmed { oldest } => {
                let gone = usize::try_from(oldest.since(self.cursors.oldest)).unwrap_or(usize::MAX);
                self.rows.drain(..gone.min(self.rows.len()));
                self.cursors.oldest = *oldest;
            }
            SenderRecord::Rewound { to } => self.cursors.acked = *to,
        }
    }

    fn summary(&self) -> Recovered<SenderDurable> {
        if self.written {
            Recovered::Known(self.cursors)
        } else {
            Recovered::Fresh
        }
    }

    fn answer(&self, query: &RowsQuery) -> Rows<B> {
        let skip = usize::try_from(query.first.since(self.cursors.oldest)).unwrap_or(usize::MAX);
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        let bodies: Vec<B> = self.rows.iter().skip(skip).take(count).cloned().collect();
        let mut asks: Vec<B::Household> = bodies.iter().map(Body::household).filter(|h| !self.knows(h)).collect();
        asks.sort();
        asks.dedup();
        Rows {
            first: query.first,
            bodies,
            asks,
        }
    }
}

/// The cloud's inbox for one edge, and the households' codes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CloudImage<B: Body> {
    written: bool,
    marks: ReceiverDurable,
    /// Every row in the order in which it took effect, with its epoch.
    applied: Vec<(u64, Seq, B)>,
    codes: Codes<B>,
    skipped: Vec<(Seq, Seq)>,
}

impl<B: Body> Default for CloudImage<B> {
    fn default() -> Self {
        let marks = ReceiverDurable::default();
        Self {
            written: false,
            marks,
            applied: Vec::new(),
            codes: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

impl<B: Body> CloudImage<B> {
    /// The marks.
    #[must_use]
    pub const fn marks(&self) -> &ReceiverDurable {
        &self.marks
    }

    /// Every row in the order in which it took effect: its epoch, its sequence, its content.
    #[must_use]
    pub fn applied(&self) -> &[(u64, Seq, B)] {
        &self.applied
    }

    /// The codes given so far, by household.
    #[must_use]
    pub fn codes(&self) -> &[(B::Household, B::Code)] {
        &self.codes
    }

    /// Ranges of rows that will never come.
    #[must_use]
    pub fn skipped(&self) -> &[(Seq, Seq)] {
        &self.skipped
    }
}

impl<B: Body> Image<Receiver<B>> for CloudImage<B> {
    fn apply(&mut self, record: &ReceiverRecord<B>) {
        self.written = true;
        match record {
            ReceiverRecord::Adopted(epoch) => {
                if let Some(old) = self.marks.epoch {
                    self.marks.retired.push(old);
                }
                self.marks.epoch = Some(*epoch);
                self.marks.high = Seq::ZERO;
            }
            ReceiverRecord::Skipped { from, to } => {
                self.skipped.push((*from, *to));
                self.marks.high = *to;
            }
            ReceiverRecord::Applied { first, bodies, high } => {
                let epoch = self.marks.epoch.unwrap_or(0);
                let mut seq = *first;
                for body in bodies {
                    let household = body.household();
                    keep_code::<B>(&mut self.codes, &household, || B::first_code(&household));
                    self.applied.push((epoch, seq, body.clone()));
                    seq = seq.next();
                }
                self.marks.high = *high;
            }
        }
    }

    fn summary(&self) -> Recovered<ReceiverDurable> {
        if self.written {
            Recovered::Known(self.marks)
        } else {
            Recovered::Fresh
        }
    }

    fn answer(&self, query: &CodesQuery<B>) -> Codes<B> {
        let wanted = |household: &B::Household| query.households.contains(household);
        self.codes
            .iter()
            .filter(|(household, _)| wanted(household))
            .cloned()
            .collect()
    }
}

//! What passed between two looks: each byte once, of connections that have ended too.

use std::collections::BTreeMap;

use super::kernel::{Counted, Look};

/// So many looks the count of a connection is kept that is gone, and whose end was not told yet: the kernel tells it a little later.
const KEPT_LOOKS: u8 = 8;

/// What a connection passed since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// The kernel's number for it.
    pub id: u64,
    /// Bytes that came from the client.
    pub received: u64,
    /// Bytes that went to it, and were acknowledged.
    pub sent: u64,
    /// It was not there when looked last.
    pub is_new: bool,
    /// It is gone.
    pub has_ended: bool,
}

/// What passed since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Of each connection that was there for some of it.
    pub connections: Vec<Grown>,
    /// Something listens at each of the ports.
    pub is_listening: bool,
    /// More connections ended than the kernel kept counts of: there was more than is said here.
    pub is_overrun: bool,
}

impl Stretch {
    /// Bytes in both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.connections.iter().map(Grown::bytes).fold(0, u64::saturating_add)
    }

    /// How many connections are there.
    #[must_use]
    pub fn open(&self) -> usize {
        self.connections.iter().filter(|grown| !grown.has_ended).count()
    }
}

impl Grown {
    /// In both directions.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.received.saturating_add(self.sent)
    }
}

/// How far each connection had come.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<u64, Line>);

#[derive(Clone, Copy, Debug)]
struct Line {
    received: u64,
    sent: u64,
    looks_gone: u8,
}

impl Ledger {
    /// Begins with what is there, which has passed nothing that counts.
    pub fn begin(look: &Look) -> Self {
        let mut ledger = Self::default();
        ledger.take(look);
        ledger
    }

    pub fn take(&mut self, look: &Look) -> Vec<Grown> {
        for line in self.0.values_mut() {
            line.looks_gone = line.looks_gone.saturating_add(1);
        }
        let mut grown: BTreeMap<u64, Grown> = BTreeMap::new();
        for counted in &look.open {
            let (before, now) = self.count(counted);
            self.0.insert(counted.id, now);
            grown.insert(counted.id, between(counted.id, before, now));
        }
        for counted in &look.ended {
            let (before, now) = self.count(counted);
            self.0.remove(&counted.id);
            let last = between(counted.id, before, now);
            let whole = grown.entry(counted.id).or_insert(Grown {
                received: 0,
                sent: 0,
                ..last
            });
            whole.received = whole.received.saturating_add(last.received);
            whole.sent = whole.sent.saturating_add(last.sent);
            whole.has_ended = true;
        }
        // One whose end was lost. Should it be told after all, all that it ever passed counts again: on the side of traffic.
        self.0.retain(|id, line| {
            let is_kept = line.looks_gone < KEPT_LOOKS;
            if !is_kept {
                let line = *line;
                let gone = Grown {
                    has_ended: true,
                    ..between(*id, Some(line), line)
                };
                grown.insert(*id, gone);
            }
            is_kept
        });
        grown.into_values().collect()
    }

    fn count(&self, counted: &Counted) -> (Option<Line>, Line) {
        let now = Line {
            received: counted.received,
            sent: counted.sent,
            looks_gone: 0,
        };
        (self.0.get(&counted.id).copied(), now)
    }
}

fn between(id: u64, before: Option<Line>, now: Line) -> Grown {
    Grown {
        id,
        received: now.received.saturating_sub(before.map_or(0, |line| line.received)),
        sent: now.sent.saturating_sub(before.map_or(0, |line| line.sent)),
        is_new: before.is_none(),
        has_ended: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(open: &[(u64, u64, u64)], ended: &[(u64, u64, u64)]) -> Look {
        let all = |all: &[(u64, u64, u64)]| {
            let counted = all.iter().map(|(id, received, sent)| Counted {
                id: *id,
                received: *received,
                sent: *sent,
            });
            counted.collect()
        };
        Look {
            open: all(open),
            ended: all(ended),
            ..Look::default()
        }
    }

    fn told(grown: &[Grown]) -> Vec<(u64, u64, u64, bool, bool)> {
        let each = |it: &Grown| (it.id, it.received, it.sent, it.is_new, it.has_ended);
        grown.iter().map(each).collect()
    }

    #[test]
    fn each_byte_counts_once_whenever_its_connection_ends() {
        let mut ledger = Ledger::begin(&look(&[(1, 500, 50)], &[]));
        // One that was there, one that comes, one that came and went.
        let grown = ledger.take(&look(&[(1, 700, 60), (2, 10, 1)], &[(3, 90, 9)]));
        let expected = [
            (1, 200, 10, false, false),
            (2, 10, 1, true, false),
            (3, 90, 9, true, true),
        ];
        assert_eq!(told(&grown), expected);
        // One ends between the two halves of a look.
        let grown = ledger.take(&look(&[(1, 700, 60), (2, 15, 2)], &[(2, 18, 3)]));
        assert_eq!(told(&grown), [(1, 0, 0, false, false), (2, 8, 2, false, true)]);
        assert_eq!(
            told(&ledger.take(&look(&[(1, 701, 60)], &[]))),
            [(1, 1, 0, false, false)]
        );
    }

    #[test]
    fn an_end_that_is_told_late_is_held_against_what_was_there() {
        let mut ledger = Ledger::begin(&look(&[(1, 500, 50)], &[]));
        assert_eq!(told(&ledger.take(&look(&[], &[]))), []);
        assert_eq!(
            told(&ledger.take(&look(&[], &[(1, 510, 50)]))),
            [(1, 10, 0, false, true)]
        );
        assert!(ledger.0.is_empty());
    }

    #[test]
    fn one_whose_end_is_never_told_is_forgotten() {
        let mut ledger = Ledger::begin(&look(&[(1, 500, 50)], &[]));
        for _ in 1..KEPT_LOOKS {
            assert_eq!(told(&ledger.take(&look(&[], &[]))), []);
        }
        assert_eq!(told(&ledger.take(&look(&[], &[]))), [(1, 0, 0, false, true)]);
        assert!(ledger.0.is_empty());
        let late = ledger.take(&look(&[], &[(1, 500, 50)]));
        assert_eq!(
            told(&late),
            [(1, 500, 50, true, true)],
            "too much rather than too little"
        );
    }
}

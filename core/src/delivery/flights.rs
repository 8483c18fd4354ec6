//! Batches in flight: a short queue of fixed capacity, oldest first.

use super::Seq;

/// The most batches that can be in flight at once; configuration may allow fewer.
pub const FLIGHTS_MAX: usize = 8;

/// One batch that was sent and not yet fully answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flight {
    /// Its first row.
    pub first: Seq,
    /// Its last row.
    pub last: Seq,
    /// Whether it asked for codes: then only an answer to this very batch ends it, for a later cumulative mark does
    /// not carry them.
    pub asks: bool,
    /// Whether it is answered.
    pub done: bool,
}

/// The batches in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flights {
    slots: [Flight; FLIGHTS_MAX],
    count: u8,
}

impl Flights {
    /// How many.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.slots.iter().take(usize::from(self.count))
    }

    /// Adds one behind the others; `false` if there is no room.
    pub fn push(&mut self, flight: Flight) -> bool {
        match self.slots.get_mut(usize::from(self.count)) {
            Some(slot) => {
                *slot = flight;
                self.count = self.count.saturating_add(1);
                true
            }
            None => false,
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Marks what a mark ends: every batch that it covers and that asked for nothing, and the one at `codes_of`, whose
    /// codes came with it.
    pub fn answer(&mut self, codes_of: Option<Seq>, high: Seq) {
        for slot in self.slots.iter_mut().take(usize::from(self.count)) {
            if slot.last <= high && (!slot.asks || codes_of == Some(slot.first)) {
                slot.done = true;
            }
        }
    }

    /// Whether the batch at `first` is in flight and asked for codes.
    #[must_use]
    pub fn awaits_codes(&self, first: Seq) -> bool {
        self.iter().any(|flight| flight.first == first && flight.asks)
    }

    /// Removes answered batches from the front; the last row of the last one removed.
    pub fn land(&mut self) -> Option<Seq> {
        let mut landed = None;
        while let Some(front) = self.slots.first().copied().filter(|front| self.count > 0 && front.done) {
            landed = Some(front.last);
            self.slots.rotate_left(1);
            if let Some(slot) = self.slots.last_mut() {
                *slot = Flight::default();
            }
            self.count = self.count.saturating_sub(1);
        }
        landed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(first: u64, last: u64, asks: bool) -> Flight {
        Flight {
            first: Seq(first),
            last: Seq(last),
            asks,
            done: false,
        }
    }

    #[test]
    fn a_later_mark_ends_earlier_batches_unless_they_asked() {
        let mut flights = Flights::default();
        assert!(flights.push(flight(1, 2, true)) && flights.push(flight(3, 4, false)));
        flights.answer(None, Seq(4));
        assert_eq!(flights.land(), None, "the codes of the first are still missing");
        flights.answer(Some(Seq(1)), Seq(2));
        assert_eq!(flights.land(), Some(Seq(4)));
        assert_eq!(flights, Flights::default(), "no trace is left for the hash to see");
    }

    #[test]
    fn it_is_bounded() {
        let mut flights = Flights::default();
        for n in 0..8 {
            assert!(flights.push(flight(n, n, false)));
        }
        assert!(!flights.push(flight(9, 9, false)));
    }
}

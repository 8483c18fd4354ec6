//! What the model remembers for its properties only.

use pehra_core::replication::{Entry, LogId};

use super::bounds::PLACES;
use super::properties::broken;

/// An entry that a leader has counted a majority for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chosen {
    /// Its name.
    pub id: LogId,
    /// The term in which it was decided.
    pub term: u8,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghosts {
    /// The decided entry of each place, as soon as any member knows.
    pub chosen: [Option<Chosen>; PLACES],
    /// The highest place decided when the read was asked for.
    pub floor: u8,
    /// What has been broken, as bits; see `properties`.
    pub broken: u16,
    /// What the last step did, as bits; see `properties`.
    pub done: u8,
}

impl Ghosts {
    /// The highest place that is decided.
    #[must_use]
    pub fn highest(&self) -> u8 {
        let highest = self.chosen.iter().rposition(Option::is_some);
        highest.map_or(0, |place| u8::try_from(place + 1).expect("few places"))
    }

    /// A member says that this entry is decided.
    pub fn decide(&mut self, id: LogId, term: u8) {
        let place = place(id);
        match self.chosen[place] {
            None => self.chosen[place] = Some(Chosen { id, term }),
            Some(chosen) if chosen.id != id => self.broken |= broken::TWO_DECIDED,
            Some(_) => {}
        }
    }

    /// A member applies this. (That equal names are equal entries is looked at on the disks.)
    pub fn apply(&mut self, entry: &Entry<u8>) {
        let place = place(entry.id);
        if self.chosen[place].is_none_or(|chosen| chosen.id != entry.id) {
            self.broken |= broken::APPLIED_UNDECIDED;
        }
    }
}

fn place(id: LogId) -> usize {
    usize::try_from(id.index.0).expect("few places") - 1
}

//! The store of an election, as core specifies it.

use super::{Election, HardState, Position};
use crate::protocol::{Image, Recovered};
use crate::types::Never;

/// One record, replaced whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardImage {
    /// The record, once there is one.
    pub hard: Option<HardState>,
    /// It was there, and is gone.
    pub lost: bool,
}

impl<L: Position> Image<Election<L>> for HardImage {
    fn apply(&mut self, record: &HardState) {
        self.hard = Some(*record);
    }

    fn summary(&self) -> Recovered<HardState> {
        match self.hard {
            _ if self.lost => Recovered::Lost,
            Some(hard) => Recovered::Known(hard),
            None => Recovered::Fresh,
        }
    }

    fn answer(&self, query: &Never) -> Never {
        *query
    }
}

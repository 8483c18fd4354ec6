//! The edge's store as core specifies it.

use alloc::vec::Vec;

use super::{Pipeline, PipelineDurable, PipelineRecord, SetAside};
use crate::delivery::{EdgeImage, Rows, RowsQuery};
use crate::protocol::{Image, Recovered};
use crate::window::{Tuple, WindowImage};

/// Positions, windows, outbox and what was set aside: one store, one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PipelineImage {
    written: bool,
    positions: Vec<(u16, u64)>,
    windows: WindowImage,
    outbox: EdgeImage<Tuple>,
    set_aside: Vec<SetAside>,
}

impl PipelineImage {
    /// The outbox.
    #[must_use]
    pub const fn outbox(&self) -> &EdgeImage<Tuple> {
        &self.outbox
    }

    /// All that was set aside.
    #[must_use]
    pub fn set_aside(&self) -> &[SetAside] {
        &self.set_aside
    }
}

impl Image<Pipeline> for PipelineImage {
    fn apply(&mut self, record: &PipelineRecord) {
        self.written = true;
        match record {
            PipelineRecord::Position { partition, next } => {
                match self
                    .positions
                    .binary_search_by_key(partition, |(partition, _)| *partition)
                {
                    Ok(at) => {
                        if let Some(slot) = self.positions.get_mut(at) {
                            slot.1 = *next;
                        }
                    }
                    Err(at) => self.positions.insert(at, (*partition, *next)),
                }
            }
            PipelineRecord::Window(record) => self.windows.apply(record),
            PipelineRecord::Sender(record) => self.outbox.apply(record),
            PipelineRecord::SetAside(item) => self.set_aside.push(item.clone()),
        }
    }

    fn summary(&self) -> Recovered<PipelineDurable> {
        if !self.written {
            return Recovered::Fresh;
        }
        let houses = match self.windows.summary() {
            Recovered::Known(houses) => houses,
            Recovered::Fresh | Recovered::Lost => Vec::new(),
        };
        Recovered::Known(PipelineDurable {
            positions: self.positions.clone(),
            houses,
            sender: *self.outbox.cursors(),
        })
    }

    fn answer(&self, query: &RowsQuery) -> Rows<Tuple> {
        self.outbox.answer(query)
    }
}

//! Seeded bugs of the pipeline. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models.

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// The position that is stored with a record is that before it, so that a crash reads the record again.
    PositionLags,
    /// A record is taken wherever the edge stands.
    PositionUnchecked,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::PositionLags, Self::PositionUnchecked];
}

//! Seeded bugs of the windows. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models.

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A reading that comes again is counted again.
    RepeatIsCounted,
    /// A reading that comes too late is dropped, and nothing says so.
    TooLateUnsaid,
    /// A late reading is counted, and no revision leaves.
    RevisionUnsaid,
    /// A revision leaves the window's first reading out.
    RevisionLoses,
    /// A reading at the very end of a window is counted in it too.
    EndIsInside,
    /// What lies between two windows is passed over.
    GapUnsaid,
    /// A reading from the future is set aside, but moves the watermark.
    FutureMovesWatermark,
    /// A window closes 1 ms before its end.
    ClosesEarly,
    /// What a sweep closes is not stored, so that after a restart it is closed again.
    SweepIsForgotten,
    /// The readings of one window more are let go of than can no longer be revised.
    LetGoEarly,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::RepeatIsCounted,
        Self::TooLateUnsaid,
        Self::RevisionUnsaid,
        Self::RevisionLoses,
        Self::EndIsInside,
        Self::GapUnsaid,
        Self::FutureMovesWatermark,
        Self::ClosesEarly,
        Self::SweepIsForgotten,
        Self::LetGoEarly,
    ];
}

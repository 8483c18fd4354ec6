//! Seeded bugs of replication. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models, or be listed
//! as equivalent with the argument.

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Entries of an older term are decided by counting copies (Raft's figure 8).
    L1CountsOldTerms,
    /// The leader counts its own copy before it is durable.
    L3OwnCopyEarly,
    /// A follower acknowledges before its copy is durable.
    L4AcknowledgesEarly,
    /// A follower cuts its log after each entry that it is sent, also after an old one.
    L5CutsAfterEach,
    /// A snapshot takes the place of the whole log, also of entries that follow it.
    L6InstallCutsSuffix,
    /// What the leader says is decided is believed of entries that were not compared with its log.
    L9LearnsBeyond,
    /// A read is answered without asking a majority.
    L11ReadsUnconfirmed,
    /// A read is answered before the leader's first entry is decided.
    ReadsTooFresh,
    /// The entry before is not compared.
    PrevUnchecked,
    /// Whoever is asked is copied, however far its log goes.
    CopiesAnyLog,
    /// Entries are applied as soon as they are durable here.
    AppliesUndecided,
    /// A command is appended whatever its size.
    TakesAnySize,
    /// A member whose store was lost votes as soon as the number is raised.
    VotesWhileItLacks,
    /// It votes as soon as the leader's log and its own have something in common.
    WholeTooEarly,
    /// A snapshot waits for room among the entries under way, also where none are.
    WindowHoldsSnapshot,
}

impl Bug {
    /// All that the models hunt.
    pub const HUNTED: [Self; 15] = [
        Self::L1CountsOldTerms,
        Self::L3OwnCopyEarly,
        Self::L4AcknowledgesEarly,
        Self::L5CutsAfterEach,
        Self::L6InstallCutsSuffix,
        Self::L9LearnsBeyond,
        Self::L11ReadsUnconfirmed,
        Self::ReadsTooFresh,
        Self::PrevUnchecked,
        Self::CopiesAnyLog,
        Self::AppliesUndecided,
        Self::TakesAnySize,
        Self::VotesWhileItLacks,
        Self::WholeTooEarly,
        Self::WindowHoldsSnapshot,
    ];
}

//! Seeded bugs of coverage. Compiled only under `cfg(seeded_bugs)`; each one must be caught by the models, or be listed as
//! equivalent with the argument.

/// One bug, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Awake brokers are counted, whatever they hold copies of.
    NodesAreCounted,
    /// Copies that are out of sync are counted.
    LaggingCopiesCount,
    /// A broker that is on its way to sleep still counts.
    DrainingCounts,
    /// A partition is said to need one copy less.
    NeedOffByOne,
    /// The controllers keep a bare majority.
    SpareIsForgotten,
    /// The last one that is awake may go.
    LastMayGo,
    /// A copy that lags for no good reason is no obstacle.
    LagIsExcused,
    /// A topic that may elect a lagging leader is no obstacle.
    UncleanIsExcused,
    /// Of the limits that a broker is in, the largest set keeps only one.
    OneLimitIsEnough,
    /// A broker that is nobody's copy has to stay with the others.
    BystandersStay,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NodesAreCounted,
        Self::LaggingCopiesCount,
        Self::DrainingCounts,
        Self::NeedOffByOne,
        Self::SpareIsForgotten,
        Self::LastMayGo,
        Self::LagIsExcused,
        Self::UncleanIsExcused,
        Self::OneLimitIsEnough,
        Self::BystandersStay,
    ];
}

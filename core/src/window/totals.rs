//! What the cloud knows of a household: sums over its windows, each counted with its newest revision only.

use super::Span;

/// Sums over all windows of one household.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Total {
    /// Sum of all readings' powers, mW.
    pub sum_mw: i128,
    /// Readings.
    pub n: u64,
    /// Windows.
    pub windows: u64,
}

impl Total {
    /// Counts a tuple; `before` is what the store held for the same window, whose place it takes.
    pub fn count(&mut self, before: Option<&Span>, span: &Span) {
        if let Some(Span::Window { sum_mw, n, .. }) = before {
            self.sum_mw = self.sum_mw.saturating_sub((*sum_mw).into());
            self.n = self.n.saturating_sub((*n).into());
            self.windows = self.windows.saturating_sub(1);
        }
        if let Span::Window { sum_mw, n, .. } = span {
            self.sum_mw = self.sum_mw.saturating_add((*sum_mw).into());
            self.n = self.n.saturating_add((*n).into());
            self.windows = self.windows.saturating_add(1);
        }
    }

    /// Mean power over all readings, mW, rounded towards zero; `None` without a reading.
    #[must_use]
    pub fn mean_mw(&self) -> Option<i64> {
        i64::try_from(self.sum_mw.checked_div(self.n.into())?).ok()
    }
}

impl Span {
    /// Whether this takes the place of `before`: a window always does that of a gap, and that of an older revision.
    #[must_use]
    pub const fn replaces(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Window { revision, .. }, Self::Window { revision: older, .. }) => *revision > *older,
            (Self::Window { .. }, Self::Gap { .. }) => true,
            (Self::Gap { .. }, _) => false,
        }
    }
}

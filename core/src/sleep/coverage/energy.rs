//! What sleeping can save at the most.

/// What one broker's machine draws, in milliwatts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watts {
    /// Awake, with nothing to do.
    pub idle_mw: u32,
    /// Awake, at work.
    pub active_mw: u32,
    /// Asleep.
    pub asleep_mw: u32,
}

/// The share of a cluster's energy, in permille, that no way of putting `sleepers_max` of `brokers` to sleep can save more of,
/// if the cluster has nothing to do for `idle_permille` of the time: all that time they sleep, and neither falling asleep nor
/// waking costs anything. The rest is what a protocol loses against this.
///
/// With f the idle share, k of N asleep, and the draws `P_idle`, `P_active`, `P_asleep`:
/// `f · k/N · (P_idle − P_asleep) / (f · P_idle + (1 − f) · P_active)`.
#[must_use]
pub fn saving_permille_max(sleepers_max: u32, brokers: u32, idle_permille: u16, watts: Watts) -> u32 {
    let (idle, brokers) = (u128::from(idle_permille.min(1000)), u128::from(brokers));
    let sleepers = u128::from(sleepers_max).min(brokers);
    let saved = u128::from(watts.idle_mw.saturating_sub(watts.asleep_mw));
    // The largest factors are below 2^32, and there are four of them at most: nothing is ever cut off.
    let saved = idle.saturating_mul(sleepers).saturating_mul(saved).saturating_mul(1000);
    let busy = 1000_u128.saturating_sub(idle);
    let drawn = idle
        .saturating_mul(watts.idle_mw.into())
        .saturating_add(busy.saturating_mul(watts.active_mw.into()));
    let permille = saved.checked_div(brokers.saturating_mul(drawn)).unwrap_or(0);
    u32::try_from(permille).unwrap_or(u32::MAX)
}

//! What is chatter by its bytes: whatever passes, in whatever stretches.
#![allow(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use pehra_core::sleep::traffic::{Account, Allowance, Meaning, SAVED_MS};
use proptest::prelude::*;

/// How often it was traffic.
fn traffic(allowance: Allowance, stretches: &[(u64, u32)]) -> usize {
    let mut account = Account::NEW;
    let each = stretches
        .iter()
        .map(|(bytes, ms)| account.passed(allowance, *bytes, *ms));
    each.filter(|meaning| *meaning == Meaning::Traffic).count()
}

/// The allowance of so many milliseconds, in bytes.
fn earned(allowance: Allowance, ms: u64) -> u64 {
    u64::from(allowance.bytes_per_second) * ms / 1000
}

prop_compose! {
    fn allowances()(bytes_per_second in 1_u32..100_000) -> Allowance {
        Allowance { bytes_per_second }
    }
}

fn stretches(bytes_max: u64) -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((0..bytes_max, 1_u32..3000), 1..80)
}

proptest! {
    #[test]
    fn whoever_keeps_to_the_allowance_is_idle(allowance in allowances(), shares in stretches(1000)) {
        // Of each stretch's allowance so many thousandths.
        let kept: Vec<_> = shares
            .iter()
            .map(|(share, ms)| (earned(allowance, (*ms).into()) * share / 1000, *ms))
            .collect();
        prop_assert_eq!(traffic(allowance, &kept), 0);
        // What is saved up may come on top once.
        let mut more = kept;
        more[0].0 += earned(allowance, SAVED_MS.into());
        prop_assert_eq!(traffic(allowance, &more), 0);
    }

    #[test]
    fn whoever_passes_more_than_is_earned_and_saved_up_is_traffic(allowance in allowances(), mut passed in stretches(3000)) {
        let ms: u64 = passed.iter().map(|(_, ms)| u64::from(*ms)).sum();
        let bytes: u64 = passed.iter().map(|(bytes, _)| bytes).sum();
        // One more than that, and what rounding may hide.
        let enough = earned(allowance, ms + u64::from(SAVED_MS)) + 2;
        passed[0].0 += enough.saturating_sub(bytes);
        prop_assert!(traffic(allowance, &passed) > 0);
    }

    #[test]
    fn more_bytes_and_a_smaller_allowance_are_never_less(
        allowance in allowances(),
        passed in stretches(200_000),
        at in any::<prop::sample::Index>(),
        more in 0_u64..100_000,
    ) {
        let mut account = (Account::NEW, Account::NEW, Account::NEW);
        let smaller = Allowance { bytes_per_second: allowance.bytes_per_second / 2 };
        let at = at.index(passed.len());
        for (number, (bytes, ms)) in passed.iter().enumerate() {
            let added = if number == at { more } else { 0 };
            let meaning = account.0.passed(allowance, *bytes, *ms);
            let with_more = account.1.passed(allowance, *bytes + added, *ms);
            let with_less = account.2.passed(smaller, *bytes, *ms);
            if meaning == Meaning::Traffic {
                prop_assert_eq!(with_more, Meaning::Traffic);
                prop_assert_eq!(with_less, Meaning::Traffic);
            }
            prop_assert!(account.1.bytes() >= account.0.bytes());
        }
    }
}

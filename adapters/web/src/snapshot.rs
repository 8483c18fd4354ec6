//! What the page shows, as one value.

use serde::{Deserialize, Serialize};

use crate::states::{self, State};

/// Everything the page shows at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// What a kilowatt-hour costs, in euros.
    pub price_eur_per_kwh: f64,
    /// When this was put together, Unix milliseconds.
    pub updated_ms: i64,
    /// All sixteen states, those without households too.
    pub states: Vec<StateFigures>,
    /// The households whose postal code lies in no state.
    pub unknown: Unknown,
    /// The edges.
    pub edges: Vec<EdgeFigures>,
    /// Sums over everything.
    pub totals: Totals,
}

/// One state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StateFigures {
    /// Two letters; empty for the unknown.
    pub code: String,
    /// The name.
    pub name: String,
    /// How many households.
    pub households: u64,
    /// The mean of the households' mean powers, each weighted by the time it covers; milliwatts.
    pub mean_mw: f64,
    /// What a household uses in a year at that power.
    pub kwh_per_year: f64,
    /// What that costs.
    pub eur_per_year: f64,
    /// How many windows the figures rest on.
    pub windows: u64,
}

/// The households in no state have the same figures as those in one.
pub type Unknown = StateFigures;

/// How the link to an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Heard within the time it is expected.
    Up,
    /// Missed for a moment.
    Suspect,
    /// Given up until it comes back.
    Down,
    /// Never heard.
    #[default]
    Silent,
}

/// One edge.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EdgeFigures {
    /// Its name.
    pub name: String,
    /// The link to it.
    pub link: LinkState,
    /// Its epoch in hexadecimal, since a script's numbers have no 64 bits; empty before the first greeting.
    pub epoch: String,
    /// The last sequence number stored and acknowledged.
    pub last_seq: u64,
    /// Rows it holds that are not acknowledged yet.
    pub lag_rows: u64,
    /// When it was last heard, Unix milliseconds; 0: never.
    pub last_heard_ms: i64,
    /// Tuples stored from it in a second, lately.
    pub tuples_per_s: f64,
}

/// Sums over everything that arrived.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Tuples (one window of one household each).
    pub tuples: u64,
    /// Households.
    pub households: u64,
    /// Energy.
    pub kwh: f64,
    /// Since when, Unix milliseconds; 0: nothing yet.
    pub since_ms: i64,
}

/// What is known of one household, to be summed up by state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HouseholdFigures {
    /// The state, if its postal code lies in one.
    pub state: Option<State>,
    /// Its mean power in milliwatts over the time covered.
    pub mean_mw: f64,
    /// The time its windows cover.
    pub covered_ms: u64,
    /// How many windows that is.
    pub windows: u64,
}

impl StateFigures {
    /// A state nothing is known of yet; none: the households in no state.
    #[must_use]
    pub fn empty(state: Option<State>) -> Self {
        let (code, name) = state.map_or(("", "Unknown"), |state| (state.code(), state.name()));
        Self {
            code: code.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Sets the mean power, and with it the year's energy and cost.
    fn set_mean(&mut self, mean_mw: f64, price_eur_per_kwh: f64) {
        self.mean_mw = mean_mw;
        self.kwh_per_year = mean_mw / 1e6 * 8_760.0;
        self.eur_per_year = self.kwh_per_year * price_eur_per_kwh;
    }
}

/// Sums households up by state: the sixteen states in their order, then those in none. A household that covers no
/// time is counted but weighs nothing.
#[must_use]
pub fn by_state(
    households: impl IntoIterator<Item = HouseholdFigures>,
    price_eur_per_kwh: f64,
) -> (Vec<StateFigures>, Unknown) {
    let mut rows: Vec<StateFigures> = states::all()
        .into_iter()
        .map(Some)
        .chain([None])
        .map(StateFigures::empty)
        .collect();
    let mut sums = vec![(0.0, 0.0); rows.len()];
    for household in households {
        let index = household.state.map_or(rows.len() - 1, |state| state as usize);
        rows[index].households += 1;
        rows[index].windows += household.windows;
        let weight = household.covered_ms as f64;
        sums[index].0 += household.mean_mw * weight;
        sums[index].1 += weight;
    }
    for (row, (sum, weight)) in rows.iter_mut().zip(sums) {
        if weight > 0.0 {
            row.set_mean(sum / weight, price_eur_per_kwh);
        }
    }
    let unknown = rows.pop().unwrap_or_default();
    (rows, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn household(state: Option<State>, mean_mw: f64, covered_ms: u64) -> HouseholdFigures {
        HouseholdFigures {
            state,
            mean_mw,
            covered_ms,
            windows: covered_ms / 5_000,
        }
    }

    #[test]
    fn households_weigh_by_the_time_they_cover() {
        let (states, unknown) = by_state(
            [
                household(Some(State::TH), 200_000.0, 10_000),
                household(Some(State::TH), 600_000.0, 30_000),
                household(Some(State::TH), 9e9, 0),
                household(None, -80_000.0, 5_000),
            ],
            0.372,
        );
        assert_eq!(states.len(), 16);
        let th = &states[15];
        assert_eq!(
            (th.code.as_str(), th.name.as_str(), th.households, th.windows),
            ("TH", "Thüringen", 3, 8)
        );
        // 500 W for a year: 4,380 kWh.
        assert!((th.mean_mw - 500_000.0).abs() < 1e-6 && (th.kwh_per_year - 4_380.0).abs() < 1e-9);
        assert!((th.eur_per_year - 1_629.36).abs() < 1e-9);
        assert_eq!((unknown.name.as_str(), unknown.households), ("Unknown", 1));
        assert!(unknown.eur_per_year < 0.0);
        assert_eq!(states[0], StateFigures::empty(Some(State::BW)));
    }

    #[test]
    fn the_json_has_the_names_the_page_reads() {
        let edge = EdgeFigures {
            name: "edge-1".to_owned(),
            link: LinkState::Suspect,
            ..EdgeFigures::default()
        };
        let (states, unknown) = by_state([], 0.3);
        let snapshot = Snapshot {
            states,
            unknown,
            edges: vec![edge],
            ..Snapshot::default()
        };
        let value = serde_json::to_value(&snapshot).unwrap();
        assert_eq!(value["states"][0]["name"], "Baden-Württemberg");
        assert_eq!(value["edges"][0]["link"], "suspect");
        for name in ["households", "mean_mw", "kwh_per_year", "eur_per_year", "windows"] {
            assert!(value["unknown"][name].is_number(), "{name}");
        }
        for name in ["tuples", "households", "kwh", "since_ms"] {
            assert!(value["totals"][name].is_number(), "{name}");
        }
        assert_eq!(serde_json::from_value::<Snapshot>(value).unwrap(), snapshot);
    }
}

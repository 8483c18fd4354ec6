//! The same model in Stateright: a second opinion on the counts, and a browser for people.

use std::net::ToSocketAddrs;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use stateright::{Checker, Model};

use crate::kinds::Kinds;

/// In which order Stateright walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Depth first: 10 to 20 bytes a state, as it keeps fingerprints only.
    Depth,
    /// Breadth first: keeps whole paths, so it needs much more memory.
    Breadth,
}

/// What Stateright found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// Different states, by 64-bit fingerprint.
    pub unique: u64,
    /// Initial states and transitions.
    pub generated: u64,
    /// Names of the properties it decided: broken `always`, witnessed `sometimes`.
    pub discoveries: Vec<String>,
}

/// Walks the model with Stateright, with no limit of any kind: after a time-out or at a target count it calls itself
/// done and its own assertions pass, so neither is offered here.
///
/// # Panics
///
/// When the model has no `always` property: Stateright stops as soon as no property is open, so the counts of
/// such a walk say nothing. And when the model itself panics.
#[must_use]
pub fn stateright<M>(model: M, search: Search, threads: usize) -> (Opinion, f64)
where
    M: Kinds + Send + Sync + 'static,
    M::State: Send + Sync + 'static,
{
    let anchored = model
        .properties()
        .iter()
        .any(|p| p.expectation == stateright::Expectation::Always);
    assert!(
        anchored,
        "a model without an `always` property is not walked to its end by Stateright: add one"
    );
    let started = Instant::now();
    let checker = model.checker().threads(threads);
    let opinion = match search {
        Search::Depth => opinion(checker.spawn_dfs().join()),
        Search::Breadth => opinion(checker.spawn_bfs().join()),
    };
    (opinion, started.elapsed().as_secs_f64())
}

/// Serves the model to a web browser, step by step, until the process ends. Works without a network.
///
/// # Panics
///
/// When the address cannot be bound.
pub fn serve<M>(model: M, address: impl ToSocketAddrs)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static,
    M::Action: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static,
{
    model.checker().serve(address);
}

fn opinion<M: Kinds>(checker: impl Checker<M>) -> Opinion {
    let mut discoveries: Vec<String> = checker.discoveries().into_keys().map(str::to_owned).collect();
    discoveries.sort();
    Opinion {
        unique: checker.unique_state_count() as u64,
        generated: checker.state_count() as u64,
        discoveries,
    }
}

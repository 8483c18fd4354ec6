//! What the page and the metrics show.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Total};
use pehra_web::{EdgeFigures, HouseholdFigures, LinkState, Snapshot, Totals, by_state, state_of};
use tokio::sync::watch;

/// What is known of one edge.
#[derive(Clone, Debug)]
pub struct EdgeBoard {
    pub high: u64,
    pub epoch: u64,
    pub backlog: u64,
    pub silent: bool,
    pub heard: Option<Instant>,
    pub heard_ms: i64,
    pub applied: u64,
    pub repeated: u64,
    pub gaps: u64,
    pub store_failures: u64,
    /// Rows applied and when, at the last look: for the rate.
    before: (u64, Instant),
    rate: f64,
}

impl Default for EdgeBoard {
    fn default() -> Self {
        Self {
            high: 0,
            epoch: 0,
            backlog: 0,
            silent: false,
            heard: None,
            heard_ms: 0,
            applied: 0,
            repeated: 0,
            gaps: 0,
            store_failures: 0,
            before: (0, Instant::now()),
            rate: 0.0,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    totals: BTreeMap<(EdgeName, Household), (Code, Total)>,
    edges: BTreeMap<EdgeName, EdgeBoard>,
    refused_frames: u64,
}

/// Everything that is shown; written by the edges' nodes, read by the page.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    price: f64,
    window_ms: u64,
    since_ms: i64,
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Board {
    pub fn new(price: f64, window_ms: u64) -> Self {
        let (snapshots, _) = watch::channel(Arc::new(Snapshot::default()));
        Self {
            state: Mutex::default(),
            snapshots,
            price,
            window_ms,
            since_ms: now_ms(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page's snapshots.
    pub fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// A household's total changed, durably.
    pub fn put(&self, edge: EdgeName, household: Household, code: Code, total: Total) {
        self.lock().totals.insert((edge, household), (code, total));
    }

    /// Changes what is known of an edge.
    pub fn edge(&self, name: EdgeName, change: impl FnOnce(&mut EdgeBoard)) {
        change(self.lock().edges.entry(name).or_default());
    }

    /// An edge said something.
    pub fn heard(&self, name: EdgeName) {
        self.edge(name, |edge| {
            edge.heard = Some(Instant::now());
            edge.heard_ms = now_ms();
        });
    }

    /// A frame was no message.
    pub fn refused_frame(&self) {
        self.lock().refused_frames += 1;
    }

    /// Makes a new snapshot for the page.
    pub fn refresh(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        for edge in state.edges.values_mut() {
            let (rows, at) = edge.before;
            let seconds = now.duration_since(at).as_secs_f64();
            if seconds >= 1.0 {
                #[allow(clippy::cast_precision_loss)] // a rate for people
                let now_rate = edge.applied.saturating_sub(rows) as f64 / seconds;
                edge.rate = now_rate;
                edge.before = (edge.applied, now);
            }
        }
        let snapshot = self.snapshot(&state);
        drop(state);
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    #[allow(clippy::cast_precision_loss)] // figures for people; the exact ones are in the store
    fn snapshot(&self, state: &State) -> Snapshot {
        let households = state.totals.values().filter_map(|(code, total)| {
            let mean_mw = total.mean_mw()? as f64;
            let covered_ms = total.windows.saturating_mul(self.window_ms);
            Some(HouseholdFigures {
                state: state_of(code.as_str()),
                mean_mw,
                covered_ms,
                windows: total.windows,
            })
        });
        let (states, unknown) = by_state(households, self.price);
        let kwh = state.totals.values().filter_map(|(_, total)| {
            let hours = total.windows.saturating_mul(self.window_ms) as f64 / 3_600_000.0;
            Some(total.mean_mw()? as f64 / 1e6 * hours)
        });
        let edges = state.edges.iter().map(|(name, edge)| EdgeFigures {
            name: name.as_str().to_owned(),
            link: match edge.heard {
                Some(_) if !edge.silent => LinkState::Up,
                Some(_) | None => LinkState::Silent,
            },
            epoch: if edge.epoch == 0 {
                String::new()
            } else {
                format!("{:016x}", edge.epoch)
            },
            last_seq: edge.high,
            lag_rows: edge.backlog,
            last_heard_ms: edge.heard_ms,
            tuples_per_s: edge.rate,
        });
        let mut names: Vec<&Household> = state.totals.keys().map(|(_, household)| household).collect();
        names.sort_unstable();
        names.dedup();
        Snapshot {
            price_eur_per_kwh: self.price,
            updated_ms: now_ms(),
            states,
            unknown,
            edges: edges.collect(),
            totals: Totals {
                tuples: state.totals.values().map(|(_, total)| total.windows).sum(),
                households: names.len() as u64,
                kwh: kwh.fold(0.0, |sum, kwh| sum + kwh),
                since_ms: self.since_ms,
            },
        }
    }

    /// In Prometheus' text format.
    pub fn render_metrics(&self) -> String {
        let state = self.lock();
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# TYPE pehra_cloud_refused_frames_total counter");
        let _ = writeln!(text, "pehra_cloud_refused_frames_total {}", state.refused_frames);
        for (name, edge) in &state.edges {
            for (metric, value) in [
                ("rows_applied_total", edge.applied),
                ("rows_repeated_total", edge.repeated),
                ("gaps_refused_total", edge.gaps),
                ("store_failures_total", edge.store_failures),
                ("row_high", edge.high),
                ("edge_backlog_rows", edge.backlog),
                ("edge_silent", u64::from(edge.silent)),
            ] {
                let _ = writeln!(text, "pehra_cloud_{metric}{{edge={:?}}} {value}", name.as_str());
            }
        }
        text
    }
}

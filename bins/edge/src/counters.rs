//! What the edge counts, for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that others may look at.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Replaces.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Counters {
    pub records: Counter,
    pub set_aside: Counter,
    pub rows: Counter,
    pub acked: Counter,
    pub resent: Counter,
    pub requests: Counter,
    pub request_failures: Counter,
    pub households: Counter,
    pub store_failures: Counter,
    pub refused: Counter,
    pub link_up: Counter,
    pub fenced: Counter,
}

impl Counters {
    /// In Prometheus' text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, kind, help, counter) in [
            (
                "records_total",
                "counter",
                "Records read from Kafka, repeats after a restart included",
                &self.records,
            ),
            (
                "set_aside_total",
                "counter",
                "Records that are in no window",
                &self.set_aside,
            ),
            ("rows", "gauge", "Sequence of the newest row", &self.rows),
            (
                "rows_acked",
                "gauge",
                "Sequence of the last acknowledged row",
                &self.acked,
            ),
            ("rows_resent_total", "counter", "Rows sent again", &self.resent),
            ("requests_total", "counter", "Requests to the cloud", &self.requests),
            (
                "request_failures_total",
                "counter",
                "Requests without a reply",
                &self.request_failures,
            ),
            ("households", "gauge", "Households seen", &self.households),
            (
                "store_failures_total",
                "counter",
                "Times that the store had to be opened again",
                &self.store_failures,
            ),
            (
                "refused_total",
                "counter",
                "Records not taken: disk nearly full, or backlog",
                &self.refused,
            ),
            ("link_up", "gauge", "1 while heartbeats are answered", &self.link_up),
            (
                "fenced",
                "gauge",
                "1 once another holder of this identity was found",
                &self.fenced,
            ),
        ] {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "# HELP pehra_edge_{name} {help}\n# TYPE pehra_edge_{name} {kind}\npehra_edge_{name} {}",
                counter.get()
            );
        }
        text
    }
}

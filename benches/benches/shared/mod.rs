//! What all benches share: short runs, one node with a disk that is done at once, and rows.
#![allow(dead_code)]

use std::time::Duration;

use criterion::Criterion;
use pehra_core::delivery::{Rows, Seq};
use pehra_core::node::{Desk, GateBound, Node, Output, Taken};
use pehra_core::protocol::{Input, Protocol, Recovered};
use pehra_core::types::{Household, NodeId};
use pehra_core::window::{Span, Tuple};

pub const EDGE: NodeId = NodeId(1);
pub const CLOUD: NodeId = NodeId(2);

/// Two seconds for each figure: enough for a steady median, short enough to run all on every change.
pub fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
}

/// A node whose writes are durable the moment it asks for them, so that what is measured is the protocol alone.
pub struct Bench<P: Protocol> {
    config: P::Config,
    node: Node<P>,
    desk: Desk<P>,
    /// Fetches that were not answered yet.
    pub asked: Vec<P::Query>,
}

impl<P: Protocol> Bench<P> {
    /// A node that has never written.
    pub fn new(config: P::Config) -> Self {
        let mut desk = Desk::default();
        let node = Node::recover(&config, GateBound::DEPLOYED, Recovered::Fresh, &mut desk);
        let mut bench = Self {
            config,
            node,
            desk,
            asked: Vec::new(),
        };
        bench.settle();
        bench
    }

    /// The protocol's state.
    pub fn state(&self) -> &P {
        self.node.state()
    }

    /// Feeds an input and makes durable what follows from it.
    pub fn feed(&mut self, input: Input<P>) {
        let taken = self.node.step(&self.config, input, &mut self.desk);
        assert_eq!(taken, Taken::Yes);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            for output in self.desk.outputs() {
                match output {
                    Output::Fetch { query, .. } => self.asked.push(query),
                    Output::Fault { broken, .. } => panic!("{broken}"),
                    _ => {}
                }
            }
            if self.node.open_commits() == 0 {
                return;
            }
            self.node.persisted(&self.config, &mut self.desk);
        }
    }
}

/// One of a hundred households.
pub fn household(n: u64) -> Household {
    Household::new(&format!("household-{:05}", n % 100)).expect("short enough")
}

/// The tuple at a place in the outbox.
pub fn tuple(n: u64) -> Tuple {
    let n_signed = i64::try_from(n).expect("small");
    Tuple {
        household: household(n),
        start_ms: 1_700_000_000_000 + n_signed / 100 * 5000,
        span: Span::Window {
            sum_mw: 2_500_000 + n_signed,
            n: 5,
            min_mw: 400_000,
            max_mw: 700_000,
            first_register: Some(123_456_789_000 + n),
            last_register: Some(123_456_799_000 + n),
            revision: 0,
        },
    }
}

/// So many rows from `first` on, whose households' codes are known.
pub fn rows(first: u64, count: u64) -> Rows<Tuple> {
    Rows {
        first: Seq(first),
        bodies: (first..first + count).map(tuple).collect(),
        asks: Vec::new(),
    }
}

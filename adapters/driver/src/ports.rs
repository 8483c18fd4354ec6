//! What a driver needs from outside.

use std::fmt;

use pehra_core::members::Order;
use pehra_core::node::GateBound;
use pehra_core::protocol::{Input, Protocol, Recovered};
use pehra_core::types::{Broken, Term};

/// The durable store of one node. Lives on a thread of its own; every call may block.
pub trait Store<P: Protocol>: Send {
    /// What recovery starts from.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn load(&mut self) -> Result<Recovered<P::Durable>, StoreError>;

    /// Makes all records durable together, in order, before it returns. They are one or more whole commits of the node.
    ///
    /// # Errors
    /// If that failed or its outcome is unknown. The caller then opens the store anew and recovers.
    fn commit(&mut self, records: &[P::Record]) -> Result<(), StoreError>;

    /// Answers a query from durable rows.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn answer(&mut self, query: &P::Query) -> Result<P::Rows, StoreError>;

    /// Whether space is so short that nothing more should be taken in. Asked after commits and now and then.
    fn is_short(&mut self) -> bool {
        false
    }
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug)]
pub struct StoreError {
    /// What was being done, where.
    pub doing: String,
    /// What went wrong, in the store's words, and what to do.
    pub problem: String,
}

impl StoreError {
    /// An error while `doing`.
    pub fn new(doing: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            doing: doing.into(),
            problem: problem.to_string(),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.problem)
    }
}

impl std::error::Error for StoreError {}

/// Where a node's words go. Called from the node's own loop: must not block.
pub trait Shell<P: Protocol>: Send {
    /// The node starts, or starts again after a storage error.
    fn started(&mut self, _state: &P) {}
    /// Send this to a peer.
    fn notice(&mut self, to: pehra_core::types::NodeId, notice: P::Notice);
    /// Send this to a peer.
    fn claim(&mut self, to: pehra_core::types::NodeId, claim: P::Claim);
    /// This holds.
    fn event(&mut self, event: P::Event);
    /// News.
    fn report(&mut self, report: P::Report);
    /// The order of the cluster's members for this term: the same on every one of them, and not to be foreseen by outsiders.
    fn order(&mut self, _term: Term) -> Order {
        Order::new([])
    }
    /// The state after a round of inputs, to show or count.
    fn look(&mut self, _state: &P) {}
    /// The store failed; the node is dropped and will recover.
    fn store_failed(&mut self, _error: &StoreError) {}
    /// A life of the node begins with this. The first of the calls for a flight recorder, which do nothing unless there is one.
    fn record_recovered(&mut self, _config: &P::Config, _gate: GateBound, _recovered: &Recovered<P::Durable>) {}
    /// Whether inputs and outputs are recorded; digests are made only then.
    fn is_recording(&self) -> bool {
        false
    }
    /// This is about to be fed.
    fn record_input(&mut self, _input: &Input<P>) {}
    /// A commit is about to be reported durable.
    fn record_persisted(&mut self) {}
    /// Digest of what came out of the last of these.
    fn record_outputs(&mut self, _digest: u64) {}
    /// The node has stopped for good.
    fn fault(&mut self, broken: Broken);
}

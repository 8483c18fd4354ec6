//! What a member is told before it starts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pehra_core::identity::{Hello, Known};
use pehra_core::types::NodeId;

use crate::{Endpoint, Tls};

/// Keeps what is to be remembered of a member, durably, before it returns. It is called on a thread of its own, so it
/// may wait for a disk. A failure keeps that member out until it is tried again.
pub type Remember = Arc<dyn Fn(NodeId, Known) -> Result<(), String> + Send + Sync>;

/// One member's place in its cluster.
#[derive(Clone)]
pub struct Config {
    /// What this member says of itself. Its incarnation was raised durably before.
    pub me: Hello,
    /// Where it listens, for members and for clients.
    pub listen: Endpoint,
    /// Where the members are; this member's own entry is passed over.
    pub members: Vec<(NodeId, Endpoint)>,
    /// What [`Config::remember`] kept until now.
    pub known: Vec<(NodeId, Known)>,
    /// Keeps what is to be remembered.
    pub remember: Remember,
    /// Limits and waits.
    pub options: MeshOptions,
}

/// Limits and waits of a mesh.
#[derive(Clone, Debug)]
pub struct MeshOptions {
    /// The largest message in either direction, bytes; also the largest request of a client.
    pub frame_max: usize,
    /// Messages that wait for one member at the most; more are dropped.
    pub queue_frames: usize,
    /// Bytes that wait for one member at the most; more are dropped.
    pub queue_bytes: usize,
    /// Messages of one member that wait for this one's host; then no more are read from that member.
    pub inbox_frames: usize,
    /// How long a connection may take to be made, with all greetings.
    pub connect_timeout: Duration,
    /// How long one write may take; a connection that does not take it in is closed.
    pub write_deadline: Duration,
    /// How long a peer may be silent. It is asked for a sign of life before, so idle links stay up. `None`: a connection
    /// whose other end is gone without a word (power, cable) stands until a write runs into its deadline, or until that
    /// member connects again.
    pub silence_max: Option<Duration>,
    /// How long a connected process is given to prove that it is alive, when a second one comes with its id.
    pub proof_timeout: Duration,
    /// The first pause before dialling again; doubles. Each pause is drawn between half its bound and its bound.
    pub redial_min: Duration,
    /// The longest pause before dialling again.
    pub redial_max: Duration,
    /// Clients that are served at once.
    pub clients_max: usize,
    /// Open requests of one client at the most.
    pub in_flight_max: usize,
    /// For `tls+tcp` endpoints: all three files, since members know each other by their certificates.
    pub tls: Option<Tls>,
    /// Seed of the redial jitter; `None` takes one from the system.
    pub seed: Option<u64>,
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self {
            frame_max: 1024 * 1024,
            queue_frames: 1024,
            queue_bytes: 16 * 1024 * 1024,
            inbox_frames: 1024,
            connect_timeout: Duration::from_secs(1),
            write_deadline: Duration::from_millis(500),
            silence_max: Some(Duration::from_secs(3)),
            proof_timeout: Duration::from_millis(200),
            redial_min: Duration::from_millis(20),
            redial_max: Duration::from_millis(500),
            clients_max: 256,
            in_flight_max: 64,
            tls: None,
            seed: None,
        }
    }
}

/// Why a mesh could not be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(pub(super) String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// The common name that a member's certificate carries: `node-3`.
#[must_use]
pub fn certificate_name(node: NodeId) -> String {
    format!("node-{}", node.0)
}

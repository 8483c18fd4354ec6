//! What a mesh counts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::Counters;

/// Counts of one mesh, to look at.
#[derive(Debug, Default)]
pub struct MeshCounters {
    /// Messages received from members.
    pub messages_in: AtomicU64,
    /// Messages written to members.
    pub messages_out: AtomicU64,
    /// Links that came up.
    pub links: AtomicU64,
    /// Messages dropped because that member's queue was full.
    pub overflows: AtomicU64,
    /// Messages dropped because there was no link to that member.
    pub unlinked: AtomicU64,
    /// Hellos that were refused, whether reported one by one or not.
    pub refused_hellos: AtomicU64,
    /// Peers that spoke something else, or that TLS did not let in.
    pub wrong_peers: AtomicU64,
    /// Frames that were too large or malformed; each ended its connection.
    pub refused_frames: AtomicU64,
    /// Links closed because a write ran into its deadline.
    pub slow_writes: AtomicU64,
    /// Links closed because nothing was heard for too long.
    pub silences: AtomicU64,
    /// Connections closed at once because there were too many.
    pub refused_connections: AtomicU64,
    /// Of the clients.
    pub clients: Arc<Counters>,
}

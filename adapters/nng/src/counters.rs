//! What the transport counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one requester or listener, to look at.
///
/// NNG's C library keeps to itself which peers and frames it refused: over that back end `wrong_peers` stays 0, and
/// `refused_frames` counts only what passed the library's own limit.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames received.
    pub frames_in: AtomicU64,
    /// Frames sent.
    pub frames_out: AtomicU64,
    /// Replies that nobody waited for any more.
    pub late_replies: AtomicU64,
    /// Frames that were too large or malformed; one received ended its connection, one to be sent was emptied.
    pub refused_frames: AtomicU64,
    /// Peers that did not speak the protocol.
    pub wrong_peers: AtomicU64,
    /// Connections beyond `connections_max`, closed at once.
    pub refused_connections: AtomicU64,
    /// Connections made or accepted.
    pub connections: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

//! What both sides offer, whatever speaks underneath.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{Counters, Endpoint};

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who signs the other side's certificate. A listener with one demands certificates of its clients.
    pub ca: Option<PathBuf>,
    /// This side's certificate chain; a listener must have one.
    pub cert: Option<PathBuf>,
    /// This side's key.
    pub key: Option<PathBuf>,
}

/// Who speaks the wire protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Our own codec on tokio, with rustls.
    #[default]
    Sp,
    /// NNG's C library on threads of its own, without TLS. Needs the cargo feature `libnng`; without it, setting up
    /// fails with a message that says so.
    ///
    /// For compatibility, not for speed: its threads ask NNG once a millisecond. NNG does not say that it cannot
    /// connect, so a peer that was never there is reported only after `connect_timeout`.
    LibNng,
}

#[cfg(not(feature = "libnng"))]
pub(crate) const LIBNNG_MISSING: &str =
    "this build has no libnng back end: build with the feature `libnng` (needs cmake), or use the back end `sp`";

/// Limits and waits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who speaks the wire protocol.
    pub backend: Backend,
    /// The largest body in either direction, bytes.
    pub frame_max: usize,
    /// How long a connection may take to be made, and its handshake.
    pub connect_timeout: Duration,
    /// The first pause before connecting again; doubles.
    pub reconnect_min: Duration,
    /// The longest pause before connecting again. Each pause is drawn between nothing and its bound.
    pub reconnect_max: Duration,
    /// Open requests of one connection at the most.
    pub in_flight_max: usize,
    /// Connections that a listener serves at once.
    pub connections_max: usize,
    /// For `tls+tcp` endpoints.
    pub tls: Option<Tls>,
    /// Seed of the reconnect jitter; `None` takes one from the system.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backend: Backend::Sp,
            frame_max: 8 * 1024 * 1024,
            connect_timeout: Duration::from_secs(5),
            reconnect_min: Duration::from_millis(50),
            reconnect_max: Duration::from_secs(5),
            in_flight_max: 64,
            connections_max: 1024,
            tls: None,
            seed: None,
        }
    }
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Counts a listener's connections, from 1.
    pub connection: u64,
    /// Its address.
    pub address: SocketAddr,
    /// The common name of its certificate's subject; `None` only if no certificate was asked for.
    pub identity: Option<String>,
}

/// The peer came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A connection stands.
    Up {
        /// The peer's address.
        address: SocketAddr,
    },
    /// It ended, or could not be made. Said once until it stands again.
    Down {
        /// In words.
        why: String,
    },
}

/// Why a request has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There is no connection, or it ended while the request was open. Whether the peer saw it is unknown.
    LinkDown,
    /// The peer did not answer in time.
    Deadline,
    /// Too many requests are open.
    Busy,
    /// The body is larger than `frame_max`.
    TooLarge {
        /// Its size, bytes.
        bytes: usize,
        /// The limit, bytes.
        limit: usize,
    },
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkDown => f.write_str("no connection to the peer; it is being made again"),
            Self::Deadline => f.write_str("the peer did not answer in time"),
            Self::Busy => f.write_str("too many requests are open; wait for some to end"),
            Self::TooLarge { bytes, limit } => write!(f, "the body has {bytes} bytes, the limit is {limit}"),
        }
    }
}

impl std::error::Error for RequestError {}

/// Why a requester could not be set up. A peer that cannot be reached is no error: it is tried again for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError(pub(crate) String);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}

/// Why a listener could not be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenError(pub(crate) String);

impl ListenError {
    pub(crate) fn bind(endpoint: &Endpoint, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                ": another program has this port, or a connection had it within the last minute; stop the program, \
                 wait, or choose another port"
            }
            std::io::ErrorKind::PermissionDenied => ": ports below 1024 need privileges; choose a higher one",
            std::io::ErrorKind::AddrNotAvailable => ": this machine does not have that address",
            _ => "",
        };
        Self(format!("cannot listen on {endpoint}: {error}{hint}"))
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ListenError {}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Incoming {
    /// Who asks.
    pub peer: Peer,
    /// What.
    pub body: Bytes,
    /// The one chance to answer.
    pub answer: Answer,
}

/// Answers one request. Dropped, it sends an empty reply, so that no requester hangs; so does an answer that is larger
/// than the listener's `frame_max`, and that is counted.
#[derive(Debug)]
pub struct Answer {
    pub(crate) header: Bytes,
    pub(crate) replies: Option<mpsc::UnboundedSender<Reply>>,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// A reply on its way to the writer. The permit bounds how many there can be.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) header: Bytes,
    pub(crate) body: Bytes,
    pub(crate) _permit: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// Empties a body over the limit: the peer has the same limit and would end the connection, with all its requests.
    pub(crate) fn within(mut self, frame_max: usize, counters: &Counters) -> Self {
        if self.body.len() > frame_max {
            Counters::add(&counters.refused_frames);
            tracing::warn!(
                bytes = self.body.len(),
                limit = frame_max,
                "an answer is too large; an empty one was sent"
            );
            self.body = Bytes::new();
        }
        self
    }
}

impl Answer {
    /// Sends the reply. If the connection has ended meanwhile, it is lost.
    pub fn send(mut self, body: Bytes) {
        self.finish(body);
    }

    fn finish(&mut self, body: Bytes) {
        if let Some(replies) = self.replies.take() {
            let header = std::mem::take(&mut self.header);
            let _ = replies.send(Reply {
                header,
                body,
                _permit: self.permit.take(),
            });
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.finish(Bytes::new());
    }
}

//! What a proxy is told: where it stands, with what TLS, and its bounds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a proxy stands.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens: what clients find in the broker's `advertised.listeners`.
    pub at: SocketAddr,
    /// Where the broker listens, for nobody but the proxy.
    pub upstream: SocketAddr,
    /// What clients speak.
    pub clients: Clients,
    /// TLS on the way to the broker, if its listener speaks it. Not with [`Clients::Sealed`].
    pub broker: Option<BrokerTls>,
    /// Whom it holds while the broker is down.
    pub while_down: WhileDown,
    /// Its bounds.
    pub limits: Limits,
}

/// What becomes of clients that come while the broker is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileDown {
    /// They are asked what they want: traffic is held and wanted, the rest is refused. For a broker whose partitions take no
    /// writes without it, and for one that is on its way up.
    Ask,
    /// They are refused at once, whatever they want, and find who leads now. For a broker that others stand in for in full.
    Refuse,
}

impl Options {
    /// Without TLS on either side.
    #[must_use]
    pub fn plain(at: SocketAddr, upstream: SocketAddr) -> Self {
        Self {
            at,
            upstream,
            clients: Clients::Plain,
            broker: None,
            while_down: WhileDown::Ask,
            limits: Limits::default(),
        }
    }
}

/// What clients speak.
#[derive(Clone, Debug)]
pub enum Clients {
    /// Kafka's protocol.
    Plain,
    /// The same inside TLS, which ends here.
    Tls(ClientTls),
    /// TLS that passes unread, for want of its keys: bytes are counted, and nothing else.
    Sealed,
}

/// The certificate that clients see: PEM files.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// The certificate, and those between it and its CA.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signed the certificates that clients have to show; none if they need not.
    pub ca: Option<PathBuf>,
}

/// TLS on the way to the broker: PEM files.
#[derive(Clone, Debug)]
pub struct BrokerTls {
    /// Who signed the broker's certificate.
    pub ca: PathBuf,
    /// The name that stands in it.
    pub name: String,
    /// Our own certificate and its key, if the broker wants one.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// The bounds of a proxy.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// The room of a connection for each direction, in bytes. It also bounds what is held while the broker wakes.
    pub buffer_bytes: usize,
    /// The room for what all connections hold while the broker wakes, in bytes. Who finds none is closed.
    pub held_bytes_max: usize,
    /// The longest request, in bytes: what is said to be longer is not Kafka's protocol. Kafka's own limit is the same.
    pub request_bytes_max: i32,
    /// How many requests of a connection may wait for their answers. Beyond it every answer counts as traffic.
    pub in_flight_max: usize,
    /// How long a connection is held for the broker to come. Clients give up after `request.timeout.ms`, mostly 30 s.
    pub hold_max: Duration,
    /// How long a connection that found the broker down and asked for nothing that needs it is kept, should it do so yet. A
    /// producer that comes back asks for metadata and sends its records at the same moment.
    pub refuse_after: Duration,
    /// How long one attempt to connect to the broker may take.
    pub connect_max: Duration,
    /// How long TLS may take to come about, on either side.
    pub handshake_max: Duration,
    /// How often it is attempted while a connection is held.
    pub retry_every: Duration,
    /// How long the other direction may go on after one has ended.
    pub close_max: Duration,
    /// A connection on which nothing passes for so long is ended. Brokers end theirs after ten minutes, but a frozen one does not.
    pub idle_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 4096,
            buffer_bytes: 32 << 10,
            held_bytes_max: 32 << 20,
            request_bytes_max: 100 << 20,
            in_flight_max: 1024,
            hold_max: Duration::from_secs(20),
            refuse_after: Duration::from_millis(250),
            connect_max: Duration::from_secs(1),
            handshake_max: Duration::from_secs(10),
            retry_every: Duration::from_millis(100),
            close_max: Duration::from_secs(5),
            idle_max: Duration::from_secs(15 * 60),
        }
    }
}

//! One listener in front of one broker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::connection;
use crate::seen::{Seen, Teller};

/// After a failure to accept (as when there are no file descriptors left), so long nobody is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    /// How long one attempt to connect to the broker may take.
    pub connect_max: Duration,
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
            connect_max: Duration::from_secs(1),
            retry_every: Duration::from_millis(100),
            close_max: Duration::from_secs(5),
            idle_max: Duration::from_secs(15 * 60),
        }
    }
}

/// What all connections of a proxy share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub upstream: SocketAddr,
    pub limits: Limits,
    pub teller: Teller,
    /// The room that is left for what is held.
    pub room: Arc<Semaphore>,
}

/// A proxy; it and all its connections end when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `at`, which clients have to find in the broker's `advertised.listeners`, in front of the broker at `upstream`.
    /// The broker need not be up.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub async fn start(at: SocketAddr, upstream: SocketAddr, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let (teller, seen) = Teller::new();
        let room = limits.held_bytes_max.min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            upstream,
            limits,
            teller,
            room: Arc::new(Semaphore::new(room)),
        };
        let task = tokio::spawn(serve(listener, shared));
        Ok(Self { address, seen, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it saw, as it grows: read it, or wait for a change.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts for ever. The connections end with this.
async fn serve(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= shared.limits.connections_max {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((client, _)) => {
                prepare(&client);
                connections.spawn(connection::run(client, shared.clone()));
            }
            // A client that is gone already is one of these.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Kafka's messages are written whole, so waiting for more to come only delays them.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
}

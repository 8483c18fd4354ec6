//! One listener in front of one broker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{error, fmt, io};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::greeting::Greeting;
use crate::seen::{Seen, Teller};
use crate::tls::{self, Acceptor, Connector};
use crate::{Clients, Limits, Options, WhileDown, connection};

/// After a failure to accept (as when there are no file descriptors left), so long nobody is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a proxy could not be started, and what to do about it.
#[derive(Debug)]
pub enum StartError {
    /// It cannot listen where it should.
    Listen(SocketAddr, io::Error),
    /// What it was told cannot be.
    Options(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(at, error) => write!(
                f,
                "the proxy cannot listen at {at}: {error}; is the broker's own listener there? It has to be another one"
            ),
            Self::Options(problem) => write!(f, "the proxy's options: {problem}"),
        }
    }
}

impl error::Error for StartError {}

/// What all connections of a proxy share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub upstream: SocketAddr,
    pub limits: Limits,
    pub teller: Teller,
    /// The room that is left for what is held.
    pub room: Arc<Semaphore>,
    pub greeting: Arc<Greeting>,
    /// TLS towards clients.
    pub acceptor: Option<Acceptor>,
    /// TLS towards the broker.
    pub connector: Option<Connector>,
    /// Whether nothing that passes can be read.
    pub is_sealed: bool,
    /// Whether everybody is refused while the broker is down.
    pub refuses: Arc<AtomicBool>,
}

/// A proxy; it and all its connections end soon after this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seen: watch::Receiver<Seen>,
    refuses: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens in front of a broker, which need not be up.
    ///
    /// # Errors
    /// If it cannot listen there, or a certificate or key cannot be read.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (acceptor, connector) = match &options.clients {
            Clients::Plain => (None, options.broker.as_ref()),
            Clients::Tls(tls) => (Some(tls), options.broker.as_ref()),
            Clients::Sealed if options.broker.is_some() => {
                let problem = "TLS that passes unread is the client's and the broker's own: leave `broker` out, or give \
                               the proxy a certificate for its clients";
                return Err(StartError::Options(problem.into()));
            }
            Clients::Sealed => (None, None),
        };
        let acceptor = acceptor.map(tls::acceptor).transpose().map_err(StartError::Options)?;
        let connector = connector.map(tls::connector).transpose().map_err(StartError::Options)?;
        let listening = |error| StartError::Listen(options.at, error);
        let listener = TcpListener::bind(options.at).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let (teller, seen) = Teller::new();
        let limits = options.limits;
        let refuses = Arc::new(AtomicBool::new(options.while_down == WhileDown::Refuse));
        let shared = Shared {
            upstream: options.upstream,
            limits,
            teller,
            room: Arc::new(Semaphore::new(limits.held_bytes_max.min(Semaphore::MAX_PERMITS))),
            greeting: Arc::default(),
            acceptor,
            connector,
            is_sealed: matches!(options.clients, Clients::Sealed),
            refuses: refuses.clone(),
        };
        let task = tokio::spawn(serve(listener, shared));
        Ok(Self {
            address,
            seen,
            refuses,
            task,
        })
    }

    /// What becomes of clients that come from now on while the broker is down.
    pub fn while_down(&self, what: WhileDown) {
        self.refuses.store(what == WhileDown::Refuse, Ordering::Relaxed);
    }

    /// Ends it and all its connections, and returns when its port is free.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
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

//! The listener, whichever back end serves it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::port::{Backend, Incoming, ListenError, Options};
use crate::{Counters, Endpoint, sp};

/// Takes requests. Dropped, it closes its port and its connections.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    incoming: mpsc::Receiver<Incoming>,
    counters: Arc<Counters>,
    _server: Server,
}

/// Ends its back end when dropped.
#[derive(Debug)]
enum Server {
    Sp {
        _server: sp::Acceptor,
    },
    #[cfg(feature = "libnng")]
    LibNng {
        _server: crate::libnng::Server,
    },
}

impl Listener {
    /// Listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the port is taken, the certificates cannot be used, or the back end cannot do what is asked.
    pub async fn bind(endpoint: &Endpoint, options: Options) -> Result<Self, ListenError> {
        // One mailbox for all connections: when its reader is slow, their sockets fill up and the peers wait.
        let (mailbox, incoming) = mpsc::channel(options.in_flight_max.max(1));
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let (address, server) = match options.backend {
            Backend::Sp => {
                let (address, server) = sp::bind(endpoint, options, mailbox, shared).await?;
                (address, Server::Sp { _server: server })
            }
            #[cfg(feature = "libnng")]
            Backend::LibNng => {
                let (address, server) = crate::libnng::Server::bind(endpoint, &options, mailbox, shared)?;
                (address, Server::LibNng { _server: server })
            }
            #[cfg(not(feature = "libnng"))]
            Backend::LibNng => return Err(ListenError(crate::port::LIBNNG_MISSING.into())),
        };
        Ok(Self {
            address,
            incoming,
            counters,
            _server: server,
        })
    }

    /// Where it listens, with the port that was chosen if it was 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The next request; `None` when the listener has ended.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

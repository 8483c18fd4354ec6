//! The listening port: members that dial, and clients that ask.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::greeting::{Failed, Greeted};
use super::inner::Inner;
use super::link::Link;
use crate::Counters;
use crate::sp::frame::{Ended, PAIR, REPLY, REQUEST, greet, hear_greeting};
use crate::sp::{Replier, Stream, tls};

/// Connections that have not said who they are, at the most. Clients have rooms of their own, so that however many come,
/// members find the door open.
const GREETING_MAX: usize = 256;

pub(super) struct Door {
    pub(super) inner: Arc<Inner>,
    pub(super) socket: TcpListener,
    pub(super) tls: Option<tls::Server>,
    pub(super) replier: Replier,
}

/// What came in.
enum Caller {
    Member(Greeted),
    Client(Box<dyn Stream>, Option<String>),
}

impl Door {
    /// Accepts until the mesh is closed, and then waits for its links.
    pub(super) async fn keep_open(self) {
        let clients = Arc::new(Semaphore::new(self.inner.options.clients_max));
        let greeting = Arc::new(Semaphore::new(GREETING_MAX));
        let door = Arc::new(self);
        // The set aborts its tasks when this one is aborted.
        let mut serving = JoinSet::new();
        loop {
            while serving.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = door.socket.accept() => accepted,
                () = door.inner.closing() => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, say: the next attempt may find some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(room) = Arc::clone(&greeting).try_acquire_owned() else {
                door.crowded(address);
                continue;
            };
            let (door, clients) = (Arc::clone(&door), Arc::clone(&clients));
            serving.spawn(async move { door.receive(stream, address, room, clients).await });
        }
        while serving.join_next().await.is_some() {}
    }

    async fn receive(&self, tcp: TcpStream, address: SocketAddr, room: OwnedSemaphorePermit, clients: Arc<Semaphore>) {
        let inner = &self.inner;
        let received = async {
            match self.hear(tcp, address).await? {
                Caller::Member(greeted) => inner.introduce(greeted).await.map(Received::Member),
                Caller::Client(stream, identity) => Ok(Received::Client(stream, identity)),
            }
        };
        let received = tokio::select! {
            received = timeout(inner.options.connect_timeout, received) => received,
            () = inner.closing() => return,
        };
        drop(room);
        match received {
            Ok(Ok(Received::Member(link))) => inner.serve(link).await,
            Ok(Ok(Received::Client(stream, identity))) => {
                let Ok(_room) = clients.try_acquire_owned() else {
                    self.crowded(address);
                    return;
                };
                tokio::select! {
                    ended = self.replier.serve(stream, address, identity) => self.client_ended(address, &ended),
                    () = inner.closing() => {}
                }
            }
            Ok(Err(failed)) => {
                let why = inner.refuse(address, failed);
                tracing::debug!(%address, why, "a connection came to nothing");
            }
            Err(_) => {
                Counters::add(&inner.counters.wrong_peers);
                tracing::debug!(%address, "a connection did not say in time who it is");
            }
        }
    }

    /// Which protocol the other side speaks; ours is its other half.
    async fn hear(&self, tcp: TcpStream, address: SocketAddr) -> Result<Caller, Failed> {
        tcp.set_nodelay(true).map_err(Ended::from)?;
        let (mut stream, identity): (Box<dyn Stream>, _) = match &self.tls {
            Some(tls) => {
                let stream = tls.wrap(tcp).await.map_err(tls::refused)?;
                let identity = tls::identity(stream.get_ref().1)?;
                (Box::new(stream), identity)
            }
            None => (Box::new(tcp), None),
        };
        if hear_greeting(&mut stream, &[PAIR, REQUEST]).await? == REQUEST {
            greet(&mut stream, REPLY).await?;
            return Ok(Caller::Client(stream, identity));
        }
        greet(&mut stream, PAIR).await?;
        Ok(Caller::Member(Greeted {
            stream,
            address,
            identity,
            dialled: None,
        }))
    }

    fn client_ended(&self, address: SocketAddr, ended: &Ended) {
        let clients = &self.inner.counters.clients;
        match ended {
            Ended::WrongPeer(_) => Counters::add(&clients.wrong_peers),
            Ended::Refused(_) => Counters::add(&clients.refused_frames),
            Ended::Gone(_) => {}
        }
        tracing::debug!(%address, why = %ended, "a client's connection ended");
    }

    fn crowded(&self, address: SocketAddr) {
        Counters::add(&self.inner.counters.refused_connections);
        tracing::warn!(%address, "too many connections; one was refused");
    }
}

/// What a caller became.
enum Received {
    Member(Link),
    Client(Box<dyn Stream>, Option<String>),
}

//! The listener: many connections, many open requests on each, answered in any order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use tokio::io::{AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frame::{Ended, REPLY, REQUEST, read_frame, shake_hands, split_stack, write_frame};
use super::{Stream, tls};
use crate::port::{Answer, Incoming, ListenError, Options, Peer, Reply};
use crate::{Counters, Endpoint};

/// Takes requests. Dropped, it closes its port and its connections.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    incoming: mpsc::Receiver<Incoming>,
    counters: Arc<Counters>,
    acceptor: JoinHandle<()>,
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// If the port is taken, or the certificates cannot be used.
    pub async fn bind(endpoint: &Endpoint, options: Options) -> Result<Self, ListenError> {
        let tls = if endpoint.tls {
            Some(tls::server(endpoint, options.tls.as_ref())?)
        } else {
            None
        };
        let socket = TcpListener::bind(endpoint.address())
            .await
            .map_err(|error| ListenError::bind(endpoint, &error))?;
        let address = socket
            .local_addr()
            .map_err(|error| ListenError::bind(endpoint, &error))?;
        // One mailbox for all connections: when its reader is slow, their sockets fill up and the peers wait.
        let (mailbox, incoming) = mpsc::channel(options.in_flight_max.max(1));
        let counters = Arc::new(Counters::default());
        let server = Arc::new(Server {
            rooms: Arc::new(Semaphore::new(options.connections_max)),
            options,
            tls,
            mailbox,
            counters: Arc::clone(&counters),
            connections: AtomicU64::new(0),
        });
        let acceptor = tokio::spawn(server.accept(socket));
        Ok(Self {
            address,
            incoming,
            counters,
            acceptor,
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

impl Drop for Listener {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

struct Server {
    options: Options,
    tls: Option<tls::Server>,
    mailbox: mpsc::Sender<Incoming>,
    counters: Arc<Counters>,
    connections: AtomicU64,
    rooms: Arc<Semaphore>,
}

impl Server {
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        // The set aborts its tasks when this one is aborted.
        let mut serving = tokio::task::JoinSet::new();
        loop {
            while serving.try_join_next().is_some() {}
            let Ok(room) = Arc::clone(&self.rooms).acquire_owned().await else {
                return;
            };
            let (stream, address) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, say: the next attempt may find some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let server = Arc::clone(&self);
            serving.spawn(async move {
                let ended = server.serve(stream, address).await;
                match &ended {
                    Ended::WrongPeer(why) => {
                        Counters::add(&server.counters.wrong_peers);
                        tracing::warn!(%address, why, "a connection was refused");
                    }
                    Ended::Refused(why) => {
                        Counters::add(&server.counters.refused_frames);
                        tracing::warn!(%address, why, "a connection was ended");
                    }
                    Ended::Gone(why) => tracing::debug!(%address, why, "a connection ended"),
                }
                drop(room);
            });
        }
    }

    async fn serve(&self, tcp: TcpStream, address: SocketAddr) -> Ended {
        let connect = async {
            tcp.set_nodelay(true)?;
            let (mut stream, identity): (Box<dyn Stream>, _) = match &self.tls {
                Some(tls) => {
                    let stream = tls
                        .wrap(tcp)
                        .await
                        .map_err(|error| Ended::WrongPeer(format!("TLS: {error}")))?;
                    let identity = tls::identity(&stream);
                    (Box::new(stream), identity)
                }
                None => (Box::new(tcp), None),
            };
            shake_hands(&mut stream, REPLY, REQUEST).await?;
            Ok((stream, identity))
        };
        let (stream, identity) = match timeout(self.options.connect_timeout, connect).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::WrongPeer("the handshake took too long".into()),
        };
        Counters::add(&self.counters.connections);
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let peer = Peer {
            connection,
            address,
            identity,
        };
        let (reader, writer) = tokio::io::split(stream);
        let (replies, outbox) = mpsc::unbounded_channel();
        tokio::select! {
            ended = self.read(reader, peer, replies) => ended,
            ended = self.write(writer, outbox) => ended,
        }
    }

    async fn read(
        &self,
        mut stream: ReadHalf<Box<dyn Stream>>,
        peer: Peer,
        replies: mpsc::UnboundedSender<Reply>,
    ) -> Ended {
        let open = Arc::new(Semaphore::new(self.options.in_flight_max.max(1)));
        let mut buffer = BytesMut::new();
        loop {
            let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
                return Ended::Gone("closed".into());
            };
            let frame = match read_frame(&mut stream, &mut buffer, self.options.frame_max).await {
                Ok(frame) => frame,
                Err(ended) => return ended,
            };
            Counters::add(&self.counters.frames_in);
            let (header, body) = match split_stack(frame) {
                Ok(parts) => parts,
                Err(ended) => return ended,
            };
            let answer = Answer {
                header,
                replies: Some(replies.clone()),
                permit: Some(permit),
            };
            if self
                .mailbox
                .send(Incoming {
                    peer: peer.clone(),
                    body,
                    answer,
                })
                .await
                .is_err()
            {
                return Ended::Gone("the listener was closed".into());
            }
        }
    }

    async fn write(&self, stream: WriteHalf<Box<dyn Stream>>, mut replies: mpsc::UnboundedReceiver<Reply>) -> Ended {
        let mut stream = BufWriter::with_capacity(64 * 1024, stream);
        while let Some(Reply { header, body, .. }) = replies.recv().await {
            Counters::add(&self.counters.frames_out);
            if let Err(error) = write_frame(&mut stream, &header, &body).await {
                return error.into();
            }
            if replies.is_empty()
                && let Err(error) = stream.flush().await
            {
                return error.into();
            }
        }
        Ended::Gone("closed".into())
    }
}

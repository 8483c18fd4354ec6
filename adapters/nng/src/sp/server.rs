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

/// Accepts connections until it is dropped.
#[derive(Debug)]
pub(crate) struct Acceptor(JoinHandle<()>);

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) async fn bind(
    endpoint: &Endpoint,
    options: Options,
    mailbox: mpsc::Sender<Incoming>,
    counters: Arc<Counters>,
) -> Result<(SocketAddr, Acceptor), ListenError> {
    let tls = if endpoint.tls {
        Some(tls::server(endpoint, options.tls.as_ref())?)
    } else {
        None
    };
    let refused = |error: &std::io::Error| ListenError::bind(endpoint, error);
    let socket = TcpListener::bind(endpoint.address())
        .await
        .map_err(|error| refused(&error))?;
    let address = socket.local_addr().map_err(|error| refused(&error))?;
    let server = Arc::new(Server {
        rooms: Arc::new(Semaphore::new(options.connections_max)),
        replier: Replier::new(&options, mailbox, Arc::clone(&counters)),
        options,
        tls,
        counters,
    });
    Ok((address, Acceptor(tokio::spawn(server.accept(socket)))))
}

struct Server {
    options: Options,
    tls: Option<tls::Server>,
    replier: Replier,
    counters: Arc<Counters>,
    rooms: Arc<Semaphore>,
}

impl Server {
    async fn accept(self: Arc<Self>, socket: TcpListener) {
        // The set aborts its tasks when this one is aborted.
        let mut serving = tokio::task::JoinSet::new();
        loop {
            while serving.try_join_next().is_some() {}
            let (stream, address) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, say: the next attempt may find some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            // Closed at once rather than left to wait: its peer hears of it, and the queue stays short for the others.
            let Ok(room) = Arc::clone(&self.rooms).try_acquire_owned() else {
                Counters::add(&self.counters.refused_connections);
                tracing::warn!(%address, limit = self.options.connections_max, "too many connections; one was refused");
                continue;
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
                    let stream = tls.wrap(tcp).await.map_err(tls::refused)?;
                    let identity = tls::identity(stream.get_ref().1)?;
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
        self.replier.serve(stream, address, identity).await
    }
}

/// The replying side of connections that have greeted.
pub(crate) struct Replier {
    frame_max: usize,
    in_flight_max: usize,
    mailbox: mpsc::Sender<Incoming>,
    counters: Arc<Counters>,
    connections: AtomicU64,
}

impl Replier {
    pub(crate) fn new(options: &Options, mailbox: mpsc::Sender<Incoming>, counters: Arc<Counters>) -> Self {
        Self {
            frame_max: options.frame_max,
            in_flight_max: options.in_flight_max.max(1),
            mailbox,
            counters,
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) async fn serve(&self, stream: Box<dyn Stream>, address: SocketAddr, identity: Option<String>) -> Ended {
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
        let open = Arc::new(Semaphore::new(self.in_flight_max));
        let mut buffer = BytesMut::new();
        loop {
            let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
                return Ended::Gone("closed".into());
            };
            let frame = match read_frame(&mut stream, &mut buffer, self.frame_max).await {
                Ok(frame) => frame,
                Err(ended) => return ended,
            };
            Counters::add(&self.counters.frames_in);
            let (header, body) = match split_stack(frame, self.frame_max) {
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
        while let Some(reply) = replies.recv().await {
            let Reply { header, body, _permit } = reply.within(self.frame_max, &self.counters);
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

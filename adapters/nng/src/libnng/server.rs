//! The listener's side: one listening socket, a thread that receives, one that sends the answers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use nng::options::{LocalAddr, Options as _};
use nng::{Error, ListenerBuilder, Message, Pipe, PipeEvent, Protocol};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::client::{address, tcp_address};
use super::{Gate, Pause, Running, refuse};
use crate::port::{Answer, Incoming, ListenError, Options, Peer, Reply};
use crate::{Counters, Endpoint};

/// NNG queues this many replies for a connection and throws away what is beyond.
const REPLIES_MAX: usize = 64;

/// Serves until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    replies: mpsc::UnboundedSender<Reply>,
    /// Stops after the sending thread was told to end.
    _running: Running,
}

impl Server {
    pub(crate) fn bind(
        endpoint: &Endpoint,
        options: &Options,
        mailbox: mpsc::Sender<Incoming>,
        counters: Arc<Counters>,
    ) -> Result<(SocketAddr, Self), ListenError> {
        if let Some(why) = refuse(endpoint) {
            return Err(ListenError(why));
        }
        let failed = |error: Error| ListenError::bind(endpoint, &as_io(error));
        let mut running = Running::open(Protocol::Rep0, options.frame_max).map_err(failed)?;
        let peers = Arc::new(Peers {
            connections_max: options.connections_max,
            in_flight_max: options.in_flight_max.clamp(1, REPLIES_MAX),
            frame_max: options.frame_max,
            mailbox,
            runtime: Handle::current(),
            known: Mutex::default(),
            counters: Arc::clone(&counters),
        });
        let watching = Arc::clone(&peers);
        let watched = running.gate.socket.pipe_notify(move |pipe, event| match event {
            PipeEvent::AddPre => watching.came(pipe),
            PipeEvent::RemovePost => watching.went(pipe),
            PipeEvent::AddPost | PipeEvent::Unknown(_) => {}
        });
        watched.map_err(failed)?;
        let listener = ListenerBuilder::new(&running.gate.socket, &endpoint.to_string()).map_err(failed)?;
        let listener = listener.start().map_err(|(_, error)| failed(error))?;
        let bound = listener.get_opt::<LocalAddr>().map_err(failed)?;
        let bound = tcp_address(bound).ok_or_else(|| ListenError(format!("{endpoint}: NNG does not say where")))?;

        let (replies, to_send) = mpsc::unbounded_channel();
        let no_thread = |error: io::Error| ListenError::bind(endpoint, &error);
        let (gate, answers) = (Arc::clone(&running.gate), replies.clone());
        let started = running.thread("nng-receive", move || receive(&gate, &peers, &answers));
        started.map_err(no_thread)?;
        let (gate, frame_max) = (Arc::clone(&running.gate), options.frame_max);
        let started = running.thread("nng-send", move || send(&gate, to_send, frame_max, &counters));
        started.map_err(no_thread)?;
        Ok((
            bound,
            Self {
                replies,
                _running: running,
            },
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A reply without a header is the sending thread's end; open answers may hold the channel for long.
        let _ = self.replies.send(Reply {
            header: Bytes::new(),
            body: Bytes::new(),
            _permit: None,
        });
    }
}

fn as_io(error: Error) -> io::Error {
    match error {
        Error::AddressInUse => io::Error::new(io::ErrorKind::AddrInUse, error.to_string()),
        Error::AddressInvalid => io::Error::new(io::ErrorKind::AddrNotAvailable, error.to_string()),
        error => error.into(),
    }
}

/// The connections that stand, counted from 1.
#[derive(Debug)]
struct Peers {
    connections_max: usize,
    in_flight_max: usize,
    frame_max: usize,
    mailbox: mpsc::Sender<Incoming>,
    runtime: Handle,
    known: Mutex<Known>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Known {
    last: u64,
    standing: HashMap<Pipe, Connection>,
}

#[derive(Clone, Debug)]
struct Connection {
    peer: Peer,
    /// To the task that lets requests through as others are answered.
    queue: mpsc::Sender<Incoming>,
}

impl Peers {
    fn came(&self, pipe: Pipe) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.standing.len() >= self.connections_max {
            drop(known);
            Counters::add(&self.counters.refused_connections);
            pipe.close();
            return;
        }
        known.last += 1;
        let peer = Peer {
            connection: known.last,
            address: address(pipe),
            identity: None,
        };
        let (queue, queued) = mpsc::channel(REPLIES_MAX);
        let open = Arc::new(Semaphore::new(self.in_flight_max));
        self.runtime.spawn(admit(queued, open, self.mailbox.clone()));
        known.standing.insert(pipe, Connection { peer, queue });
        Counters::add(&self.counters.connections);
    }

    fn went(&self, pipe: Pipe) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.standing.remove(&pipe);
    }

    fn of(&self, pipe: Pipe) -> Option<Connection> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.standing.get(&pipe).cloned()
    }
}

/// Hands on the requests of one connection in their order, at most so many unanswered as the semaphore has permits.
async fn admit(mut queued: mpsc::Receiver<Incoming>, open: Arc<Semaphore>, mailbox: mpsc::Sender<Incoming>) {
    while let Some(mut incoming) = queued.recv().await {
        incoming.answer.permit = tokio::select! {
            permit = Arc::clone(&open).acquire_owned() => permit.ok(),
            () = mailbox.closed() => return,
        };
        if mailbox.send(incoming).await.is_err() {
            return;
        }
    }
}

fn receive(gate: &Gate, peers: &Peers, replies: &mpsc::UnboundedSender<Reply>) {
    while let Some(mut message) = gate.receive() {
        Counters::add(&peers.counters.frames_in);
        let Some(pipe) = message.pipe() else { continue };
        // Of a connection that has just ended: nobody would read the answer.
        let Some(Connection { peer, queue }) = peers.of(pipe) else {
            continue;
        };
        if message.len() > peers.frame_max {
            Counters::add(&peers.counters.refused_frames);
            let _ = gate.call(|_| {
                pipe.close();
                Ok(())
            });
            continue;
        }
        let answer = Answer {
            header: Bytes::copy_from_slice(message.as_header().as_slice()),
            replies: Some(replies.clone()),
            permit: None,
        };
        let body = Bytes::copy_from_slice(&message);
        // All connections share one queue of NNG, so none may hold it up: what does not fit into the connection's own
        // queue is dropped, and so gets the empty reply.
        let _ = queue.try_send(Incoming { peer, body, answer });
    }
}

fn send(gate: &Gate, mut replies: mpsc::UnboundedReceiver<Reply>, frame_max: usize, counters: &Counters) {
    while let Some(reply) = replies.blocking_recv() {
        let Reply { header, body, _permit } = reply.within(frame_max, counters);
        if header.is_empty() {
            return;
        }
        let mut message = Message::from(body.as_ref());
        message.as_mut_header().push_back(&header);
        let mut message = Some(message);
        let mut pause = Pause::default();
        loop {
            match gate.try_send(&mut message) {
                Ok(()) => {
                    Counters::add(&counters.frames_out);
                    break;
                }
                Err(Error::TryAgain) => pause.wait(),
                Err(Error::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "a reply could not be sent");
                    break;
                }
            }
        }
    }
}

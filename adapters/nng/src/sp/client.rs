//! The requester: one connection, kept alive by a task of its own, many requests in flight.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::frame::{Ended, REPLY, REQUEST, read_frame, shake_hands, split_stack, write_frame};
use super::{Stream, tls};
use crate::port::{ConnectError, LinkEvent, Options, RequestError};
use crate::{Counters, Endpoint};

/// Top bit of a request's id, as the protocol demands.
const ID_BIT: u32 = 0x8000_0000;

/// Sends requests. Clones share one connection; it is given up when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Requester {
    shared: Arc<Shared>,
    /// Ends the supervisor when the last clone is gone.
    _alive: Arc<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    counters: Counters,
    frame_max: usize,
    in_flight_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// To the writer of the present connection.
    writer: Option<mpsc::UnboundedSender<(u32, Bytes)>>,
    waiting: HashMap<u32, oneshot::Sender<Bytes>>,
    next_id: u32,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is gone, and with it the fate of all open requests.
    fn disconnect(&self) {
        let mut state = self.lock();
        state.writer = None;
        state.waiting.clear();
    }
}

/// Forgets a request whose future ends, however it ends: its reply, should it still come, is late.
struct Waiting<'a> {
    shared: &'a Shared,
    id: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.id);
    }
}

impl Requester {
    /// Connects in the background, for ever again. Link events tell when the peer comes and goes.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub fn connect(endpoint: &Endpoint, options: Options) -> Result<(Self, mpsc::Receiver<LinkEvent>), ConnectError> {
        let tls = if endpoint.tls {
            Some(tls::client(endpoint, options.tls.as_ref())?)
        } else {
            None
        };
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            counters: Counters::default(),
            frame_max: options.frame_max,
            in_flight_max: options.in_flight_max,
        });
        let (events, links) = mpsc::channel(64);
        let (alive, dropped) = oneshot::channel();
        let supervisor = Supervisor {
            endpoint: endpoint.clone(),
            options,
            tls,
            shared: Arc::clone(&shared),
            events,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = supervisor.keep_connected() => {}
                _ = dropped => {}
            }
        });
        Ok((
            Self {
                shared,
                _alive: Arc::new(alive),
            },
            links,
        ))
    }

    /// Sends a request and waits for its reply. It is sent before this function returns its future, so requests leave
    /// in the order of the calls. Never sends again: that is for the caller to decide.
    pub fn request(
        &self,
        body: Bytes,
        deadline: Duration,
    ) -> impl Future<Output = Result<Bytes, RequestError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let begun = begin(&shared, body);
        async move {
            let (id, reply) = begun?;
            let _waiting = Waiting { shared: &shared, id };
            match timeout(deadline, reply).await {
                Ok(Ok(body)) => Ok(body),
                Ok(Err(_)) => Err(RequestError::LinkDown),
                Err(_) => Err(RequestError::Deadline),
            }
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

fn begin(shared: &Shared, body: Bytes) -> Result<(u32, oneshot::Receiver<Bytes>), RequestError> {
    if body.len() > shared.frame_max {
        return Err(RequestError::TooLarge {
            bytes: body.len(),
            limit: shared.frame_max,
        });
    }
    let mut state = shared.lock();
    if state.waiting.len() >= shared.in_flight_max {
        return Err(RequestError::Busy);
    }
    let id = state.next_id | ID_BIT;
    state.next_id = state.next_id.wrapping_add(1);
    let writer = state.writer.as_ref().ok_or(RequestError::LinkDown)?;
    writer.send((id, body)).map_err(|_| RequestError::LinkDown)?;
    let (answer, reply) = oneshot::channel();
    state.waiting.insert(id, answer);
    Ok((id, reply))
}

struct Supervisor {
    endpoint: Endpoint,
    options: Options,
    tls: Option<tls::Client>,
    shared: Arc<Shared>,
    events: mpsc::Sender<LinkEvent>,
}

impl Supervisor {
    async fn keep_connected(self) {
        let mut jitter = self
            .options
            .seed
            .map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let mut bound = self.options.reconnect_min;
        let mut told_down = false;
        loop {
            let ended = match timeout(self.options.connect_timeout, self.connect()).await {
                Ok(Ok((stream, address))) => {
                    bound = self.options.reconnect_min;
                    told_down = false;
                    Counters::add(&self.shared.counters.connections);
                    self.serve(stream, address).await
                }
                Ok(Err(ended)) => ended,
                Err(_) => Ended::Gone(format!("no connection within {:?}", self.options.connect_timeout)),
            };
            self.shared.disconnect();
            match &ended {
                Ended::WrongPeer(_) => Counters::add(&self.shared.counters.wrong_peers),
                Ended::Refused(_) => Counters::add(&self.shared.counters.refused_frames),
                Ended::Gone(_) => {}
            }
            if !told_down {
                told_down = true;
                self.tell(LinkEvent::Down {
                    why: format!("{}: {ended}", self.endpoint),
                })
                .await;
            }
            tokio::time::sleep(jitter.random_range(Duration::ZERO..=bound)).await;
            bound = bound.saturating_mul(2).min(self.options.reconnect_max);
        }
    }

    async fn connect(&self) -> Result<(Box<dyn Stream>, SocketAddr), Ended> {
        let tcp = TcpStream::connect(self.endpoint.address()).await?;
        tcp.set_nodelay(true)?;
        let address = tcp.peer_addr()?;
        let mut stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(
                tls.wrap(tcp)
                    .await
                    .map_err(|error| Ended::WrongPeer(format!("TLS: {error}")))?,
            ),
            None => Box::new(tcp),
        };
        shake_hands(&mut stream, REQUEST, REPLY).await?;
        Ok((stream, address))
    }

    async fn serve(&self, stream: Box<dyn Stream>, address: SocketAddr) -> Ended {
        let (reader, writer) = tokio::io::split(stream);
        let (outbox, bodies) = mpsc::unbounded_channel();
        self.shared.lock().writer = Some(outbox);
        self.tell(LinkEvent::Up { address }).await;
        // Two halves, so that a peer that stops reading does not keep us from reading.
        tokio::select! {
            ended = self.read(reader) => ended,
            ended = self.write(writer, bodies) => ended,
        }
    }

    async fn read(&self, mut stream: ReadHalf<Box<dyn Stream>>) -> Ended {
        let mut buffer = BytesMut::new();
        loop {
            let frame = match read_frame(&mut stream, &mut buffer, self.options.frame_max).await {
                Ok(frame) => frame,
                Err(ended) => return ended,
            };
            Counters::add(&self.shared.counters.frames_in);
            let (header, body) = match split_stack(frame) {
                Ok(parts) => parts,
                Err(ended) => return ended,
            };
            let id = <[u8; 4]>::try_from(header.as_ref()).map(u32::from_be_bytes);
            let waiting = id.ok().and_then(|id| self.shared.lock().waiting.remove(&id));
            if waiting.is_none_or(|waiting| waiting.send(body).is_err()) {
                Counters::add(&self.shared.counters.late_replies);
            }
        }
    }

    async fn write(
        &self,
        stream: WriteHalf<Box<dyn Stream>>,
        mut bodies: mpsc::UnboundedReceiver<(u32, Bytes)>,
    ) -> Ended {
        let mut stream = BufWriter::with_capacity(64 * 1024, stream);
        while let Some((id, body)) = bodies.recv().await {
            // A request that was given up while it queued need not be sent.
            if !self.shared.lock().waiting.contains_key(&id) {
                continue;
            }
            Counters::add(&self.shared.counters.frames_out);
            if let Err(error) = write_frame(&mut stream, &id.to_be_bytes(), &body).await {
                return error.into();
            }
            if bodies.is_empty()
                && let Err(error) = stream.flush().await
            {
                return error.into();
            }
        }
        Ended::Gone("the requester was closed".into())
    }

    async fn tell(&self, event: LinkEvent) {
        // An owner who does not listen has no use for it.
        let _ = self.events.send(event).await;
    }
}

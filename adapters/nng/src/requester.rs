//! The requester: many requests in flight over one connection, whichever back end keeps it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::port::{Backend, ConnectError, LinkEvent, Options, RequestError};
use crate::{Counters, Endpoint, sp};

/// Top bit of a request's id, as the protocol demands.
const ID_BIT: u32 = 0x8000_0000;

/// Sends requests. Clones share one connection; it is given up when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Requester {
    shared: Arc<Shared>,
    _connection: Arc<Connection>,
}

/// Ends its back end when the last clone is gone.
#[derive(Debug)]
enum Connection {
    Sp {
        _alive: oneshot::Sender<()>,
    },
    #[cfg(feature = "libnng")]
    LibNng {
        _client: crate::libnng::Client,
    },
}

/// What the callers and the back end have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) counters: Counters,
    frame_max: usize,
    in_flight_max: usize,
}

/// Requests on their way to the writer of the present connection.
pub(crate) type Outbox = mpsc::UnboundedReceiver<(u32, Bytes)>;

#[derive(Debug, Default)]
struct State {
    writer: Option<mpsc::UnboundedSender<(u32, Bytes)>>,
    waiting: HashMap<u32, oneshot::Sender<Bytes>>,
    next_id: u32,
}

impl Requester {
    /// Connects in the background, for ever again. Link events tell when the peer comes and goes: read them or drop their
    /// receiver, for an event that finds no room among 64 holds up the connection until it does. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// If the certificates cannot be used, or the back end cannot do what is asked.
    pub fn connect(endpoint: &Endpoint, options: Options) -> Result<(Self, mpsc::Receiver<LinkEvent>), ConnectError> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            counters: Counters::default(),
            frame_max: options.frame_max,
            in_flight_max: options.in_flight_max,
        });
        let (events, links) = mpsc::channel(64);
        let connection = match options.backend {
            Backend::Sp => Connection::Sp {
                _alive: sp::connect(endpoint, options, Arc::clone(&shared), events)?,
            },
            #[cfg(feature = "libnng")]
            Backend::LibNng => Connection::LibNng {
                _client: crate::libnng::Client::connect(endpoint, &options, Arc::clone(&shared), events)?,
            },
            #[cfg(not(feature = "libnng"))]
            Backend::LibNng => return Err(ConnectError(crate::port::LIBNNG_MISSING.into())),
        };
        Ok((
            Self {
                shared,
                _connection: Arc::new(connection),
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
        let begun = shared.begin(body);
        async move {
            let (waiting, reply) = begun?;
            let ended = match timeout(deadline, reply).await {
                Ok(Ok(body)) => Ok(body),
                Ok(Err(_)) => Err(RequestError::LinkDown),
                Err(_) => Err(RequestError::Deadline),
            };
            drop(waiting);
            ended
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

impl Shared {
    fn begin(self: &Arc<Self>, body: Bytes) -> Result<(Waiting, oneshot::Receiver<Bytes>), RequestError> {
        if body.len() > self.frame_max {
            return Err(RequestError::TooLarge {
                bytes: body.len(),
                limit: self.frame_max,
            });
        }
        let mut state = self.lock();
        if state.waiting.len() >= self.in_flight_max {
            return Err(RequestError::Busy);
        }
        let id = state.next_id | ID_BIT;
        state.next_id = state.next_id.wrapping_add(1);
        let writer = state.writer.as_ref().ok_or(RequestError::LinkDown)?;
        writer.send((id, body)).map_err(|_| RequestError::LinkDown)?;
        let (answer, reply) = oneshot::channel();
        state.waiting.insert(id, answer);
        drop(state);
        let shared = Arc::clone(self);
        Ok((Waiting { shared, id }, reply))
    }

    /// A connection stands; requests for it come out of the outbox.
    pub(crate) fn connected(&self) -> Outbox {
        let (writer, outbox) = mpsc::unbounded_channel();
        self.lock().writer = Some(writer);
        Counters::add(&self.counters.connections);
        outbox
    }

    /// The connection is gone, and with it the fate of all open requests.
    pub(crate) fn disconnected(&self) {
        let mut state = self.lock();
        state.writer = None;
        state.waiting.clear();
    }

    /// Whether somebody still waits for this reply: a request that was given up while it queued need not be sent.
    pub(crate) fn is_waited_for(&self, id: u32) -> bool {
        self.lock().waiting.contains_key(&id)
    }

    /// Does something for a request, unless nobody waits for its reply; while it is done, nobody can give the request
    /// up and the link cannot go down. It must not wait.
    #[cfg(feature = "libnng")]
    pub(crate) fn while_waited_for<T>(&self, id: u32, act: impl FnOnce() -> T) -> Option<T> {
        let state = self.lock();
        state.waiting.contains_key(&id).then(act)
    }

    /// A reply came, with this header.
    pub(crate) fn reply(&self, header: &[u8], body: Bytes) {
        let id = <[u8; 4]>::try_from(header).map(u32::from_be_bytes);
        let waiting = id.ok().and_then(|id| self.lock().waiting.remove(&id));
        if waiting.is_none_or(|waiting| waiting.send(body).is_err()) {
            Counters::add(&self.counters.late_replies);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a request whose future ends, however it ends: its reply, should it still come, is late.
struct Waiting {
    shared: Arc<Shared>,
    id: u32,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.lock().waiting.remove(&self.id);
    }
}

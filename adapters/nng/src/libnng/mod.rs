//! NNG's own C library, on threads.
//!
//! Raw sockets: the ids are ours, so NNG neither sends a request again nor minds in which order requests are answered.
//!
//! Calls that do not wait only, and none while the socket closes ([`Gate`]): in NNG 1.4.0 a send or a receive that
//! begins while the socket closes enters a queue that nobody serves any more, and never ends; one with a time-out
//! is ended by it, but in memory that may be freed by then. The crate's `Aio` is no way out: it deadlocks when it is
//! dropped while its callback runs. So the threads ask again after a [`Pause`] of at most 1 ms; this back end is here
//! for compatibility, the other one for speed.

mod client;
mod server;

pub(crate) use client::Client;
pub(crate) use server::Server;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nng::options::{Options as _, RecvMaxSize};
use nng::{Error, Message, Protocol, RawSocket, Socket};

use crate::Endpoint;

/// Room for the ids beside a body, as in the other back end.
const STACK_BYTES: usize = 64;

/// A raw socket that is closed, and its threads joined, when its owner stops it.
#[derive(Debug)]
struct Running {
    gate: Arc<Gate>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn open(protocol: Protocol, frame_max: usize) -> Result<Self, Error> {
        let socket = RawSocket::new(protocol)?.socket;
        socket.set_opt::<RecvMaxSize>(frame_max.saturating_add(STACK_BYTES))?;
        Ok(Self {
            gate: Arc::new(Gate {
                socket,
                closed: Mutex::new(false),
            }),
            threads: Vec::new(),
        })
    }

    fn thread(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(builder.spawn(run)?);
        Ok(())
    }
}

impl Drop for Running {
    /// Closes the socket and waits for the threads, which must not be waiting for anything but the gate by then.
    fn drop(&mut self) {
        self.gate.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The one way to the socket: no call of ours is under way when it is closed, and none begins afterwards.
#[derive(Debug)]
struct Gate {
    socket: Socket,
    closed: Mutex<bool>,
}

impl Gate {
    /// Makes a call that must not wait; [`Error::Closed`] if the socket is.
    fn call<T>(&self, call: impl FnOnce(&Socket) -> Result<T, Error>) -> Result<T, Error> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            Err(Error::Closed)
        } else {
            call(&self.socket)
        }
    }

    /// Hands NNG the message, and takes it back out of the place if NNG has no room for it now ([`Error::TryAgain`]).
    fn try_send(&self, message: &mut Option<Message>) -> Result<(), Error> {
        self.call(|socket| {
            let Some(whole) = message.take() else { return Ok(()) };
            socket.try_send(whole).map_err(|(back, error)| {
                *message = Some(back);
                error
            })
        })
    }

    /// Waits for a message. `None` when the socket is closed.
    fn receive(&self) -> Option<Message> {
        let mut pause = Pause::default();
        loop {
            match self.call(Socket::try_recv) {
                Ok(message) => return Some(message),
                Err(Error::Closed) => return None,
                Err(Error::TryAgain) => pause.wait(),
                Err(error) => {
                    tracing::debug!(%error, "nothing received");
                    pause.wait();
                }
            }
        }
    }

    fn close(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !std::mem::replace(&mut *closed, true);
        drop(closed);
        if first {
            self.socket.close();
        }
    }
}

/// How long to wait before NNG is asked again: nothing at first, then longer and longer, up to 1 ms.
#[derive(Debug, Default)]
struct Pause {
    asked: u32,
}

impl Pause {
    /// So often it only lets other threads run.
    const YIELDS: u32 = 16;
    const LONGEST: Duration = Duration::from_millis(1);

    fn wait(&mut self) {
        if self.asked < Self::YIELDS {
            std::thread::yield_now();
        } else {
            let doublings = (self.asked - Self::YIELDS).min(8);
            std::thread::sleep(Duration::from_micros(32 << doublings).min(Self::LONGEST));
        }
        self.asked = self.asked.saturating_add(1);
    }
}

/// Why an endpoint is not for this back end, if so.
fn refuse(endpoint: &Endpoint) -> Option<String> {
    endpoint.tls.then(|| {
        format!(
            "{endpoint}: the libnng back end has no TLS; use the back end `sp`, or a tcp:// endpoint on a safe network"
        )
    })
}

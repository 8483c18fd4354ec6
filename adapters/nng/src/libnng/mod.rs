//! NNG's own C library, on threads.
//!
//! Raw sockets: the ids are ours, so NNG neither sends a request again nor minds in which order requests are answered.
//! Blocking calls only: the crate's `Aio` deadlocks when it is dropped while its callback runs.

mod client;
mod server;

pub(crate) use client::Client;
pub(crate) use server::Server;

use std::io;
use std::thread::JoinHandle;

use nng::options::{Options as _, RecvMaxSize, RecvTimeout, SendTimeout};
use nng::{Error, Protocol, RawSocket, Socket};

use crate::Endpoint;

/// Room for the ids beside a body, as in the other back end.
const STACK_BYTES: usize = 64;

/// A raw socket that is closed, and its threads joined, when this is dropped.
#[derive(Debug)]
struct Running {
    socket: Socket,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn open(protocol: Protocol, frame_max: usize) -> Result<Self, Error> {
        let socket = RawSocket::new(protocol)?.socket;
        socket.set_opt::<RecvMaxSize>(frame_max.saturating_add(STACK_BYTES))?;
        socket.set_opt::<RecvTimeout>(None)?;
        // No time-out in either direction: NNG 1.4.0 may expire a send after the socket's queue was freed, and then
        // aborts the process (nni_aio_expire_loop calls nni_msgq_cancel). Closing ends a blocked send.
        socket.set_opt::<SendTimeout>(None)?;
        Ok(Self {
            socket,
            threads: Vec::new(),
        })
    }

    fn thread(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let builder = std::thread::Builder::new().name(name.to_owned());
        self.threads.push(builder.spawn(run)?);
        Ok(())
    }

    /// Wakes every blocked call with `Closed`, and waits for the threads.
    fn stop(&mut self) {
        self.socket.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
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

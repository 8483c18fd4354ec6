//! The requester's side: one dialing socket, a thread that sends, one that receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};

use bytes::Bytes;
use nng::options::{Options as _, ReconnectMaxTime, ReconnectMinTime, RemAddr};
use nng::{DialerBuilder, Error, Message, Pipe, PipeEvent, Protocol, Socket};
use tokio::sync::mpsc;

use super::{Running, refuse};
use crate::port::{ConnectError, LinkEvent, Options};
use crate::requester::{Outbox, Shared};
use crate::{Counters, Endpoint};

/// Keeps a connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    running: Running,
    shared: Arc<Shared>,
    /// Its end lets the sending thread go.
    outboxes: Option<std_mpsc::Sender<Outbox>>,
}

impl Client {
    pub(crate) fn connect(
        endpoint: &Endpoint,
        options: &Options,
        shared: Arc<Shared>,
        events: mpsc::Sender<LinkEvent>,
    ) -> Result<Self, ConnectError> {
        if let Some(why) = refuse(endpoint) {
            return Err(ConnectError(why));
        }
        let failed = |error: &dyn std::fmt::Display| ConnectError(format!("libnng for {endpoint}: {error}"));
        let mut running = Running::open(Protocol::Req0, options.frame_max).map_err(|error| failed(&error))?;
        let (told, link_queue) = mpsc::unbounded_channel();
        let links = Arc::new(Links {
            present: Mutex::new(Present {
                pipe: None,
                told_down: false,
            }),
            told,
            endpoint: endpoint.to_string(),
        });
        let (outboxes, to_send) = std_mpsc::channel();

        let (for_pipes, pipe_shared, pipe_outboxes) = (Arc::clone(&links), Arc::clone(&shared), outboxes.clone());
        let watched = running.socket.pipe_notify(move |pipe, event| match event {
            PipeEvent::AddPost => for_pipes.came(pipe, &pipe_shared, &pipe_outboxes),
            PipeEvent::RemovePost => for_pipes.went(pipe, &pipe_shared),
            PipeEvent::AddPre | PipeEvent::Unknown(_) => {}
        });
        watched.map_err(|error| failed(&error))?;

        let dialer = dial(&running.socket, endpoint, options).map_err(|error| failed(&error))?;
        let socket = running.socket.clone();
        let sending = Arc::clone(&shared);
        let started = running.thread("nng-send", move || send(&socket, &to_send, &sending));
        started.map_err(|error| failed(&error))?;
        let socket = running.socket.clone();
        let (receiving, frame_max) = (Arc::clone(&shared), options.frame_max);
        let started = running.thread("nng-receive", move || receive(&socket, &receiving, frame_max));
        started.map_err(|error| failed(&error))?;
        let for_dial = Arc::clone(&links);
        // The first attempt blocks, because only so NNG says why it failed.
        let started = running.thread("nng-dial", move || {
            if let Err((dialer, error)) = dialer.start(false)
                && error != Error::Closed
            {
                for_dial.down(&error.to_string());
                let _ = dialer.start(true);
            }
        });
        started.map_err(|error| failed(&error))?;
        tokio::spawn(forward(link_queue, events));
        Ok(Self {
            running,
            shared,
            outboxes: Some(outboxes),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The order matters: first no new connection can come (an empty callback takes the place of ours, which held
        // a sender too), then no outbox is open, then no call is blocked, and so the threads can be joined.
        let _ = self.running.socket.pipe_notify(|_, _| {});
        self.shared.disconnected();
        self.outboxes = None;
        self.running.stop();
    }
}

fn dial(socket: &Socket, endpoint: &Endpoint, options: &Options) -> Result<DialerBuilder, Error> {
    let dialer = DialerBuilder::new(socket, &endpoint.to_string())?;
    dialer.set_opt::<ReconnectMinTime>(Some(options.reconnect_min))?;
    dialer.set_opt::<ReconnectMaxTime>(Some(options.reconnect_max))?;
    Ok(dialer)
}

/// What is known of the link, and who hears of it. Called by NNG's threads, which must not be kept waiting.
#[derive(Debug)]
struct Links {
    present: Mutex<Present>,
    told: mpsc::UnboundedSender<LinkEvent>,
    endpoint: String,
}

#[derive(Debug)]
struct Present {
    pipe: Option<Pipe>,
    told_down: bool,
}

impl Links {
    fn came(&self, pipe: Pipe, shared: &Shared, outboxes: &std_mpsc::Sender<Outbox>) {
        let mut present = self.lock();
        present.pipe = Some(pipe);
        present.told_down = false;
        let _ = outboxes.send(shared.connected());
        let address = address(pipe);
        let _ = self.told.send(LinkEvent::Up { address });
    }

    fn went(&self, pipe: Pipe, shared: &Shared) {
        let mut present = self.lock();
        if present.pipe == Some(pipe) {
            present.pipe = None;
            shared.disconnected();
            drop(present);
            self.down("the connection ended");
        }
    }

    /// Said once until the link stands again.
    fn down(&self, why: &str) {
        let mut present = self.lock();
        if present.pipe.is_none() && !present.told_down {
            present.told_down = true;
            let _ = self.told.send(LinkEvent::Down {
                why: format!("{}: {why}", self.endpoint),
            });
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The peer's address; unspecified if the connection has ended meanwhile.
pub(super) fn address(pipe: Pipe) -> SocketAddr {
    let known = pipe.get_opt::<RemAddr>().ok().and_then(tcp_address);
    known.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// The crate hands out ports in the byte order of the network.
pub(super) fn tcp_address(address: nng::SocketAddr) -> Option<SocketAddr> {
    let mut address: SocketAddr = match address {
        nng::SocketAddr::Inet(v4) => v4.into(),
        nng::SocketAddr::Inet6(v6) => v6.into(),
        _ => return None,
    };
    address.set_port(u16::from_be(address.port()));
    Some(address)
}

async fn forward(mut told: mpsc::UnboundedReceiver<LinkEvent>, events: mpsc::Sender<LinkEvent>) {
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Some(event) => {
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            () = events.closed() => return,
        }
    }
}

fn send(socket: &Socket, outboxes: &std_mpsc::Receiver<Outbox>, shared: &Shared) {
    while let Ok(mut outbox) = outboxes.recv() {
        while let Some((id, body)) = outbox.blocking_recv() {
            let mut message = Message::from(body.as_ref());
            message.as_mut_header().push_back(&id.to_be_bytes());
            while shared.is_waited_for(id) {
                match socket.send(message) {
                    Ok(()) => {
                        Counters::add(&shared.counters.frames_out);
                        break;
                    }
                    Err((back, Error::TimedOut)) => message = back,
                    Err((_, Error::Closed)) => return,
                    Err((_, error)) => {
                        tracing::warn!(%error, "a request could not be sent");
                        break;
                    }
                }
            }
        }
    }
}

fn receive(socket: &Socket, shared: &Shared, frame_max: usize) {
    loop {
        match socket.recv() {
            Ok(mut message) => {
                Counters::add(&shared.counters.frames_in);
                if message.len() > frame_max {
                    Counters::add(&shared.counters.refused_frames);
                    if let Some(pipe) = message.pipe() {
                        pipe.close();
                    }
                    continue;
                }
                shared.reply(message.as_header().as_slice(), Bytes::copy_from_slice(&message));
            }
            Err(Error::Closed) => return,
            Err(error) => tracing::debug!(%error, "nothing received"),
        }
    }
}

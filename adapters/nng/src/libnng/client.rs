//! The requester's side: one dialing socket, a thread that sends, one that receives.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc as std_mpsc};
use std::time::Duration;

use bytes::Bytes;
use nng::options::{Options as _, ReconnectMaxTime, ReconnectMinTime, RemAddr};
use nng::{DialerBuilder, Error, Message, Pipe, PipeEvent, Protocol};
use tokio::sync::mpsc;

use super::{Gate, Pause, Running, refuse};
use crate::port::{ConnectError, LinkEvent, Options};
use crate::requester::{Outbox, Shared};
use crate::{Counters, Endpoint};

/// Keeps a connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    shared: Arc<Shared>,
    running: Running,
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
        let running = Running::open(Protocol::Req0, options.frame_max).map_err(|error| failed(&error))?;
        let mut client = Self { shared, running };
        let (told, link_queue) = mpsc::unbounded_channel();
        let links = Arc::new(Links {
            present: Mutex::default(),
            told,
            endpoint: endpoint.to_string(),
        });
        tokio::spawn(forward(
            link_queue,
            events,
            Arc::downgrade(&links),
            options.connect_timeout,
        ));

        let (outboxes, to_send) = std_mpsc::channel();
        let watching = Arc::clone(&client.shared);
        let watched = client.running.gate.socket.pipe_notify(move |pipe, event| match event {
            PipeEvent::AddPost => links.came(pipe, &watching, &outboxes),
            PipeEvent::RemovePost => links.went(pipe, &watching),
            PipeEvent::AddPre | PipeEvent::Unknown(_) => {}
        });
        watched.map_err(|error| failed(&error))?;

        let (gate, sending) = (Arc::clone(&client.running.gate), Arc::clone(&client.shared));
        let started = client
            .running
            .thread("nng-send", move || send(&gate, &to_send, &sending));
        started.map_err(|error| failed(&error))?;
        let (gate, receiving) = (Arc::clone(&client.running.gate), Arc::clone(&client.shared));
        let frame_max = options.frame_max;
        let started = client
            .running
            .thread("nng-receive", move || receive(&gate, &receiving, frame_max));
        started.map_err(|error| failed(&error))?;
        client.dial(endpoint, options).map_err(|error| failed(&error))?;
        Ok(client)
    }

    /// Lets NNG connect, for ever again. Does not wait: a dial that waits never ends if the socket closes meanwhile.
    fn dial(&self, endpoint: &Endpoint, options: &Options) -> Result<(), Error> {
        let dialer = DialerBuilder::new(&self.running.gate.socket, &endpoint.to_string())?;
        dialer.set_opt::<ReconnectMinTime>(Some(options.reconnect_min))?;
        dialer.set_opt::<ReconnectMaxTime>(Some(options.reconnect_max))?;
        dialer.start(true).map_err(|(_, error)| error)?;
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The sending thread waits for outboxes and for requests. An empty callback takes the place of ours, which
        // alone can open an outbox; then the open one ends. What is left waits for the gate only.
        let _ = self.running.gate.socket.pipe_notify(|_, _| {});
        self.shared.disconnected();
    }
}

/// What is known of the link, and who hears of it. Called by NNG's threads, which must not be kept waiting.
#[derive(Debug)]
struct Links {
    present: Mutex<Present>,
    told: mpsc::UnboundedSender<LinkEvent>,
    endpoint: String,
}

#[derive(Debug, Default)]
struct Present {
    pipe: Option<Pipe>,
    /// The last connection that ended before it was said to have come: NNG says both on threads of its own.
    gone: Option<Pipe>,
    told_down: bool,
}

impl Links {
    fn came(&self, pipe: Pipe, shared: &Shared, outboxes: &std_mpsc::Sender<Outbox>) {
        let mut present = self.lock();
        if present.gone == Some(pipe) {
            return;
        }
        present.pipe = Some(pipe);
        present.told_down = false;
        let _ = outboxes.send(shared.connected());
        let address = address(pipe);
        let _ = self.told.send(LinkEvent::Up { address });
    }

    /// NNG connects again only after this has returned, so no request of this connection meets the next one.
    fn went(&self, pipe: Pipe, shared: &Shared) {
        let mut present = self.lock();
        if present.pipe == Some(pipe) {
            present.pipe = None;
            shared.disconnected();
        } else {
            present.gone = Some(pipe);
        }
        drop(present);
        self.down("the connection ended");
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

/// Passes on what happens to the link. NNG does not say that it cannot connect, so silence is taken for that.
async fn forward(
    mut told: mpsc::UnboundedReceiver<LinkEvent>,
    events: mpsc::Sender<LinkEvent>,
    links: Weak<Links>,
    connect_timeout: Duration,
) {
    let silence = tokio::time::sleep(connect_timeout);
    tokio::pin!(silence);
    let mut silent = true;
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Some(event) => {
                    silent = false;
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
                None => return,
            },
            () = &mut silence, if silent => {
                silent = false;
                if let Some(links) = links.upgrade() {
                    links.down(&format!("no connection within {connect_timeout:?}"));
                }
            }
            () = events.closed() => return,
        }
    }
}

fn send(gate: &Gate, outboxes: &std_mpsc::Receiver<Outbox>, shared: &Shared) {
    while let Ok(mut outbox) = outboxes.recv() {
        while let Some((id, body)) = outbox.blocking_recv() {
            let mut message = Message::from(body.as_ref());
            message.as_mut_header().push_back(&id.to_be_bytes());
            let mut message = Some(message);
            let mut pause = Pause::default();
            // NNG holds back nothing: it takes a message only when a connection is ready to write it.
            while let Some(sent) = shared.while_waited_for(id, || gate.try_send(&mut message)) {
                match sent {
                    Ok(()) => {
                        Counters::add(&shared.counters.frames_out);
                        break;
                    }
                    Err(Error::TryAgain) => pause.wait(),
                    Err(Error::Closed) => return,
                    Err(error) => {
                        tracing::warn!(%error, "a request could not be sent");
                        break;
                    }
                }
            }
        }
    }
}

fn receive(gate: &Gate, shared: &Shared, frame_max: usize) {
    while let Some(mut message) = gate.receive() {
        Counters::add(&shared.counters.frames_in);
        if message.len() > frame_max {
            Counters::add(&shared.counters.refused_frames);
            if let Some(pipe) = message.pipe() {
                let _ = gate.call(|_| {
                    pipe.close();
                    Ok(())
                });
            }
            continue;
        }
        shared.reply(message.as_header().as_slice(), Bytes::copy_from_slice(&message));
    }
}

//! The requester's connection, kept alive by a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::frame::{Ended, REPLY, REQUEST, read_frame, shake_hands, split_stack, write_frame};
use super::{Stream, outgoing, tls};
use crate::port::{ConnectError, LinkEvent, Options};
use crate::requester::{Outbox, Shared};
use crate::{Counters, Endpoint};

/// Keeps a connection until what it returns is dropped.
pub(crate) fn connect(
    endpoint: &Endpoint,
    options: Options,
    shared: Arc<Shared>,
    events: mpsc::Sender<LinkEvent>,
) -> Result<oneshot::Sender<()>, ConnectError> {
    let tls = if endpoint.tls {
        Some(tls::client(endpoint, options.tls.as_ref())?)
    } else {
        None
    };
    let (alive, dropped) = oneshot::channel();
    let supervisor = Supervisor {
        endpoint: endpoint.clone(),
        options,
        tls,
        shared,
        events,
    };
    tokio::spawn(async move {
        let shared = Arc::clone(&supervisor.shared);
        tokio::select! {
            () = supervisor.keep_connected() => {}
            _ = dropped => shared.disconnected(),
        }
    });
    Ok(alive)
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
                    self.serve(stream, address).await
                }
                Ok(Err(ended)) => ended,
                Err(_) => Ended::Gone(format!("no connection within {:?}", self.options.connect_timeout)),
            };
            self.shared.disconnected();
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
        let tcp = outgoing::connect(&self.endpoint.address()).await?;
        tcp.set_nodelay(true)?;
        let address = tcp.peer_addr()?;
        let mut stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => Box::new(tls.wrap(tcp).await.map_err(tls::refused)?),
            None => Box::new(tcp),
        };
        shake_hands(&mut stream, REQUEST, REPLY).await?;
        Ok((stream, address))
    }

    async fn serve(&self, stream: Box<dyn Stream>, address: SocketAddr) -> Ended {
        let (reader, writer) = tokio::io::split(stream);
        let bodies = self.shared.connected();
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
            match split_stack(frame, self.options.frame_max) {
                Ok((header, body)) => self.shared.reply(&header, body),
                Err(ended) => return ended,
            }
        }
    }

    async fn write(&self, stream: WriteHalf<Box<dyn Stream>>, mut bodies: Outbox) -> Ended {
        let mut stream = BufWriter::with_capacity(64 * 1024, stream);
        while let Some((id, body)) = bodies.recv().await {
            if !self.shared.is_waited_for(id) {
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

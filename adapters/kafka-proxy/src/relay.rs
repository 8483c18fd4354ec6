//! Passes bytes on in both directions, as they come, and looks at them while they pass.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pehra_core::sleep::traffic::{Answers, Asked, Awaited, InFlight, Requests};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::note;
use crate::proxy::Shared;

/// The requests that wait for answers, seen by both directions.
#[derive(Clone, Debug)]
pub(crate) struct Flight(Arc<Mutex<InFlight>>);

impl Flight {
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Mutex::new(InFlight::new(max))))
    }

    pub fn asked(&self, asked: Asked) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).asked(asked);
    }

    fn answered(&self, correlation: i32) -> Awaited {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answered(correlation)
    }
}

/// Relays until both directions have ended, or one has and the other takes too long, or nothing passes for too long.
pub(crate) async fn run(
    mut client: TcpStream,
    mut broker: TcpStream,
    requests: Requests,
    held: Vec<u8>,
    flight: &Flight,
    shared: &Shared,
) {
    let (from_client, to_client) = client.split();
    let (from_broker, to_broker) = broker.split();
    let (moved, idle) = watch::channel(Instant::now());
    let up = up(from_client, to_broker, requests, held, flight, shared, &moved);
    let down = down(from_broker, to_client, flight, shared, &moved);
    tokio::pin!(up, down);
    let close_max = shared.limits.close_max;
    tokio::select! {
        // The client said its last word: what the broker still answers may come.
        ended = &mut up => if ended.is_ok() {
            let _ = timeout(close_max, &mut down).await;
        },
        // A broker that has ended answers nothing any more, whatever the client says.
        _ = &mut down => {},
        () = stands_still(idle, shared.limits.idle_max) => {},
    }
    // Both sockets are closed here.
}

/// From the client to the broker: first what was held.
async fn up(
    mut client: ReadHalf<'_>,
    mut broker: WriteHalf<'_>,
    mut requests: Requests,
    held: Vec<u8>,
    flight: &Flight,
    shared: &Shared,
    moved: &watch::Sender<Instant>,
) -> io::Result<()> {
    // What was held has been looked at already.
    broker.write_all(&held).await?;
    drop(held);
    let mut buffer = vec![0; shared.limits.buffer_bytes];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 {
            return broker.shutdown().await;
        }
        moved.send_replace(Instant::now());
        let bytes = &buffer[..length];
        if requests.feed(bytes, |asked| note(asked, flight, shared)).is_err() {
            shared.teller.misframed();
            return Err(io::ErrorKind::InvalidData.into());
        }
        broker.write_all(bytes).await?;
    }
}

/// From the broker to the client.
async fn down(
    mut broker: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    flight: &Flight,
    shared: &Shared,
    moved: &watch::Sender<Instant>,
) -> io::Result<()> {
    let mut answers = Answers::new();
    let mut buffer = vec![0; shared.limits.buffer_bytes];
    loop {
        let length = broker.read(&mut buffer).await?;
        if length == 0 {
            return client.shutdown().await;
        }
        moved.send_replace(Instant::now());
        let bytes = &buffer[..length];
        let Ok(traffic) = answers.feed(bytes, |correlation| flight.answered(correlation)) else {
            shared.teller.misframed();
            return Err(io::ErrorKind::InvalidData.into());
        };
        shared.teller.traffic(traffic);
        client.write_all(bytes).await?;
    }
}

/// Ends when nothing has passed for so long.
async fn stands_still(moved: watch::Receiver<Instant>, idle_max: Duration) {
    loop {
        let until = *moved.borrow() + idle_max;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

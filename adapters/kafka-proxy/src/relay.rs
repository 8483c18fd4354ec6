//! Passes bytes on in both directions, as they come, and looks at them while they pass.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pehra_core::sleep::traffic::{Answers, Asked, Awaited, InFlight, Requests};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::tell;
use crate::proxy::Shared;
use crate::stream::Stream;

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
    client: Stream,
    broker: Stream,
    requests: Requests,
    held: Vec<u8>,
    flight: &Flight,
    shared: &Shared,
) {
    let (from_client, to_client) = split(client);
    let (from_broker, to_broker) = split(broker);
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
    mut client: ReadHalf<Stream>,
    mut broker: WriteHalf<Stream>,
    mut requests: Requests,
    held: Vec<u8>,
    flight: &Flight,
    shared: &Shared,
    moved: &watch::Sender<Instant>,
) -> io::Result<()> {
    // What was held has been looked at already.
    shared.teller.sealed(shared.is_sealed.then_some(held.len()), None);
    broker.write_all(&held).await?;
    broker.flush().await?;
    drop(held);
    let mut buffer = vec![0; shared.limits.buffer_bytes];
    loop {
        let length = client.read(&mut buffer).await?;
        if length == 0 {
            return broker.shutdown().await;
        }
        moved.send_replace(Instant::now());
        let bytes = &buffer[..length];
        if shared.is_sealed {
            shared.teller.sealed(Some(length), None);
        } else if requests.feed(bytes, |asked| note(asked, flight, shared)).is_err() {
            shared.teller.misframed();
            return Err(io::ErrorKind::InvalidData.into());
        }
        broker.write_all(bytes).await?;
        broker.flush().await?;
    }
}

/// From the broker to the client.
async fn down(
    mut broker: ReadHalf<Stream>,
    mut client: WriteHalf<Stream>,
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
        let bytes = &mut buffer[..length];
        if shared.is_sealed {
            shared.teller.sealed(None, Some(length));
        } else if let Ok(traffic) = answers.feed(bytes, |correlation| flight.answered(correlation)) {
            shared.teller.traffic(traffic);
        } else {
            shared.teller.misframed();
            return Err(io::ErrorKind::InvalidData.into());
        }
        client.write_all(bytes).await?;
        client.flush().await?;
    }
}

/// Notes a request before anything of it that could complete it is passed on.
fn note(asked: Asked, flight: &Flight, shared: &Shared) {
    flight.asked(asked);
    tell(asked, shared);
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

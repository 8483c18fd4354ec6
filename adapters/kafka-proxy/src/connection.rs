//! One client's connection: find the broker, or see what the client wants of it, then relay.

use std::sync::atomic::Ordering;

use pehra_core::sleep::traffic::{Asked, Meaning, Requests};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hold::{Met, hold};
use crate::proxy::{Shared, prepare};
use crate::relay::{self, Flight};
use crate::stream::Stream;

/// Runs it to its end.
pub(crate) async fn run(client: TcpStream, shared: Shared) {
    let _opened = shared.teller.opened();
    // The client first: one whose certificate is wrong does not reach the broker.
    let Some(mut client) = accept(client, &shared).await else {
        return;
    };
    let broker = connect(&shared).await;
    if broker.is_none() && shared.refuses.load(Ordering::Relaxed) {
        return shared.teller.refused();
    }
    let mut requests = Requests::new(shared.limits.request_bytes_max);
    let met = match broker {
        Some(broker) => Met {
            broker,
            held: Vec::new(),
            asked: Vec::new(),
        },
        None => match hold(&mut client, &mut requests, &shared).await {
            Some(met) => met,
            None => return,
        },
    };
    let flight = Flight::new(shared.limits.in_flight_max);
    for asked in met.asked {
        flight.asked(asked);
    }
    tokio::join!(
        relay::run(client, met.broker, requests, met.held, &flight, &shared),
        // Nobody waits for this: it goes on beside the first client of a broker that has come.
        shared.greeting.learn_if_new(&shared),
    );
}

/// The client's side, with its TLS if that ends here.
async fn accept(client: TcpStream, shared: &Shared) -> Option<Stream> {
    let Some(acceptor) = &shared.acceptor else {
        return Some(Stream::Plain(client));
    };
    match timeout(shared.limits.handshake_max, acceptor.accept(client)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(_)) | Err(_) => {
            shared.teller.misframed();
            None
        }
    }
}

/// A connection to the broker, if it is up.
pub(crate) async fn connect(shared: &Shared) -> Option<Stream> {
    let stream = reach(shared).await;
    if stream.is_none() {
        shared.greeting.broker_is_down();
    }
    stream
}

async fn reach(shared: &Shared) -> Option<Stream> {
    let attempt = timeout(shared.limits.connect_max, TcpStream::connect(shared.upstream));
    let broker = attempt.await.ok()?.ok()?;
    // Where nobody listens, TCP may connect the attempt with itself, if its own port happens to be that one.
    if broker.local_addr().ok()? == shared.upstream {
        return None;
    }
    prepare(&broker);
    match &shared.connector {
        None => Some(Stream::Plain(broker)),
        Some(connector) => timeout(shared.limits.handshake_max, connector.connect(broker))
            .await
            .ok()?
            .ok(),
    }
}

/// Tells of a request that was seen.
pub(crate) fn tell(asked: Asked, shared: &Shared) {
    shared.teller.request(asked.meaning == Meaning::Traffic);
}

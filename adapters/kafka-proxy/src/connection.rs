//! One client's connection: find the broker, hold what the client sent until it is there, then relay.

use std::time::Duration;

use pehra_core::sleep::traffic::{Asked, Meaning, Requests, classify};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use crate::proxy::{Shared, prepare};
use crate::relay::{self, Flight};

/// Runs it to its end.
pub(crate) async fn run(mut client: TcpStream, shared: Shared) {
    let flight = Flight::new(shared.limits.in_flight_max);
    let mut requests = Requests::new(shared.limits.request_bytes_max);
    let met = match connect(&shared).await {
        Some(broker) => Some((broker, Vec::new())),
        None => hold(&mut client, &mut requests, &flight, &shared).await,
    };
    if let Some((broker, held)) = met {
        relay::run(client, broker, requests, held, &flight, &shared).await;
    }
}

async fn connect(shared: &Shared) -> Option<TcpStream> {
    let attempt = timeout(shared.limits.connect_max, TcpStream::connect(shared.upstream));
    let broker = attempt.await.ok()?.ok()?;
    // Where nobody listens, TCP may connect the attempt with itself, if its own port happens to be that one.
    if broker.local_addr().ok()? == shared.upstream {
        return None;
    }
    prepare(&broker);
    Some(broker)
}

/// Waits for a first request, says that the broker is wanted, and waits for the broker. What the client sends meanwhile is kept,
/// as far as there is room, and returned with the broker; the rest waits in the kernel. Nothing if the client went, or it took too
/// long.
async fn hold(
    client: &mut TcpStream,
    requests: &mut Requests,
    flight: &Flight,
    shared: &Shared,
) -> Option<(TcpStream, Vec<u8>)> {
    let (limits, teller) = (&shared.limits, &shared.teller);
    let room_of_one = u32::try_from(limits.buffer_bytes).unwrap_or(u32::MAX);
    // Taken when it becomes known that the broker is wanted, and free again when this returns.
    let mut room = Vec::new();
    let (mut held, mut filled) = (vec![0; limits.buffer_bytes], 0);
    // Until somebody asks for something, the broker is not looked for either.
    let (mut deadline, mut next_attempt) = (Instant::now() + limits.idle_max, far_away());
    loop {
        tokio::select! {
            read = client.read(&mut held[filled..]), if filled < limits.buffer_bytes => {
                let length = read.ok().filter(|length| *length > 0)?;
                let mut asked_any = false;
                let fed = requests.feed(&held[filled..filled + length], |asked| {
                    asked_any = true;
                    note(asked, flight, shared);
                });
                filled += length;
                if fed.is_err() {
                    teller.misframed();
                    return None;
                }
                // A Produce is told late in its head, and what fills the room without an end is wanted as well.
                if room.is_empty() && (asked_any || filled >= limits.buffer_bytes) {
                    teller.wanted();
                    let Ok(permit) = shared.room.clone().try_acquire_many_owned(room_of_one) else {
                        teller.given_up();
                        return None;
                    };
                    room.push(permit);
                    (deadline, next_attempt) = (Instant::now() + limits.hold_max, Instant::now());
                }
            }
            () = sleep_until(next_attempt) => {
                if let Some(broker) = connect(shared).await {
                    held.truncate(filled);
                    return Some((broker, held));
                }
                next_attempt = Instant::now() + limits.retry_every;
            }
            () = sleep_until(deadline) => {
                if !room.is_empty() {
                    teller.given_up();
                }
                return None;
            }
        }
    }
}

/// Notes a request before anything of it that could complete it is passed on.
pub(crate) fn note(asked: Asked, flight: &Flight, shared: &Shared) {
    flight.asked(asked);
    shared.teller.request(classify(asked.key) == Meaning::Traffic);
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

//! Measures round trips over loopback: how many a second, and how long one takes.
//!
//! `cargo run --release -p pehra-nng --example round-trips [SECONDS]`; with `--features libnng`, NNG's C library stands
//! beside the codec on tokio. Both sides run in this process, so one machine does the work of two.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pehra_nng::{Backend, LinkEvent, Listener, Options, Requester};

const IN_FLIGHT: [usize; 3] = [1, 8, 64];
const BODY_BYTES: [usize; 2] = [100, 64 * 1024];
const DEADLINE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds = match std::env::args().nth(1) {
        Some(seconds) => seconds.parse()?,
        None => 3,
    };
    let backends: &[(&str, Backend)] = if cfg!(feature = "libnng") {
        &[("sp", Backend::Sp), ("libnng", Backend::LibNng)]
    } else {
        &[("sp", Backend::Sp)]
    };
    println!("| body, bytes | in flight | back end | round trips/s | p50, µs | p99, µs |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for body_bytes in BODY_BYTES {
        for in_flight in IN_FLIGHT {
            for (name, backend) in backends {
                let mut took = measure(*backend, body_bytes, in_flight, Duration::from_secs(seconds)).await?;
                took.sort_unstable();
                println!(
                    "| {body_bytes} | {in_flight} | {name} | {} | {} | {} |",
                    took.len() as u64 / seconds,
                    percentile_us(&took, 50),
                    percentile_us(&took, 99),
                );
            }
        }
    }
    Ok(())
}

/// How long each round trip took, after a warm-up of a tenth of the time.
async fn measure(
    backend: Backend,
    body_bytes: usize,
    in_flight: usize,
    span: Duration,
) -> Result<Vec<Duration>, Failure> {
    let options = Options {
        backend,
        in_flight_max: in_flight,
        ..Options::default()
    };
    let mut listener = Listener::bind(&"tcp://127.0.0.1:0".parse()?, options.clone()).await?;
    let endpoint = format!("tcp://{}", listener.local_addr()).parse()?;
    tokio::spawn(async move {
        while let Some(incoming) = listener.next().await {
            incoming.answer.send(incoming.body);
        }
    });
    let (requester, mut links) = Requester::connect(&endpoint, options)?;
    if !matches!(links.recv().await, Some(LinkEvent::Up { .. })) {
        return Err("no connection".into());
    }
    let counted_from = Instant::now() + span / 10;
    let until = counted_from + span;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let requester = requester.clone();
        asking.spawn(async move {
            let body = Bytes::from(vec![7; body_bytes]);
            let mut took = Vec::new();
            loop {
                let began = Instant::now();
                if began >= until {
                    return Ok::<_, Failure>(took);
                }
                let reply = requester.request(body.clone(), DEADLINE).await?;
                if reply != body {
                    return Err("a reply is not its request".into());
                }
                if began >= counted_from {
                    took.push(began.elapsed());
                }
            }
        });
    }
    let mut took = Vec::new();
    while let Some(some) = asking.join_next().await {
        took.append(&mut some??);
    }
    Ok(took)
}

fn percentile_us(sorted: &[Duration], percent: usize) -> u128 {
    sorted
        .get(sorted.len().saturating_sub(1) * percent / 100)
        .map_or(0, Duration::as_micros)
}

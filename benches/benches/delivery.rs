//! Steps of delivery at both ends, without network and disk. Criterion's elements are rows, and for an
//! acknowledgement batches.
#![allow(missing_docs)]

mod shared;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pehra_core::delivery::{Append, Downlink, Receiver, ReceiverClaim, ReceiverConfig, Sender, SenderClaim};
use pehra_core::delivery::{SenderConfig, Seq, Uplink};
use pehra_core::protocol::{Drawn, Input};
use pehra_core::types::RequestId;
use pehra_core::window::Tuple;
use shared::{Bench, CLOUD, EDGE, quick, rows, tuple};

fn heard(claim: ReceiverClaim<Tuple>) -> Input<Sender<Tuple>> {
    let message = Downlink::Claim(claim);
    Input::Received { from: CLOUD, message }
}

fn ack(high: Seq) -> Input<Sender<Tuple>> {
    heard(ReceiverClaim::Ack {
        epoch: 1,
        high,
        codes: None,
        credit: 8000,
    })
}

/// A sender that has been welcomed.
fn streaming_sender() -> Bench<Sender<Tuple>> {
    let mut bench = Bench::new(SenderConfig::deployed(CLOUD));
    bench.feed(Input::Drawn(Drawn::Nonce(1)));
    bench.feed(heard(ReceiverClaim::Welcome {
        epoch: 1,
        session: 1,
        high: Seq::ZERO,
        credit: 8000,
    }));
    bench
}

/// The rows that the sender asked for, as its store would answer.
fn fetched(bench: &mut Bench<Sender<Tuple>>) -> Option<Input<Sender<Tuple>>> {
    let query = bench.asked.pop()?;
    let rows = rows(query.first.0, query.count.into());
    Some(Input::Fetched { query, rows })
}

fn sender(c: &mut Criterion) {
    let mut group = c.benchmark_group("delivery/sender");
    let mut bench = Bench::<Sender<Tuple>>::new(SenderConfig {
        backlog_rows: u64::MAX,
        ..SenderConfig::deployed(CLOUD)
    });
    let body = tuple(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("append a row", |b| {
        b.iter(|| bench.feed(Input::Commanded(RequestId(0), Append(body))));
    });

    // The making of the rows stands outside of what is measured: the store makes them. What is measured ends one batch,
    // however many rows it has, and asks for the next.
    group.throughput(Throughput::Elements(1));
    group.bench_function("an acknowledgement of a batch of 1000", |b| {
        let mut bench = streaming_sender();
        b.iter_custom(|rounds| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..rounds {
                while bench.state().backlog() < 8000 {
                    bench.feed(Input::Commanded(RequestId(0), Append(body)));
                }
                while let Some(input) = fetched(&mut bench) {
                    bench.feed(input);
                }
                let oldest = *bench.state().flights().iter().next().expect("a batch in flight");
                let input = ack(oldest.last);
                let start = std::time::Instant::now();
                bench.feed(input);
                spent += start.elapsed();
            }
            spent
        });
    });
    group.finish();
}

fn receiver(c: &mut Criterion) {
    let mut group = c.benchmark_group("delivery/receiver");
    let mut bench = Bench::<Receiver<Tuple>>::new(ReceiverConfig::deployed(EDGE));
    let hear = |message| Input::Received { from: EDGE, message };
    bench.feed(hear(Uplink::Claim(SenderClaim::Hello {
        epoch: 1,
        session: 1,
        oldest: Seq(1),
    })));
    let batch = |rows| hear(Uplink::Claim(SenderClaim::Batch { epoch: 1, rows }));
    let thousand = rows(1, 1000);
    group.throughput(Throughput::Elements(1000));
    group.bench_function("a batch of 1000 that joins on", |b| {
        let mut next = bench.state().high().next();
        b.iter_batched(
            || {
                let mut rows = thousand.clone();
                rows.first = next;
                next = next.plus(1000);
                batch(rows)
            },
            |input| bench.feed(input),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("a batch of 1000 that is here already", |b| {
        b.iter_batched(
            || batch(thousand.clone()),
            |input| bench.feed(input),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = sender, receiver }
criterion_main!(benches);

//! Batches as bytes and back. A batch of 1000 tuples is what a deployed edge sends; criterion's elements are tuples.
#![allow(missing_docs)]

mod shared;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pehra_core::delivery::{ReceiverClaim, SenderClaim, Seq, Uplink};
use pehra_core::types::EdgeName;
use pehra_core::wire::{crc32, decode_down, decode_up, encode_down, encode_up};
use shared::{quick, rows};

fn wire(c: &mut Criterion) {
    let edge = EdgeName::new("edge-1").expect("short enough");
    let batch = Uplink::Claim(SenderClaim::Batch {
        epoch: 7,
        rows: rows(1, 1000),
    });
    let mut frame = Vec::new();
    encode_up(&edge, &batch, &mut frame);
    println!("a batch of 1000 tuples is {} bytes", frame.len());

    let mut group = c.benchmark_group("wire");
    group.throughput(Throughput::Elements(1000));
    let mut buffer = Vec::new();
    group.bench_function("encode a batch of 1000", |b| {
        b.iter(|| encode_up(&edge, black_box(&batch), &mut buffer));
    });
    group.bench_function("decode a batch of 1000", |b| b.iter(|| decode_up(black_box(&frame))));
    group.throughput(Throughput::Bytes(u64::try_from(frame.len()).expect("small")));
    group.bench_function("checksum of that batch", |b| b.iter(|| crc32(black_box(&frame))));

    let ack = ReceiverClaim::Ack {
        epoch: 7,
        high: Seq(1000),
        codes: None,
        credit: 8000,
    }
    .into();
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode and decode an acknowledgement", |b| {
        b.iter(|| {
            encode_down(black_box(&ack), &mut buffer);
            decode_down(&buffer)
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = wire }
criterion_main!(benches);

//! What the node and its durability gate cost on top of a protocol: a protocol that does next to nothing.
#![allow(missing_docs)]

mod shared;

use criterion::{Criterion, criterion_group, criterion_main};
use pehra_core::protocol::{Effects, Input, Protocol, Recovered};
use pehra_core::types::{Broken, Never, NodeId, RequestId};
use shared::{Bench, CLOUD, quick};

/// A counter: it writes down each number and confirms it, or, told 0, only answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counter(u64);

impl Protocol for Counter {
    type Config = ();
    type Command = u64;
    type Event = Never;
    type Timer = ();
    type Heard = Never;
    type Notice = u64;
    type Claim = u64;
    type Note = Never;
    type Record = u64;
    type Durable = u64;
    type Query = Never;
    type Rows = Never;
    type Report = Never;
    type Parts = ();

    fn recover((): &(), _: Recovered<u64>, _: &mut Effects<Self>) -> Self {
        Self(0)
    }

    fn step(&mut self, (): &(), input: Input<Self>, fx: &mut Effects<Self>) {
        let to: NodeId = CLOUD;
        match input {
            Input::Commanded(_, 0) => fx.notice(to, self.0),
            Input::Commanded(_, number) => {
                self.0 = self.0.wrapping_add(number);
                fx.persist(self.0);
                fx.claim(to, self.0);
            }
            _ => {}
        }
    }

    fn check(&self, (): &()) -> Result<(), Broken> {
        Ok(())
    }
}

fn kernel(c: &mut Criterion) {
    let mut group = c.benchmark_group("kernel");
    let mut bench = Bench::<Counter>::new(());
    group.bench_function("a step that only answers", |b| {
        b.iter(|| bench.feed(Input::Commanded(RequestId(0), 0)));
    });
    group.bench_function("a step with a write, its commit and the claim behind it", |b| {
        b.iter(|| bench.feed(Input::Commanded(RequestId(0), 1)));
    });
    group.finish();
}

criterion_group! { name = benches; config = quick(); targets = kernel }
criterion_main!(benches);

//! Prints durable rows/s of the store at several batch sizes, on a `redis-server` of its own with `appendfsync always`:
//! `cargo run --release --example redis-commit-speed`. The figures are those of the temporary folder's disk.

use std::time::{Duration, Instant};

use pehra_core::delivery::{ReceiverRecord, Seq};
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Span, Tuple};
use pehra_driver::{Store, StoreError};
use pehra_redis::{Durability, RedisStore};
use pehra_testbed::redis::{Redis, RedisOptions};

/// How long each figure is measured.
const FOR: Duration = Duration::from_secs(2);

fn tuple(at: u64) -> Tuple {
    let name = format!("household-{:03}", at % 200);
    Tuple {
        household: Household::new(&name).unwrap_or_else(|| unreachable!("a short name")),
        start_ms: i64::try_from(at / 200).unwrap_or(0) * 5000,
        span: Span::Window {
            sum_mw: 1_234_567,
            n: 2,
            min_mw: 600_000,
            max_mw: 634_567,
            first_register: Some(at * 10),
            last_register: Some(at * 10 + 9),
            revision: 0,
        },
    }
}

fn main() -> Result<(), StoreError> {
    for batch in [1, 100, 1000] {
        let redis = Redis::start(RedisOptions::default());
        let edge = EdgeName::new("edge").unwrap_or_else(|| unreachable!("a short name"));
        let tell = Box::new(|_: &_, _, _: &_| {});
        let mut store = RedisStore::open(&redis.url(), edge, Durability::Required, None, tell)?;
        store.load()?;
        store.commit(&[ReceiverRecord::Adopted(1)])?;
        let (started, mut rows) = (Instant::now(), 0);
        while started.elapsed() < FOR {
            let bodies = (rows + 1..=rows + batch).map(tuple).collect();
            let (first, high) = (Seq(rows + 1), Seq(rows + batch));
            store.commit(&[ReceiverRecord::Applied { first, bodies, high }])?;
            rows += batch;
        }
        let seconds = started.elapsed().as_secs_f64();
        println!("redis  {batch:5} rows a commit: {:9.0} rows/s", rows as f64 / seconds);
    }
    Ok(())
}

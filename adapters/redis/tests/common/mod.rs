//! What the tests of the Redis store share.
#![allow(dead_code)] // each test binary uses its part

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pehra_core::delivery::{Body, CloudImage, CodesQuery, Receiver, ReceiverRecord, Seq};
use pehra_core::protocol::Image;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Span, Total, Tuple};
use pehra_driver::{Store, StoreError};
use pehra_redis::{Durability, RedisStore, read_windows};

/// Totals by household, as the store told them.
pub type Told = Arc<Mutex<Totals>>;
pub type Totals = BTreeMap<Household, (Code, Total)>;

/// What counts of a household and start.
pub type Windows = BTreeMap<(String, i64), Span>;

/// Opens the store of one edge.
pub fn open(url: &str, edge: &str, marker: Option<String>, told: &Told) -> Result<RedisStore, StoreError> {
    let told = Arc::clone(told);
    let tell = move |household: &Household, code: Code, total: &Total| {
        told.lock().expect("not poisoned").insert(*household, (code, *total));
    };
    let edge = EdgeName::new(edge).expect("a name");
    RedisStore::open(url, edge, Durability::Required, marker, Box::new(tell))
}

/// As [`open`], when what it tells does not matter.
pub fn open_plain(url: &str, marker: Option<String>) -> RedisStore {
    open(url, "edge", marker, &Told::default()).expect("the store opens")
}

/// The windows that count after an image's rows, by core's rule, and their totals.
pub fn expected(image: &CloudImage<Tuple>) -> (Windows, Totals) {
    let mut windows = Windows::new();
    let mut totals = Totals::new();
    for (_, _, tuple) in image.applied() {
        let code = Tuple::first_code(&tuple.household);
        let total = &mut totals.entry(tuple.household).or_insert((code, Total::default())).1;
        let key = (tuple.household.to_string(), tuple.start_ms);
        let before = windows.get(&key);
        if before.is_none_or(|before| tuple.span.replaces(before)) {
            total.count(before, &tuple.span);
            windows.insert(key, tuple.span);
        }
    }
    (windows, totals)
}

/// Asserts that the store recovers and answers as the image does.
pub fn matches(store: &mut RedisStore, image: &CloudImage<Tuple>) {
    assert_eq!(
        store.load().expect("it loads"),
        Image::<Receiver<Tuple>>::summary(image)
    );
    let mut households: Vec<Household> = image.codes().iter().map(|(household, _)| *household).collect();
    households.push(Household::new("nobody").expect("a name"));
    households.sort_unstable();
    let query = CodesQuery {
        epoch: 1,
        first: Seq(1),
        last: Seq(1),
        households,
    };
    assert_eq!(store.answer(&query).expect("an answer"), image.answer(&query));
}

/// Asserts that Redis holds the image's windows, and that `told` holds their totals.
pub fn shows(url: &str, edge: &str, image: &CloudImage<Tuple>, told: &Told) {
    let (windows, totals) = expected(image);
    let (held, rows, high) = read_windows(url, edge).expect("the windows");
    let held: BTreeMap<_, _> = held
        .into_iter()
        .map(|(name, start, span)| ((name, start), span))
        .collect();
    assert_eq!(held, windows);
    assert_eq!((rows, high), (image.marks().high.0, image.marks().high.0));
    assert_eq!(*told.lock().expect("not poisoned"), totals);
}

/// One window of a household.
pub fn window(household: &str, start_ms: i64, revision: u32) -> Tuple {
    Tuple {
        household: Household::new(household).expect("a name"),
        start_ms,
        span: Span::Window {
            sum_mw: 1000,
            n: 2,
            min_mw: 400,
            max_mw: 600,
            first_register: None,
            last_register: None,
            revision,
        },
    }
}

/// Rows from `first` on.
pub fn applied(first: u64, bodies: Vec<Tuple>) -> ReceiverRecord<Tuple> {
    let high = Seq(first).plus(bodies.len() as u64).previous();
    ReceiverRecord::Applied {
        first: Seq(first),
        bodies,
        high,
    }
}

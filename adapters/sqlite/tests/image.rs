//! Both stores against the images that core specifies them by: after each commit, and after reopening.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pehra_core::delivery::{Body, CloudImage, CodesQuery, Receiver, ReceiverRecord, RowsQuery, Seq};
use pehra_core::pipeline::{Pipeline, PipelineImage, PipelineRecord};
use pehra_core::protocol::Image;
use pehra_core::types::{EdgeName, Household};
use pehra_core::window::{Code, Total, Tuple};
use pehra_driver::Store;
use pehra_sqlite::{CloudStore, EdgeStore, list_set_aside, read_windows};
use pehra_testbed::records::World;
use proptest::prelude::*;

/// A reserve so small that the tests need not write it.
const RESERVE: u64 = 4096;

fn open_edge(path: &Path) -> EdgeStore {
    EdgeStore::open_with_reserve(path, RESERVE).expect("the store opens")
}

fn edge_matches(store: &mut EdgeStore, image: &PipelineImage) {
    assert_eq!(
        store.load().expect("the store loads"),
        Image::<Pipeline>::summary(image)
    );
    let cursors = *image.outbox().cursors();
    for (first, count) in [
        (cursors.oldest, 1),
        (cursors.oldest, 10_000),
        (cursors.acked.next(), 3),
        (cursors.last, 2),
        (cursors.last.next(), 5),
        (Seq(1), 4),
    ] {
        let query = RowsQuery { first, count };
        assert_eq!(
            store.answer(&query).expect("an answer"),
            image.answer(&query),
            "{query:?}"
        );
    }
}

/// What people see: set aside, and the seed's view.
fn edge_shows(path: &Path, image: &PipelineImage) {
    let listed = list_set_aside(path).expect("a list");
    assert_eq!(listed.len(), image.set_aside().len());
    for (listed, item) in listed.iter().zip(image.set_aside()) {
        assert_eq!(listed.at, (item.partition, item.position));
        assert_eq!(listed.raw, item.raw);
        let reading = item.reading.map(|r| (r.household.to_string(), r.time_ms, r.power_mw));
        assert_eq!(listed.reading, reading);
    }
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    let mut view = connection
        .prepare("SELECT id, node_id, average, postal_code, timestamp, sent FROM power_averages ORDER BY id")
        .expect("the view is there");
    let shown: Vec<(u64, String, f64, Option<String>, u8)> = view
        .query_map([], |row| {
            let id: i64 = row.get(0)?;
            row.get::<_, String>(4)?;
            Ok((id.cast_unsigned(), row.get(1)?, row.get(2)?, row.get(3)?, row.get(5)?))
        })
        .expect("a query")
        .collect::<Result<_, _>>()
        .expect("rows");
    let outbox = image.outbox();
    let code = |household: &Household| {
        let known = outbox.codes().iter().find(|(known, _)| known == household);
        known.map(|(_, code)| code.to_string())
    };
    let expected: Vec<_> = (outbox.cursors().oldest.0..)
        .zip(outbox.rows())
        .filter_map(|(id, tuple)| match tuple.span {
            pehra_core::window::Span::Window { sum_mw, n, .. } => Some((
                id,
                tuple.household.to_string(),
                sum_mw as f64 / f64::from(n),
                code(&tuple.household),
                outbox.flag(Seq(id)),
            )),
            pehra_core::window::Span::Gap { .. } => None,
        })
        .collect();
    assert_eq!(shown, expected);
}

type Told = Arc<Mutex<BTreeMap<Household, (Code, Total)>>>;

fn open_cloud(path: &Path, told: &Told) -> CloudStore {
    let told = Arc::clone(told);
    let tell = move |household: &Household, code: Code, total: &Total| {
        told.lock().expect("not poisoned").insert(*household, (code, *total));
    };
    let edge = EdgeName::new("edge:1").expect("a name");
    CloudStore::open(path, edge, Box::new(tell)).expect("the store opens")
}

fn cloud_matches(store: &mut CloudStore, image: &CloudImage<Tuple>) {
    assert_eq!(
        store.load().expect("the store loads"),
        Image::<Receiver<Tuple>>::summary(image)
    );
    let stranger = Household::new("nobody").expect("a name");
    let mut households: Vec<Household> = image.codes().iter().map(|(household, _)| *household).collect();
    households.push(stranger);
    households.sort_unstable();
    let query = CodesQuery {
        epoch: 1,
        first: Seq(1),
        last: Seq(1),
        households,
    };
    assert_eq!(store.answer(&query).expect("an answer"), image.answer(&query));
}

/// The windows that count, by the rule of core, and their totals.
fn cloud_shows(path: &Path, image: &CloudImage<Tuple>, told: &Told) {
    let mut windows = BTreeMap::new();
    let mut totals: BTreeMap<Household, (Code, Total)> = BTreeMap::new();
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
    let (held, rows, high) = read_windows(path, "edge:1").expect("the windows");
    let held: BTreeMap<_, _> = held
        .into_iter()
        .map(|(name, start, span)| ((name, start), span))
        .collect();
    assert_eq!(held, windows);
    assert_eq!(high, image.marks().high.0);
    assert_eq!(rows, high, "each row of an epoch is counted once");
    assert_eq!(*told.lock().expect("not poisoned"), totals);
}

fn fuse<R: Clone>(life: &[Vec<R>], fused: usize) -> Vec<Vec<R>> {
    life.chunks(fused).map(<[Vec<R>]>::concat).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_stores_are_their_images(acts in prop::collection::vec(any::<u32>(), 1..300), fused in 1_usize..6) {
        let (edges, clouds) = World::run(&acts);
        for life in edges {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("edge.db");
            let (mut store, mut image) = (open_edge(&path), PipelineImage::default());
            edge_matches(&mut store, &image);
            for (at, commit) in (1..).zip(fuse::<PipelineRecord>(&life, fused)) {
                store.commit(&commit).expect("a commit");
                commit.iter().for_each(|record| image.apply(record));
                edge_matches(&mut store, &image);
                if at % 16 == 0 {
                    drop(store);
                    store = open_edge(&path);
                    edge_matches(&mut store, &image);
                }
            }
            drop(store);
            edge_matches(&mut open_edge(&path), &image);
            edge_shows(&path, &image);
        }
        for life in clouds {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("cloud.db");
            let told = Told::default();
            let (mut store, mut image) = (open_cloud(&path, &told), CloudImage::default());
            cloud_matches(&mut store, &image);
            for (at, commit) in (1..).zip(fuse::<ReceiverRecord<Tuple>>(&life, fused)) {
                store.commit(&commit).expect("a commit");
                commit.iter().for_each(|record| image.apply(record));
                cloud_matches(&mut store, &image);
                if at % 8 == 0 {
                    drop(store);
                    cloud_shows(&path, &image, &told);
                    told.lock().expect("not poisoned").clear();
                    store = open_cloud(&path, &told);
                    cloud_matches(&mut store, &image);
                }
            }
            drop(store);
            cloud_shows(&path, &image, &told);
        }
    }
}

#[test]
fn the_cloud_bears_sums_that_do_not_fit_into_64_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cloud.db");
    let told = Told::default();
    let mut store = open_cloud(&path, &told);
    store.load().expect("the store loads");
    let household = Household::new("H1").expect("a name");
    let tuple = |start_ms, sum_mw| Tuple {
        household,
        start_ms,
        span: pehra_core::window::Span::Window {
            sum_mw,
            n: 1,
            min_mw: sum_mw,
            max_mw: sum_mw,
            first_register: None,
            last_register: None,
            revision: 0,
        },
    };
    let rows = [i64::MAX, i64::MAX, i64::MIN, i64::MAX, -1];
    let bodies = (0..).zip(rows).map(|(at, sum)| tuple(at * 5000, sum)).collect();
    let record = ReceiverRecord::Applied {
        first: Seq(1),
        bodies,
        high: Seq(5),
    };
    store.commit(&[ReceiverRecord::Adopted(9), record]).expect("a commit");
    drop(store);
    open_cloud(&path, &told).load().expect("it loads again");
    let total = told.lock().expect("not poisoned")[&household].1;
    assert_eq!(total.sum_mw, rows.iter().map(|sum| i128::from(*sum)).sum::<i128>());
}

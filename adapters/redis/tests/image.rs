//! The store against core's image on a real server: after each commit, after reopening, and after `kill -9` of Redis.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Told, applied, expected, matches, open, open_plain, shows, window};
use pehra_core::delivery::{CloudImage, ReceiverRecord};
use pehra_core::protocol::{Image, Recovered};
use pehra_core::window::Tuple;
use pehra_driver::Store;
use pehra_redis::{names_of_edges, read_windows};
use pehra_testbed::records::{World, calm_acts, image_after, longest_cloud_life};
use pehra_testbed::redis::{Redis, RedisOptions};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::{RngExt, SeedableRng};

#[test]
fn the_store_is_its_image() {
    let redis = Redis::start(RedisOptions::default());
    let url = redis.url();
    let lives = AtomicUsize::new(0);
    let config = ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let inputs = (prop::collection::vec(any::<u32>(), 1..400), 1_usize..6);
    let outcome = TestRunner::new(config).run(&inputs, |(acts, fused)| {
        for life in World::run(&acts).1 {
            // Names that try the keys.
            let edge = format!("edge:{}", lives.fetch_add(1, Ordering::Relaxed));
            let told = Told::default();
            let mut store = open(&url, &edge, None, &told).expect("it opens");
            let mut image = CloudImage::default();
            matches(&mut store, &image);
            for (at, commit) in (1..).zip(life.chunks(fused)) {
                let records: Vec<ReceiverRecord<Tuple>> = commit.concat();
                store.commit(&records).expect("a commit");
                records.iter().for_each(|record| image.apply(record));
                if at % 4 == 0 {
                    shows(&url, &edge, &image, &told);
                    let marker = store.marker().map(str::to_owned);
                    told.lock().expect("not poisoned").clear();
                    store = open(&url, &edge, marker, &told).expect("it opens");
                    matches(&mut store, &image);
                }
            }
            matches(&mut store, &image);
            shows(&url, &edge, &image, &told);
        }
        Ok(())
    });
    outcome.expect("the store is its image");
}

#[test]
fn an_edge_with_a_new_database_is_not_counted_twice() {
    let redis = Redis::start(RedisOptions::default());
    let told = Told::default();
    let mut store = open(&redis.url(), "edge", None, &told).expect("it opens");
    store.load().expect("it loads");
    let rows = || vec![window("H1", 0, 0), window("H1", 5000, 0)];
    let mut image = CloudImage::default();
    let newer = applied(3, vec![window("H1", 0, 1)]);
    for records in [
        vec![ReceiverRecord::Adopted(1), applied(1, rows())],
        vec![newer],
        vec![ReceiverRecord::Adopted(2), applied(1, rows())],
        vec![applied(3, rows())],
    ] {
        store.commit(&records).expect("a commit");
        records.iter().for_each(|record| image.apply(record));
        shows(&redis.url(), "edge", &image, &told);
    }
}

/// A thread commits and counts; Redis is killed at a random moment, restarted, and must hold what was reported, or one
/// commit more, whole.
#[test]
fn a_killed_redis_keeps_what_was_reported_and_tears_nothing() {
    const KILLS: usize = 20;
    // Commits so large that Redis reads them in several pieces: only a transaction keeps those together.
    let life = longest_cloud_life(&calm_acts(21, 120_000));
    let life: Vec<Vec<_>> = life.chunks(100).map(<[_]>::concat).collect();
    let mut redis = Redis::start(RedisOptions::default());
    let url = redis.url();
    let mut rng = rand::rngs::StdRng::seed_from_u64(21);
    let (mut at, mut beyond, mut marker) = (0, 0, None);
    for kill in 0..KILLS {
        assert!(at + 1 < life.len(), "the life is too short: it ended at kill {kill}");
        let mut store = open_plain(&url, marker.take());
        store.load().expect("it loads");
        marker = store.marker().map(str::to_owned);
        let rest = life[at..].to_vec();
        let committer =
            std::thread::spawn(move || rest.iter().take_while(|commit| store.commit(commit).is_ok()).count());
        std::thread::sleep(Duration::from_micros(rng.random_range(1000..8000)));
        redis.kill9();
        let reported = at + committer.join().expect("no panic");
        redis.restart();
        let found = open_plain(&url, marker.clone()).load().expect("it loads");
        let (windows, rows, high) = read_windows(&url, "edge").expect("windows");
        let stands = [reported, reported + 1].into_iter().rfind(|at| {
            let image: CloudImage<Tuple> = image_after(&life, *at);
            Image::<pehra_core::delivery::Receiver<Tuple>>::summary(&image) == found
                && expected(&image).0.len() == windows.len()
                && (rows, high) == (image.marks().high.0, image.marks().high.0)
        });
        let stands = stands.unwrap_or_else(|| {
            let image = |at| -> CloudImage<Tuple> { image_after(&life, at) };
            let whole = |at| {
                let image = image(at);
                (Image::<pehra_core::delivery::Receiver<Tuple>>::summary(&image), expected(&image).0.len())
            };
            panic!(
                "after {reported} reported commits Redis holds no whole number: marks {found:?}, {} windows, {rows} rows up to \
                 {high}; expected {:?} or {:?}",
                windows.len(),
                whole(reported),
                whole(reported + 1)
            )
        });
        beyond += usize::from(stands > reported);
        at = stands;
    }
    let told = Told::default();
    let image: CloudImage<Tuple> = image_after(&life, at);
    matches(&mut open(&url, "edge", marker, &told).expect("it opens"), &image);
    shows(&url, "edge", &image, &told);
    assert_eq!(names_of_edges(&url).expect("names"), ["edge"]);
    println!(
        "{KILLS} kills in {at} of {} commits; {beyond} times one more commit was there than reported",
        life.len()
    );
}

#[test]
fn an_emptied_redis_is_noticed_at_the_next_start() {
    let mut redis = Redis::start(RedisOptions::default());
    let mut store = open_plain(&redis.url(), None);
    assert_eq!(store.load().expect("it loads"), Recovered::Fresh);
    store
        .commit(&[ReceiverRecord::Adopted(1), applied(1, vec![window("H1", 0, 0)])])
        .expect("a commit");
    let marker = store.marker().map(str::to_owned);
    redis.restart_empty();
    store
        .commit(&[applied(2, vec![window("H1", 5000, 0)])])
        .expect_err("the connection is gone, and the outcome unknown");
    assert_eq!(
        open_plain(&redis.url(), marker).load().expect("it loads"),
        Recovered::Lost
    );
    assert_eq!(
        open_plain(&redis.url(), None).load().expect("it loads"),
        Recovered::Fresh
    );
}

#[test]
fn a_redis_that_is_flushed_while_in_use_takes_no_further_commit() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = open_plain(&redis.url(), None);
    store.load().expect("it loads");
    store
        .commit(&[ReceiverRecord::Adopted(1), applied(1, vec![window("H1", 0, 0)])])
        .expect("a commit");
    let client = redis::Client::open(redis.url()).expect("an address");
    let mut other = client.get_connection().expect("a connection");
    let () = redis::cmd("FLUSHALL").query(&mut other).expect("flushed");
    let error = store
        .commit(&[applied(2, vec![window("H1", 5000, 0)])])
        .expect_err("it must not land beside a hole")
        .to_string();
    assert!(error.contains("emptied") && error.contains("127.0.0.1"), "{error}");
    let (windows, rows, high) = read_windows(&redis.url(), "edge").expect("windows");
    assert!(
        windows.is_empty() && rows == 0 && high == 0,
        "something landed all the same"
    );
    let marker = store.marker().map(str::to_owned);
    assert_eq!(
        open_plain(&redis.url(), marker).load().expect("it loads"),
        Recovered::Lost
    );
}

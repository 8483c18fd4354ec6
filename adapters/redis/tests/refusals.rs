//! A Redis that is not durable, full, read-only, damaged, standing still or not there: no commit is reported, and each
//! message says what, where, and what next.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Told, applied, open, open_plain, window};
use pehra_core::delivery::ReceiverRecord;
use pehra_core::types::EdgeName;
use pehra_driver::Store;
use pehra_redis::{Durability, RedisStore, names_of_edges, read_windows};
use pehra_testbed::process::free_port;
use pehra_testbed::redis::{Redis, RedisOptions};

fn says(message: &str, what: &[&str]) {
    for part in what {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
}

fn command(redis: &Redis, words: &[&str]) {
    let client = redis::Client::open(redis.url()).expect("an address");
    let mut connection = client.get_connection().expect("a connection");
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    let _: redis::Value = command.query(&mut connection).expect("the command");
}

fn refusal(redis: &Redis) -> String {
    let error = open(&redis.url(), "edge", None, &Told::default()).map(drop);
    error.expect_err("it must be refused").to_string()
}

#[test]
fn a_redis_that_is_not_durable_is_refused() {
    for (appendonly, appendfsync) in [(true, "everysec"), (true, "no"), (false, "always")] {
        let redis = Redis::start(RedisOptions {
            appendonly,
            appendfsync,
            ..RedisOptions::default()
        });
        says(
            &refusal(&redis),
            &["127.0.0.1", "--appendfsync always", "--redis-not-durable"],
        );
    }
    let redis = Redis::start(RedisOptions::default());
    command(&redis, &["CONFIG", "SET", "no-appendfsync-on-rewrite", "yes"]);
    says(&refusal(&redis), &["no-appendfsync-on-rewrite no"]);
    command(&redis, &["CONFIG", "SET", "no-appendfsync-on-rewrite", "no"]);
    command(&redis, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    says(&refusal(&redis), &["maxmemory-policy noeviction"]);
    command(&redis, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    open_plain(&redis.url(), None);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_waived_durability_is_warned_of_and_works() {
    let redis = Redis::start(RedisOptions {
        appendonly: false,
        ..RedisOptions::default()
    });
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let edge = EdgeName::new("edge").expect("a name");
    let tell = Box::new(|_: &_, _, _: &_| {});
    let mut store = tracing::subscriber::with_default(subscriber, || {
        RedisStore::open(&redis.url(), edge, Durability::Waived, None, tell).expect("it opens")
    });
    let logged = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    says(&logged, &["WARN", "NOT DURABLE", "appendonly"]);
    store.load().expect("it loads");
    store.commit(&[ReceiverRecord::Adopted(1)]).expect("a commit");
}

/// A store with one row, made before the server went bad.
fn begun(redis: &Redis) -> RedisStore {
    let mut store = open_plain(&redis.url(), None);
    store.load().expect("it loads");
    let first = [ReceiverRecord::Adopted(1), applied(1, vec![window("H1", 0, 0)])];
    store.commit(&first).expect("a commit");
    store
}

fn next() -> [ReceiverRecord<pehra_core::window::Tuple>; 1] {
    [applied(2, vec![window("H1", 5000, 0), window("H2", 5000, 0)])]
}

#[test]
fn a_redis_without_memory_takes_nothing_and_says_so() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = begun(&redis);
    command(&redis, &["CONFIG", "SET", "maxmemory", "1"]);
    let error = store.commit(&next()).expect_err("it is full").to_string();
    says(&error, &["127.0.0.1", "OOM", "raise its maxmemory"]);
    assert_eq!(
        read_windows(&redis.url(), "edge").expect("windows").2,
        1,
        "the mark has moved"
    );
    command(&redis, &["CONFIG", "SET", "maxmemory", "0"]);
    let mut store = open_plain(&redis.url(), store.marker().map(str::to_owned));
    store.load().expect("it loads");
    store.commit(&next()).expect("there is room again");
    assert_eq!(read_windows(&redis.url(), "edge").expect("windows").1, 3);
}

#[test]
fn a_replica_takes_nothing_and_is_named() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = begun(&redis);
    let nowhere = free_port().to_string();
    command(&redis, &["REPLICAOF", "127.0.0.1", &nowhere]);
    let error = store.commit(&next()).expect_err("it is read-only").to_string();
    says(&error, &["127.0.0.1", "replica", "address of its primary"]);
    command(&redis, &["REPLICAOF", "NO", "ONE"]);
    assert_eq!(
        read_windows(&redis.url(), "edge").expect("windows").2,
        1,
        "the mark has moved"
    );
}

#[test]
fn a_key_of_another_kind_is_an_error_and_not_half_a_commit_unseen() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = begun(&redis);
    command(&redis, &["SET", "pehra:windows:edge:H2", "somebody was here"]);
    let error = store.commit(&next()).expect_err("H2 cannot be written").to_string();
    says(&error, &["committing", "127.0.0.1"]);
}

#[test]
fn no_redis_is_an_error_that_says_what_to_do() {
    let url = format!("redis://:secret@127.0.0.1:{}/", free_port());
    let error = open(&url, "edge", None, &Told::default())
        .map(drop)
        .expect_err("nothing is there")
        .to_string();
    says(&error, &["connecting to Redis at redis://…@127.0.0.1", "is it running"]);
    assert!(!error.contains("secret"), "{error}");
}

/// Bounded waits, all at once since each takes its ten seconds.
#[test]
fn a_redis_that_stands_still_is_given_up_after_a_while() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = begun(&redis);
    redis.pause();
    let url = redis.url();
    let started = Instant::now();
    let errors = std::thread::scope(|scope| {
        // Many commands: the wait must not grow with them.
        let bodies = (0..500).map(|at| window(&format!("H{at}"), 5000, 0)).collect();
        let commit = [applied(2, bodies)];
        let committing = scope.spawn(move || store.commit(&commit).expect_err("no answer").to_string());
        let opening = scope.spawn(|| {
            open(&url, "edge", None, &Told::default())
                .map(drop)
                .expect_err("none")
                .to_string()
        });
        let listing = scope.spawn(|| names_of_edges(&url).expect_err("no answer").to_string());
        [committing, opening, listing].map(|thread| thread.join().expect("no panic"))
    });
    for error in &errors {
        says(error, &["127.0.0.1", "no answer for 10 s"]);
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    redis.resume();
    // The commit's outcome was unknown; whatever it was, it is whole.
    let (windows, rows, high) = read_windows(&url, "edge").expect("windows");
    assert!(
        [(1, 1, 1), (3, 3, 3)].contains(&(windows.len() as u64, rows, high)),
        "{windows:?} {rows} {high}"
    );
}

/// A server that answers the beginning of a commit and then nothing more.
#[test]
fn a_redis_that_stops_within_a_commit_is_given_up_as_soon() {
    let redis = Redis::start(RedisOptions::default());
    let mut store = begun(&redis);
    let bodies = (0..2000).map(|at| window(&format!("H{at}"), 5000, 0)).collect();
    let commit = [applied(2, bodies)];
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| {
            let started = Instant::now();
            (store.commit(&commit).is_err(), started.elapsed())
        });
        std::thread::sleep(Duration::from_millis(3));
        redis.pause();
        let (failed, took) = committing.join().expect("no panic");
        // If it was done before the pause, it was quick.
        assert!(took < Duration::from_secs(25), "{took:?}");
        assert!(failed || took < Duration::from_secs(1), "{failed} {took:?}");
        redis.resume();
    });
    let (windows, rows, high) = read_windows(&redis.url(), "edge").expect("windows");
    assert!(
        [(1, 1, 1), (2001, 2001, 2001)].contains(&(windows.len() as u64, rows, high)),
        "{rows} {high}"
    );
}

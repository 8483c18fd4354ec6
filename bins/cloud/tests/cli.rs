//! What the cloud says to a person who gave it something wrong, and to peers that do not belong here.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pehra_testbed::process::free_port;
use pehra_testbed::redis::{Redis, RedisOptions};

/// A cloud on free ports, with its log in a file.
struct Cloud {
    child: Child,
    folder: tempfile::TempDir,
    data: u16,
    page: u16,
    metrics: u16,
}

impl Cloud {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [heartbeat, data, page, metrics] = [0; 4].map(|_| free_port());
        let child = Command::new(env!("CARGO_BIN_EXE_pehra-cloud"))
            .args([
                "--heartbeat-port",
                &heartbeat.to_string(),
                "--data-port",
                &data.to_string(),
            ])
            .args([
                "--page",
                &format!("127.0.0.1:{page}"),
                "--metrics",
                &format!("127.0.0.1:{metrics}"),
            ])
            .arg("--state-dir")
            .arg(folder.path())
            .args(more)
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("the cloud starts");
        Self {
            child,
            folder,
            data,
            page,
            metrics,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn says(&self, words: &str) {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(words) {
            assert!(Instant::now() < until, "it never said {words:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(port: u16, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refuses(arguments: &[&str], code: i32, words: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_pehra-cloud"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the cloud starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} should say {word:?}, says: {text}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_name() {
    refuses(&["--price", "NaN"], 2, &["--price", "0.30"]);
    refuses(&["--listen", "ipc:///tmp/x"], 2, &["--listen"]);
    refuses(&["--tls-ca", "x.pem"], 2, &["--tls-cert"]);
    refuses(
        &["--config", "/does/not/exist.toml"],
        2,
        &["cannot read", "/does/not/exist.toml"],
    );
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = folder.path().join("cloud.db").display().to_string();
    let free = free_port().to_string();
    let arguments = ["--sqlite", &sqlite, "--heartbeat-port", &free, "--data-port", &port];
    refuses(&arguments, 1, &[&port, "another program has this port"]);
}

/// It comes up without its Redis, says so, and the page is there.
#[test]
fn without_redis_it_says_so_and_waits() {
    let port = free_port();
    let cloud = Cloud::start(&["--redis", &format!("redis://127.0.0.1:{port}")]);
    cloud.says(&port.to_string());
    cloud.says("the cloud starts");
    assert!(Cloud::get(cloud.page, "/").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_redis_that_is_not_durable_is_refused_unless_that_is_waived() {
    let redis = Redis::start(RedisOptions {
        appendonly: false,
        ..RedisOptions::default()
    });
    refuses(
        &["--redis", &redis.url()],
        1,
        &["appendfsync always", "--redis-not-durable"],
    );
    let cloud = Cloud::start(&["--redis", &redis.url(), "--redis-not-durable"]);
    cloud.says("NOT DURABLE");
}

/// A browser, a wrong protocol and garbage reach the data port: each is refused and counted, nothing else happens.
#[test]
fn strangers_on_the_data_port_are_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = folder.path().join("cloud.db").display().to_string();
    let cloud = Cloud::start(&["--sqlite", &sqlite]);
    cloud.says("the cloud starts");
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\0SP\0\0\x20\0\0",
        &[0x16, 3, 1, 0, 0, 0, 0, 0],
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", cloud.data)).unwrap();
        stream.write_all(garbage).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        // The other side closes; what it may have said before is its greeting.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // The right protocol, and a request that is no message of ours.
    let mut stream = TcpStream::connect(("127.0.0.1", cloud.data)).unwrap();
    stream.write_all(b"\0SP\0\0\x30\0\0").unwrap();
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting).unwrap();
    let mut frame = 9_u64.to_be_bytes().to_vec();
    frame.extend([0x80, 0, 0, 1]);
    frame.extend(b"hello");
    stream.write_all(&frame).unwrap();
    cloud.says("a frame was refused");
    let metrics = Cloud::get(cloud.metrics, "/metrics");
    assert!(metrics.contains("pehra_cloud_refused_frames_total 1"), "{metrics}");
    assert!(Cloud::get(cloud.page, "/").starts_with("HTTP/1.1 200"));
}

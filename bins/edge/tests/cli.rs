//! What the edge says to a person who gave it something wrong.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn edge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pehra-edge"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the edge starts")
}

/// It ends with this code, and what it prints has these words in it.
fn refuses(arguments: &[&str], code: i32, words: &[&str]) {
    let output = edge(arguments);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} should say {word:?}, says: {text}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_name() {
    refuses(&["--cloud", "ipc:///tmp/x"], 2, &["--cloud", "tcp://HOST:PORT"]);
    refuses(&["--window-ms", "0"], 2, &["--window-ms is 0"]);
    refuses(&["--kafka-setting", "nonsense"], 2, &["name=value"]);
    refuses(&["--name", ""], 2, &["--name", "1 to 64 bytes"]);
    refuses(&["--transport", "pigeon"], 2, &["sp or libnng"]);
    refuses(&["--tls-cert", "x.pem"], 2, &["--tls-ca"]);
}

#[test]
fn a_file_that_cannot_be_read_or_understood_is_named() {
    refuses(
        &["--config", "/does/not/exist.toml"],
        2,
        &["/does/not/exist.toml", "cannot read"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    std::fs::write(&file, "nmae = \"attic\"\n").unwrap();
    let path = file.display().to_string();
    refuses(&["--config", &path], 2, &[&path, "nmae", "is not understood"]);
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    refuses(&["--config", &path], 2, &[&path]);
}

#[test]
fn flags_win_over_the_file_and_the_check_shows_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    std::fs::write(&file, "name = \"attic\"\nheartbeat-ms = 1500\n").unwrap();
    let output = edge(&[
        "--config",
        &file.display().to_string(),
        "--name",
        "cellar",
        "--check-config",
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for word in ["cellar", "1500", "configuration is sound"] {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
    assert!(!text.contains("attic"), "{text}");
}

/// Without a broker and without a cloud it says so and waits; asked to stop, it ends well.
#[test]
fn without_broker_and_cloud_it_says_so_waits_and_stops_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pehra-edge"))
        .args(["--kafka", "127.0.0.1:1", "--heartbeat-port", "1", "--data-port", "1"])
        .arg("--database")
        .arg(folder.path().join("edge.db"))
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if text.contains("Kafka does not answer") && text.contains("no connection to the cloud") {
            break text;
        }
        assert!(Instant::now() < until, "it never said what is missing: {text}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(text.contains("127.0.0.1:1"), "the address is missing: {text}");
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_database_that_is_none_is_refused_without_being_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.db");
    std::fs::write(&file, "this is no database, but somebody's letter".repeat(100)).unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_pehra-edge"))
        .args([
            "--kafka",
            "127.0.0.1:1",
            "--heartbeat-port",
            "1",
            "--data-port",
            "1",
            "--database",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&log).unwrap().contains("is damaged") {
        assert!(Instant::now() < until, "it never said what is wrong");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("this is no database")
    );
}

//! The operator's tool beside the demo: recordings, what was set aside, the browser, the page.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::Demo;
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::{Process, free_port, wait_until};
use pehra_testbed::redis::{Redis, RedisOptions};

fn pehra(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pehra"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("pehra starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("flight"))
        .expect("the folder of recordings")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// What edge and cloud said while they were killed is what this build says when it is fed the same again.
#[test]
fn recordings_of_a_run_with_kills_play_again_to_the_same_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().display().to_string();
    Demo::start(&["--seconds", "8", "--chaos", "--seed", "21", "--keep", &keep])
        .account()
        .require_exact();
    let files = recordings(folder.path());
    assert!(files.len() >= 4, "{files:?}");
    let mut arguments = vec!["replay", "--json"];
    let paths: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    arguments.extend(paths.iter().map(String::as_str));
    let output = pehra(&arguments);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    let inputs: u64 = out
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["inputs"]
                .as_u64()
                .unwrap()
        })
        .sum();
    assert!(inputs > 1000, "too little was recorded to say anything: {out}");

    // Take one input out of the middle: what follows cannot be the same, and the tool must say so.
    let largest = files
        .iter()
        .max_by_key(|file| std::fs::metadata(file).unwrap().len())
        .unwrap();
    std::fs::write(largest, without_one_input(&std::fs::read(largest).unwrap())).unwrap();
    let output = pehra(&["replay", &largest.display().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("DIFFERENT"), "{}", text(&output.stdout));

    let stranger = folder.path().join("stranger.rec");
    std::fs::write(&stranger, "nothing of ours").unwrap();
    let output = pehra(&["replay", &stranger.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("no recording"),
        "{}",
        text(&output.stderr)
    );
}

/// Removes the first commanded reading after the middle: kind 4, an input, that begins with 3.
fn without_one_input(bytes: &[u8]) -> Vec<u8> {
    let mut at = 8;
    while at + 9 <= bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize + 9;
        if at > bytes.len() / 2 && bytes[at] == 4 && bytes[at + 5] == 3 {
            return [&bytes[..at], &bytes[at + length..]].concat();
        }
        at += length;
    }
    panic!("no reading in the second half of the recording");
}

#[test]
fn what_was_set_aside_can_be_listed() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().display().to_string();
    let account = Demo::start(&["--seconds", "6", "--seed", "22", "--keep", &keep]).account();
    account.require_exact();
    let database = folder.path().join("edge.db").display().to_string();
    let output = pehra(&["set-aside", "--json", "--database", &database]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let count = text(&output.stdout).lines().count() as u64;
    let expected = account.number("repeated") + account.number("late") + account.number("quarantined");
    assert_eq!(count, expected);
    assert!(
        text(&output.stdout).contains("unreadable"),
        "the generator makes unreadable records too"
    );
}

#[test]
fn the_checked_model_can_be_walked_in_a_browser() {
    let port = free_port();
    let _server = Process::start(
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(["explore", "delivery", "--address", &format!("127.0.0.1:{port}")])
            .stdout(Stdio::null()),
        "cargo build",
    );
    wait_until("the explorer answers", Duration::from_secs(20), || {
        get(port, "/.status").is_some_and(|text| text.contains("delivery/OS1"))
    });
    assert!(
        get(port, "/").unwrap().contains("<html"),
        "the browser's page is missing"
    );
    let states = get(port, "/.states/").unwrap();
    assert!(states.contains("Greeting"), "{states}");
    let taken = pehra(&["explore", "delivery", "--address", &format!("127.0.0.1:{port}")]);
    assert!(
        text(&taken.stderr).contains("choose another"),
        "{}",
        text(&taken.stderr)
    );
}

/// A real browser draws the page from what Redis keeps, as soon as a new cloud process is up, though no edge is there.
#[test]
fn a_restarted_cloud_shows_states_and_edges_in_a_browser_at_once() {
    let redis = Redis::start(RedisOptions::default());
    let url = redis.url();
    Demo::start(&["--seconds", "6", "--seed", "23", "--redis", &url])
        .account()
        .require_exact();
    let folder = tempfile::tempdir().unwrap();
    let [heartbeat, data, page] = [0; 3].map(|_| free_port());
    let cloud = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-cloud");
    let _cloud = Process::start(
        Command::new(cloud)
            .args([
                "--heartbeat-port",
                &heartbeat.to_string(),
                "--data-port",
                &data.to_string(),
            ])
            .args(["--page", &format!("127.0.0.1:{page}"), "--redis", &url, "--state-dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null()),
        "cargo build --bins",
    );
    wait_until("the page is served", Duration::from_secs(10), || {
        get(page, "/").is_some()
    });
    let dom = browse(&folder.path().join("browser"), page);
    // Drawn by the script from the cloud's figures: tiles of states with watts in them, and the edge by its name.
    for words in ["class=\"known\"", "households", ">demo<"] {
        assert!(dom.contains(words), "{words:?} is not on the page: {dom}");
    }
}

/// The page as a browser shows it after its scripts have run. Bounded: a browser that waits for something it cannot have
/// would wait for ever.
fn browse(profile: &Path, port: u16) -> String {
    std::fs::create_dir_all(profile).unwrap();
    let dump = profile.join("dump.html");
    let mut browser = Process::start(
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://127.0.0.1:{port}/?still"))
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&dump).unwrap())
            .stderr(Stdio::null()),
        "apt-get install -y chromium",
    );
    wait_until("the browser has drawn the page", Duration::from_secs(60), || {
        !browser.is_running()
    });
    std::fs::read_to_string(&dump).unwrap()
}

/// Simulator, edge and cloud on their own, as in three terminals, with a real Kafka and a real Redis. The edge comes first,
/// so the topic is made by it.
#[test]
fn simulator_edge_and_cloud_work_together_on_their_own() {
    let kafka = Kafka::start();
    let brokers = kafka.brokers();
    let redis = Redis::start(RedisOptions::default());
    let folder = tempfile::tempdir().unwrap();
    let [heartbeat, data, page, metrics] = [0; 4].map(|_| free_port());
    let ports = [
        "--heartbeat-port".to_owned(),
        heartbeat.to_string(),
        "--data-port".to_owned(),
        data.to_string(),
    ];
    let beside = |name: &str| PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name(name);
    let quiet = |command: &mut Command| {
        Process::start(command.stdin(Stdio::null()).stderr(Stdio::null()), "cargo build --bins")
    };
    let _edge = quiet(
        Command::new(beside("pehra-edge"))
            .args(&ports)
            .args([
                "--kafka",
                &brokers,
                "--idle-ms",
                "1000",
                "--metrics",
                &format!("127.0.0.1:{metrics}"),
            ])
            .arg("--database")
            .arg(folder.path().join("edge.db")),
    );
    wait_until("the edge has made its topic", Duration::from_secs(30), || {
        get(metrics, "/metrics").is_some()
    });
    let simulated = pehra(&[
        "simulate",
        "--kafka",
        &brokers,
        "--seconds",
        "4",
        "--speed",
        "60",
        "--seed",
        "24",
    ]);
    assert!(simulated.status.success(), "{}", text(&simulated.stderr));
    assert!(
        text(&simulated.stdout).contains(" 0 failed"),
        "{}",
        text(&simulated.stdout)
    );
    let _cloud = quiet(
        Command::new(beside("pehra-cloud"))
            .args(&ports)
            .args([
                "--page",
                &format!("127.0.0.1:{page}"),
                "--redis",
                &redis.url(),
                "--state-dir",
            ])
            .arg(folder.path()),
    );
    wait_until("all windows are at the cloud", Duration::from_secs(60), || {
        let number = |name: &str| {
            let metrics = get(metrics, "/metrics")?;
            let line = metrics
                .lines()
                .find(|line| line.starts_with(&format!("pehra_edge_{name} ")))?;
            line.rsplit_once(' ')?.1.parse::<u64>().ok()
        };
        number("rows").is_some_and(|rows| rows > 1000 && number("rows_acked") == Some(rows))
    });
    wait_until(
        "the page's figures name all households",
        Duration::from_secs(10),
        || get(page, "/api/state").is_some_and(|state| state.contains("\"households\":50")),
    );
}

/// Ctrl-C in a terminal reaches every process of it. The demo still drains, gives its account and leaves nothing behind.
#[test]
fn ctrl_c_ends_the_demo_with_a_clean_account() {
    use std::os::unix::process::CommandExt;

    let child = Command::new(env!("CARGO_BIN_EXE_pehra"))
        .args([
            "demo",
            "--json",
            "--seed",
            "25",
            "--page-port",
            &free_port().to_string(),
        ])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(5));
    let group = format!("-{}", child.id());
    let sent = Command::new("kill").args(["-INT", "--", &group]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let account: serde_json::Value = serde_json::from_str(text(&output.stdout).lines().last().unwrap()).unwrap();
    common::Account(account).require_exact();
}

/// The simulator of sleeping brokers says the same twice, and marks each figure as modelled.
#[test]
fn energy_is_simulated_the_same_way_twice() {
    let arguments = ["energy", "--brokers", "3", "--json"];
    let first = pehra(&arguments);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(first.stdout, pehra(&arguments).stdout);
    let outcomes: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(outcomes.len(), 7);
    assert!(outcomes.iter().all(|outcome| outcome["modelled"] == true));
    let kilojoules = |policy: &str| {
        let outcome = outcomes.iter().find(|outcome| outcome["policy"] == policy).unwrap();
        outcome["energy"][0]["kilojoules"].as_u64().unwrap()
    };
    assert!(kilojoules("watch") < kilojoules("lean") && kilojoules("lean") < kilojoules("always on"));
    assert!(kilojoules("oracle, watch") <= kilojoules("watch"));
}

/// What is named is what is simulated: brokers, gear, load, wake cost, a trace.
#[test]
fn energy_is_simulated_for_what_is_named() {
    let table = |arguments: &[&str]| {
        let output = pehra(&[&["energy"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let usual = table(&["--brokers", "3"]);
    // In whole hours: the recorded day ends in its last minute.
    assert!(
        usual.starts_with("MODELLED, not measured: 3 brokers, S3, 23 h"),
        "{usual}"
    );
    assert!(
        usual.contains("household day") && usual.contains("policy (all modelled)"),
        "{usual}"
    );
    let lean = table(&["--gear", "lean", "--idle", "80", "--hours", "6"]);
    assert!(lean.contains("\nlean ") && !lean.contains("\nwatch"), "{lean}");
    // A switched-off machine that needs ten minutes makes clients wait longer than they do.
    let slow = table(&[
        "--brokers",
        "3",
        "--gear",
        "watch",
        "--mode",
        "s5",
        "--waking-seconds",
        "600",
        "--idle",
        "90",
        "--hours",
        "12",
    ]);
    assert!(slow.contains("use lean gear with this wake cost"), "{slow}");
    let wards = table(&["--brokers", "50", "--gear", "lean", "--idle", "50", "--hours", "1"]);
    assert!(wards.contains("In 2 wards of at most 48 brokers"), "{wards}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("day.csv").display().to_string();
    std::fs::write(&file, "0,0,30\n36000,0,30\n").unwrap();
    let traced = table(&["--brokers", "3", "--gear", "lean", "--trace", &file]);
    assert!(
        traced.contains("10 h, idle for 99.6 % of the time (recorded"),
        "{traced}"
    );
}

/// What is wrong is said: where, what, and what was expected.
#[test]
fn energy_refuses_what_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (bad, empty) = (file("bad.csv", "0,0,3\nsix,0,1\n"), file("empty.csv", "# nothing\n"));
    for (arguments, what) in [
        (
            vec!["--asleep-watts", "200"],
            "--asleep-watts below --idle-watts, found 200 and 100",
        ),
        (
            vec!["--active-watts", "50"],
            "--active-watts not below --idle-watts, found 50 and 100",
        ),
        (vec!["--brokers", "2"], "3..=4800"),
        (vec!["--idle", "80", "--trace", "x"], "cannot be used with"),
        (vec!["--trace", "/there/is/none.csv"], "/there/is/none.csv: "),
        (
            vec!["--trace", &bad],
            "line 2: expected seconds,partition,requests, found \"six,0,1\"",
        ),
        (
            vec!["--trace", &empty],
            "expected lines of seconds,partition,requests, found none",
        ),
    ] {
        let refused = pehra(&[&["energy"], &arguments[..]].concat());
        assert!(!refused.status.success(), "{arguments:?}");
        assert!(
            text(&refused.stderr).contains(what),
            "{arguments:?}: {}",
            text(&refused.stderr)
        );
        assert!(refused.stdout.is_empty());
    }
    assert!(text(&pehra(&["energy", "--help"]).stdout).contains("pehra energy --brokers 9 --idle 95 --mode s5"));
}

/// Ctrl-C ends a long run at once, and leaves no half of a table.
#[test]
fn ctrl_c_ends_the_energy_simulation_at_once() {
    let child = Command::new(env!("CARGO_BIN_EXE_pehra"))
        .args(["energy", "--brokers", "1000", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let asked = std::time::Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(output.status.code(), Some(130));
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{}",
        text(&output.stderr)
    );
}

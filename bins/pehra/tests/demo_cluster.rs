//! `pehra demo --cluster`, as a newcomer sees it: on real brokers, on simulated ones, by keys, and where Java is missing.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pehra_testbed::process::{Process, free_port, wait_until};
use rustix::process::Signal;
use serde_json::Value;

/// Six Java programs start on a busy machine, and one of them sleeps and wakes.
const PATIENCE: Duration = Duration::from_secs(240);

/// A demo that runs. What it says comes line by line, its account at the end.
struct Demo {
    process: Process,
    said: Receiver<String>,
    account: JoinHandle<String>,
    heard: Vec<String>,
    page: u16,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let page = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pehra"));
        command
            .args(["demo", "--cluster", "--json", "--page-port", &page.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command, "cargo build -p pehra");
        let mut out = process.child().stdout.take().unwrap();
        let err = BufReader::new(process.child().stderr.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || err.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
        let account = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = out.read_to_string(&mut text);
            text
        });
        Self {
            process,
            said,
            account,
            heard: Vec::new(),
            page,
        }
    }

    /// The next line that has this in it.
    fn hears(&mut self, what: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).unwrap_or_else(|error| {
                panic!(
                    "waited in vain for {what:?} ({error}); it said:\n{}",
                    self.heard.join("\n")
                )
            });
            self.heard.push(line.clone());
            if line.contains(what) {
                return line;
            }
        }
    }

    fn panel(&self) -> Option<Value> {
        panel(self.page)
    }

    /// How many nodes the page shows to be doing this.
    fn those(&self, doing: &str) -> usize {
        let panel = self.panel().unwrap_or_default();
        let nodes = panel["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        nodes.iter().filter(|node| node["doing"] == doing).count()
    }

    /// Ctrl-C, once.
    fn ends(mut self) -> (Value, Vec<String>) {
        self.process.signal(Signal::INT);
        wait_until("it ends", PATIENCE, || !self.process.is_running());
        let status = self.process.child().wait().unwrap();
        self.heard.extend(self.said.try_iter());
        let account = self.account.join().unwrap();
        assert!(status.success(), "{status}: {account}\n{}", self.heard.join("\n"));
        let line = account.lines().last().unwrap_or_default();
        (
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}")),
            self.heard,
        )
    }
}

/// What the page is told.
fn panel(page: u16) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", page)).ok()?;
    let request = "GET /api/cluster HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}

/// Processes whose command line names this folder.
fn processes_of(folder: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

#[test]
fn real_brokers_fall_asleep_and_wake_and_nothing_is_lost() {
    let mut demo = Demo::start(&["--real"]);
    let up = demo.hears("its folder is ");
    let folder = up.split("its folder is ").nth(1).unwrap().to_owned();
    demo.hears("traffic begins");
    demo.hears("traffic ends");
    demo.hears("→ asleep");
    assert_eq!(demo.panel().unwrap()["kind"], "real");
    wait_until("the page shows it", Duration::from_secs(5), || {
        demo.those("asleep") == 1
    });
    demo.hears("traffic begins");
    demo.hears("asleep → waking");
    demo.hears("waking → active");
    let running = processes_of(&folder).len();
    assert!(running >= 9, "three controllers, brokers and agents: {running}");
    let (account, said) = demo.ends();
    let count = |name: &str| account[name].as_u64().unwrap_or_else(|| panic!("{name}: {account}"));
    assert_eq!(account["kind"], "real");
    assert!(count("sent") > 100, "{account}");
    assert_eq!(count("acked"), count("sent"), "{account}");
    assert_eq!(count("read"), count("sent"), "{account}");
    assert_eq!((count("lost"), count("twice")), (0, 0), "{account}");
    assert!(count("sleeps") >= 1 && count("wakes") >= 1, "{account}");
    assert!(!said.iter().any(|line| line.contains("SIMULATED")), "{said:?}");
    assert_eq!(processes_of(&folder), Vec::<String>::new(), "left behind");
    assert!(!Path::new(&folder).exists(), "its folder is still there");
}

#[test]
fn simulated_brokers_sleep_two_at_a_time_in_gear_watch() {
    let mut demo = Demo::start(&["--simulated", "--gear", "watch"]);
    demo.hears("SIMULATED");
    demo.hears("traffic ends");
    demo.hears("→ asleep");
    demo.hears("→ asleep");
    assert_eq!(demo.panel().unwrap()["kind"], "simulated");
    wait_until("the page shows both", Duration::from_secs(4), || {
        demo.those("asleep") == 2
    });
    demo.hears("traffic begins");
    demo.hears("asleep → waking");
    demo.hears("waking → active");
    demo.hears("traffic ends");
    let (account, _) = demo.ends();
    assert_eq!(account["kind"], "simulated");
    assert!(account["sent"].is_null(), "no record was written: {account}");
    assert!(
        account["sleeps"].as_u64() >= Some(2) && account["wakes"].as_u64() >= Some(1),
        "{account}"
    );
    // With two asleep the first write has to wait.
    assert!(account["longest_pause_ms"].as_u64() > Some(1000), "{account}");
}

#[test]
fn where_there_is_no_java_it_says_so_and_what_to_install() {
    let nowhere = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| -> Output {
        let page = free_port().to_string();
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(["demo", "--cluster", "--seconds", "1", "--page-port", &page])
            .args(arguments)
            .env("PATH", nowhere.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let simulated = run(&[]);
    let said = String::from_utf8_lossy(&simulated.stdout);
    assert!(simulated.status.success(), "{simulated:?}");
    assert!(
        said.contains("SIMULATED: there is no Java here") && said.contains("apt-get install"),
        "{said}"
    );
    let refused = run(&["--real"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(
        said.contains("there is no Java here") && said.contains("apt-get install"),
        "{said}"
    );
}

#[test]
fn what_is_for_the_pipeline_is_refused() {
    for of_the_pipeline in ["--chaos", "--no-redis", "--speed=2"] {
        let output = Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(["demo", "--cluster", of_the_pipeline])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("cannot be used with"), "{said}");
    }
}

/// In a terminal of its own, by `script`: t begins and ends traffic, w is taken, q ends it.
#[test]
fn keys_switch_traffic_on_and_off() {
    let page = free_port();
    let command = format!(
        "stty cols 150 rows 50; {} demo --cluster --simulated --page-port {page}; echo ended $?",
        env!("CARGO_BIN_EXE_pehra"),
    );
    let folder = tempfile::tempdir().unwrap();
    let screen: PathBuf = folder.path().join("screen");
    let mut script = Command::new("script");
    script
        .args(["-qfec", &command])
        .arg(&screen)
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut terminal = Process::start(&mut script, "apt-get install -y bsdutils");
    let mut keys = terminal.child().stdin.take().unwrap();
    let shows = |what: &str| {
        wait_until(what, Duration::from_secs(20), || {
            String::from_utf8_lossy(&std::fs::read(&screen).unwrap_or_default()).contains(what)
        });
    };
    // What is the same in two pictures is not drawn again, so news that follow other news are not on the screen in one piece.
    let quiet_ms = || {
        let panel = panel(page).unwrap_or_default();
        let nodes = panel["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
        nodes.iter().filter_map(|node| node["traffic_ms"].as_u64()).min()
    };
    shows("press t");
    let mut press = |key: &[u8]| keys.write_all(key).unwrap();
    assert_eq!(quiet_ms(), None, "nothing has been written");
    press(b"t");
    let patience = Duration::from_secs(20);
    wait_until("there is traffic", patience, || quiet_ms() == Some(0));
    press(b"t");
    wait_until("there is none any more", patience, || quiet_ms() > Some(1000));
    press(b"w");
    press(b"q");
    wait_until("it ends", Duration::from_secs(20), || !terminal.is_running());
    shows("ended 0");
    shows("traffic began");
}

//! `pehra boot` and what asks a running cluster, with real processes.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pehra_testbed::process::{Process, free_port, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster of three, and the lines of its boot.
struct Boot {
    /// Goes when the test has ended.
    _folder: tempfile::TempDir,
    config: PathBuf,
    process: Process,
    lines: Receiver<Value>,
}

fn seed_file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("config.txt")
}

impl Boot {
    /// Of a file in the older format.
    fn start(arguments: &[&str]) -> Self {
        let mut text = "N: 3\n".to_owned();
        for id in 0..3 {
            let _ = writeln!(text, "node{id}: localhost:{}", free_port());
        }
        Self::of("config.txt", &text, arguments)
    }

    /// Of nodes that keep a journal.
    fn with_journal() -> Self {
        let mut text = "[cluster]\nname = \"notes\"\n[log]\n".to_owned();
        for id in 0..3 {
            let _ = write!(text, "[[node]]\nid = {id}\naddress = \"localhost:{}\"\n", free_port());
        }
        Self::of("cluster.toml", &text, &[])
    }

    fn of(name: &str, text: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(name);
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pehra"));
        command
            .arg("boot")
            .arg(&config)
            .args(arguments)
            .stdout(Stdio::piped())
            .stdin(Stdio::null());
        let mut process = Process::start(&mut command, "cargo build -p pehra");
        let out = process.child().stdout.take().unwrap();
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                let _ = tell.send(line);
            }
        });
        Self {
            _folder: folder,
            config,
            process,
            lines,
        }
    }

    /// Waits for a line.
    fn line(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if is(&line) => return line,
                Ok(_) => {}
                Err(_) => panic!("waited in vain for: {what}"),
            }
        }
    }

    fn pehra(&self, arguments: &[&str]) -> Output {
        let config = self.config.display().to_string();
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args([arguments[0], "--config", &config])
            .args(&arguments[1..])
            .output()
            .unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.pehra(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn leader(&self) -> (u64, u64) {
        let mut found = None;
        wait_until("a leader", PATIENCE, || {
            let leader = self.json(&["leader"])["leader"].clone();
            found = leader["node"].as_u64().zip(leader["fencing"].as_u64());
            found.is_some()
        });
        found.unwrap()
    }

    fn stop(self) -> Vec<Value> {
        self.stop_by(Signal::INT)
    }

    fn stop_by(mut self, signal: Signal) -> Vec<Value> {
        self.process.signal(signal);
        wait_until("boot ends", PATIENCE, || !self.process.is_running());
        assert!(self.process.child().wait().unwrap().success());
        self.lines.iter().collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn kill(pid: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_booted_cluster_is_shown_moved_drained_and_stopped() {
    let boot = Boot::start(&[]);
    let (node, fencing) = boot.leader();
    let status = boot.json(&["status"]);
    assert_eq!(status["leader"]["node"], node, "{status}");
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().filter(|it| it["role"] == "leader").count(), 1, "{status}");
    assert!(
        nodes
            .iter()
            .all(|it| it["up"] == true && it["links"].as_u64().unwrap().count_ones() == 2),
        "{status}"
    );
    let text = said(&boot.pehra(&["status"]));
    for word in [
        "durable lag",
        "follower",
        "confirmed by a majority",
        "2 of 3 voters needed",
    ] {
        assert!(text.contains(word), "{text}");
    }

    let to = (node + 1) % 3;
    let moved = boot.json(&["transfer", "--to", &to.to_string()]);
    assert_eq!(
        (moved["before"]["node"].as_u64(), moved["after"]["node"].as_u64()),
        (Some(node), Some(to)),
        "{moved}"
    );
    assert!(moved["after"]["fencing"].as_u64() > Some(fencing), "{moved}");
    let again = boot.pehra(&["transfer", "--to", &to.to_string()]);
    assert!(
        !again.status.success() && said(&again).contains("leads already"),
        "{again:?}"
    );
    let nobody = boot.pehra(&["transfer", "--to", "7"]);
    assert!(said(&nobody).contains("the voters are 0, 1, 2"), "{nobody:?}");

    let before = boot.leader();
    let resigned = boot.json(&["resign"]);
    assert_eq!(resigned["before"]["node"], before.0, "{resigned}");
    assert!(resigned["after"]["fencing"].as_u64() > Some(before.1), "{resigned}");
    let (to, _) = boot.leader();

    let drained = boot.json(&["drain", "--id", &to.to_string()]);
    assert_eq!(drained["draining"], true, "{drained}");
    assert_ne!(boot.leader().0, to);
    boot.pehra(&["drain", "--id", &to.to_string(), "--off"]);

    let lines = boot.stop();
    assert_eq!(lines.last().unwrap()["event"], "stopped", "{lines:?}");
}

/// `pehra journal WHAT …`: its options come after its own subcommand.
fn journal(boot: &Boot, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pehra"));
    command.arg("journal").args(arguments).arg("--config").arg(&boot.config);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn texts_are_appended_read_and_survive_their_leader() {
    let boot = Boot::with_journal();
    let (node, _) = boot.leader();
    let one = journal(&boot, &["append", "the pump is on", "--json"], "");
    let one: Value = serde_json::from_slice(&one.stdout).unwrap_or_else(|error| panic!("{error}: {one:?}"));
    assert!(
        one["index"].as_u64() > Some(0) && one["term"].as_u64() > Some(0),
        "{one}"
    );
    let many = journal(&boot, &["append"], "a\nb\nc\n");
    assert_eq!(String::from_utf8_lossy(&many.stdout).lines().count(), 3, "{many:?}");

    let pid = boot.json(&["status"])["nodes"][usize::try_from(node).unwrap()]["pid"].as_u64();
    kill(pid.unwrap());
    wait_until("another leader", PATIENCE, || {
        boot.json(&["leader"])["leader"]["node"] != node
    });
    boot.leader();
    let list = said(&journal(&boot, &["list"], ""));
    let texts: Vec<_> = list
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["the pump is on", "a", "b", "c"], "{list}");
    let from = list.lines().last().unwrap().split_once('\t').unwrap().0;
    let last = said(&journal(&boot, &["list", "--from", from, "--json"], ""));
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["text"], "c", "{last}");
    let copy = ((node + 1) % 3).to_string();
    wait_until("the copy has all", PATIENCE, || {
        said(&journal(&boot, &["list", "--node", &copy], "")) == list
    });
    let nobody = journal(&boot, &["list", "--node", "7"], "");
    assert!(
        !nobody.status.success() && said(&nobody).contains("no such node"),
        "{nobody:?}"
    );
    boot.stop();

    let without = Boot::start(&[]);
    without.leader();
    let refused = journal(&without, &["append", "x"], "");
    assert!(
        !refused.status.success() && said(&refused).contains("add [log]"),
        "{refused:?}"
    );
    without.stop();
}

#[test]
fn a_dead_node_stays_down_and_one_started_by_hand_joins() {
    let boot = Boot::start(&["--json"]);
    let (node, fencing) = boot.leader();
    let pid = boot.json(&["status"])["nodes"][usize::try_from(node).unwrap()]["pid"]
        .as_u64()
        .unwrap();
    kill(pid);
    let died = boot.line("the death", |line| line["event"] == "died");
    assert_eq!((died["node"].as_u64(), died["pid"].as_u64()), (Some(node), Some(pid)));
    assert!(boot.leader().1 > fencing);
    // Longer than a restart would take.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        boot.json(&["status"])["nodes"][usize::try_from(node).unwrap()]["up"],
        false
    );

    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-broker"));
    command
        .arg("--config")
        .arg(&boot.config)
        .args(["--id", &node.to_string()])
        .stderr(Stdio::null());
    let mut by_hand = Process::start(&mut command, "cargo build -p pehra-broker");
    let joined = boot.line("the newcomer", |line| {
        line["node"] == node && line["up"] == true && line["by_hand"] == true
    });
    assert_eq!(joined["pid"], by_hand.pid());
    boot.stop();
    assert!(
        by_hand.is_running(),
        "what was not started by boot is not stopped by it"
    );
}

#[test]
fn with_restart_a_dead_node_comes_back() {
    let boot = Boot::start(&["--restart"]);
    boot.leader();
    let pid = boot.json(&["status"])["nodes"][1]["pid"].as_u64().unwrap();
    kill(pid);
    boot.line("the death", |line| line["event"] == "died" && line["node"] == 1);
    let started = boot.line("the restart", |line| line["event"] == "started" && line["node"] == 1);
    assert_ne!(started["pid"].as_u64(), Some(pid));
    wait_until("it is back", PATIENCE, || {
        boot.json(&["status"])["nodes"][1]["incarnation"] == 2
    });
    boot.stop();
}

#[test]
fn a_node_that_cannot_start_says_why_and_a_closed_terminal_stops_the_others() {
    let boot = Boot::start(&["--restart"]);
    boot.leader();
    let node = boot.json(&["status"])["nodes"][2].clone();
    kill(node["pid"].as_u64().unwrap());
    let mut taken = None;
    wait_until("the dead node's port", PATIENCE, || {
        taken = std::net::TcpListener::bind(node["address"].as_str().unwrap()).ok();
        taken.is_some()
    });
    let died = boot.line("the vain start", |line| {
        line["event"] == "died" && line["node"] == 2 && line["pid"] != node["pid"]
    });
    assert!(died["how"].as_str().unwrap().contains("cannot listen on"), "{died}");

    let pid = boot.json(&["status"])["nodes"][0]["pid"].as_i64().unwrap();
    let lines = boot.stop_by(Signal::HUP);
    assert_eq!(lines.last().unwrap()["event"], "stopped", "{lines:?}");
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    assert!(
        rustix::process::test_kill_process(pid).is_err(),
        "node 0 was left behind"
    );
}

/// What a voter said in a cluster is what this build says when it is fed the same again.
#[test]
fn a_voters_recording_plays_again_to_the_same_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port(), free_port()];
    let lines = (0..3).map(|id| format!("node{id}: localhost:{}\n", ports[id]));
    std::fs::write(seed_file(&folder), format!("N: 3\n{}", lines.collect::<String>())).unwrap();
    let flight = folder.path().join("flight");
    let mut nodes: Vec<Process> = (0..3)
        .map(|id| {
            let program = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-broker");
            let mut command = Command::new(program);
            command
                .arg("--config")
                .arg(seed_file(&folder))
                .args(["--id", &id.to_string()]);
            command.arg("--flight-recorder").arg(&flight).stderr(Stdio::null());
            Process::start(&mut command, "cargo build -p pehra-broker")
        })
        .collect();
    let pehra = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let path = seed_file(&folder).display().to_string();
    wait_until("a leader", PATIENCE, || {
        pehra(&["leader", "--config", &path]).status.success()
    });
    assert!(pehra(&["transfer", "--config", &path]).status.success());
    nodes.iter_mut().for_each(Process::kill9);
    let files: Vec<String> = std::fs::read_dir(&flight)
        .unwrap()
        .map(|file| file.unwrap().path().display().to_string())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in &files {
        let output = pehra(&["replay", "--json", file]);
        let played: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!(played["same"], true, "{played}");
        assert!(played["inputs"].as_u64() > Some(10), "{played}");
    }
}

#[test]
fn a_cluster_that_is_down_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(seed_file(&folder), format!("N: 1\nnode0: localhost:{}\n", free_port())).unwrap();
    let path = seed_file(&folder).display().to_string();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(arguments)
            .output()
            .unwrap()
    };
    for (arguments, words) in [
        (vec!["status", "--config", &path], "start them: pehra boot"),
        (vec!["leader", "--config", &path], "no node answers"),
        (vec!["transfer", "--config", &path], "nobody can hand over"),
        (vec!["resign", "--config", &path], "nobody can resign"),
        (
            vec!["drain", "--config", &path, "--id", "0"],
            "does not answer: Connection refused",
        ),
        (vec!["drain", "--config", &path, "--id", "4"], "no such node"),
        (vec!["status", "--config", "absent.toml"], "examples/cluster.toml"),
        (vec!["boot", "absent.toml"], "examples/cluster.toml"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
    for command in ["boot", "status", "leader", "transfer", "drain", "resign"] {
        let help = said(&run(&[command, "--help"]));
        assert!(
            help.contains("Examples:") && help.contains(&format!("pehra {command} ")),
            "{help}"
        );
    }
}

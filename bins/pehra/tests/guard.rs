//! The commands of guard duty at real agents, with a real Kafka: three controllers, three brokers behind proxies, three agents.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::cloud::Cloud;
use pehra_testbed::kafka::cluster::{ClusterOptions, KafkaCluster};
use pehra_testbed::process::{Process, free_port, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Brokers are started in it, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(90);

struct Barn {
    /// The controllers.
    _kafka: KafkaCluster,
    folder: tempfile::TempDir,
    agents: Vec<Process>,
    /// Its page shows this cluster.
    cloud: Cloud,
}

impl Barn {
    fn start() -> Self {
        let proxies: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let kafka = KafkaCluster::start_controllers(&ClusterOptions {
            advertised: proxies.iter().map(|port| format!("127.0.0.1:{port}")).collect(),
            ..ClusterOptions::default()
        });
        let folder = tempfile::tempdir().unwrap();
        let key = run(&[
            "admin-key",
            "--json",
            "--out",
            &folder.path().join("admin.key").display().to_string(),
        ]);
        let key: Value = serde_json::from_slice(&key.stdout).unwrap();
        std::fs::write(
            folder.path().join("cluster.toml"),
            config(&kafka, &proxies, key["key"].as_str().unwrap()),
        )
        .unwrap();
        let broker = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-broker");
        let agents = (1..=3).map(|id: u16| {
            let log = File::create(folder.path().join(format!("agent-{id}.log"))).unwrap();
            let mut command = Command::new(&broker);
            command.arg("--config").arg(folder.path().join("cluster.toml")).args([
                "--id",
                &id.to_string(),
                "--log-text",
            ]);
            Process::start(
                command.env("NO_COLOR", "1").stdin(Stdio::null()).stderr(log),
                "cargo build -p pehra-broker",
            )
        });
        let agents = agents.collect();
        Self {
            _kafka: kafka,
            cloud: Cloud::start(folder.path()),
            folder,
            agents,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn pehra(&self, arguments: &[&str]) -> Output {
        let began = Instant::now();
        let output = run(&[&[arguments[0], "--config", &self.path("cluster.toml")], &arguments[1..]].concat());
        println!(
            "{:5.1} s  pehra {}: {}",
            began.elapsed().as_secs_f64(),
            arguments.join(" "),
            said(&output)
        );
        output
    }

    /// With the admin's key; it must succeed.
    #[track_caller]
    fn order(&self, arguments: &[&str]) -> Value {
        let key = self.path("admin.key");
        let output = self.pehra(&[arguments, &["--admin-key", &key, "--json"]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{}",
            said(&output),
            self.logs()
        );
        let last = String::from_utf8_lossy(&output.stdout)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last}"))
    }

    /// What the agents say of their guard duty, by id from 1.
    fn duties(&self) -> Vec<Value> {
        let output = run(&["status", "--json", "--config", &self.path("cluster.toml")]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap();
        status["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["sleep"].clone())
            .collect()
    }

    fn those(&self, such: impl Fn(&Value) -> bool) -> Vec<u16> {
        (1..)
            .zip(self.duties())
            .filter(|(_, duty)| such(duty))
            .map(|(id, _)| id)
            .collect()
    }

    fn one_sleeps(&self) -> u16 {
        let mut found = Vec::new();
        wait_until("one sleeps", PATIENCE, || {
            found = self.those(|duty| duty["doing"] == "asleep");
            !found.is_empty()
        });
        found[0]
    }

    fn record(&self, name: &str) {
        // What the golden pages of `pehra top` are made from.
        if std::env::var_os("PEHRA_RECORD_TOP").is_none() {
            return;
        }
        let output = run(&["top", "--json", "--config", &self.path("cluster.toml")]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines: Vec<String> = all["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| {
                if node["up"] == true {
                    serde_json::json!({ "status": node }).to_string()
                } else {
                    node["why"].to_string()
                }
            })
            .collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/top/{name}.jsonl"));
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }

    fn logs(&self) -> String {
        let mut text = String::new();
        for id in 1..=3 {
            let log = std::fs::read_to_string(self.path(&format!("agent-{id}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let _ = write!(
                text,
                "--- agent {id}\n{}\n",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
        text
    }
}

impl Drop for Barn {
    /// Brokers outlive their agents.
    fn drop(&mut self) {
        self.agents.iter_mut().for_each(Process::kill9);
        for id in 1..=3 {
            let pid = std::fs::read_to_string(self.path(&format!("broker-{id}.pid"))).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
                if String::from_utf8_lossy(&command).contains(&format!("/{id}.properties")) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

fn config(kafka: &KafkaCluster, proxies: &[u16], key: &str) -> String {
    let command = kafka.broker_command(1);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words
        .map(|word| format!("{:?}", word.to_string_lossy()).replace("/1.properties", "/{broker}.properties"))
        .collect();
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{} = {:?}", name.to_string_lossy(), value?.to_string_lossy())));
    let environment: Vec<String> = set.collect();
    let mut text = format!(
        "[cluster]\nname = \"barn\"\nprofile = \"wan\"\ndata = \"data\"\n[admin]\nkey = \"{key}\"\n[sleep]\nprofile = \"test\"\n\
         voter-spare = 0\n[power.process]\ncommand = [{}]\nenvironment = {{ {} }}\nlog = \"broker-{{broker}}.log\"\npid-file = \
         \"broker-{{broker}}.pid\"\n",
        words.join(", "),
        environment.join(", ")
    );
    for (id, proxy) in (1_u16..).zip(proxies) {
        let _ = write!(
            text,
            "[[node]]\nid = {id}\naddress = \"127.0.0.1:{}\"\n[node.broker]\nid = {id}\naddress = \"{}\"\nlisten = \
             \"127.0.0.1:{proxy}\"\nupstream = \"{}\"\n",
            free_port(),
            kafka.address(id),
            kafka.inner(id)
        );
    }
    text
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pehra"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// One cluster for all: it takes most of the time.
#[test]
fn sleep_is_enabled_seen_and_ended_by_command() {
    let barn = Barn::start();
    wait_until("all agents answer", PATIENCE, || {
        barn.pehra(&["status"]).status.success() && barn.duties().len() == 3
    });
    // Brokers are started by their agents; enabling waits for them.
    let unsigned = barn.pehra(&["enable", "--wait", "60"]);
    assert!(
        !unsigned.status.success() && said(&unsigned).contains("--admin-key"),
        "{}\n{}",
        said(&unsigned),
        barn.logs()
    );
    let enabled = barn.order(&["enable", "--wait", "120"]);
    assert_eq!(enabled["epoch"], 1, "{enabled}");
    let old = barn.pehra(&["enable", "--epoch", "1", "--admin-key", &barn.path("admin.key")]);
    assert!(said(&old).contains("above 1"), "{}", said(&old));

    let sleeper = barn.one_sleeps();
    barn.record("asleep");
    its_state_is_shown(&barn, sleeper);
    top_gives_the_terminal_back(&barn);
    a_sleeper_is_woken_and_kept_awake(&barn, sleeper);
    maintenance_runs_a_command_for_each(&barn);
    a_command_that_fails_ends_the_round(&barn);
    maintenance_waits_for_people(&barn);
    brokers_are_measured(&barn);

    barn.one_sleeps();
    let disabled = barn.pehra(&["disable"]);
    assert!(
        disabled.status.success() && said(&disabled).contains("3 brokers are up"),
        "{}",
        said(&disabled)
    );
    let epoch = barn.order(&["enable"])["epoch"].as_u64();
    assert_eq!(epoch, Some(2));
}

fn its_state_is_shown(barn: &Barn, sleeper: u16) {
    for command in [vec!["status"], vec!["top", "--once"], vec!["top"]] {
        let output = barn.pehra(&command);
        let text = said(&output);
        assert!(output.status.success(), "{text}");
        for words in [
            "watches; sleep is on (epoch 1)",
            "pehredar",
            "asleep",
            "awake because",
            "it watches",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let check = barn.pehra(&["selfcheck"]);
    assert_eq!(
        check.status.code(),
        Some(1),
        "the Pehredar stays awake: {}",
        said(&check)
    );
    for words in ["stays awake", "it watches", "disk", "wake proof"] {
        assert!(said(&check).contains(words), "{}", said(&check));
    }
    the_page_shows_it(barn, sleeper);
}

fn the_page_shows_it(barn: &Barn, sleeper: u16) {
    let mut panel = Value::Null;
    wait_until("the page shows who sleeps", PATIENCE, || {
        panel = barn.cloud.panel().unwrap_or_default();
        panel["boxes"][sleeper.to_string()] == serde_json::json!(["state-sleeping"])
    });
    assert_eq!((&panel["on"], &panel["epoch"]), (&true.into(), &1.into()), "{panel}");
    let watching = panel["pehredar"].as_u64().expect("one watches");
    assert_ne!(watching, u64::from(sleeper), "{panel}");
    let node = |id: u64| {
        panel["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|node| node["id"] == id)
            .unwrap()
    };
    assert_eq!(node(watching)["role"], "pehredar");
    assert_eq!(node(u64::from(sleeper))["on_duty"], false, "{panel}");
    // A stopped process saves nothing, and the page says so instead of watts.
    assert!(panel["watts"].is_null() && panel["power_note"].is_string(), "{panel}");
}

/// In a terminal of its own, by `script`: q, Ctrl-C and SIGTERM end it, and each time the terminal is as it was.
fn top_gives_the_terminal_back(barn: &Barn) {
    let command = format!(
        "stty -g; {} top --config {}; echo ended $?; stty -g",
        env!("CARGO_BIN_EXE_pehra"),
        barn.path("cluster.toml")
    );
    for end in ["q", "\u{3}", "TERM"] {
        let mut script = Command::new("script");
        script
            .args(["-qfec", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut terminal = Process::start(script.env("TERM", "xterm"), "apt-get install -y bsdutils");
        let mut out = terminal.child().stdout.take().unwrap();
        let mut keys = terminal.child().stdin.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = out.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        std::thread::sleep(Duration::from_secs(2));
        if end == "TERM" {
            let pid = child_named(terminal.pid(), "top").expect("top runs");
            kill_process(pid, Signal::TERM).unwrap();
        } else {
            std::io::Write::write_all(&mut keys, end.as_bytes()).unwrap();
        }
        wait_until("top ends", Duration::from_secs(10), || !terminal.is_running());
        drop(keys);
        let text = reader.join().unwrap();
        assert!(text.contains("ended 0"), "{end:?}: {text}");
        assert!(
            text.contains("\u{1b}[?1049h") && text.contains("\u{1b}[?1049l"),
            "{end:?}: {text}"
        );
        let modes: Vec<&str> = text
            .lines()
            .filter(|line| line.matches(':').count() > 10 && !line.contains('\u{1b}'))
            .collect();
        assert!(
            modes.len() == 2 && modes[0].trim() == modes[1].trim(),
            "{end:?}: {modes:?} {text}"
        );
    }
}

/// The process below this one that was started with that argument.
fn child_named(above: u32, argument: &str) -> Option<Pid> {
    let mut below = vec![above];
    while let Some(pid) = below.pop() {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes()) {
            return Pid::from_raw(i32::try_from(pid).ok()?);
        }
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        below.extend(
            children
                .split_whitespace()
                .filter_map(|child| child.parse::<u32>().ok()),
        );
    }
    None
}

fn a_sleeper_is_woken_and_kept_awake(barn: &Barn, sleeper: u16) {
    let id = sleeper.to_string();
    let kept = barn.pehra(&["stay-awake", "--node", &id]);
    assert!(kept.status.success(), "it needs no key: {}", said(&kept));
    let woken = barn.pehra(&["wake", "--node", &id]);
    assert!(
        woken.status.success() && said(&woken).contains("up and in sync"),
        "{}",
        said(&woken)
    );
    let check = barn.pehra(&["selfcheck", "--node", &id]);
    assert!(
        check.status.code() == Some(1) && said(&check).contains("a person wants it awake"),
        "{}",
        said(&check)
    );
    let off = barn.pehra(&["stay-awake", "--node", &id, "--off"]);
    assert!(
        !off.status.success() && said(&off).contains("--admin-key"),
        "{}",
        said(&off)
    );
    barn.order(&["stay-awake", "--node", &id, "--off"]);
    barn.one_sleeps();
    let all = barn.pehra(&["wake", "--all"]);
    assert!(
        all.status.success() && said(&all).contains("node 1, 2, 3"),
        "{}",
        said(&all)
    );
}

fn maintenance_runs_a_command_for_each(barn: &Barn) {
    let before = barn.those(|duty| duty["role"] == "pehredar");
    let log = barn.path("visited");
    // The broker is down while the command runs.
    let command = format!(
        "echo $PEHRA_NODE $PEHRA_BROKER >> {log}; ! kill -0 $(cat {}/broker-$PEHRA_BROKER.pid)",
        barn.folder.path().display()
    );
    barn.order(&["maintenance", "--all", "--run", &command]);
    let visited = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = visited.lines().collect();
    assert_eq!(lines.len(), 3, "{visited}");
    for id in 1..=3 {
        assert!(lines.contains(&format!("{id} {id}").as_str()), "{visited}");
    }
    assert_eq!(
        lines[2],
        format!("{} {}", before[0], before[0]),
        "the Pehredar comes last: {visited}"
    );
    assert_ne!(
        barn.those(|duty| duty["role"] == "pehredar"),
        before,
        "another one watches"
    );
}

fn a_command_that_fails_ends_the_round(barn: &Barn) {
    let key = barn.path("admin.key");
    let failed = barn.pehra(&["maintenance", "--all", "--run", "exit 3", "--admin-key", &key]);
    let text = said(&failed);
    assert!(!failed.status.success(), "{text}");
    for words in ["exit status: 3", "its broker is up again", "not worked on: node"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let duties = barn.duties();
    assert!(
        duties.iter().all(|duty| duty["round"].as_array().unwrap().is_empty()),
        "{duties:?}"
    );
    assert!(duties.iter().all(|duty| duty["doing"] != "maintenance"), "{duties:?}");
}

fn maintenance_waits_for_people(barn: &Barn) {
    let key = barn.path("admin.key");
    let watches = barn.those(|duty| duty["role"] == "pehredar")[0];
    let id = if watches == 1 { "2" } else { "1" };
    let config = barn.path("cluster.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pehra"));
    command
        .args(["maintenance", "--config", &config, "--node", id, "--admin-key", &key])
        .stdout(Stdio::null());
    let mut waiting = Process::start(&mut command, "cargo build -p pehra");
    wait_until("it may be worked on", PATIENCE, || {
        !barn.those(|duty| duty["doing"] == "maintenance").is_empty()
    });
    barn.record("worked-on");
    std::thread::sleep(Duration::from_secs(3));
    assert!(waiting.is_running(), "it waits until it is told");
    barn.order(&["maintenance", "--done", "--node", id]);
    wait_until("it has heard", PATIENCE, || !waiting.is_running());
    assert!(waiting.child().wait().unwrap().success());
}

fn brokers_are_measured(barn: &Barn) {
    let output = barn.pehra(&["calibrate", "--seconds", "40", "--json"]);
    let measured: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let nodes = measured["nodes"].as_array().unwrap();
    let stop = nodes.iter().filter_map(|node| node["stop_ms"].as_u64()).max().unwrap();
    let start = nodes.iter().filter_map(|node| node["start_ms"].as_u64()).max().unwrap();
    assert!(stop > 100 && start > 500, "no broker of Kafka is that fast: {measured}");
    assert!(
        measured["sleep"]["wake-ms"]["least"].as_u64().unwrap() >= 3 * start,
        "{measured}"
    );
}

#[test]
fn what_cannot_be_carried_out_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (plain, sleepy) = (path("cluster.toml"), path("sleep.toml"));
    let head = "[cluster]\nname = \"home\"\n";
    let node = format!("[[node]]\nid = 4\naddress = \"127.0.0.1:{}\"\n", free_port());
    std::fs::write(&plain, format!("{head}{node}")).unwrap();
    let broker = "[node.broker]\nid = 4\naddress = \"127.0.0.1:1\"\n";
    std::fs::write(&sleepy, format!("{head}[sleep]\nvoter-spare = 0\n{node}{broker}")).unwrap();
    let key = path("admin.key");
    let made = run(&["admin-key", "--out", &key]);
    assert!(
        made.status.success() && said(&made).contains("[admin]\nkey = \""),
        "{}",
        said(&made)
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !said(&made).contains(std::fs::read_to_string(&key).unwrap().trim()),
        "the secret is shown"
    );
    let open = path("open.key");
    std::fs::copy(&key, &open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (arguments, words) in [
        (vec!["admin-key", "--out", &key], "there is a file already"),
        (
            vec!["enable", "--config", &sleepy, "--wait", "0"],
            "start them: pehra boot",
        ),
        (
            vec!["enable", "--config", &sleepy, "--epoch", "1", "--wait", "0"],
            "nobody is known to watch",
        ),
        (
            vec!["enable", "--config", &plain, "--admin-key", "absent.key"],
            "pehra admin-key",
        ),
        (vec!["enable", "--config", &plain, "--admin-key", &open], "chmod 600"),
        (vec!["disable", "--config", &sleepy, "--wait", "0"], "pehra wake --all"),
        (vec!["wake", "--config", &sleepy], "nobody was woken"),
        (vec!["wake", "--config", &sleepy, "--node", "4"], "pehra wake --all"),
        (
            vec!["wake", "--config", &sleepy, "--node", "5"],
            "there is no such node",
        ),
        (
            vec!["stay-awake", "--config", &sleepy, "--node", "5"],
            "there is no such node",
        ),
        (
            vec!["maintenance", "--config", &sleepy, "--all"],
            "start them: pehra boot",
        ),
        (vec!["selfcheck", "--config", &sleepy], "start them: pehra boot"),
        (vec!["calibrate", "--config", &sleepy], "start them: pehra boot"),
        (vec!["top", "--config", &sleepy, "--once"], "start them: pehra boot"),
        (vec!["top", "--config", "absent.toml"], "examples/cluster.toml"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
    for arguments in [
        vec!["maintenance", "--config", &sleepy],
        vec!["maintenance", "--config", &sleepy, "--all", "--done"],
    ] {
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    for command in [
        "enable",
        "disable",
        "wake",
        "maintenance",
        "stay-awake",
        "selfcheck",
        "calibrate",
        "top",
        "admin-key",
    ] {
        let help = said(&run(&[command, "--help"]));
        assert!(
            help.contains("Examples:") && help.contains(&format!("pehra {command} ")),
            "{help}"
        );
    }
}

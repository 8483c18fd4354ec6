//! `pehra-cloud --cluster` shows agents that run, in a browser. There is no Kafka: the brokers that they start never come up, and
//! so all are waking. tests/guard.rs looks at the page of one that sleeps.

#![allow(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod common;

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::cloud::Cloud;
use pehra_testbed::browser::Browser;
use pehra_testbed::process::{Process, free_port, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(60);
/// What the agents start instead of a broker; it ends by itself if all else fails.
const BROKER: &str = "sleep";

struct Agents {
    folder: tempfile::TempDir,
    agents: Vec<Process>,
}

impl Agents {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cluster.toml"), config()).unwrap();
        let program = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-broker");
        let agents = (1..=3).map(|id| {
            let mut command = Command::new(&program);
            command
                .arg("--config")
                .arg(folder.path().join("cluster.toml"))
                .args(["--id", &id.to_string(), "--log-text"])
                .stdin(Stdio::null())
                .stderr(File::create(folder.path().join(format!("agent-{id}.log"))).unwrap());
            Process::start(&mut command, "cargo build -p pehra-broker")
        });
        let agents = agents.collect();
        Self { folder, agents }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Agents {
    /// What agents started outlives them.
    fn drop(&mut self) {
        self.agents.iter_mut().for_each(Process::kill9);
        for id in 1..=3 {
            let pid = std::fs::read_to_string(self.path().join(format!("broker-{id}.pid"))).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(Pid::from_raw) {
                let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
                if command.starts_with(BROKER.as_bytes()) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

fn config() -> String {
    let mut text = format!(
        "[cluster]\nname = \"barn\"\ndata = \"data\"\n[sleep]\nprofile = \"test\"\nvoter-spare = 0\nidle-watts = 90\nasleep-watts = 5\n\
         [power.process]\ncommand = [\"{BROKER}\", \"600\"]\nlog = \"broker-{{broker}}.log\"\npid-file = \"broker-{{broker}}.pid\"\n"
    );
    for id in 1..=3 {
        let (node, broker) = (free_port(), free_port());
        let _ = write!(
            text,
            "[[node]]\nid = {id}\naddress = \"127.0.0.1:{node}\"\n[node.broker]\nid = {id}\naddress = \"127.0.0.1:{broker}\"\n"
        );
    }
    text
}

#[test]
fn the_page_shows_agents_that_run_and_a_frozen_one_delays_nobody() {
    let agents = Agents::start();
    let cloud = Cloud::start(agents.path());
    let waking = |id: u16| cloud.node(id).is_some_and(|node| node["doing"] == "waking");
    wait_until("all are shown, and one watches", PATIENCE, || {
        (1..=3).all(waking) && cloud.panel().is_some_and(|panel| panel["pehredar"].is_u64())
    });
    let panel = cloud.panel().unwrap();
    assert_eq!((&panel["name"], &panel["kind"]), (&"barn".into(), &"real".into()));
    assert_eq!(panel["on"], false, "nobody has enabled it: {panel}");
    assert_eq!(panel["boxes"]["2"], serde_json::json!(["state-waking"]));
    // The file says what machines draw, but these stay up.
    assert!(panel["watts"].is_null(), "{panel}");
    assert!(
        panel["power_note"].as_str().unwrap().contains("next to nothing"),
        "{panel}"
    );

    let profile = tempfile::tempdir().unwrap();
    let mut browser = Browser::start(profile.path(), 1280, 1600);
    browser.open(&cloud.url());
    let lit = "[...document.querySelectorAll('#flow .lit')].map((box) => box.id).join(' ')";
    let numbers = "[...document.querySelectorAll('.badge')].map((badge) => badge.dataset.node).sort().join(' ')";
    browser.wait_for(
        "the box is lit",
        &format!("{lit} === 'state-waking' && {numbers} === '1 2 3'"),
    );

    agents.agents[0].signal(Signal::STOP);
    wait_until("the frozen one is missed", PATIENCE, || {
        cloud.node(1).is_some_and(|node| node["reached"] == false)
    });
    assert!(
        cloud.node(1).unwrap()["alert"] == true,
        "it did not say that it goes to sleep"
    );
    browser.wait_for("its number leaves", &format!("{numbers} === '2 3'"));
    let since = |id: u16| cloud.node(id).and_then(|node| node["doing_ms"].as_u64()).unwrap();
    let before = [2, 3].map(since);
    wait_until("the others' figures go on", PATIENCE, || {
        [2, 3]
            .map(since)
            .iter()
            .zip(before)
            .all(|(now, before)| *now > before + 2000)
    });
    agents.agents[0].signal(Signal::CONT);
    browser.wait_for("it is back", &format!("{numbers} === '1 2 3'"));
}

#[test]
fn a_cluster_in_which_nobody_sleeps_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.toml");
    std::fs::write(
        &file,
        "[cluster]\nname = \"a\"\n[[node]]\nid = 1\naddress = \"localhost:1\"\n",
    )
    .unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-cloud");
    let output = Command::new(program).arg("--cluster").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("add [sleep]") && said.contains("cluster.toml"), "{said}");
}

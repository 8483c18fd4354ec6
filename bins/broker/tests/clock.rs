//! Clocks that jump, and clocks that are far apart. No test sets the machine's clock.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Cluster, Leader};
use serde_json::Value;

const HOUR_S: i64 = 3600;
/// After so many years the calendar is the same again.
const FOUR_CENTURIES_S: i64 = 146_097 * 24 * HOUR_S;

/// The library that shifts a process's wall clock, built here.
fn shifting_library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/wall_clock.c");
    let library = folder.join("wall_clock.so");
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&library)
        .arg(source);
    let output = command
        .output()
        .expect("cc is not installed: apt-get install -y gcc libc6-dev");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Makes the wall clock of a node jump.
fn jump(cluster: &Cluster, id: usize, by_s: i64) {
    let (file, new) = (
        clock_file(cluster.folder.path(), id),
        cluster.folder.path().join("clock.new"),
    );
    fs::write(&new, by_s.to_string()).expect("a file");
    fs::rename(new, file).expect("it is replaced");
}

fn clock_file(folder: &Path, id: usize) -> PathBuf {
    folder.join(format!("{id}.clock"))
}

/// It leads, and nobody else does, for two election timeouts.
fn stays(cluster: &mut Cluster, leader: Leader) {
    let until = Instant::now() + Duration::from_millis(600);
    while Instant::now() < until {
        assert_eq!(cluster.leader_now(), Some(leader));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The year of the last line of a node's log.
fn year_of_log(cluster: &Cluster, id: usize) -> i64 {
    let log = cluster.log(id);
    let last: Value = serde_json::from_str(log.lines().last().expect("a line")).expect("a line of JSON");
    let time = last["timestamp"].as_str().expect("a time");
    time.split('-')
        .next()
        .and_then(|year| year.parse().ok())
        .expect("a year")
}

#[test]
fn a_wall_clock_that_jumps_while_it_runs_changes_nothing() {
    let mut cluster = Cluster::new(3);
    let folder = cluster.folder.path().to_owned();
    let library = shifting_library(&folder);
    cluster.wrap = Some(Box::new(move |id, _| {
        let mut command = Command::new("env");
        command.arg(format!("LD_PRELOAD={}", library.display()));
        command.arg(format!("PEHRA_TEST_CLOCK={}", clock_file(&folder, id).display()));
        command
    }));
    (0..3).for_each(|id| cluster.start(id));
    let leader = cluster.leader(0);
    let follower = (leader.node + 1) % 3;
    for (id, by_s) in [
        (leader.node, HOUR_S),
        (leader.node, -HOUR_S),
        (follower, HOUR_S),
        (follower, -HOUR_S),
        (follower, FOUR_CENTURIES_S),
    ] {
        jump(&cluster, id, by_s);
        stays(&mut cluster, leader);
    }
    // They did look at the clock that jumped: their logs tell the time by it.
    let year = year_of_log(&cluster, leader.node);
    let refused = cluster.ask(follower, r#"{"ask":"resign"}"#).expect("an answer");
    assert_eq!(refused["refused"]["try"], leader.node, "{refused}");
    assert_eq!(year_of_log(&cluster, follower), year + 400);
    // And with clocks that are centuries apart they elect.
    cluster.kill9(leader.node);
    cluster.leader(leader.fencing);
}

/// What waits for a time asks the system to wait, so the system's calls show by which clock.
#[test]
fn nothing_waits_by_the_wall_clock() {
    let mut cluster = Cluster::new(1);
    let trace = cluster.folder.path().join("trace");
    let to = trace.clone();
    cluster.wrap = Some(Box::new(move |_, _| {
        assert!(
            Command::new("strace").arg("-V").output().is_ok(),
            "strace is not installed, and this test needs it. Install it with: apt-get install -y strace"
        );
        let mut command = Command::new("strace");
        // (With -D the node is the child that is killed at the end, and strace ends with it.)
        let waits =
            "trace=futex,clock_nanosleep,timerfd_create,timer_create,clock_settime,epoll_wait,epoll_pwait,poll,ppoll";
        command
            .args(["-D", "-f", "-qq", "-e", "signal=none", "-e", waits, "-o"])
            .arg(&to);
        command
    }));
    cluster.start(0);
    let leader = cluster.leader(0);
    stays(&mut cluster, leader);
    let trace = fs::read_to_string(trace).expect("a trace");
    assert!(
        trace.contains("FUTEX_WAIT") && trace.contains("epoll_"),
        "nothing was traced: {trace}"
    );
    let by_wall: Vec<&str> = trace.lines().filter(|line| line.contains("CLOCK_REALTIME")).collect();
    assert!(by_wall.is_empty(), "{by_wall:?}");
}

#[test]
fn nodes_whose_machines_were_started_years_apart_elect_and_resign_as_ever() {
    let apart = |id: usize| {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let since_s = id * 100_000_000;
        command.args(["--time", "--fork", "--kill-child"]);
        command.args([format!("--boottime={since_s}"), format!("--monotonic={since_s}")]);
        command
    };
    let probe = apart(1)
        .args(["cat", "/proc/uptime"])
        .output()
        .expect("unshare is a part of every Debian");
    if !probe.status.success() {
        let why = String::from_utf8_lossy(&probe.stderr).into_owned();
        let _ = writeln!(
            std::io::stderr(),
            "clock: NOT RUN: nodes whose boot clocks are apart. This machine allows no time name spaces ({}); they need Linux \
             5.6, and root or `sysctl kernel.unprivileged_userns_clone=1`",
            why.trim()
        );
        return;
    }
    let uptime = String::from_utf8_lossy(&probe.stdout).into_owned();
    assert!(uptime.len() > "100000000.00".len(), "{uptime}");
    let mut cluster = Cluster::new(3);
    cluster.wrap = Some(Box::new(move |id, _| apart(id)));
    (0..3).for_each(|id| cluster.start(id));
    let mut leader = cluster.leader(0);
    for _ in 0..2 {
        stays(&mut cluster, leader);
        let done = cluster.ask(leader.node, r#"{"ask":"resign"}"#).expect("an answer");
        assert_eq!(done["done"]["ask"], "resign", "{done}");
        leader = cluster.leader(leader.fencing);
    }
}

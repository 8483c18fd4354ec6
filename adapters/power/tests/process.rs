//! Brokers that are processes: real ones, as shell scripts that behave well or badly.

use std::fs::{self, File};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pehra_power::config::{BrokerKind, ProcessConfig};
use pehra_power::{Broker, Exit, Host, Local, Power, Process, Started, Stopped};
use pehra_testbed::process::Process as Owned;

const PATIENCE: Duration = Duration::from_secs(20);

/// Ends with what it does last when it is asked.
const POLITE: &str = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.02; done";
/// As Java does: it works for a while after it was asked, and its code tells that it was.
const SLOW: &str = "trap 'sleep 0.5; echo bye; exit 143' TERM; echo up; while :; do sleep 0.02; done";
const DEAF: &str = "trap '' TERM; echo up; while :; do sleep 0.02; done";

fn config(folder: &Path, script: &str) -> ProcessConfig {
    ProcessConfig {
        command: ["/bin/sh", "-c", script].map(String::from).into(),
        directory: None,
        environment: [("PEHRA_GREETING".into(), "hello".into())].into(),
        log: folder.join("broker.log"),
        pid_file: folder.join("broker.pid"),
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("broker.log")).unwrap_or_default()
}

/// Starts it and waits until the script has set its traps, for the `times`-th time.
async fn started(process: &Process, folder: &Path, times: usize) {
    assert_eq!(process.start().await, Ok(Started::Now));
    let began = Instant::now();
    while log(folder).matches("up\n").count() < times {
        assert!(began.elapsed() < PATIENCE, "it does not start: {}", log(folder));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_that_is_asked_to_end_ends_and_can_be_started_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), POLITE)).await.expect("nobody runs");
    assert_eq!((process.is_up(), process.pid()), (false, None));
    assert_eq!(process.stop(PATIENCE).await, Ok(Stopped::WasDown));
    for times in 1..=2 {
        started(&process, folder.path(), times).await;
        assert!(process.is_up());
        assert_eq!(process.start().await, Ok(Started::WasUp), "there is no second one");
        let stopped = process.stop(PATIENCE).await;
        assert!(matches!(stopped, Ok(Stopped::Clean(_))), "{stopped:?}");
        assert!(!process.is_up());
    }
    assert_eq!(log(folder.path()), "up\nbye\nup\nbye\n");
}

#[tokio::test]
async fn one_that_does_not_listen_is_left_alone_until_somebody_says_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), DEAF)).await.expect("nobody runs");
    started(&process, folder.path(), 1).await;
    for _ in 0..2 {
        assert_eq!(
            process.stop(Duration::from_millis(200)).await,
            Ok(Stopped::StillRunning)
        );
        assert!(process.is_up());
    }
    assert_eq!(process.kill().await, Ok(Stopped::Killed(Exit::Signal(9))));
    assert!(!process.is_up());
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_told_once_and_one_that_was_asked_for_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), "echo up; exit 7"))
        .await
        .expect("nobody runs");
    let soon = Duration::from_millis(200);
    assert!(
        tokio::time::timeout(soon, process.ended()).await.is_err(),
        "nobody has run"
    );
    assert_eq!(process.start().await, Ok(Started::Now));
    assert_eq!(process.ended().await, Exit::Code(7));
    assert!(
        tokio::time::timeout(soon, process.ended()).await.is_err(),
        "it was told"
    );
    assert_eq!(process.start().await, Ok(Started::Now));
    assert_eq!(process.ended().await, Exit::Code(7), "the next one is another");

    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), POLITE)).await.expect("nobody runs");
    started(&process, folder.path(), 1).await;
    assert!(process.stop(PATIENCE).await.is_ok_and(Stopped::is_down));
    assert!(
        tokio::time::timeout(soon, process.ended()).await.is_err(),
        "it was asked"
    );
}

#[tokio::test]
async fn a_stop_that_is_given_up_still_happens_and_the_next_start_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), SLOW)).await.expect("nobody runs");
    started(&process, folder.path(), 1).await;
    let first = process.pid();
    let stopping = process.stop(PATIENCE);
    assert!(tokio::time::timeout(Duration::from_millis(50), stopping).await.is_err());
    assert!(process.is_up(), "it is on its way down");
    started(&process, folder.path(), 2).await;
    assert_ne!(process.pid(), first);
    assert_eq!(log(folder.path()), "up\nbye\nup\n", "never two at a time");
    let stopped = process.stop(PATIENCE).await;
    assert!(
        matches!(stopped, Ok(Stopped::Clean(took)) if took >= Duration::from_millis(400)),
        "{stopped:?}"
    );
}

/// The test below starts this as an agent of its own.
#[tokio::test]
#[ignore = "a child of the test below"]
async fn child_an_agent_that_starts_a_broker() {
    let folder = std::env::var("PEHRA_TEST_FOLDER").expect("the test below says where");
    let process = Process::open(config(Path::new(&folder), POLITE))
        .await
        .expect("nobody runs");
    started(&process, Path::new(&folder), 1).await;
    println!("the broker is {}", process.pid().expect("it runs"));
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn an_agent_that_was_killed_finds_its_broker_again_and_starts_no_second_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command
        .args([
            "--exact",
            "child_an_agent_that_starts_a_broker",
            "--ignored",
            "--nocapture",
        ])
        .env("PEHRA_TEST_FOLDER", folder.path())
        .stdout(Stdio::piped());
    let mut agent = Owned::start(&mut command, "nothing: it is this test");
    let said = agent.child().stdout.take().expect("it is a pipe");
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let pid = lines.find_map(|line| line.split_once("the broker is ")?.1.trim().parse().ok());
    agent.kill9();

    let process = Process::open(config(folder.path(), POLITE)).await.expect("it is found");
    assert!(pid.is_some() && process.is_up());
    assert_eq!(process.pid(), pid);
    assert_eq!(process.start().await, Ok(Started::WasUp));
    assert_eq!(log(folder.path()), "up\n", "there was one start");
    let stopped = process.stop(PATIENCE).await;
    assert!(matches!(stopped, Ok(Stopped::Unseen(_))), "{stopped:?}");
    assert_eq!(log(folder.path()), "up\nbye\n");
    started(&process, folder.path(), 2).await;
    let stopped = process.stop(PATIENCE).await;
    assert!(
        matches!(stopped, Ok(Stopped::Clean(_))),
        "now it is our own: {stopped:?}"
    );
}

#[tokio::test]
async fn a_pid_file_of_before_and_one_that_a_stranger_holds_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broker.pid");
    // Our own number: a living process, and not the broker.
    fs::write(&file, std::process::id().to_string()).expect("there is room");
    let process = Process::open(config(folder.path(), POLITE))
        .await
        .expect("nobody holds it, so nobody runs");
    assert!(!process.is_up());
    fs::write(&file, std::process::id().to_string()).expect("there is room");
    let stranger = File::open(&file).expect("it is there");
    stranger.lock().expect("it is free");
    let error = process.start().await.expect_err("somebody holds it").to_string();
    assert!(error.contains("fuser") && error.contains("broker.pid"), "{error}");
    assert!(Process::open(config(folder.path(), POLITE)).await.is_err());
    drop(stranger);
    started(&process, folder.path(), 1).await;
    assert!(process.stop(PATIENCE).await.is_ok_and(Stopped::is_down));
}

#[tokio::test]
async fn the_command_gets_its_directory_and_environment_and_a_wrong_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = config(folder.path(), "read line; echo \"$PEHRA_GREETING $line $PWD\"");
    config.directory = Some("/usr".into());
    let process = Process::open(config.clone()).await.expect("nobody runs");
    process.start().await.expect("it starts");
    assert_eq!(process.ended().await, Exit::Code(0));
    assert_eq!(log(folder.path()), "hello  /usr\n", "and it reads nothing");

    config.command = vec!["/nowhere/kafka".into()];
    let error = Process::open(config.clone()).await.expect("nobody runs").start().await;
    let error = error.expect_err("there is no such program").to_string();
    assert!(
        error.contains("/nowhere/kafka") && error.contains("is the program there"),
        "{error}"
    );
    config.log = "/nowhere/broker.log".into();
    let error = Process::open(config).await.expect("nobody runs").start().await;
    assert!(error.expect_err("no log").to_string().contains("/nowhere/broker.log"));
}

#[tokio::test]
async fn a_machine_without_dbus_runs_a_broker_and_its_host_stays_up_until_the_alarm() {
    let folder = tempfile::tempdir().expect("a folder");
    let power = Power {
        process: Some(config(folder.path(), POLITE)),
        // It would fail if anybody went there.
        bus: Some("unix:path=/nowhere/bus".into()),
        ..Power::default()
    };
    assert_eq!(power.check(), []);
    let local = Local::open(&power).await.expect("it needs nothing");
    local.keep_awake("a test").await.expect("nothing to do");
    assert_eq!(local.start().await, Ok(Started::Now));
    let error = local.suspend(PATIENCE).await.expect_err("its broker runs").to_string();
    assert!(error.contains("its broker runs"), "{error}");
    assert!(local.stop(PATIENCE).await.is_ok_and(Stopped::is_down));
    assert_eq!(local.is_up().await, Ok(false));
    let nap = Duration::from_millis(100);
    let awake = local.suspend(nap).await.expect("it waits");
    assert!(awake.by_alarm && awake.after >= nap, "{awake:?}");
    let woken = tokio::time::timeout(nap, local.suspend(PATIENCE)).await;
    assert!(woken.is_err(), "who hears a wake before drops the call");
    let systemd = Power {
        broker: BrokerKind::Systemd,
        ..power
    };
    let error = Local::open(&systemd).await.expect_err("there is no bus").to_string();
    assert!(error.contains("/nowhere/bus") && error.contains("need none"), "{error}");
}

/// An agent moves these between threads.
#[tokio::test]
async fn all_calls_can_be_made_from_tasks() {
    fn can_move<F: Future + Send>(future: F) -> F {
        future
    }
    let folder = tempfile::tempdir().expect("a folder");
    let process = Process::open(config(folder.path(), POLITE)).await.expect("nobody runs");
    let local = std::sync::Arc::new(Local::new(Broker::Process(process), Host::StaysUp));
    let shared = std::sync::Arc::clone(&local);
    tokio::spawn(async move { can_move(shared.start()).await })
        .await
        .expect("it ran")
        .expect("it starts");
    drop(can_move(local.suspend(PATIENCE)));
    drop(can_move(local.ended()));
    let stopped = can_move(local.stop(PATIENCE)).await;
    assert!(stopped.is_ok_and(Stopped::is_down));
}

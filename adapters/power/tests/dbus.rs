//! systemd and logind: FAKES of them, served by the test itself, as no machine of tests may stop its services or sleep. The tests
//! speak to them over a socket between two ends of one process, and once over a real `dbus-daemon` of their own; none
//! of them ever opens the system's bus.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pehra_power::{Alarm, Exit, Host, Logind, Sleep, Started, Stopped, Unit, WakeArmed, connect};
use pehra_testbed::process::{Process, wait_until};
use zbus::connection::Builder;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Guid, OwnedObjectPath, fdo, interface};

const PATIENCE: Duration = Duration::from_secs(20);

/// Connects two ends; what is served is at the first, and has to be kept.
async fn pair(server: impl FnOnce(Builder<'static>) -> Builder<'static>) -> (Connection, Connection) {
    let (theirs, ours) = UnixStream::pair().expect("a socket");
    let server = server(Builder::unix_stream(theirs).server(Guid::generate()).p2p());
    let client = Builder::unix_stream(ours).p2p();
    tokio::try_join!(server.build(), client.build()).expect("they meet")
}

// --- systemd --------------------------------------------------------------------------------------------------------

/// A FAKE unit: its state, and how its process last ended.
#[derive(Clone, Debug)]
struct UnitNow {
    active: &'static str,
    loaded: &'static str,
    exit: (i32, i32),
    /// What it becomes when it was started.
    starts_as: &'static str,
    stops_after: Duration,
}

type Shared = Arc<Mutex<UnitNow>>;

fn set(unit: &Shared, change: impl FnOnce(&mut UnitNow)) {
    change(&mut unit.lock().expect("nobody panics with it"));
}

fn get(unit: &Shared) -> UnitNow {
    unit.lock().expect("nobody panics with it").clone()
}

const KAFKA: &str = "/org/freedesktop/systemd1/unit/kafka_2eservice";

fn path(path: &str) -> OwnedObjectPath {
    path.try_into().expect("a path")
}

struct FakeSystemd(Shared);

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl FakeSystemd {
    fn load_unit(&self, name: &str) -> OwnedObjectPath {
        assert_eq!(name, "kafka.service");
        path(KAFKA)
    }

    fn start_unit(&self, name: &str, mode: &str) -> OwnedObjectPath {
        assert_eq!((name, mode), ("kafka.service", "replace"));
        let unit = Arc::clone(&self.0);
        set(&unit, |unit| unit.active = "activating");
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            set(&unit, |unit| unit.active = unit.starts_as);
        });
        path("/org/freedesktop/systemd1/job/1")
    }

    fn stop_unit(&self, name: &str, mode: &str) -> OwnedObjectPath {
        assert_eq!((name, mode), ("kafka.service", "replace"));
        let unit = Arc::clone(&self.0);
        set(&unit, |unit| unit.active = "deactivating");
        let after = get(&unit).stops_after;
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            set(&unit, |unit| (unit.active, unit.exit) = ("inactive", (1, 143)));
        });
        path("/org/freedesktop/systemd1/job/2")
    }

    fn kill_unit(&self, name: &str, whom: &str, signal: i32) {
        assert_eq!((name, whom, signal), ("kafka.service", "all", 9));
        set(&self.0, |unit| (unit.active, unit.exit) = ("failed", (2, 9)));
    }
}

struct FakeUnit(Shared);

#[interface(name = "org.freedesktop.systemd1.Unit")]
impl FakeUnit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        get(&self.0).active.into()
    }

    #[zbus(property)]
    fn load_state(&self) -> String {
        get(&self.0).loaded.into()
    }
}

struct FakeService(Shared);

#[interface(name = "org.freedesktop.systemd1.Service")]
impl FakeService {
    #[zbus(property)]
    fn exec_main_code(&self) -> i32 {
        get(&self.0).exit.0
    }

    #[zbus(property)]
    fn exec_main_status(&self) -> i32 {
        get(&self.0).exit.1
    }
}

async fn fake_systemd() -> (Shared, Connection, Connection) {
    let unit = Arc::new(Mutex::new(UnitNow {
        active: "inactive",
        loaded: "loaded",
        exit: (0, 0),
        starts_as: "active",
        stops_after: Duration::from_millis(300),
    }));
    let (server, client) = pair(|builder| {
        builder
            .serve_at("/org/freedesktop/systemd1", FakeSystemd(Arc::clone(&unit)))
            .serve_at(KAFKA, FakeUnit(Arc::clone(&unit)))
            .serve_at(KAFKA, FakeService(Arc::clone(&unit)))
    })
    .await;
    (unit, server, client)
}

#[tokio::test]
async fn a_unit_of_a_fake_systemd_is_started_stopped_and_watched() {
    let (state, _server, bus) = fake_systemd().await;
    let unit = Unit::open(&bus, "kafka.service").await.expect("it is there");
    assert_eq!(unit.is_up().await, Ok(false));
    assert_eq!(unit.stop(PATIENCE).await, Ok(Stopped::WasDown));
    assert_eq!(unit.start().await, Ok(Started::Now));
    assert_eq!(unit.start().await, Ok(Started::WasUp));
    assert_eq!(unit.is_up().await, Ok(true));
    let stopped = unit.stop(PATIENCE).await;
    assert!(
        matches!(stopped, Ok(Stopped::Clean(took)) if took >= Duration::from_millis(300)),
        "{stopped:?}"
    );

    // A start that comes while it is on its way down waits for that.
    assert_eq!(unit.start().await, Ok(Started::Now));
    let given_up = tokio::time::timeout(Duration::from_millis(50), unit.stop(PATIENCE)).await;
    assert!(given_up.is_err() && get(&state).active == "deactivating");
    assert_eq!(unit.start().await, Ok(Started::Now));

    let soon = Duration::from_millis(1500);
    assert!(tokio::time::timeout(soon, unit.ended()).await.is_err(), "it runs");
    set(&state, |unit| (unit.active, unit.exit) = ("failed", (3, 11)));
    assert_eq!(unit.ended().await, Exit::Signal(11));
    assert!(tokio::time::timeout(soon, unit.ended()).await.is_err(), "it was told");
}

#[tokio::test]
async fn a_unit_of_a_fake_systemd_that_does_not_end_is_killed_only_when_somebody_says_so() {
    let (state, _server, bus) = fake_systemd().await;
    set(&state, |unit| {
        (unit.active, unit.stops_after) = ("active", Duration::from_hours(1));
    });
    let unit = Unit::open(&bus, "kafka.service").await.expect("it is there");
    assert_eq!(unit.stop(Duration::from_millis(200)).await, Ok(Stopped::StillRunning));
    assert_eq!(get(&state).active, "deactivating");
    assert_eq!(unit.kill().await, Ok(Stopped::Killed(Exit::Signal(9))));
}

#[tokio::test]
async fn what_a_fake_systemd_cannot_start_or_does_not_know_is_told_with_what_to_do() {
    let (state, _server, bus) = fake_systemd().await;
    let unit = Unit::open(&bus, "kafka.service").await.expect("it is there");
    set(&state, |unit| unit.starts_as = "failed");
    let error = unit.start().await.expect_err("it fails").to_string();
    assert!(
        error.contains("failed") && error.contains("journalctl -u kafka.service"),
        "{error}"
    );
    set(&state, |unit| unit.loaded = "not-found");
    let error = Unit::open(&bus, "kafka.service")
        .await
        .expect_err("no such unit")
        .to_string();
    assert!(
        error.contains("not-found") && error.contains("daemon-reload"),
        "{error}"
    );
    // Somebody answers there, who is not systemd.
    let (_other, bus) = pair(|builder| builder.serve_at(LOGIND, fake_logind(false).1)).await;
    let error = Unit::open(&bus, "kafka.service")
        .await
        .expect_err("no systemd")
        .to_string();
    assert!(error.contains("is this systemd's bus"), "{error}");
}

// --- logind ---------------------------------------------------------------------------------------------------------

/// A FAKE logind, which never sleeps: it notes what it was told, whether its block was held then, and where the alarm stood.
struct FakeLogind {
    clock: PathBuf,
    blocks: Arc<Mutex<Vec<UnixStream>>>,
    told: Arc<Mutex<Vec<String>>>,
    refuses: bool,
}

impl FakeLogind {
    /// What it notes.
    fn note(&self, what: &str) {
        let alarm = std::fs::read_to_string(self.clock.join("wakealarm")).expect("a file");
        let held = match is_held(&self.blocks) {
            true => "blocked",
            false => "free",
        };
        let line = format!("{what}, {held}, alarm {}", alarm.trim());
        self.told.lock().expect("nobody panics with it").push(line);
    }

    fn sleep(&self, what: &str, emitter: SignalEmitter<'_>) -> fdo::Result<()> {
        self.note(what);
        if self.refuses {
            return Err(fdo::Error::AccessDenied("not today".into()));
        }
        let emitter = emitter.to_owned();
        tokio::spawn(async move {
            for start in [true, false] {
                tokio::time::sleep(Duration::from_millis(60)).await;
                Self::prepare_for_sleep(&emitter, start).await.expect("it is sent");
            }
        });
        Ok(())
    }
}

/// Whether the last block that was given out is still open.
fn is_held(blocks: &Mutex<Vec<UnixStream>>) -> bool {
    let blocks = blocks.lock().expect("nobody panics with it");
    blocks.last().is_some_and(|mut block| {
        block.set_nonblocking(true).expect("a socket can");
        // The end of all that could come, or nothing yet.
        block.read(&mut [0]).is_err()
    })
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl FakeLogind {
    fn suspend(&self, interactive: bool, #[zbus(signal_emitter)] to: SignalEmitter<'_>) -> fdo::Result<()> {
        assert!(!interactive);
        self.sleep("suspend", to)
    }

    fn hibernate(&self, interactive: bool, #[zbus(signal_emitter)] to: SignalEmitter<'_>) -> fdo::Result<()> {
        assert!(!interactive);
        self.sleep("hibernate", to)
    }

    fn power_off(&self, interactive: bool) {
        assert!(!interactive);
        self.note("power off");
    }

    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::OwnedFd {
        assert_eq!(
            (what, who, why, mode),
            ("sleep:shutdown", "pehra", "it is on duty", "block")
        );
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        self.blocks.lock().expect("nobody panics with it").push(ours);
        OwnedFd::from(theirs).into()
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

/// What a test sees of it.
struct Seen {
    clock: tempfile::TempDir,
    blocks: Arc<Mutex<Vec<UnixStream>>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    fn told(&self) -> Vec<String> {
        self.told.lock().expect("nobody panics with it").clone()
    }

    fn alarm(&self) -> String {
        std::fs::read_to_string(self.clock.path().join("wakealarm")).expect("a file")
    }
}

fn fake_logind(refuses: bool) -> (Seen, FakeLogind) {
    let clock = tempfile::tempdir().expect("a folder");
    std::fs::write(clock.path().join("since_epoch"), "1000\n").expect("a file");
    std::fs::write(clock.path().join("wakealarm"), "").expect("a file");
    let seen = Seen {
        clock,
        blocks: Arc::default(),
        told: Arc::default(),
    };
    let fake = FakeLogind {
        clock: seen.clock.path().to_owned(),
        blocks: Arc::clone(&seen.blocks),
        told: Arc::clone(&seen.told),
        refuses,
    };
    (seen, fake)
}

const LOGIND: &str = "/org/freedesktop/login1";

async fn host(bus: &Connection, sleep: Sleep, seen: &Seen) -> Host {
    let alarm = Alarm::Rtc(seen.clock.path().to_owned());
    Host::Logind(Logind::open(bus, sleep, alarm, None).await.expect("it is there"))
}

/// Sleeps twice, and looks at what held before, during and after.
async fn sleeps_and_wakes(bus: &Connection, seen: &Seen) {
    for (sleep, name) in [(Sleep::Suspend, "suspend"), (Sleep::Hibernate, "hibernate")] {
        let host = host(bus, sleep, seen).await;
        assert!(!is_held(&seen.blocks));
        host.keep_awake("it is on duty").await.expect("it may");
        assert!(is_held(&seen.blocks));
        let awake = host.suspend(Duration::from_secs(600)).await.expect("it slept");
        assert!(
            !awake.by_alarm && awake.after >= Duration::from_millis(120),
            "{awake:?}"
        );
        assert_eq!(seen.told().last(), Some(&format!("{name}, free, alarm 1600")));
        assert_eq!(seen.alarm(), "0\n", "who is awake needs no alarm");
        assert!(is_held(&seen.blocks), "the block came back");
        drop(host);
        wait_until("the block ends with its holder", PATIENCE, || !is_held(&seen.blocks));
    }
}

#[tokio::test]
async fn a_host_sleeps_by_a_fake_logind_with_an_alarm_set_and_its_block_let_go() {
    let (seen, fake) = fake_logind(false);
    let (_server, bus) = pair(|builder| builder.serve_at(LOGIND, fake)).await;
    sleeps_and_wakes(&bus, &seen).await;
}

#[tokio::test]
async fn a_fake_logind_that_refuses_leaves_all_as_it_was() {
    let (seen, fake) = fake_logind(true);
    let (_server, bus) = pair(|builder| builder.serve_at(LOGIND, fake)).await;
    let host = host(&bus, Sleep::Suspend, &seen).await;
    host.keep_awake("it is on duty").await.expect("it may");
    let error = host
        .suspend(Duration::from_secs(600))
        .await
        .expect_err("it refuses")
        .to_string();
    assert!(error.contains("not today") && error.contains("polkit"), "{error}");
    assert_eq!(seen.told(), ["suspend, free, alarm 1600"]);
    assert!(is_held(&seen.blocks));
    assert_eq!(seen.alarm(), "0\n");
}

#[tokio::test]
async fn a_sleep_that_nobody_waits_for_any_more_still_ends_with_the_block_held() {
    let (seen, fake) = fake_logind(false);
    let (_server, bus) = pair(|builder| builder.serve_at(LOGIND, fake)).await;
    let host = host(&bus, Sleep::Suspend, &seen).await;
    host.keep_awake("it is on duty").await.expect("it may");
    let sleeping = host.suspend(Duration::from_secs(600));
    assert!(tokio::time::timeout(Duration::from_millis(30), sleeping).await.is_err());
    // Waits for the sleep that is under way.
    host.keep_awake("it is on duty").await.expect("it may");
    assert!(is_held(&seen.blocks));
    assert_eq!((seen.told().len(), seen.alarm().as_str()), (1, "0\n"));
}

#[tokio::test]
async fn a_host_is_powered_off_by_a_fake_logind_and_that_call_does_not_return() {
    let (seen, fake) = fake_logind(false);
    let (_server, bus) = pair(|builder| builder.serve_at(LOGIND, fake)).await;
    let host = host(&bus, Sleep::PowerOff, &seen).await;
    let off = host.suspend(Duration::from_secs(60));
    assert!(tokio::time::timeout(Duration::from_millis(300), off).await.is_err());
    assert_eq!(seen.told(), ["power off, free, alarm 1060"]);
}

#[tokio::test]
async fn a_host_whose_fake_card_does_not_listen_does_not_sleep() {
    let (seen, fake) = fake_logind(false);
    let (_server, bus) = pair(|builder| builder.serve_at(LOGIND, fake)).await;
    let card = seen.clock.path().join("eth7");
    let wakeup = card.join("device/power/wakeup");
    std::fs::create_dir_all(wakeup.parent().expect("a folder")).expect("a folder");
    let alarm = Alarm::Rtc(seen.clock.path().to_owned());
    let logind = Logind::open(&bus, Sleep::Suspend, alarm, Some(WakeArmed::new(&card)));
    let host = Host::Logind(logind.await.expect("it is there"));
    for says in [None, Some("disabled\n")] {
        if let Some(says) = says {
            std::fs::write(&wakeup, says).expect("a file");
        }
        let error = host
            .suspend(Duration::from_secs(60))
            .await
            .expect_err("it would not be woken");
        assert!(error.to_string().contains("ethtool -s eth7 wol g"), "{error}");
    }
    assert_eq!(seen.told(), [""; 0]);
    std::fs::write(&wakeup, "enabled\n").expect("a file");
    host.suspend(Duration::from_secs(60)).await.expect("now it sleeps");
}

/// A bus of our own, with a name and a connection for each side, as logind's is.
#[tokio::test]
async fn a_host_sleeps_by_a_fake_logind_over_a_real_bus_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let _daemon = own_bus(folder.path());
    let address = format!("unix:path={}", folder.path().join("bus").display());
    let (seen, fake) = fake_logind(false);
    let bus = connect(Some(&address)).await.expect("it is there");
    let host = host(&bus, Sleep::Suspend, &seen).await;
    let error = host
        .suspend(Duration::from_secs(60))
        .await
        .expect_err("nobody has that name")
        .to_string();
    assert!(error.contains("busctl status org.freedesktop.login1"), "{error}");
    let server = Builder::address(address.as_str())
        .name("org.freedesktop.login1")
        .serve_at(LOGIND, fake);
    let _server = server.build().await.expect("it is served");
    sleeps_and_wakes(&bus, &seen).await;
}

/// A `dbus-daemon` that listens in this folder only, lets everybody do everything, and starts nothing.
fn own_bus(folder: &Path) -> Process {
    let (socket, config) = (folder.join("bus"), folder.join("bus.conf"));
    let text = format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy>
</busconfig>
"#,
        socket.display()
    );
    std::fs::write(&config, text).expect("a file");
    let mut command = Command::new("dbus-daemon");
    command
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--nopidfile"])
        .stdin(Stdio::null());
    let mut daemon = Process::start(&mut command, "apt-get install -y dbus-daemon");
    wait_until("dbus-daemon listens", PATIENCE, || {
        assert!(daemon.is_running(), "dbus-daemon ended while starting");
        UnixStream::connect(&socket).is_ok()
    });
    daemon
}

//! The table `[power]`: what it means, and what is said of what is wrong in it.

use std::path::Path;
use std::time::Duration;

use pehra_power::config::{BrokerKind, HostKind};
use pehra_power::ladder::{Depth, Times};
use pehra_power::{Means, Power, Sleep};

fn read(text: &str) -> Result<Power, String> {
    Power::from_toml(Path::new("/etc/pehra/agent.toml"), text).map_err(|error| error.to_string())
}

const LEAST: &str = "[power.process]\ncommand = [\"kafka\"]\n";

/// The example at the head of the module, so that it stays true.
fn example() -> String {
    let source = include_str!("../src/config.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    let block = lines
        .skip_while(|line| *line != "```toml")
        .skip(1)
        .take_while(|line| *line != "```");
    block.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_least_that_works_is_a_command_and_the_rest_is_as_the_design_says() {
    let power = read(LEAST).expect("it is enough");
    assert_eq!(
        (power.broker, power.host, power.sleep),
        (BrokerKind::Process, HostKind::StaysUp, Sleep::Suspend)
    );
    assert_eq!(power.drain(), Duration::from_secs(60));
    assert_eq!(power.stagger(), Duration::from_secs(1));
    assert_eq!(power.times(), Times::of(Depth::Memory));
    assert_eq!(power.proof_age_max(), Duration::from_hours(7 * 24));
    let process = power.process.expect("it is there");
    assert_eq!(
        process.pid_file,
        Path::new("/etc/pehra/broker.pid"),
        "as seen from the file"
    );
    let deep = read(&format!("[power]\nsleep = \"power-off\"\n{LEAST}")).expect("it is right");
    assert_eq!(deep.times(), Times::of(Depth::Off));
}

#[test]
fn the_example_is_right_and_other_tables_are_not_ours() {
    let text = example();
    assert!(text.lines().count() > 20, "the example was not found");
    let power = read(&format!("[agent]\nanything = 1\n\n{text}")).expect("the example is right");
    assert_eq!(power.node.len(), 1);
    assert_eq!(power.rtc, Path::new("/sys/class/rtc/rtc0"), "a whole path stays");
    // Its files are not there, and that is said with the node's name.
    let error = Means::of(&power.node[0]).expect_err("no password").to_string();
    assert!(
        error.contains("/etc/pehra/bmc.password") && error.contains("node 2"),
        "{error}"
    );
    let written = toml::to_string(&power).expect("it can be written");
    assert!(toml::from_str::<Power>(&written).is_ok_and(|again| again == power));
}

#[test]
fn what_is_wrong_is_told_with_its_line_key_and_rule() {
    let node = |rest: &str| format!("{LEAST}[[power.node]]\nid = 1\n{rest}\n");
    let bmc = |rest: &str| {
        node(&format!(
            "bmc-user = \"u\"\nbmc-password-file = \"p\"\nbmc-ca = \"c\"\n{rest}"
        ))
    };
    let power = |rest: &str| format!("[power]\n{rest}\n{LEAST}");
    for (text, expected) in [
        (
            "[power]\nbroker = \"process\"\n".into(),
            ":1: power.process: the broker is a process, and nothing says how",
        ),
        (
            "[power]\nbroker = \"systemd\"\n".into(),
            ":1: power.systemd: the broker is a unit",
        ),
        (
            "\n[power.process]\ncommand = []\n".into(),
            ":3: power.process.command: there is no program",
        ),
        (power("broker = \"init\""), ":2: unknown variant `init`"),
        (power("colour = 1"), ":2: unknown field `colour`"),
        (power("drain-ms = \"long\""), ":2: invalid type"),
        (
            power("drain-ms = 0"),
            ":2: power.drain-ms: 0 is out of range; write a whole number of milliseconds",
        ),
        (power("proof-days = 0"), ":2: power.proof-days: 0 is out of range"),
        (
            power("alarm-only = true"),
            ":2: power.alarm-only: the host stays up, so its agent hears every wake",
        ),
        (
            power("alarm = \"timer\"\nsleep = \"hibernate\""),
            ":2: power.alarm: a timer of the kernel does not wake from \"hibernate\"",
        ),
        (
            power("host = \"rtcwake\"\nrtcwake = []"),
            ":3: power.rtcwake: there is no program",
        ),
        (
            power("wake-interface = \"../eth0\""),
            ":2: power.wake-interface: this is no network card",
        ),
        (
            power("wake = { page-after-ms = 5000 }"),
            "power.wake.page-after-ms: a person would be called after 5000 ms, before",
        ),
        (
            format!("{LEAST}[power.systemd]\nunit = \"kafka\"\n"),
            ":4: power.systemd.unit: \"kafka\" is no unit",
        ),
        (node(""), ":4: power.node[0].id: nothing says how node 1 is woken"),
        (
            node("mac = \"52:54:00\""),
            ":5: power.node[0].mac: \"52:54:00\" is none: six pairs",
        ),
        (
            node("mac = \"ff:ff:ff:ff:ff:ff\""),
            ":5: power.node[0].mac: no network card has the address",
        ),
        (
            node("mac = \"52:54:00:12:34:56\"\nsecure-on = \"secret\""),
            ":6: power.node[0].secure-on: \"secret\" is none",
        ),
        (
            node("mac = \"52:54:00:12:34:56\"\nbroadcast = \"10.0.0.255\""),
            ":6: power.node[0].broadcast: ",
        ),
        (bmc("bmc = \"10.0.0.2\""), ":8: power.node[0].bmc: \"10.0.0.2\" is none"),
        (
            bmc("bmc = \"http://10.0.0.2\""),
            ":8: power.node[0].bmc: http:// would send the password in clear",
        ),
        (
            bmc("bmc = \"https://10.0.0.2\"\nbmc-system = \"../Chassis\""),
            ":9: power.node[0].bmc-system: ",
        ),
        (
            node("bmc = \"https://10.0.0.2\""),
            "power.node[0].bmc-ca: nothing says which certificate",
        ),
        (
            node("mac = \"52:54:00:12:34:56\"\n[[power.node]]\nid = 1\nmac = \"52:54:00:12:34:57\""),
            ":7: power.node[1].id: two nodes have the id 1",
        ),
        ("[power\n".into(), "/etc/pehra/agent.toml:1: "),
    ] {
        let error = read(&text).expect_err(&text);
        assert!(
            error.contains(expected),
            "expected {expected:?} for\n{text}\nand it says\n{error}"
        );
        assert!(
            error.starts_with("/etc/pehra/agent.toml:") && error.contains("; "),
            "{error}"
        );
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = read(&format!("[power]\ndrain-ms = 0\nproof-days = 0\n{LEAST}")).expect_err("two");
    assert_eq!(error.lines().count(), 2, "{error}");
}

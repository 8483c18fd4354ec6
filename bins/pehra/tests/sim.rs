//! The interactive simulation: three deployed members behind a number a line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use pehra_models::simulator::Random;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const NAMES: [&str; 3] = ["x", "y", "z"];
/// Without traffic for so long, a node may be let sleep.
const IDLE_MS: u64 = 4000;
/// How long a wake may take: up to 3.5 s of machine and broker, if it was just on its way down, and a lost leader before it.
const WAKE_MS: u64 = 8000;

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pehra"))
        .arg("sim")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pehra starts")
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text(&output.stdout).lines().map(parse).collect()
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn a_script_gives_what_it_gave_before() {
    let input = std::fs::read(golden("sim.in")).expect("the script");
    let output = run(&["--fast"], &input);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout) + "-- said of the input:\n" + &text(&output.stderr);
    let path = golden("sim.txt");
    if std::env::var_os("UPDATE_GOLDENFILES").is_some_and(|value| value == "1") {
        std::fs::write(&path, &said).expect("the golden file");
    }
    let kept = std::fs::read_to_string(&path).expect("the golden file");
    assert!(
        kept == said,
        "it says otherwise now; if that is meant, run with UPDATE_GOLDENFILES=1 and read the difference:\n{said}"
    );
}

/// What the events themselves say of each node, put together from its changes alone.
struct Told([String; 3]);

impl Told {
    fn at(&mut self, node: &Value) -> &mut String {
        let place = NAMES.iter().position(|name| node == name).expect("a node");
        &mut self.0[place]
    }
}

#[test]
fn tasks_go_to_awake_nodes_only_and_nobody_is_let_sleep_too_early() {
    let (mut tasks, mut with_sleepers, mut slept) = (0, 0, 0);
    for seed in 0..60 {
        let mut chance = Random::new(seed, 500);
        let mut input = String::new();
        let mut traffic = 0;
        for _ in 0..chance.between(5, 40) {
            let busy = chance.chance(300);
            traffic += u64::from(busy);
            input += if busy { "1\n" } else { "0\n" };
        }
        let step = chance.between(1, 6).to_string();
        let output = run(
            &["--fast", "--json", "--seed", &seed.to_string(), "--step", &step],
            input.as_bytes(),
        );
        let events = events(&output);
        let mut told = Told(["active", "active", "active"].map(str::to_owned));
        let (mut last_traffic, mut given) = (None, 0);
        for event in &events {
            let at = event["at_ms"].as_u64().expect("a time");
            let why = || format!("seed {seed}, --step {step}, input {input:?}, at {at} ms: {event}");
            match event["event"].as_str().expect("a name") {
                "changed" => {
                    let (before, now) = (&event["before"], event["now"].as_str().expect("a word"));
                    let known = told.at(&event["node"]);
                    assert_eq!(before, known.as_str(), "{}", why());
                    now.clone_into(known);
                    slept += u64::from(now == "sleeping");
                    let lets_go = before == "active" && now == "draining";
                    assert!(
                        !lets_go || last_traffic.is_none_or(|traffic| at < traffic + 100 || at >= traffic + IDLE_MS),
                        "let go to sleep within the idle time: {}",
                        why()
                    );
                }
                "traffic" => {
                    with_sleepers += u64::from(told.0.iter().any(|it| it == "sleeping"));
                    last_traffic = Some(at);
                }
                "task" => {
                    given += 1;
                    assert_eq!(told.at(&event["node"]), "active", "{}", why());
                }
                "pehredar" => assert_eq!(told.at(&event["node"]), "active", "{}", why()),
                _ => {}
            }
        }
        assert_eq!(given, traffic, "seed {seed}: a task is lost");
        tasks += given;
    }
    assert!(
        tasks > 200 && with_sleepers > 50 && slept > 100,
        "too little happened to say anything: {tasks} tasks, {with_sleepers} while one slept, {slept} fell asleep"
    );
}

/// Each sleeper wakes after traffic, and is seen to.
#[test]
fn a_sleeper_is_awake_soon_after_traffic() {
    for seed in 0..20 {
        let output = run(&["--fast", "--json", "--seed", &seed.to_string()], b"0\n0\n1\n0\n");
        let events = events(&output);
        let at = |event: &Value| event["at_ms"].as_u64().expect("a time");
        let traffic = events
            .iter()
            .find(|event| event["event"] == "traffic")
            .expect("traffic");
        let sleeper = NAMES.iter().find(|name| traffic["nodes"][**name] == "sleeping");
        let sleeper = sleeper.unwrap_or_else(|| panic!("seed {seed}: nobody sleeps after 8 s: {traffic}"));
        let up = events
            .iter()
            .find(|event| at(event) >= at(traffic) && event["node"] == *sleeper && event["now"] == "active");
        let up = up.unwrap_or_else(|| panic!("seed {seed}: {sleeper} does not wake"));
        assert!(
            at(up) - at(traffic) <= WAKE_MS,
            "seed {seed}: {sleeper} wakes late: {up}"
        );
    }
}

#[test]
fn the_same_seed_and_input_give_the_same() {
    let once = run(&["--fast", "--json", "--seed", "7"], b"0\n1\n0\n0\n2\n");
    let again = run(&["--fast", "--json", "--seed", "7"], b"0\n1\n0\n0\n2\n");
    let other = run(&["--fast", "--json", "--seed", "8"], b"0\n1\n0\n0\n2\n");
    assert_eq!(once.stdout, again.stdout);
    assert_ne!(once.stdout, other.stdout);
}

#[test]
fn a_bad_line_is_named_and_passed_over() {
    let output = run(&["--fast"], b"0\nmany\n1\n-3\n\xff\n1.5\n\n1");
    assert!(output.status.success());
    let (said, problems) = (text(&output.stdout), text(&output.stderr));
    for (line, what) in [(2, "\"many\""), (4, "\"-3\""), (6, "\"1.5\""), (7, "\"\"")] {
        assert!(
            problems.contains(&format!("line {line}: {what} is no whole number")),
            "{problems}"
        );
    }
    assert!(problems.contains("line 5: "), "{problems}");
    assert_eq!(problems.lines().count(), 5, "{problems}");
    // The last line has no end, and counts.
    assert!(
        said.contains("task 2 goes to") && said.contains("end: 2 tasks"),
        "{said}"
    );
}

#[test]
fn it_ends_with_the_input_even_if_there_is_none() {
    for arguments in [&["--fast"][..], &[]] {
        let output = run(arguments, b"");
        assert!(output.status.success());
        let said = text(&output.stdout);
        assert!(
            said.lines().last().is_some_and(|line| line.contains("end: 0 tasks")),
            "{said}"
        );
    }
}

#[test]
fn in_real_time_it_answers_at_once_and_ends_with_an_interrupt() {
    let begun = Instant::now();
    let mut child = start(&["--json"]);
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = |name: &str| -> Value {
        for line in lines.by_ref() {
            let event: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
            if event["event"] == name {
                return event;
            }
        }
        panic!("it ended without {name}");
    };
    next("start");
    writeln!(stdin, "5").expect("it reads");
    assert_eq!(next("traffic")["amount"], 5);
    next("task");
    // The clock of the nodes is the clock on the wall: this comes after eight seconds of it.
    let check = next("self-check");
    assert!(begun.elapsed() >= Duration::from_millis(7900), "{check} came too early");
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    kill_process(pid, Signal::INT).expect("it runs");
    assert_eq!(next("end")["tasks"], 1);
    assert!(child.wait().expect("it ends").success(), "an interrupt is no failure");
}

#[test]
fn the_help_has_examples() {
    let output = run(&["--help"], b"");
    let help = text(&output.stdout);
    assert!(
        output.status.success() && help.contains("pehra sim --fast") && help.contains("printf"),
        "{help}"
    );
}

#[test]
fn the_flow_chart_is_printed_and_a_box_lit() {
    let pehra = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_pehra"))
            .arg("flowchart")
            .args(arguments)
            .output()
            .expect("pehra starts")
    };
    let plain = text(&pehra(&[]).stdout);
    assert!(
        plain.starts_with("<svg") && plain.trim_end().ends_with("</svg>"),
        "{plain}"
    );
    assert!(!plain.contains("class=\"state lit\""));
    let lit = text(&pehra(&["--lit", "sleeping"]).stdout);
    assert!(lit.contains("<g id=\"state-sleeping\" class=\"state lit\">"), "{lit}");
    let wrong = pehra(&["--lit", "dozing"]);
    assert!(!wrong.status.success() && text(&wrong.stderr).contains("draining-looking"));
    let rows = text(&pehra(&["--json"]).stdout);
    let first: Value = serde_json::from_str(rows.lines().next().expect("a row")).expect("JSON");
    assert_eq!(
        (&first["from"][0], &first["to"]),
        (&"state-active".into(), &"state-draining-looking".into())
    );
}

//! The checked models in a real browser: the page loads, a click takes a step, and the picture shows it.

mod common;

use std::process::{Command, Stdio};

use pehra_testbed::browser::Browser;
use pehra_testbed::process::{Process, free_port};
use serde_json::json;

/// The explorer of one model, and a browser that looks at its first state.
struct Explorer {
    browser: Browser,
    _server: Process,
    _folder: tempfile::TempDir,
}

impl Explorer {
    fn open(model: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let server = Process::start(
            Command::new(env!("CARGO_BIN_EXE_pehra"))
                .args(["explore", model, "--address", &address])
                .stdout(Stdio::null()),
            "cargo build",
        );
        let folder = tempfile::tempdir().expect("a folder");
        let mut browser = Browser::start(folder.path(), 1500, 1300);
        common::pause_until_listening(&address);
        browser.open(&format!("http://{address}/#/steps/0"));
        Self {
            browser,
            _server: server,
            _folder: folder,
        }
    }

    /// Clicks the link with this text, once it is offered, and waits until the picture has a step more.
    fn step(&mut self, action: &str) {
        let before = self.steps();
        let link = format!(
            "[...document.querySelectorAll('ul a')].find(a => a.textContent.trim() === {})",
            json!(action)
        );
        self.browser.wait_for(action, &format!("!!{link}"));
        self.browser.ask(&format!("{link}.click()"));
        let drawn = format!("document.querySelectorAll('svg .label').length === {}", before + 1);
        self.browser.wait_for(&format!("{action} is in the picture"), &drawn);
        let path = self.browser.ask("document.querySelector('ol.path-list').innerText");
        let last = path.as_str().and_then(|path| path.lines().last()).map(str::trim);
        assert_eq!(last, Some(action), "the path of actions ends otherwise");
    }

    /// Steps in the picture.
    fn steps(&mut self) -> u64 {
        self.browser.wait_for("the picture", "!!document.querySelector('svg')");
        let count = self.browser.ask("document.querySelectorAll('svg .label').length");
        count.as_u64().expect("a number")
    }

    /// The words in the picture that can be seen: those of a size, on the window.
    fn words(&mut self) -> String {
        let words = self.browser.ask(
            "[...document.querySelectorAll('svg text')].filter(text => text.getBoundingClientRect().width > 0)\
             .map(text => text.textContent).join('\\n')",
        );
        words.as_str().expect("text").to_owned()
    }
}

#[test]
fn an_election_can_be_clicked_through_in_a_browser() {
    let mut explorer = Explorer::open("election");
    assert_eq!(explorer.steps(), 0);
    let first = explorer.browser.picture();
    for action in [
        "n0's election timer goes off",
        "n1's election timer goes off",
        "n0's election timer goes off",
        "n1 hears PreVote(term 1) from n0",
        "n0 hears PreVoted(term 1) from n1",
        "n0's write is durable",
        "n1 hears Vote(term 1) from n0",
        "n1's write is durable",
        "n0 hears Voted(term 1) from n1",
    ] {
        explorer.step(action);
    }
    let words = explorer.words();
    for expected in ["n0", "n1", "n2", "election timer", "PreVote(term 1)", "term 1: leads"] {
        assert!(
            words.lines().any(|line| line == expected),
            "{expected:?} is not in {words}"
        );
    }
    let state = explorer.browser.ask("document.body.innerText");
    let state = state.as_str().expect("text");
    assert!(
        state.contains("n0 in term 1: leads"),
        "the state is not in words: {state}"
    );
    assert!(!state.contains("NodeId("), "the state is dumped as code: {state}");
    let last = explorer.browser.picture();
    assert!(last.len() > 10_000 && last != first, "the steps cannot be seen");
}

#[test]
fn a_delivery_can_be_clicked_through_in_a_browser() {
    let mut explorer = Explorer::open("delivery");
    for action in ["the source hands the edge a row", "the edge's oldest commit is durable"] {
        explorer.step(action);
    }
    let words = explorer.words();
    for expected in ["edge's disk", "cloud", "the source hands the edge a row", "durable"] {
        assert!(
            words.lines().any(|line| line == expected),
            "{expected:?} is not in {words}"
        );
    }
}

#[test]
fn a_log_can_be_clicked_through_in_a_browser() {
    let mut explorer = Explorer::open("replication");
    for action in [
        "n0: the election timer goes off",
        "n1 hears: n0 to all: would you vote for me in t1? my log ends with 0/t0",
        "n0 hears: n1 to n0: I would in t1",
    ] {
        explorer.step(action);
    }
    let words = explorer.words();
    for expected in ["n2", "I would in t1", "term 1: stands; log to 0/t0, decided 0"] {
        assert!(
            words.lines().any(|line| line == expected),
            "{expected:?} is not in {words}"
        );
    }
}

#[test]
fn a_broker_that_falls_asleep_can_be_clicked_through_in_a_browser() {
    let mut explorer = Explorer::open("sleep");
    for action in ["n1: the timer Tell goes off", "n2: the timer Tell goes off"] {
        explorer.step(action);
    }
    let words = explorer.words();
    for expected in ["n2", "time to tell", "Pehredar of term 1: active, on duty"] {
        assert!(
            words.lines().any(|line| line == expected),
            "{expected:?} is not in {words}"
        );
    }
    let state = explorer.browser.ask("document.body.innerText");
    let state = state.as_str().expect("text");
    assert!(
        state.contains("n0 Pehredar of term 1: active, on duty"),
        "the state is not in words: {state}"
    );
    assert!(!state.contains("NodeId("), "the state is dumped as code: {state}");
}

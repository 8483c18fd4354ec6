//! Headless Chromium, driven through its debugging pipe: opens a page, clicks, asks, takes pictures.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::Process;

/// How long a browser may take for anything; it starts slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(25);

/// A browser with one page. It ends with its owner.
#[derive(Debug)]
pub struct Browser {
    _process: Process,
    orders: ChildStdin,
    answers: Receiver<Value>,
    /// Which page orders are for.
    session: Option<String>,
    asked: u64,
}

impl Browser {
    /// Starts a browser that keeps its files in `profile`, with a window of this size.
    pub fn start(profile: &Path, width: u32, height: u32) -> Self {
        // The pipe is at the descriptors 3 and 4; the shell moves it there.
        let script = "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut process = Process::start(
            Command::new("sh")
                .args(["-c", script, "sh", "--headless", "--remote-debugging-pipe"])
                .args(["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
                .args(["--disable-background-networking", "--disable-component-update"])
                .arg("--disable-sync")
                .arg(format!("--window-size={width},{height}"))
                .arg(format!("--user-data-dir={}", profile.display()))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
            "apt-get install -y dash",
        );
        let orders = process.child().stdin.take().expect("a pipe");
        let answers = messages(process.child().stdout.take().expect("a pipe"));
        let mut browser = Self {
            _process: process,
            orders,
            answers,
            session: None,
            asked: 0,
        };
        let target = browser.order("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.order(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Goes to a page.
    pub fn open(&mut self, url: &str) {
        let answer = self.order("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
    }

    /// What an expression of `JavaScript` comes to on the page.
    pub fn ask(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let answer = self.order("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page; if it never is, says what the page shows instead.
    pub fn wait_for(&mut self, what: &str, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.ask(expression) != json!(true) {
            if Instant::now() > until {
                let shown = self.ask("document.body ? document.body.innerText : 'nothing'");
                panic!("waited {PATIENCE:?} in vain: {what}; the page shows: {shown}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A picture of what is shown: PNG, in base64.
    pub fn picture(&mut self) -> String {
        let answer = self.order("Page.captureScreenshot", json!({ "format": "png" }));
        answer["data"].as_str().expect("a picture").to_owned()
    }

    fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut order = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let gone = "the browser is gone; if it is not installed: apt-get install -y chromium";
        write!(self.orders, "{order}\0").expect(gone);
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = self
                .answers
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("{method}: {error}; {gone}"));
            if answer["id"] == json!(self.asked) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

/// The browser's messages, each ended by a zero byte.
fn messages(pipe: impl std::io::Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while pipe.read_until(0, &mut bytes).is_ok_and(|read| read > 0) {
            bytes.pop();
            let Ok(message) = serde_json::from_slice(&bytes) else {
                break;
            };
            if sender.send(message).is_err() {
                break;
            }
            bytes.clear();
        }
    });
    receiver
}

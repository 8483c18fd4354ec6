//! Runs the demo and holds its account to the promise: nothing lost, nothing twice.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod cloud;

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pehra_testbed::process::wait_until;
use serde_json::Value;

/// A demo under way.
#[derive(Debug)]
pub struct Demo {
    child: Child,
    arguments: Vec<String>,
}

/// The account that a demo gave.
#[derive(Debug)]
pub struct Account(pub Value);

impl Demo {
    /// Starts `pehra demo --json` with these arguments. The page gets a port of its own.
    pub fn start(arguments: &[&str]) -> Self {
        let port = pehra_testbed::process::free_port().to_string();
        let mut all = vec!["demo", "--json", "--page-port", &port];
        all.extend(arguments);
        let child = Command::new(env!("CARGO_BIN_EXE_pehra"))
            .args(&all)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        Self {
            child,
            arguments: all.iter().map(|argument| (*argument).to_owned()).collect(),
        }
    }

    /// Waits for its end and takes its account; it must have ended well.
    pub fn account(self) -> Account {
        let output = self.child.wait_with_output().expect("the demo's output");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let line = out.lines().last().unwrap_or_default();
        println!("pehra {}\n{line}", self.arguments.join(" "));
        assert!(
            output.status.success(),
            "{:?}: {}\n{out}{err}",
            self.arguments,
            output.status
        );
        Account(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }
}

impl Account {
    /// A number of the account.
    pub fn number(&self, field: &str) -> u64 {
        let value = self.0.get(field).unwrap_or_else(|| panic!("no {field} in {}", self.0));
        value.as_u64().unwrap_or_else(|| panic!("{field} is {value}"))
    }

    /// Nothing lost, nothing twice, and as much energy at the cloud as was generated.
    pub fn require_exact(&self) {
        assert_eq!((self.number("lost"), self.number("duplicated")), (0, 0), "{}", self.0);
        assert_eq!(self.number("windows"), self.number("acked"), "{}", self.0);
        assert_eq!(self.0["kwh_generated"], self.0["kwh_cloud"], "{}", self.0);
        assert!(self.number("readings") > 0 && self.number("acked") > 0, "{}", self.0);
    }
}

/// Sleeps for so many milliseconds.
pub fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Waits until somebody accepts connections there.
pub fn pause_until_listening(address: &str) {
    wait_until(address, Duration::from_secs(20), || TcpStream::connect(address).is_ok());
}

//! A real `redis-server` in a temporary folder.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Process, free_port, wait_until};

/// What installs it.
const INSTALL: &str = "apt-get install -y redis-server";

/// How it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    /// Whether there is a log of all writes.
    pub appendonly: bool,
    /// When the log is synced: `always`, `everysec` or `no`.
    pub appendfsync: &'static str,
    /// Bytes of memory at which writes are refused; 0 is no limit.
    pub maxmemory: u64,
}

impl Default for RedisOptions {
    /// Durable: each write is synced before it is answered.
    fn default() -> Self {
        Self {
            appendonly: true,
            appendfsync: "always",
            maxmemory: 0,
        }
    }
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    options: RedisOptions,
    port: u16,
    process: Option<Process>,
}

impl Redis {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If `redis-server` is missing, with the line that installs it.
    #[must_use]
    pub fn start(options: RedisOptions) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pehra-redis-")
            .tempdir()
            .expect("a temporary folder");
        let mut redis = Self {
            folder,
            options,
            port: free_port(),
            process: None,
        };
        redis.restart();
        redis
    }

    /// Where it listens, for the client: the same after every restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(Duration::from_secs(10));
        }
    }

    /// Starts it again with the data that it kept, and waits until it has loaded them.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart(&mut self) {
        self.stop();
        let path = self.folder.path().join("redis.log");
        let log = File::create(&path).expect("making redis.log");
        let mut command = Command::new("redis-server");
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--save",
                "",
                "--dir",
            ])
            .arg(self.folder.path())
            .args(["--appendonly", if self.options.appendonly { "yes" } else { "no" }])
            .args(["--appendfsync", self.options.appendfsync])
            .args(["--maxmemory", &self.options.maxmemory.to_string()])
            .args(["--maxmemory-policy", "noeviction"])
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a second handle on redis.log"))
            .stdout(log);
        let mut process = Process::start(&mut command, INSTALL);
        wait_until("redis-server answers", Duration::from_secs(20), || {
            assert!(
                process.is_running(),
                "redis-server ended while starting:\n{}",
                fs::read_to_string(&path).unwrap_or_default()
            );
            self.answers_as(process.pid())
        });
        self.process = Some(process);
    }

    /// Starts it again without any data.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn restart_empty(&mut self) {
        self.kill9();
        let _ = fs::remove_dir_all(self.folder.path().join("appendonlydir"));
        let _ = fs::remove_file(self.folder.path().join("dump.rdb"));
        self.restart();
    }

    /// Makes it stand still: connections stay open, nothing is answered.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::STOP);
        }
    }

    /// Lets it go on.
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.signal(Signal::CONT);
        }
    }

    /// Whether the server with this process number answers on our port: another one may have taken it.
    fn answers_as(&self, pid: u32) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\nINFO server\r\nQUIT\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            // While it loads it says so instead.
            Ok(answer.starts_with("+PONG\r\n") && answer.contains(&format!("process_id:{pid}\r\n")))
        };
        ask().unwrap_or(false)
    }
}

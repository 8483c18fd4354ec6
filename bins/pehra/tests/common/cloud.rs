//! A cloud that shows a cluster on its page.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pehra_testbed::process::{Process, free_port};
use serde_json::Value;

/// `pehra-cloud --cluster`, with its store in SQLite.
#[derive(Debug)]
pub struct Cloud {
    _process: Process,
    page: u16,
}

impl Cloud {
    /// Starts it; it keeps its files in `folder`, where the cluster's file is.
    pub fn start(folder: &Path) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_pehra")).with_file_name("pehra-cloud");
        let [heartbeat, data, page] = [0; 3].map(|_| free_port());
        let mut command = Command::new(program);
        command
            .args(["--heartbeat-port", &heartbeat.to_string()])
            .args(["--data-port", &data.to_string()])
            .args(["--page", &format!("127.0.0.1:{page}"), "--log-text"])
            .arg("--sqlite")
            .arg(folder.join("cloud.db"))
            .arg("--state-dir")
            .arg(folder.join("cloud-state"))
            .arg("--cluster")
            .arg(folder.join("cluster.toml"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(File::create(folder.join("cloud.log")).expect("a log"));
        Self {
            _process: Process::start(&mut command, "cargo build -p pehra-cloud"),
            page,
        }
    }

    /// Where its page is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.page)
    }

    /// What the page is told of the cluster; nothing until it answers and shows nodes.
    pub fn panel(&self) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).ok()?;
        let request = "GET /api/cluster HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let panel: Value = serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()?;
        (!panel["nodes"].as_array()?.is_empty()).then_some(panel)
    }

    /// What it is told of one node.
    pub fn node(&self, id: u16) -> Option<Value> {
        let panel = self.panel()?;
        let nodes = panel["nodes"].as_array()?;
        nodes.iter().find(|node| node["id"] == id).cloned()
    }
}

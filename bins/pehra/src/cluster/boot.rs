//! `pehra boot`: starts all local nodes, watches them, shows them, stops them.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use pehra_asking::{Asking, View};
use pehra_cluster::Cluster;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::children::{NodeProcess, is_local, stop_all};
use super::table::render;

/// How often the nodes are asked.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Start all local nodes of a cluster, watch them in a table, stop them on Ctrl-C
///
/// A node that dies stays down unless --restart is given; start it by hand in another terminal and it joins the table. A
/// node that runs already is watched and left alone. Each node's log is node<ID>.log in the cluster's data folder.
///
/// Examples:
///   pehra boot examples/cluster.toml
///   pehra boot config.txt --restart
///   pehra boot examples/cluster.toml --json        one line for each change, as when the output is no terminal
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The cluster's file: cluster.toml, or a config.txt with `N: 5` and `node0: localhost:60001`
    #[arg(env = "PEHRA_CLUSTER", default_value = "cluster.toml")]
    config: PathBuf,
    /// Start a node that died again
    #[arg(long)]
    restart: bool,
    /// One JSON object for each change instead of a table
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let cluster = Cluster::read(&args.config).map_err(|error| error.to_string())?;
    for warning in &cluster.warnings {
        eprintln!("pehra: warning: {}", warning.in_file(&cluster.path));
    }
    let program = beside("pehra-broker")?;
    let local = cluster.members.iter().filter(|member| is_local(&member.address));
    let nodes: Vec<NodeProcess> = local
        .map(|member| NodeProcess::new(member.id, &program, &cluster))
        .collect();
    if nodes.is_empty() {
        return Err(format!(
            "{}: none of its nodes has an address of this machine",
            cluster.path.display()
        ));
    }
    super::in_runtime(async {
        let screen = Screen::new(args.json || !std::io::stdout().is_terminal());
        let mut boot = Boot {
            cluster: &cluster,
            restart: args.restart,
            nodes,
            screen,
            seen: BTreeMap::new(),
        };
        let outcome = boot.watch().await;
        boot.screen.say(&json!({ "event": "stopping" }), "stopping");
        let killed = stop_all(&mut boot.nodes);
        for id in &killed {
            let news = json!({ "event": "killed", "node": id });
            boot.screen
                .say(&news, &format!("node {id} did not stop in time and was killed"));
        }
        boot.screen.say(&json!({ "event": "stopped" }), "stopped");
        outcome.map(|()| {
            if killed.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(1)
            }
        })
    })
}

struct Boot<'c> {
    cluster: &'c Cluster,
    restart: bool,
    nodes: Vec<NodeProcess>,
    screen: Screen,
    /// What was last told of each node.
    seen: BTreeMap<u16, Value>,
}

impl Boot<'_> {
    /// Until it is asked to stop.
    async fn watch(&mut self) -> Result<(), String> {
        let fail = |error: std::io::Error| format!("cannot listen for signals: {error}");
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        // A terminal that is closed must not leave the nodes behind.
        let mut hang_up = signal(SignalKind::hangup()).map_err(fail)?;
        let asking = Asking::new(self.cluster)?;
        let views = asking.views().await;
        self.start_those_that_are_down(&views)?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
                _ = look.tick() => {}
            }
            let views = tokio::select! {
                views = asking.views() => views,
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => return Ok(()),
            };
            self.tell_changes(&views);
            self.see_to_the_dead(&views);
            self.screen.show(&render(self.cluster, &views));
        }
    }

    fn start_those_that_are_down(&mut self, views: &[View]) -> Result<(), String> {
        for node in &mut self.nodes {
            let runs = views
                .iter()
                .find(|view| view.member.id == node.id)
                .and_then(|view| view.status.as_ref().ok());
            if let Some(status) = runs {
                let news = json!({ "event": "runs-already", "node": node.id, "pid": status.pid });
                let text = format!(
                    "node {} runs already (pid {}): it is watched and left alone",
                    node.id, status.pid
                );
                self.screen.say(&news, &text);
                continue;
            }
            let pid = node.start()?;
            let news = json!({ "event": "started", "node": node.id, "pid": pid });
            self.screen.say(&news, &format!("node {} started, pid {pid}", node.id));
        }
        Ok(())
    }

    fn see_to_the_dead(&mut self, views: &[View]) {
        for node in &mut self.nodes {
            if let Some((pid, status)) = node.ended() {
                let advice = if self.restart {
                    "it will be started again".to_owned()
                } else {
                    format!("start it again by hand: {}", node.by_hand())
                };
                // Whoever was killed could not say why.
                let why = status.code().and_then(|_| node.last_words());
                let how = why.map_or_else(|| status.to_string(), |why| format!("{status}, {why}"));
                let news = json!({ "event": "died", "node": node.id, "pid": pid, "how": how });
                self.screen
                    .say(&news, &format!("node {} (pid {pid}) ended: {how}; {advice}", node.id));
            }
            let answers = views
                .iter()
                .any(|view| view.member.id == node.id && view.status.is_ok());
            // One that was started by hand meanwhile has taken its place.
            if self.restart && node.is_due() && !answers {
                match node.start() {
                    Ok(pid) => {
                        let news = json!({ "event": "started", "node": node.id, "pid": pid });
                        self.screen
                            .say(&news, &format!("node {} started again, pid {pid}", node.id));
                    }
                    Err(problem) => self
                        .screen
                        .say(&json!({ "event": "problem", "what": problem }), &problem),
                }
            }
        }
    }

    /// For programs: each change of what a node is.
    fn tell_changes(&mut self, views: &[View]) {
        if !self.screen.lines {
            return;
        }
        for view in views {
            let id = view.member.id;
            let now = match &view.status {
                Ok(status) => {
                    let ours = self
                        .nodes
                        .iter()
                        .any(|node| node.id == id && node.pid() == Some(status.pid));
                    json!({
                        "event": "node", "node": id, "up": true, "role": status.role.name(), "term": status.term,
                        "leader": status.leader, "pid": status.pid, "by_hand": !ours, "draining": status.draining,
                        "trouble": status.trouble,
                    })
                }
                Err(_) => json!({ "event": "node", "node": id, "up": false }),
            };
            if self.seen.get(&id) != Some(&now) {
                self.screen.say(&now, "");
                self.seen.insert(id, now);
            }
        }
    }
}

/// A table that is drawn over itself, with news above it; or lines.
struct Screen {
    lines: bool,
    drawn: usize,
}

impl Screen {
    const fn new(lines: bool) -> Self {
        Self { lines, drawn: 0 }
    }

    fn say(&mut self, json: &Value, text: &str) {
        if self.lines {
            let mut out = std::io::stdout().lock();
            // A reader that has gone must not keep the nodes from being stopped.
            let _ = writeln!(out, "{json}").and_then(|()| out.flush());
        } else {
            self.wipe();
            println!("{text}");
        }
    }

    fn show(&mut self, table: &str) {
        if self.lines {
            return;
        }
        self.wipe();
        // A narrow terminal cuts long lines off: wrapped ones would not be drawn over.
        println!("\x1b[?7l{table}Ctrl-C stops the nodes that were started here\x1b[?7h");
        let _ = std::io::stdout().flush();
        self.drawn = table.lines().count() + 1;
    }

    fn wipe(&mut self) {
        if self.drawn > 0 {
            print!("\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
        }
    }
}

/// A program that lies beside this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not there: build it with `cargo build -p {name}`",
            path.display()
        ))
    }
}

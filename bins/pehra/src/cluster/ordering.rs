//! A person's order, from the first attempt to what comes of it.

use std::time::{Duration, Instant};

use pehra_asking::{Asking, View, duties};
use pehra_cluster::ask::{Ask, Reply, TroubleKind};
use pehra_cluster::{Cluster, DoingNow};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::carried_out;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// How long to go on.
#[derive(Debug, clap::Args)]
pub struct Waiting {
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    wait: u64,
}

impl Waiting {
    pub fn begin(&self) -> Patience {
        Patience::of(Duration::from_secs(self.wait))
    }
}

impl Patience {
    /// For so long.
    pub fn of(limit: Duration) -> Self {
        Self {
            limit,
            until: Instant::now() + limit,
            told: String::new(),
            interrupts: None,
        }
    }
}

/// Waits, says why, and gives up in the end.
pub struct Patience {
    limit: Duration,
    until: Instant,
    told: String,
    /// Counts those who want an end; none if that ends the process.
    interrupts: Option<watch::Receiver<u32>>,
}

impl Patience {
    /// Whoever wants an end (Ctrl-C, SIGTERM) ends the pause from now on, and not the process.
    pub fn heed_signals(&mut self) -> Result<(), String> {
        let fail = |error: std::io::Error| format!("cannot listen for signals: {error}");
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let (tell, interrupts) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tell.send_modify(|count| *count += 1);
            }
        });
        self.interrupts = Some(interrupts);
        Ok(())
    }

    /// Until somebody wants an end. Each wish is heard once.
    pub async fn interrupted(&mut self) {
        if let Some(interrupts) = &mut self.interrupts
            && interrupts.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// One pause, because of this.
    pub async fn pause(&mut self, why: &str) -> Result<(), String> {
        if Instant::now() >= self.until {
            return Err(format!(
                "{why}; that was after {} s of waiting (--wait)",
                self.limit.as_secs()
            ));
        }
        if self.told != why {
            eprintln!("pehra: waiting: {why}");
            why.clone_into(&mut self.told);
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => Ok(()),
            () = self.interrupted() => Err(format!("{why}; it was interrupted")),
        }
    }

    /// The waiting begins anew.
    pub fn renew(&mut self) {
        self.until = Instant::now() + self.limit;
    }
}

/// Gives the Pehredar an order, whoever that is by then, until it is carried out. `is_done` says so if an answer was lost.
pub async fn order(
    asking: &Asking,
    ask: &Ask,
    patience: &mut Patience,
    is_done: impl Fn(&[View]) -> bool,
) -> Result<String, String> {
    let mut to = None;
    loop {
        let node = match to.take() {
            Some(node) => node,
            None => match asking.leader().await {
                Ok(leader) => leader.node,
                Err(why) => {
                    patience.pause(&format!("nobody is known to watch: {why}")).await?;
                    continue;
                }
            },
        };
        let why = match asking.ask(node, ask).await {
            Ok(Reply::Done(done)) => return Ok(done.what),
            Ok(Reply::Refused(refused)) if refused.why.try_node.is_some() || refused.why.may_pass() => {
                to = refused.why.try_node;
                refused.why.reason
            }
            Ok(Reply::Error(trouble)) if trouble.kind == TroubleKind::Busy => trouble.reason,
            Ok(other) => return carried_out(other),
            Err(silent) => silent,
        };
        // The answer may be lost, or came too late.
        if to.is_none() && is_done(&asking.views().await) {
            return Ok("it was carried out".into());
        }
        patience
            .pause(&format!(
                "node {node}: {}",
                why.trim_start_matches(&format!("node {node} "))
            ))
            .await?;
    }
}

/// The nodes that have a broker.
pub fn brokers(cluster: &Cluster) -> Result<Vec<u16>, String> {
    if cluster.sleep.is_none() {
        return Err(format!(
            "no broker of this cluster sleeps: add [sleep] to {}, raise its number, and restart all nodes; examples/sleep.toml is a start",
            cluster.path.display()
        ));
    }
    let with = cluster.members.iter().filter(|member| member.broker.is_some());
    Ok(with.map(|member| member.id).collect())
}

/// Waits until the brokers of these nodes are up and in sync.
pub async fn until_up(asking: &Asking, nodes: &[u16], patience: &mut Patience) -> Result<(), String> {
    loop {
        let views = asking.views().await;
        let away: Vec<String> = nodes.iter().filter_map(|id| away(&views, *id)).collect();
        if away.is_empty() {
            return Ok(());
        }
        patience.pause(&away.join(", ")).await?;
    }
}

/// Why the broker of this node is not up; none if it is.
fn away(views: &[View], id: u16) -> Option<String> {
    match duties(views).find(|(node, _)| *node == id) {
        None => Some(format!("node {id} does not answer")),
        Some((_, duty)) => (duty.doing != DoingNow::Active).then(|| format!("node {id} is {}", duty.doing.name())),
    }
}

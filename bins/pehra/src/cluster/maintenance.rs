//! `pehra maintenance`: brokers are worked on one after the other, while all others are up.

use std::collections::BTreeSet;
use std::process::{ExitCode, ExitStatus, Stdio};

use pehra_asking::{Asking, duties, pehredar};
use pehra_cluster::ask::{Ask, Reply};
use pehra_cluster::{Cluster, DoingNow};
use serde_json::json;
use tokio::process::Command;

use super::duty::known;
use super::keys::Signing;
use super::ordering::{Patience, Waiting, brokers, order, until_up};
use super::{From, carried_out, in_runtime, nobody};

/// Work on brokers, one after the other, the Pehredar's last: each is stopped when all others are up and in sync, and nobody sleeps
///
/// With --run, the command (a line for `sh`) is run here for each broker while it is down, with PEHRA_NODE (the node's id) and
/// PEHRA_BROKER (node.id in Kafka) in its environment. If it fails, that broker is started again and the others are left alone.
/// Without --run, each waits until `pehra maintenance --done --node N` says that the work is done. The Pehredar first hands over.
///
/// Examples:
///   pehra maintenance --config cluster.toml --all --run 'ssh broker$PEHRA_BROKER apt-get -y upgrade kafka'
///   pehra maintenance --config cluster.toml --node 2
///   pehra maintenance --config cluster.toml --done --node 2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, group = clap::ArgGroup::new("whom").required(true))]
pub struct Args {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    waiting: Waiting,
    /// Only this node's broker
    #[arg(long, group = "whom")]
    node: Option<u16>,
    /// All brokers
    #[arg(long, group = "whom")]
    all: bool,
    /// Run this for each
    #[arg(long, value_name = "CMD", conflicts_with = "done")]
    run: Option<String>,
    /// The work on this node's broker is done: start it again
    #[arg(long, requires = "node", conflicts_with = "all")]
    done: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    args.node.map_or(Ok(()), |node| known(&cluster, node))?;
    in_runtime(async {
        let round = Round {
            from: &args.from,
            asking: args.signing.over(&cluster)?,
        };
        let mut patience = args.waiting.begin();
        patience.heed_signals()?;
        if let (true, Some(node)) = (args.done, args.node) {
            round.give_back(node, &mut patience).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let nodes = round.whom(&cluster, args.node).await?;
        match &args.run {
            Some(command) => round.run_for_each(nodes, command, &mut patience).await?,
            None => round.wait_for_people(nodes, &mut patience).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

struct Round<'a> {
    from: &'a From,
    asking: Asking,
}

impl Round<'_> {
    async fn whom(&self, cluster: &Cluster, node: Option<u16>) -> Result<Vec<u16>, String> {
        let views = self.asking.views().await;
        if views.iter().all(|view| view.status.is_err()) {
            return Err(nobody(cluster, &views));
        }
        let with = brokers(cluster)?;
        match node {
            None => Ok(with),
            Some(node) if with.contains(&node) => Ok(vec![node]),
            Some(node) => Err(format!("node {node} has no broker in {}", cluster.path.display())),
        }
    }

    /// Asks for a round of one at a time: a round that is decided cannot be taken back, and a command may fail.
    async fn run_for_each(&self, nodes: Vec<u16>, command: &str, patience: &mut Patience) -> Result<(), String> {
        let mut left: BTreeSet<u16> = nodes.into_iter().collect();
        while !left.is_empty() {
            patience.renew();
            let views = self.asking.views().await;
            let watches = pehredar(&views).map(|(id, _)| id);
            let others = || left.iter().copied().find(|id| Some(*id) != watches);
            let Some(node) = others().or_else(|| left.first().copied()) else {
                break;
            };
            left.remove(&node);
            let rest = |why: String| match left.len() {
                0 => why,
                _ => format!("{why}; not worked on: {}", list(&left)),
            };
            self.begin(&[node], patience).await.map_err(rest)?;
            patience.renew();
            let broker = self.until_down(node, patience).await.map_err(rest)?;
            self.say(
                node,
                "begun",
                &format!("node {node}: its broker is down; running the command"),
            );
            let outcome = run_command(command, (node, broker), self.from.json, patience).await;
            patience.renew();
            // Whatever came of it: nobody is left down.
            let back = self.give_back(node, patience).await;
            let failed = match outcome {
                Ok(status) if status.success() => None,
                Ok(status) => Some(format!("the command for node {node} ended with {status}")),
                Err(why) => Some(format!("the command for node {node}: {why}")),
            };
            match (failed, back) {
                (None, Ok(())) => {}
                (None, Err(why)) => return Err(rest(why)),
                (Some(why), Ok(())) => return Err(rest(format!("{why}; its broker is up again"))),
                (Some(why), Err(other)) => return Err(rest(format!("{why}, and {other}"))),
            }
        }
        Ok(())
    }

    /// One round for all; each visit ends when somebody says so.
    async fn wait_for_people(&self, nodes: Vec<u16>, patience: &mut Patience) -> Result<(), String> {
        self.begin(&nodes, patience).await?;
        let (mut visited, mut back) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let views = self.asking.views().await;
            for (id, duty) in duties(&views).filter(|(id, _)| nodes.contains(id)) {
                if duty.workable && visited.insert(id) {
                    let text = format!(
                        "node {id}: its broker is down, and may be worked on; afterwards: pehra maintenance --done \
                         --node {id}"
                    );
                    self.say(id, "begun", &text);
                } else if duty.doing == DoingNow::Active && visited.contains(&id) && back.insert(id) {
                    self.say(id, "up", &format!("node {id}: its broker is up again"));
                    patience.renew();
                }
            }
            if back.len() == nodes.len() {
                return Ok(());
            }
            if visited.len() > back.len() {
                // A person takes as long as it takes.
                patience.renew();
            }
            let round = pehredar(&views).map_or(Vec::new(), |(_, duty)| duty.round.clone());
            let turn = nodes.iter().filter(|id| !visited.contains(id)).collect::<Vec<_>>();
            let why = match (visited.len() > back.len(), turn.is_empty()) {
                (true, _) => "the work is under way".into(),
                (false, true) => "the last is on its way up".to_owned(),
                (false, false) => {
                    format!("the turn of {turn:?}; the round still visits {round:?}, when all others are up")
                }
            };
            patience.pause(&why).await.map_err(decided)?;
        }
    }

    async fn begin(&self, nodes: &[u16], patience: &mut Patience) -> Result<(), String> {
        let ask = Ask::Maintain { nodes: nodes.to_vec() };
        let is_done = |views: &[_]| {
            let round = pehredar(views).map(|(_, duty)| duty.round.clone()).unwrap_or_default();
            !round.is_empty() && round.iter().all(|id| nodes.contains(id))
        };
        let outcome = order(&self.asking, &ask, patience, is_done).await;
        outcome.map(drop).map_err(|why| format!("no round was begun: {why}"))
    }

    /// Waits until it is this node's turn. The id of its broker.
    async fn until_down(&self, node: u16, patience: &mut Patience) -> Result<i32, String> {
        loop {
            let views = self.asking.views().await;
            let duty = duties(&views).find(|(id, _)| *id == node).map(|(_, duty)| duty);
            match duty {
                Some(duty) if duty.workable => return Ok(duty.broker.unwrap_or(-1)),
                Some(duty) => {
                    let held = pehredar(&views).and_then(|(_, duty)| duty.held_back.clone());
                    let held = held.map_or(String::new(), |held| format!(" ({held})"));
                    patience
                        .pause(&format!("node {node}, which is {}{held}", duty.doing.name()))
                        .await
                }
                None => patience.pause(&format!("node {node} does not answer")).await,
            }
            .map_err(decided)?;
        }
    }

    /// The work is done: its broker is started, and waited for.
    async fn give_back(&self, node: u16, patience: &mut Patience) -> Result<(), String> {
        let still = |why: String| {
            format!(
                "node {node} could not be told that the work is done ({why}); try: pehra maintenance --done --node {node}"
            )
        };
        loop {
            let why = match self.asking.ask(node, &Ask::Maintained).await {
                Ok(Reply::Done(_)) => break,
                Ok(Reply::Refused(refused)) if refused.why.may_pass() => refused.why.reason,
                Ok(other) => return carried_out(other).map(drop).map_err(still),
                Err(silent) => silent,
            };
            patience.pause(&why).await.map_err(still)?;
        }
        until_up(&self.asking, &[node], patience).await?;
        self.say(node, "up", &format!("node {node}: its broker is up again"));
        // The next round is refused before this one is over.
        loop {
            let views = self.asking.views().await;
            match pehredar(&views) {
                Some((_, duty)) if !duty.round.contains(&node) => return Ok(()),
                _ => patience.pause("the round is not over yet").await?,
            }
        }
    }

    fn say(&self, node: u16, event: &str, text: &str) {
        self.from.say(&json!({ "node": node, "event": event }), text);
    }
}

fn decided(why: String) -> String {
    format!(
        "{why}. The round is decided and stays so: when all others are up, that broker is stopped, and `pehra maintenance --done \
         --node N` starts it again"
    )
}

fn list(nodes: &BTreeSet<u16>) -> String {
    let ids: Vec<String> = nodes.iter().map(u16::to_string).collect();
    format!("node {}", ids.join(", "))
}

/// Runs the command. If a person wants an end, it is told to end as well.
async fn run_command(
    command: &str,
    (node, broker): (u16, i32),
    quiet: bool,
    patience: &mut Patience,
) -> Result<ExitStatus, String> {
    let fail = |error: std::io::Error| error.to_string();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null());
    shell.env("PEHRA_NODE", node.to_string());
    shell.env("PEHRA_BROKER", broker.to_string());
    if quiet {
        // Standard output is for programs.
        shell.stdout(std::io::stderr());
    }
    let mut child = shell.spawn().map_err(fail)?;
    tokio::select! {
        status = child.wait() => return status.map_err(fail),
        () = patience.interrupted() => {}
    }
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    let status = child.wait().await.map_err(fail)?;
    Err(format!("it was interrupted ({status})"))
}

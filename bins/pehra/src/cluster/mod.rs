//! A cluster of voters from outside: start it, look at it, ask it, move its leadership.

mod boot;
mod calibrate;
pub(crate) mod children;
mod duty;
mod journal;
mod keys;
mod maintenance;
pub(crate) mod ordering;
mod table;
pub(crate) mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pehra_asking::{Asking, View};
use pehra_cluster::Cluster;
use pehra_cluster::ask::{Ask, Leader, Reply};
use serde_json::json;

pub use boot::{Args as BootArgs, run as boot};
pub use calibrate::{Args as CalibrateArgs, run as calibrate};
pub use duty::{
    DisableArgs, EnableArgs, SelfcheckArgs, StayAwakeArgs, WakeArgs, disable, enable, selfcheck, stay_awake, wake,
};
pub use journal::{Args as JournalArgs, run as journal};

pub use keys::{Args as AdminKeyArgs, run as admin_key};
pub use maintenance::{Args as MaintenanceArgs, run as maintenance};
pub use top::{Args as TopArgs, run as top};

use keys::Signing;

/// Show every node: role, term, leader, last heard, durable lag
///
/// Examples:
///   pehra status --config examples/cluster.toml
///   pehra status --config config.txt --json | jq .leader
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StatusArgs {
    #[command(flatten)]
    from: From,
}

/// Say who leads, with which fencing number: confirmed by a majority, or not at all
///
/// Ends with code 1 if nobody is known to lead.
///
/// Examples:
///   pehra leader --config examples/cluster.toml
///   pehra leader --config config.txt --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct LeaderArgs {
    #[command(flatten)]
    from: From,
}

/// Hand the leadership over, to a node or to the fittest
///
/// Give the command on the leader's machine, or with certificates: see `commands-from` in examples/cluster.toml.
///
/// Examples:
///   pehra transfer --config examples/cluster.toml
///   pehra transfer --config examples/cluster.toml --to 3
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct TransferArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
    /// To this node [default: whichever the leader finds fittest]
    #[arg(long)]
    to: Option<u16>,
}

/// Keep a node from leading, before it is stopped for maintenance. It hands over if it leads
///
/// It lasts until `--off`, or until the node is restarted. Give the command on the node's machine, or with certificates.
///
/// Examples:
///   pehra drain --config examples/cluster.toml --id 2
///   pehra drain --config examples/cluster.toml --id 2 --off
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct DrainArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
    /// Which node
    #[arg(long)]
    id: u16,
    /// Let it lead again
    #[arg(long)]
    off: bool,
}

/// Make the leader step down, and let the others choose
///
/// Unlike `transfer` it names nobody and asks nobody first: any voter that is not drained may be next, the one that
/// resigned too, after the others. Give the command on the leader's machine, or with certificates.
///
/// Examples:
///   pehra resign --config examples/cluster.toml
///   pehra resign --config config.txt --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ResignArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
}

/// Which cluster, and how to answer.
#[derive(Debug, clap::Args)]
struct From {
    /// The cluster's file: cluster.toml, or a config.txt with `N: 5` and `node0: localhost:60001`
    #[arg(long, env = "PEHRA_CLUSTER", default_value = "cluster.toml")]
    config: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl From {
    fn cluster(&self) -> Result<Cluster, String> {
        Cluster::read(&self.config).map_err(|error| error.to_string())
    }

    /// The answer, for programs or for people.
    fn say(&self, json: &serde_json::Value, text: &str) {
        if self.json {
            println!("{json}");
        } else {
            println!("{text}");
        }
    }
}

pub fn status(args: &StatusArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let (views, leader) = tokio::join!(asking.views(), asking.leader());
        let text = format!("{}\n{}", table::render(&cluster, &views), leader_line(&leader));
        let nodes: Vec<_> = views.iter().map(View::json).collect();
        let whole = json!({ "cluster": cluster.name, "number": cluster.number, "leader": leader.ok(), "nodes": nodes });
        args.from.say(&whole, text.trim_end());
        if views.iter().all(|view| view.status.is_err()) {
            return Err(nobody(&cluster, &views));
        }
        Ok(ExitCode::SUCCESS)
    })
}

pub fn leader(args: &LeaderArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        match asking.leader().await {
            Ok(leader) => {
                let text = leader_line(&Ok(leader.clone()));
                args.from.say(&json!({ "leader": leader }), text.trim_end());
                Ok(ExitCode::SUCCESS)
            }
            Err(why) => {
                args.from.say(
                    &json!({ "leader": null, "reason": why }),
                    &format!("nobody is known to lead: {why}"),
                );
                Ok(ExitCode::from(1))
            }
        }
    })
}

pub fn transfer(args: &TransferArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    if let Some(to) = args.to {
        let voter = cluster.voters().any(|voter| voter.id == to);
        if !voter {
            let ids: Vec<String> = cluster.voters().map(|voter| voter.id.to_string()).collect();
            return Err(format!(
                "--to {to}: there is no such voter; the voters are {}",
                ids.join(", ")
            ));
        }
    }
    in_runtime(async {
        let asking = args.signing.over(&cluster)?;
        let before = asking
            .leader()
            .await
            .map_err(|why| format!("nobody is known to lead, so nobody can hand over: {why}"))?;
        if args.to == Some(before.node) {
            return Err(format!("node {} leads already", before.node));
        }
        carried_out(asking.ask(before.node, &Ask::Transfer { to: args.to }).await?)?;
        let after = successor(&cluster, &asking, &before, "handed over").await?;
        args.from
            .say(&json!({ "before": before, "after": after }), &moved(&before, &after));
        Ok(ExitCode::SUCCESS)
    })
}

pub fn resign(args: &ResignArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = args.signing.over(&cluster)?;
        let before = asking
            .leader()
            .await
            .map_err(|why| format!("nobody is known to lead, so nobody can resign: {why}"))?;
        carried_out(asking.ask(before.node, &Ask::Resign).await?)?;
        let after = successor(&cluster, &asking, &before, "resigned").await?;
        args.from
            .say(&json!({ "before": before, "after": after }), &moved(&before, &after));
        Ok(ExitCode::SUCCESS)
    })
}

pub fn drain(args: &DrainArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    if cluster.member(args.id).is_none() {
        return Err(format!(
            "--id {}: there is no such node in {}",
            args.id,
            args.from.config.display()
        ));
    }
    in_runtime(async {
        let asking = args.signing.over(&cluster)?;
        let what = carried_out(asking.ask(args.id, &Ask::Drain { on: !args.off }).await?)?;
        let answer = json!({ "node": args.id, "draining": !args.off, "what": what });
        args.from.say(&answer, &format!("node {}: {what}", args.id));
        Ok(ExitCode::SUCCESS)
    })
}

/// Waits for whoever comes after a leader: it has to win its election, and to be confirmed.
async fn successor(cluster: &Cluster, asking: &Asking, before: &Leader, what: &str) -> Result<Leader, String> {
    let patience = Instant::now() + Duration::from_millis(u64::from(cluster.timing.election.0) * 4 + 1000);
    loop {
        match asking.leader().await {
            Ok(leader) if leader.fencing > before.fencing => return Ok(leader),
            _ if Instant::now() > patience => {
                return Err(format!(
                    "node {} {what}, and no successor has been confirmed yet",
                    before.node
                ));
            }
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn moved(before: &Leader, after: &Leader) -> String {
    format!(
        "node {} led with fencing number {}; node {} leads now, with {}",
        before.node, before.fencing, after.node, after.fencing
    )
}

/// What came of a request that a node had to carry out.
fn carried_out(reply: Reply) -> Result<String, String> {
    match reply {
        Reply::Done(done) => Ok(done.what),
        Reply::Refused(refused) => Err(refused.why.reason),
        Reply::Error(trouble) => Err(trouble.to_string()),
        Reply::Leader(_) | Reply::Status(_) | Reply::Appended(_) | Reply::Entries(_) | Reply::SelfChecked(_) => {
            Err("the node answered another question".into())
        }
    }
}

fn leader_line(leader: &Result<Leader, String>) -> String {
    match leader {
        Ok(leader) => format!(
            "leader: node {} at {}, fencing number {}, confirmed by a majority\n",
            leader.node, leader.address, leader.fencing
        ),
        Err(why) => format!("no leader: {why}\n"),
    }
}

fn nobody(cluster: &Cluster, views: &[View]) -> String {
    let why = views.iter().find_map(|view| view.status.as_ref().err());
    format!(
        "no node of {} answers ({}); start them: pehra boot {}",
        cluster.path.display(),
        why.map_or("", String::as_str),
        cluster.path.display()
    )
}

fn in_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(work)
}

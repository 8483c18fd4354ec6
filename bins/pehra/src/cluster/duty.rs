//! Guard duty, from outside: switch it on and off, wake, keep awake, ask why somebody stays awake.

use std::process::ExitCode;

use pehra_asking::{Asking, duties};
use pehra_cluster::Cluster;
use pehra_cluster::ask::{Ask, Reply, SelfChecked};
use serde_json::json;

use super::keys::Signing;
use super::ordering::{Waiting, brokers, order, until_up};
use super::{From, carried_out, in_runtime, nobody};

/// Let brokers sleep again: an admin's order, which only comes true while all are awake
///
/// Every order has an epoch above that of the one before, so that an old one that comes again is void. Those who sleep are woken
/// first; the command waits for them. Give it on the Pehredar's machine, or with certificates, and with --admin-key where the
/// cluster's file has [admin].
///
/// Examples:
///   pehra enable --config cluster.toml
///   pehra enable --config cluster.toml --admin-key admin.key --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct EnableArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    waiting: Waiting,
    /// The epoch of the order [default: the one after the last]
    #[arg(long)]
    epoch: Option<u64>,
}

/// Wake all brokers and keep them awake, until an admin enables again
///
/// Needs no --admin-key: it only wakes.
///
/// Examples:
///   pehra disable --config cluster.toml
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct DisableArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    waiting: Waiting,
}

/// Wake one broker, or all of them, and wait until they are up and in sync
///
/// They may sleep again when they have been idle for long enough; `stay-awake` and `disable` keep them awake. Needs no --admin-key,
/// and no Pehredar: any node that answers calls the others.
///
/// Examples:
///   pehra wake --config cluster.toml               all
///   pehra wake --config cluster.toml --node 2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct WakeArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    waiting: Waiting,
    /// The broker of this node
    #[arg(long, conflicts_with = "all")]
    node: Option<u16>,
    /// All of them (as without --node)
    #[arg(long)]
    all: bool,
}

/// Keep a node's broker from sleeping, until --off or the node's restart
///
/// For good it is `stay-awake = true` in the cluster's file. Only --off needs --admin-key.
///
/// Examples:
///   pehra stay-awake --config cluster.toml --node 2
///   pehra stay-awake --config cluster.toml --node 2 --off
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct StayAwakeArgs {
    #[command(flatten)]
    from: From,
    #[command(flatten)]
    signing: Signing,
    /// Which node
    #[arg(long)]
    node: u16,
    /// It may sleep again
    #[arg(long)]
    off: bool,
}

/// Say of each broker whether it would sleep if it were let, and why not
///
/// Ends with code 0 if all that were asked would sleep, else with 1.
///
/// Examples:
///   pehra selfcheck --config cluster.toml
///   pehra selfcheck --config cluster.toml --node 2 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct SelfcheckArgs {
    #[command(flatten)]
    from: From,
    /// Only this node [default: all that have a broker]
    #[arg(long)]
    node: Option<u16>,
}

pub fn enable(args: &EnableArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = args.signing.over(&cluster)?;
        let epoch = match args.epoch {
            Some(epoch) => epoch,
            None => {
                let views = asking.views().await;
                let last = duties(&views).map(|(_, duty)| duty.epoch).max();
                if last.is_none() && views.iter().all(|view| view.status.is_err()) {
                    return Err(nobody(&cluster, &views));
                }
                last.unwrap_or(0).saturating_add(1)
            }
        };
        let mut patience = args.waiting.begin();
        let is_done = |views: &[_]| duties(views).any(|(_, duty)| duty.on && duty.epoch == epoch);
        let what = order(&asking, &Ask::Enable { epoch }, &mut patience, is_done).await?;
        args.from.say(
            &json!({ "on": true, "epoch": epoch, "what": what }),
            &format!("enabled with epoch {epoch}: {what}"),
        );
        Ok(ExitCode::SUCCESS)
    })
}

pub fn disable(args: &DisableArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let mut patience = args.waiting.begin();
        let is_done = |views: &[_]| pehra_asking::pehredar(views).is_some_and(|(_, duty)| !duty.on);
        let what = order(&asking, &Ask::Disable, &mut patience, is_done)
            .await
            .map_err(|why| format!("it was not switched off: {why}. All can be woken for now: pehra wake --all"))?;
        let nodes = brokers(&cluster)?;
        until_up(&asking, &nodes, &mut patience)
            .await
            .map_err(|why| format!("{what}; but {why}"))?;
        args.from.say(
            &json!({ "on": false, "what": what, "awake": nodes }),
            &format!("disabled: {what}; {} brokers are up", nodes.len()),
        );
        Ok(ExitCode::SUCCESS)
    })
}

pub fn wake(args: &WakeArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    args.node.map_or(Ok(()), |node| known(&cluster, node))?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let mut patience = args.waiting.begin();
        let nodes = match args.node {
            Some(node) => {
                let reply = asking.ask(node, &Ask::Wake { all: false }).await;
                let reply = reply
                    .map_err(|why| format!("{why}; if its machine sleeps, the others can wake it: pehra wake --all"))?;
                carried_out(reply)?;
                vec![node]
            }
            None => {
                let views = asking.views().await;
                let answers = asking.everybody(&Ask::Wake { all: true }).await;
                let outcomes = answers.into_iter().map(|(_, reply)| reply.and_then(carried_out));
                let (heard, why): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
                if heard.is_empty() {
                    let why = why.into_iter().find_map(Result::err).unwrap_or_default();
                    return Err(format!("nobody was woken: {why}"));
                }
                let silent = views
                    .iter()
                    .filter(|view| view.status.is_err())
                    .map(|view| view.member.id);
                for id in silent {
                    eprintln!("pehra: node {id} does not answer; the others call it");
                }
                brokers(&cluster)?
            }
        };
        until_up(&asking, &nodes, &mut patience)
            .await
            .map_err(|why| format!("woken, but {why}"))?;
        let list: Vec<String> = nodes.iter().map(u16::to_string).collect();
        args.from.say(
            &json!({ "awake": nodes }),
            &format!("up and in sync: node {}", list.join(", ")),
        );
        Ok(ExitCode::SUCCESS)
    })
}

pub fn stay_awake(args: &StayAwakeArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    known(&cluster, args.node)?;
    in_runtime(async {
        let asking = args.signing.over(&cluster)?;
        let what = carried_out(asking.ask(args.node, &Ask::StayAwake { on: !args.off }).await?)?;
        args.from.say(
            &json!({ "node": args.node, "stay_awake": !args.off, "what": what }),
            &format!("node {}: {what}", args.node),
        );
        Ok(ExitCode::SUCCESS)
    })
}

pub fn selfcheck(args: &SelfcheckArgs) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    args.node.map_or(Ok(()), |node| known(&cluster, node))?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let nodes = match args.node {
            Some(node) => vec![node],
            None => {
                let views = asking.views().await;
                if views.iter().all(|view| view.status.is_err()) {
                    return Err(nobody(&cluster, &views));
                }
                brokers(&cluster)?
            }
        };
        let (mut found, mut all) = (Vec::new(), true);
        for node in nodes {
            match asking.ask(node, &Ask::SelfCheck).await? {
                Reply::SelfChecked(checked) => {
                    all &= checked.would_sleep;
                    if !args.from.json {
                        print!("{}", page(&checked));
                    }
                    found.push(*checked);
                }
                other => return carried_out(other).and(Err("the node answered another question".into())),
            }
        }
        if args.from.json {
            println!("{}", json!({ "would_sleep": all, "nodes": found }));
        }
        Ok(ExitCode::from(u8::from(!all)))
    })
}

fn page(checked: &SelfChecked) -> String {
    let verdict = if checked.would_sleep {
        "would sleep"
    } else {
        "stays awake"
    };
    let mut text = format!("node {}: {verdict}\n", checked.node);
    for check in &checked.checks {
        let mark = if check.well { "well" } else { "NOT " };
        text += &format!("  {mark}  {}: {}\n", check.what, check.found);
    }
    text
}

/// An id that nobody has is a slip of the finger.
pub fn known(cluster: &Cluster, node: u16) -> Result<(), String> {
    if cluster.member(node).is_some() {
        return Ok(());
    }
    let ids: Vec<String> = cluster.members.iter().map(|member| member.id.to_string()).collect();
    Err(format!(
        "--node {node}: there is no such node in {}; there are {}",
        cluster.path.display(),
        ids.join(", ")
    ))
}

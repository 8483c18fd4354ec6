//! Settings: the cluster's file, and which of its nodes this is.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use pehra_cluster::Cluster;

use crate::agent;

/// A voter: one node of a cluster that elects a leader.
///
/// Examples:
///   pehra-broker --config cluster.toml --id 0
///   pehra-broker --config config.txt --id 0            the older format: N: 5, node0: localhost:60001 …
///   pehra-broker --config cluster.toml --id 0 --data /var/lib/pehra/node0
///   pehra-broker --config cluster.toml --id 0 --check-config
///   pehra-broker --config sleep.toml --id 1             with [sleep] in the file: it starts its Kafka broker, and lets it sleep
///
/// Ask it with `pehra status`, `pehra leader`, `pehra transfer`, `pehra drain`, or from any language: one JSON object,
/// {"ask":"leader"}, over an SP REQ socket (NNG, nanomsg) to the node's address. SIGTERM: it resigns, then stops. A Kafka
/// broker that sleeps is started before that, and goes on without it.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub struct Args {
    /// The cluster's file: cluster.toml, or a config.txt with `N: 5` and `node0: localhost:60001`
    #[arg(long, env = "PEHRA_CLUSTER", default_value = "cluster.toml")]
    config: PathBuf,
    /// Which node of the file this is
    #[arg(long, env = "PEHRA_NODE_ID")]
    id: u16,
    /// Folder for what this node must not forget [default: node<ID> in the file's data folder]
    #[arg(long, env = "PEHRA_NODE_DATA")]
    data: Option<PathBuf>,
    /// Folder for flight recordings: what the node was fed, to be played again [default: none]
    #[arg(long, env = "PEHRA_NODE_FLIGHT_RECORDER")]
    flight_recorder: Option<PathBuf>,
    /// Say what the configuration comes to, and end
    #[arg(long)]
    check_config: bool,
    /// Logs as text instead of JSON
    #[arg(long)]
    log_text: bool,
}

/// What the node runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster: Arc<Cluster>,
    pub id: u16,
    pub folder: PathBuf,
    pub flight_recorder: Option<PathBuf>,
    pub check_config: bool,
    pub log_text: bool,
}

impl Settings {
    /// Reads the file and finds this node in it.
    pub fn resolve(args: Args) -> Result<Self, String> {
        let cluster = Cluster::read(&args.config).map_err(|error| error.to_string())?;
        if cluster.member(args.id).is_none() {
            let ids: Vec<String> = cluster.members.iter().map(|member| member.id.to_string()).collect();
            let path = args.config.display();
            return Err(format!(
                "{path}: there is no node {}; name one of --id {}",
                args.id,
                ids.join(", ")
            ));
        }
        if cluster.sleep.is_some() {
            agent::power(&cluster, args.id)?;
        }
        Ok(Self {
            folder: args.data.unwrap_or_else(|| cluster.node_folder(args.id)),
            cluster: Arc::new(cluster),
            id: args.id,
            flight_recorder: args.flight_recorder,
            check_config: args.check_config,
            log_text: args.log_text,
        })
    }
}

/// Logs to standard error, one JSON object a line unless text is wanted. `RUST_LOG` chooses what.
pub fn start_logging(text: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if text {
        logs.init();
    } else {
        logs.json().flatten_event(true).init();
    }
}

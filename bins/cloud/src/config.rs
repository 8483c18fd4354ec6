//! Settings: defaults, then the file, then the environment and flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;
use pehra_cluster::Cluster;
use pehra_nng::{Backend, Endpoint, Tls};
use pehra_redis::Durability;
use serde::Deserialize;

/// The cloud: takes rows from edges, keeps them in Redis, acknowledges what is on disk, shows it on a page.
///
/// Flags win over the environment, the environment over the file, the file over the defaults.
///
/// Examples:
///   pehra-cloud                                  Redis on localhost, page on http://localhost:5006
///   pehra-cloud --sqlite cloud.db                without Redis
///   pehra-cloud --listen tls+tcp://0.0.0.0 --tls-ca ca.pem --tls-cert cloud.pem --tls-key cloud.key
///   pehra-cloud --cluster cluster.toml           also who watches over Kafka's brokers and who sleeps, on the same page
///   pehra-cloud --config cloud.toml --check-config
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub struct Args {
    /// A TOML file with any of the long names below as keys
    #[arg(long, env = "PEHRA_CLOUD_CONFIG")]
    config: Option<PathBuf>,
    /// Say what the configuration comes to, and end
    #[arg(long)]
    check_config: bool,
    #[command(flatten)]
    given: Given,
    /// Logs as text instead of JSON
    #[arg(long)]
    log_text: bool,
    /// Take commands for tests on standard input: `stop NAME`
    #[arg(long, hide = true)]
    control: bool,
}

/// What can stand on the command line, in the environment and in the file.
#[derive(Clone, Debug, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Given {
    /// Address to listen on: HOST, tcp://HOST or tls+tcp://HOST [default: 127.0.0.1]
    #[arg(long, env = "PEHRA_CLOUD_LISTEN")]
    listen: Option<String>,
    /// Port for heartbeats [default: 63270]
    #[arg(long)]
    heartbeat_port: Option<u16>,
    /// Port for rows [default: 63271]
    #[arg(long)]
    data_port: Option<u16>,
    /// Redis that keeps everything [default: redis://127.0.0.1:6379]
    #[arg(long, env = "PEHRA_REDIS")]
    redis: Option<String>,
    /// Accept a Redis that may lose acknowledged data in a power cut
    #[arg(long)]
    redis_not_durable: bool,
    /// Keep everything in this SQLite file instead of Redis
    #[arg(long)]
    sqlite: Option<PathBuf>,
    /// Folder for the little that this process itself must remember [default: cloud-state]
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// Address of the page [default: 127.0.0.1:5006]
    #[arg(long, env = "PEHRA_CLOUD_PAGE")]
    page: Option<SocketAddr>,
    /// File of a Pehra cluster whose brokers sleep, to be shown on the page [default: none]
    #[arg(long, env = "PEHRA_CLOUD_CLUSTER")]
    cluster: Option<PathBuf>,
    /// Price of a kWh, EUR [default: 0.30]
    #[arg(long)]
    price: Option<f64>,
    /// Length of the edges' windows, ms: how much time a window covers on the page [default: 5000]
    #[arg(long)]
    window_ms: Option<u64>,
    /// CA that signs the edges' certificates (PEM): edges without one are refused
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// The cloud's certificate (PEM)
    #[arg(long)]
    tls_cert: Option<PathBuf>,
    /// The cloud's key (PEM)
    #[arg(long)]
    tls_key: Option<PathBuf>,
    /// Who speaks NNG's wire protocol: sp (our own codec) or libnng (NNG's C library) [default: sp]
    #[arg(long, env = "PEHRA_CLOUD_TRANSPORT")]
    transport: Option<String>,
    /// Folder for flight recordings: what the node was fed, for `pehra replay` [default: none]
    #[arg(long, env = "PEHRA_CLOUD_FLIGHT_RECORDER")]
    flight_recorder: Option<PathBuf>,
    /// Where to serve metrics for Prometheus, host:port [default: none]
    #[arg(long, env = "PEHRA_CLOUD_METRICS")]
    metrics: Option<SocketAddr>,
}

impl Given {
    /// What is given here, else what `other` says.
    fn over(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            heartbeat_port: self.heartbeat_port.or(other.heartbeat_port),
            data_port: self.data_port.or(other.data_port),
            redis: self.redis.or(other.redis),
            redis_not_durable: self.redis_not_durable || other.redis_not_durable,
            sqlite: self.sqlite.or(other.sqlite),
            state_dir: self.state_dir.or(other.state_dir),
            page: self.page.or(other.page),
            cluster: self.cluster.or(other.cluster),
            price: self.price.or(other.price),
            window_ms: self.window_ms.or(other.window_ms),
            tls_ca: self.tls_ca.or(other.tls_ca),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            transport: self.transport.or(other.transport),
            flight_recorder: self.flight_recorder.or(other.flight_recorder),
            metrics: self.metrics.or(other.metrics),
        }
    }
}

/// What the cloud runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub heartbeat: Endpoint,
    pub data: Endpoint,
    pub tls: Option<Tls>,
    pub backend: Backend,
    pub redis: String,
    pub durability: Durability,
    pub sqlite: Option<PathBuf>,
    pub state_dir: PathBuf,
    pub page: SocketAddr,
    pub cluster: Option<Cluster>,
    pub price: f64,
    pub window_ms: u64,
    pub flight_recorder: Option<PathBuf>,
    pub metrics: Option<SocketAddr>,
    pub check_config: bool,
    pub log_text: bool,
    pub control: bool,
}

impl Settings {
    /// Puts flags, environment, file and defaults together.
    pub fn resolve(args: Args) -> Result<Self, String> {
        let file = match &args.config {
            None => Given::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                toml::from_str(&text).map_err(|error| format!("{} is not understood: {error}", path.display()))?
            }
        };
        let given = args.given.over(file);
        let listen = given.listen.as_deref().unwrap_or("127.0.0.1");
        let endpoint = |port: u16| -> Result<Endpoint, String> {
            let (scheme, host) = listen.split_once("://").unwrap_or(("tcp", listen));
            format!("{scheme}://{host}:{port}")
                .parse()
                .map_err(|error| format!("--listen {listen}: {error}"))
        };
        let tls = match (given.tls_ca, given.tls_cert, given.tls_key) {
            (None, None, None) => None,
            (ca, Some(cert), Some(key)) => Some(Tls {
                ca,
                cert: Some(cert),
                key: Some(key),
            }),
            _ => return Err("TLS needs --tls-cert and --tls-key".into()),
        };
        let price = given.price.unwrap_or(0.30);
        if !(price.is_finite() && price >= 0.0) {
            return Err(format!("--price {price}: expected a price in EUR, such as 0.30"));
        }
        Ok(Self {
            heartbeat: endpoint(given.heartbeat_port.unwrap_or(63270))?,
            data: endpoint(given.data_port.unwrap_or(63271))?,
            tls,
            backend: backend(given.transport.as_deref())?,
            redis: given.redis.unwrap_or_else(|| "redis://127.0.0.1:6379".into()),
            durability: if given.redis_not_durable {
                Durability::Waived
            } else {
                Durability::Required
            },
            sqlite: given.sqlite,
            state_dir: given.state_dir.unwrap_or_else(|| "cloud-state".into()),
            page: given.page.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 5006))),
            cluster: given.cluster.map(|path| sleeping(&path)).transpose()?,
            price,
            window_ms: given.window_ms.unwrap_or(5000),
            flight_recorder: given.flight_recorder,
            metrics: given.metrics,
            check_config: args.check_config,
            log_text: args.log_text,
            control: args.control,
        })
    }

    /// Limits of the sockets.
    pub fn transport(&self) -> pehra_nng::Options {
        pehra_nng::Options {
            backend: self.backend,
            tls: self.tls.clone(),
            ..pehra_nng::Options::default()
        }
    }
}

/// A cluster of which there is something to show.
fn sleeping(path: &Path) -> Result<Cluster, String> {
    let cluster = Cluster::read(path).map_err(|error| error.to_string())?;
    if cluster.sleep.is_none() {
        return Err(format!(
            "--cluster {}: no broker of this cluster sleeps; add [sleep] (examples/sleep.toml is a start), or leave --cluster out",
            path.display()
        ));
    }
    Ok(cluster)
}

fn backend(name: Option<&str>) -> Result<Backend, String> {
    match name {
        None | Some("sp") => Ok(Backend::Sp),
        Some("libnng") => Ok(Backend::LibNng),
        Some(other) => Err(format!("--transport {other}: expected sp or libnng")),
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

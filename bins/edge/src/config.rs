//! Settings: defaults, then the file, then the environment and flags.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use pehra_core::delivery::SenderConfig;
use pehra_core::pipeline::PipelineConfig;
use pehra_core::types::{EdgeName, NodeId, Ticks};
use pehra_core::window::WindowConfig;
use pehra_driver::{FILE_MAX_BYTES, Recorder};
use pehra_kafka::{Cluster, Producer};
use pehra_nng::{Backend, Endpoint, Tls};
use serde::Deserialize;

/// The edge: readings from Kafka, windows, a durable outbox, delivery to the cloud.
///
/// Flags win over the environment, the environment over the file, the file over the defaults.
///
/// Examples:
///   pehra-edge --name attic --kafka localhost:9092 --cloud cloud.example
///   pehra-edge --config edge.toml --check-config
///   pehra-edge --cloud tls+tcp://cloud.example --tls-ca ca.pem --tls-cert edge.pem --tls-key edge.key
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub struct Args {
    /// A TOML file with any of the long names below as keys
    #[arg(long, env = "PEHRA_EDGE_CONFIG")]
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
    /// This edge's name at the cloud, up to 64 bytes [default: edge]
    #[arg(long, env = "PEHRA_EDGE_NAME")]
    name: Option<String>,
    /// The edge's database [default: edge.db]
    #[arg(long, env = "PEHRA_EDGE_DATABASE")]
    database: Option<PathBuf>,
    /// Kafka brokers, host:port with commas [default: localhost:9092]
    #[arg(long, env = "PEHRA_KAFKA")]
    kafka: Option<String>,
    /// A setting of librdkafka, name=value; may be repeated
    #[arg(long)]
    kafka_setting: Vec<String>,
    /// Topic of the readings [default: power_topic]
    #[arg(long)]
    topic: Option<String>,
    /// Partitions of that topic if it has to be made [default: 4]
    #[arg(long)]
    partitions: Option<i32>,
    /// Publish closed windows to avg_power_topic as well
    #[arg(long)]
    #[serde(rename = "publish-averages")]
    publish_averages: bool,
    /// The cloud's host, or tcp://host, or tls+tcp://host: ports 63270 and 63271 [default: localhost]
    #[arg(long, env = "PEHRA_CLOUD")]
    cloud: Option<String>,
    /// The cloud's heartbeat port [default: 63270]
    #[arg(long)]
    heartbeat_port: Option<u16>,
    /// The cloud's data port [default: 63271]
    #[arg(long)]
    data_port: Option<u16>,
    /// CA that signed the cloud's certificate (PEM)
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    /// This edge's certificate (PEM)
    #[arg(long)]
    tls_cert: Option<PathBuf>,
    /// This edge's key (PEM)
    #[arg(long)]
    tls_key: Option<PathBuf>,
    /// Length of a window, ms; fixed once the database exists [default: 5000]
    #[arg(long)]
    window_ms: Option<i64>,
    /// How long a closed window can still be revised, ms [default: 60000]
    #[arg(long)]
    lateness_ms: Option<i64>,
    /// Silence after which a household's open window is closed, ms [default: 10000]
    #[arg(long)]
    idle_ms: Option<u32>,
    /// Between two heartbeats, ms [default: 3000]
    #[arg(long)]
    heartbeat_ms: Option<u32>,
    /// Silence after which rows are sent again, ms [default: 1000]
    #[arg(long)]
    retry_ms: Option<u32>,
    /// Acknowledged rows that stay, so that a cloud that lost data can be healed [default: 100000]
    #[arg(long)]
    retain_rows: Option<u64>,
    /// Who speaks NNG's wire protocol: sp (our own codec) or libnng (NNG's C library) [default: sp]
    #[arg(long, env = "PEHRA_EDGE_TRANSPORT")]
    transport: Option<String>,
    /// Folder for flight recordings: what the node was fed, for `pehra replay` [default: none]
    #[arg(long, env = "PEHRA_EDGE_FLIGHT_RECORDER")]
    flight_recorder: Option<PathBuf>,
    /// Where to serve metrics for Prometheus, host:port [default: none]
    #[arg(long, env = "PEHRA_EDGE_METRICS")]
    metrics: Option<SocketAddr>,
}

impl Given {
    /// What is given here, else what `other` says.
    fn over(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            database: self.database.or(other.database),
            kafka: self.kafka.or(other.kafka),
            kafka_setting: if self.kafka_setting.is_empty() {
                other.kafka_setting
            } else {
                self.kafka_setting
            },
            topic: self.topic.or(other.topic),
            partitions: self.partitions.or(other.partitions),
            publish_averages: self.publish_averages || other.publish_averages,
            cloud: self.cloud.or(other.cloud),
            heartbeat_port: self.heartbeat_port.or(other.heartbeat_port),
            data_port: self.data_port.or(other.data_port),
            tls_ca: self.tls_ca.or(other.tls_ca),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            window_ms: self.window_ms.or(other.window_ms),
            lateness_ms: self.lateness_ms.or(other.lateness_ms),
            idle_ms: self.idle_ms.or(other.idle_ms),
            heartbeat_ms: self.heartbeat_ms.or(other.heartbeat_ms),
            retry_ms: self.retry_ms.or(other.retry_ms),
            retain_rows: self.retain_rows.or(other.retain_rows),
            transport: self.transport.or(other.transport),
            flight_recorder: self.flight_recorder.or(other.flight_recorder),
            metrics: self.metrics.or(other.metrics),
        }
    }
}

/// What the edge runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub name: EdgeName,
    pub database: PathBuf,
    pub brokers: String,
    pub kafka_settings: Vec<(String, String)>,
    pub topic: String,
    pub partitions: i32,
    pub publish_averages: bool,
    pub heartbeat: Endpoint,
    pub data: Endpoint,
    pub tls: Option<Tls>,
    pub backend: Backend,
    pub windows: WindowConfig,
    pub heartbeat_ms: u32,
    pub retry_ms: u32,
    pub retain_rows: u64,
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
        let name = given.name.as_deref().unwrap_or("edge");
        let cloud = given.cloud.as_deref().unwrap_or("localhost");
        let endpoint = |port: u16| -> Result<Endpoint, String> {
            let (scheme, host) = cloud.split_once("://").unwrap_or(("tcp", cloud));
            let text = format!("{scheme}://{host}:{port}");
            text.parse().map_err(|error| format!("--cloud {cloud}: {error}"))
        };
        let positive = |name: &str, value: i64| {
            if value > 0 {
                Ok(value)
            } else {
                Err(format!("--{name} is {value}; it must be more than 0"))
            }
        };
        let defaults = WindowConfig::default();
        let windows = WindowConfig {
            width_ms: positive("window-ms", given.window_ms.unwrap_or(defaults.width_ms))?,
            lateness_ms: positive("lateness-ms", given.lateness_ms.unwrap_or(defaults.lateness_ms))?,
            idle: given.idle_ms.map_or(defaults.idle, Ticks),
            ..defaults
        };
        let kafka_settings = given
            .kafka_setting
            .iter()
            .map(|setting| {
                let pair = setting
                    .split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                pair.ok_or_else(|| format!("--kafka-setting {setting}: expected name=value"))
            })
            .collect::<Result<_, _>>()?;
        let tls = match (given.tls_ca, given.tls_cert, given.tls_key) {
            (None, None, None) => None,
            (Some(ca), cert, key) if cert.is_some() == key.is_some() => Some(Tls {
                ca: Some(ca),
                cert,
                key,
            }),
            _ => return Err("TLS needs --tls-ca, and --tls-cert together with --tls-key".into()),
        };
        Ok(Self {
            name: EdgeName::new(name).ok_or_else(|| format!("--name {name:?}: expected 1 to 64 bytes"))?,
            database: given.database.unwrap_or_else(|| "edge.db".into()),
            brokers: given.kafka.unwrap_or_else(|| "localhost:9092".into()),
            kafka_settings,
            partitions: given.partitions.unwrap_or(4),
            topic: given.topic.unwrap_or_else(|| pehra_kafka::READINGS.into()),
            publish_averages: given.publish_averages,
            heartbeat: endpoint(given.heartbeat_port.unwrap_or(63270))?,
            data: endpoint(given.data_port.unwrap_or(63271))?,
            tls,
            backend: backend(given.transport.as_deref())?,
            windows,
            heartbeat_ms: given.heartbeat_ms.unwrap_or(3000),
            retry_ms: given.retry_ms.unwrap_or(1000),
            retain_rows: given.retain_rows.unwrap_or(100_000),
            flight_recorder: given.flight_recorder,
            metrics: given.metrics,
            check_config: args.check_config,
            log_text: args.log_text,
            control: args.control,
        })
    }

    /// How Kafka is reached.
    pub fn kafka(&self) -> Cluster {
        Cluster {
            brokers: self.brokers.clone(),
            settings: self.kafka_settings.clone(),
        }
    }

    /// The topics that it needs, with the partitions of those that have to be made.
    pub fn topics(&self) -> Vec<(String, i32)> {
        let mut topics = vec![(self.topic.clone(), self.partitions)];
        if self.publish_averages {
            topics.push((pehra_kafka::AVERAGES.into(), self.partitions));
        }
        topics
    }

    /// The producer of closed windows, if they are published.
    pub fn publisher(&self) -> Result<Option<Producer>, String> {
        if !self.publish_averages {
            return Ok(None);
        }
        Producer::new(&self.kafka())
            .map(Some)
            .map_err(|error| error.to_string())
    }

    /// The flight recorder, if there is to be one.
    pub fn recorder(&self) -> Result<Option<Recorder>, String> {
        let Some(folder) = &self.flight_recorder else {
            return Ok(None);
        };
        Recorder::new(folder, "edge", FILE_MAX_BYTES)
            .map(Some)
            .map_err(|error| format!("--flight-recorder {}: {error}", folder.display()))
    }

    /// How the cloud is reached.
    pub fn transport(&self) -> pehra_nng::Options {
        pehra_nng::Options {
            backend: self.backend,
            tls: self.tls.clone(),
            reconnect_max: Duration::from_secs(2),
            ..pehra_nng::Options::default()
        }
    }

    /// What core is told.
    pub fn pipeline(&self, cloud: NodeId) -> PipelineConfig {
        PipelineConfig {
            windows: self.windows.clone(),
            sender: SenderConfig {
                heartbeat: Ticks(self.heartbeat_ms),
                retry: Ticks(self.retry_ms),
                retain_rows: self.retain_rows,
                ..SenderConfig::deployed(cloud)
            },
        }
    }
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

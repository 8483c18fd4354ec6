//! The demo's parts: Kafka, the cloud's store, and the two processes.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pehra_core::window::Span;
use pehra_kafka::{AVERAGES, Cluster, EmbeddedKafka, READINGS, ensure_topic};
use pehra_sqlite::Backlog;

use super::Args;
use super::child::Child;

/// Name of the demo's edge.
pub const EDGE: &str = "demo";

/// Partitions of the topic.
const PARTITIONS: i32 = 4;

/// Where the cloud keeps everything.
#[derive(Debug)]
pub enum CloudStore {
    Redis { url: String, _own: Option<OwnRedis> },
    Sqlite(PathBuf),
}

/// A redis-server of our own; it ends with the demo.
#[derive(Debug)]
pub struct OwnRedis(Mutex<std::process::Child>);

impl Drop for OwnRedis {
    fn drop(&mut self) {
        if let Ok(mut process) = self.0.lock() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// All parts, running.
#[derive(Debug)]
pub struct Parts {
    pub cluster: Cluster,
    pub topic: String,
    pub edge: Child,
    pub cloud: Child,
    pub store: CloudStore,
    database: PathBuf,
    page_port: u16,
    embedded: Option<EmbeddedKafka>,
    folder: PathBuf,
    temporary: Mutex<Option<tempfile::TempDir>>,
}

impl Parts {
    /// Starts everything.
    pub async fn start(args: &Args) -> Result<Self, String> {
        let (folder, temporary) = match &args.keep {
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
                (folder.clone(), None)
            }
            None => {
                let folder = tempfile::Builder::new()
                    .prefix("pehra-demo-")
                    .tempdir()
                    .map_err(|error| error.to_string())?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let (cluster, topic, embedded) = kafka(args).await?;
        let store = cloud_store(args, &folder)?;
        let pair = |ports: &[u16]| ports.first().copied().zip(ports.get(1).copied());
        let (heartbeat, data) = match args.ports.as_deref().and_then(pair) {
            Some(ports) => ports,
            None => (free_port()?, free_port()?),
        };
        let (edge_heartbeat, edge_data) = args.via.as_deref().and_then(pair).unwrap_or((heartbeat, data));
        let page_port = page_port(args.page_port)?;
        let database = folder.join("edge.db");
        let text = |path: &Path| path.display().to_string();
        let mut cloud = vec![
            "--control".into(),
            format!("--heartbeat-port={heartbeat}"),
            format!("--data-port={data}"),
            format!("--page=127.0.0.1:{page_port}"),
            format!("--state-dir={}", text(&folder.join("cloud-state"))),
            format!("--flight-recorder={}", text(&folder.join("flight"))),
        ];
        cloud.push(match &store {
            CloudStore::Redis { url, .. } => format!("--redis={url}"),
            CloudStore::Sqlite(path) => format!("--sqlite={}", text(path)),
        });
        let mut edge = vec![
            "--control".into(),
            format!("--name={EDGE}"),
            format!("--flight-recorder={}", text(&folder.join("flight"))),
            format!("--database={}", text(&database)),
            format!("--kafka={}", cluster.brokers),
            format!("--topic={topic}"),
            "--cloud=127.0.0.1".into(),
            format!("--heartbeat-port={edge_heartbeat}"),
            format!("--data-port={edge_data}"),
            // The demo's time runs fast: a silent household is noticed fast, and so is a lost batch.
            "--idle-ms=1500".into(),
            "--heartbeat-ms=1000".into(),
            "--retry-ms=250".into(),
            // The account at the end looks at every row.
            "--retain-rows=100000000".into(),
        ];
        if let Some(transport) = &args.transport {
            edge.push(format!("--transport={transport}"));
            cloud.push(format!("--transport={transport}"));
        }
        let cloud = Child::start("pehra-cloud", beside("pehra-cloud")?, cloud, folder.join("cloud.log"))?;
        let edge = Child::start("pehra-edge", beside("pehra-edge")?, edge, folder.join("edge.log"))?;
        Ok(Self {
            cluster,
            topic,
            edge,
            cloud,
            store,
            database,
            page_port,
            embedded,
            folder,
            temporary: Mutex::new(temporary),
        })
    }

    /// What runs, for a person.
    pub fn describe(&self) -> Vec<String> {
        let kafka = match &self.embedded {
            Some(_) => format!(
                "Kafka    embedded (librdkafka's mock cluster) at {}",
                self.cluster.brokers
            ),
            None => format!("Kafka    {} topic {}", self.cluster.brokers, self.topic),
        };
        let store = match &self.store {
            CloudStore::Redis { url, _own: Some(_) } => {
                format!("store    redis-server of our own at {url}, appendfsync always")
            }
            CloudStore::Redis { url, .. } => format!("store    {url}"),
            CloudStore::Sqlite(path) => format!(
                "store    SQLite at {} (no redis-server here; with one the cloud keeps everything in Redis)",
                path.display()
            ),
        };
        vec![
            kafka,
            store,
            format!("edge     database and logs in {}", self.folder.display()),
            format!("page     http://127.0.0.1:{}", self.page_port),
        ]
    }

    /// An error if a child has ended by itself.
    #[allow(clippy::unused_async)] // beside other waits in the loop
    pub async fn check_children(&self) -> Result<(), String> {
        match self.edge.exit().or_else(|| self.cloud.exit()) {
            Some(end) => {
                self.keep();
                Err(end)
            }
            None => Ok(()),
        }
    }

    /// What the edge has not had acknowledged.
    pub fn backlog(&self) -> Result<Backlog, String> {
        if !self.database.exists() {
            return Ok(Backlog::default());
        }
        pehra_sqlite::backlog(&self.database).map_err(|error| error.to_string())
    }

    /// Records of Kafka that the edge has taken, durably.
    pub fn taken(&self) -> Result<u64, String> {
        if !self.database.exists() {
            return Ok(0);
        }
        pehra_sqlite::records_taken(&self.database).map_err(|error| error.to_string())
    }

    /// The edge's database.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// What the cloud's store holds: windows, rows applied, mark.
    #[allow(clippy::type_complexity)]
    pub fn cloud_windows(&self) -> Result<(Vec<(String, i64, Span)>, u64, u64), String> {
        match &self.store {
            CloudStore::Redis { url, .. } => pehra_redis::read_windows(url, EDGE),
            CloudStore::Sqlite(path) if !path.exists() => return Ok((Vec::new(), 0, 0)),
            CloudStore::Sqlite(path) => pehra_sqlite::read_windows(path, EDGE),
        }
        .map_err(|error| error.to_string())
    }

    /// Keeps databases and logs beyond the end of the process.
    pub fn keep(&self) -> &Path {
        if let Ok(mut temporary) = self.temporary.lock()
            && let Some(folder) = temporary.take()
        {
            let _ = folder.keep();
        }
        &self.folder
    }

    /// Ends the processes in order: first the edge, which may still have something to say to the cloud.
    #[allow(clippy::unused_async)]
    pub async fn stop(&self) {
        self.edge.stop();
        self.cloud.stop();
    }
}

async fn kafka(args: &Args) -> Result<(Cluster, String, Option<EmbeddedKafka>), String> {
    match &args.kafka {
        None => {
            let embedded = EmbeddedKafka::start(&[(READINGS, PARTITIONS), (AVERAGES, PARTITIONS)])
                .map_err(|error| error.to_string())?;
            Ok((Cluster::at(embedded.brokers()), READINGS.into(), Some(embedded)))
        }
        Some(brokers) => {
            // A topic of its own: the account at the end counts everything in it.
            let topic = format!("{READINGS}_demo_{}", rand::random::<u32>());
            let cluster = Cluster::at(brokers);
            let made = topic.clone();
            let there = cluster.clone();
            tokio::task::spawn_blocking(move || ensure_topic(&there, &made, PARTITIONS, Duration::from_secs(10)))
                .await
                .map_err(|error| error.to_string())?
                .map_err(|error| error.to_string())?;
            Ok((cluster, topic, None))
        }
    }
}

fn cloud_store(args: &Args, folder: &Path) -> Result<CloudStore, String> {
    if let Some(url) = &args.redis {
        return Ok(CloudStore::Redis {
            url: url.clone(),
            _own: None,
        });
    }
    if args.no_redis {
        return Ok(CloudStore::Sqlite(folder.join("cloud.db")));
    }
    let port = free_port()?;
    let started = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--dir",
            &folder.display().to_string(),
        ])
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--daemonize",
            "no",
        ])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(process) = started else {
        return Ok(CloudStore::Sqlite(folder.join("cloud.db")));
    };
    let own = OwnRedis(Mutex::new(process));
    let patience = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > patience {
            return Err("redis-server was started and does not answer after 10 s; --no-redis does without it".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(CloudStore::Redis {
        url: format!("redis://127.0.0.1:{port}"),
        _own: Some(own),
    })
}

/// A program that lies beside this one.
pub(super) fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not there: build it with `cargo build -p {name}`, or use ./run demo",
            path.display()
        ))
    }
}

/// This port, or any other if it is taken.
pub(super) fn page_port(wanted: u16) -> Result<u16, String> {
    if TcpListener::bind(("127.0.0.1", wanted)).is_ok() {
        Ok(wanted)
    } else {
        free_port()
    }
}

/// Below those that Linux gives to outgoing connections: one of those could be taken between here and the start of its server.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that is free now, and another one each time.
pub(super) fn free_port() -> Result<u16, String> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1000 {
        let port = rand::random_range(PORTS);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    Err(format!(
        "no free port on 127.0.0.1 from {} to {}",
        PORTS.start, PORTS.end
    ))
}

//! Everything that runs for a real demo: Kafka's controllers, the agents, and the brokers that those started.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pehra_cluster::Cluster;
use pehra_kafka_local::{Layout, SERVES};
use pehra_power::config::ProcessConfig;

use super::config::BROKERS;
use crate::cluster::children::{NodeProcess, stop_all};

/// How long controllers may take to serve, and brokers after them. On a busy machine that has no more than two cores.
pub const START_MAX: Duration = Duration::from_secs(120);

/// Its folder, and who runs in it. Agents and controllers end when it is dropped; brokers, which outlive their agents, by
/// [`House::end`] alone.
pub struct House {
    folder: PathBuf,
    temporary: Option<tempfile::TempDir>,
    pub layout: Option<Layout>,
    controllers: Vec<Child>,
    pub agents: Vec<NodeProcess>,
}

impl House {
    /// Its folder: this one, or one of its own that goes with it.
    pub fn new(keep: Option<&Path>) -> Result<Self, String> {
        let temporary = match keep {
            Some(_) => None,
            None => {
                let folder = tempfile::Builder::new().prefix("pehra-demo-cluster-").tempdir();
                Some(folder.map_err(|error| format!("cannot make a folder for the demo: {error}"))?)
            }
        };
        let folder = match (keep, &temporary) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => PathBuf::new(),
        };
        std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        // Programs are told of it by its whole name.
        let folder = folder
            .canonicalize()
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        if folder.join(FILE).exists() {
            return Err(format!(
                "there is a cluster of an earlier demo in {}: name an empty folder with --keep",
                folder.display()
            ));
        }
        Ok(Self {
            folder,
            temporary,
            layout: None,
            controllers: Vec::new(),
            agents: Vec::new(),
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cluster's file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Keeps the folder beyond the end of the process.
    pub fn keep(&mut self) -> PathBuf {
        if let Some(temporary) = self.temporary.take() {
            let _ = temporary.keep();
        }
        self.folder.clone()
    }

    /// Starts Kafka's controllers.
    pub fn start_controllers(&mut self) -> Result<(), String> {
        let Some(layout) = &self.layout else { return Ok(()) };
        for id in layout.controllers() {
            let path = layout.log_path(id);
            let log = File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
            let (out, err) = log.map_err(|error| format!("{}: {error}", path.display()))?;
            // A Ctrl-C in the terminal is for us alone: we end the others.
            let child = layout
                .command(id)
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                .spawn();
            let child = child.map_err(|error| format!("cannot start Kafka's controller {id}: {error}"))?;
            self.controllers.push(child);
        }
        Ok(())
    }

    /// Whether all controllers serve. An error if one of them has ended.
    pub fn controllers_serve(&mut self) -> Result<bool, String> {
        self.check()?;
        let Some(layout) = &self.layout else { return Ok(false) };
        Ok(layout.controllers().into_iter().all(|id| layout.serves(id)))
    }

    /// How many brokers serve. An error if an agent or a controller has ended.
    pub fn brokers_that_serve(&mut self) -> Result<u16, String> {
        self.check()?;
        let serves = |id: &u16| {
            let log = std::fs::read_to_string(self.folder.join(format!("broker-{id}.log")));
            log.is_ok_and(|log| log.contains(SERVES))
        };
        Ok(u16::try_from((1..=BROKERS).filter(serves).count()).unwrap_or(u16::MAX))
    }

    /// Starts the agents, which start the brokers.
    pub fn start_agents(&mut self, program: &Path, cluster: &Cluster) -> Result<(), String> {
        for member in &cluster.members {
            let mut agent = NodeProcess::new(member.id, program, cluster);
            let started = agent.start();
            self.agents.push(agent);
            started?;
        }
        Ok(())
    }

    /// An error if somebody has ended who should run.
    pub fn check(&mut self) -> Result<(), String> {
        let ids = self.layout.as_ref().map(Layout::controllers).unwrap_or_default();
        for (child, id) in self.controllers.iter_mut().zip(ids) {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("Kafka's controller {id} ended: {status}"));
            }
        }
        for agent in &mut self.agents {
            if let Some((_, status)) = agent.ended() {
                let why = agent.last_words().unwrap_or_else(|| status.to_string());
                return Err(format!("the agent of node {} ended: {why}", agent.id));
            }
        }
        Ok(())
    }

    /// Ends all. Nothing is written any more, so nobody needs a clean end: only the agents get one, so that none of them is just
    /// starting a broker when that broker is looked for.
    pub async fn end(&mut self) -> Result<(), String> {
        let mut agents = std::mem::take(&mut self.agents);
        tokio::task::block_in_place(|| stop_all(&mut agents));
        let ended = self.end_brokers().await;
        self.end_controllers();
        ended
    }

    /// Brokers outlive their agents; their pid files name them.
    async fn end_brokers(&self) -> Result<(), String> {
        for id in 1..=BROKERS {
            let pid_file = self.folder.join(format!("broker-{id}.pid"));
            if !pid_file.exists() {
                continue;
            }
            let broker = ProcessConfig {
                command: Vec::new(),
                directory: None,
                environment: BTreeMap::new(),
                log: PathBuf::new(),
                pid_file,
            };
            let broker = pehra_power::Process::open(broker).await;
            broker
                .map_err(|error| error.to_string())?
                .kill()
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn end_controllers(&mut self) {
        for mut child in self.controllers.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let mut agents = std::mem::take(&mut self.agents);
        stop_all(&mut agents);
        self.end_controllers();
    }
}

/// The cluster's file, in the folder.
const FILE: &str = "cluster.toml";

/// Until it holds; false if somebody wanted an end first.
pub async fn until(
    what: &str,
    ending: &mut super::Ending,
    mut holds: impl FnMut() -> Result<bool, String>,
) -> Result<bool, String> {
    let patience = Instant::now() + START_MAX;
    while !holds()? {
        if Instant::now() > patience {
            return Err(format!("waited {} s in vain: {what}", START_MAX.as_secs()));
        }
        tokio::select! {
            () = ending.wanted() => return Ok(false),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
    Ok(true)
}

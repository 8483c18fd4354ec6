//! Everything that runs for a real demo: Kafka's controllers, the agents, and the brokers that those started.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pehra_cluster::Cluster;
use pehra_kafka_local::{Layout, SERVES};
use pehra_power::PowerError;
use pehra_power::config::ProcessConfig;

use super::config::BROKERS;
use crate::cluster::children::{NodeProcess, stop_all};

/// How long controllers may take to serve, and brokers after them. On a busy machine that has no more than two cores.
pub const START_MAX: Duration = Duration::from_secs(120);

/// Its folder, and who runs in it. All of them end when it is dropped, also by a panic: brokers, which outlive their agents, too.
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
        let ended = end_brokers(&self.folder).await;
        self.end_controllers();
        ended
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
        let ended = end_brokers_now(&self.folder);
        self.end_controllers();
        if let Err(why) = ended {
            eprintln!("a broker of the demo may still run: {why}");
        }
    }
}

/// Ends the brokers. The lock on its pid file says who each of them is, so a process that has got a broker's number is left alone.
async fn end_brokers(folder: &Path) -> Result<(), String> {
    let mut wrong = Vec::new();
    for id in 1..=BROKERS {
        let pid_file = folder.join(format!("broker-{id}.pid"));
        if pid_file.exists() {
            wrong.extend(end_broker(pid_file).await.err().map(|error| error.to_string()));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

async fn end_broker(pid_file: PathBuf) -> Result<(), PowerError> {
    let broker = ProcessConfig {
        command: Vec::new(),
        directory: None,
        environment: BTreeMap::new(),
        log: PathBuf::new(),
        pid_file,
    };
    pehra_power::Process::open(broker).await?.kill().await?;
    Ok(())
}

/// The same where nothing can be awaited: a runtime that is unwinding runs nothing more, so it takes one of its own.
fn end_brokers_now(folder: &Path) -> Result<(), String> {
    let end = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map_err(|error| error.to_string())?
            .block_on(end_brokers(folder))
    };
    let ended = std::thread::scope(|threads| threads.spawn(end).join());
    ended.unwrap_or_else(|_| Err("looking for it failed".into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What agents start their brokers by, with another program in the broker's place.
    fn power(folder: &Path, id: u16) -> ProcessConfig {
        ProcessConfig {
            command: vec!["sleep".into(), "60".into()],
            directory: None,
            environment: BTreeMap::new(),
            log: folder.join(format!("broker-{id}.log")),
            pid_file: folder.join(format!("broker-{id}.pid")),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_demo_that_panics_ends_its_brokers_and_nobody_else() {
        let house = House::new(None).expect("a folder");
        let folder = house.folder().to_owned();
        let mut brokers = Vec::new();
        for id in [1, 3] {
            let broker = pehra_power::Process::open(power(&folder, id))
                .await
                .expect("nobody runs");
            broker.start().await.expect("it starts");
            brokers.push(broker);
        }
        // A process whose number stands in a file whose lock nobody holds: the broker is gone, and this one has got its number.
        let mut stranger = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("it starts");
        std::fs::write(folder.join("broker-2.pid"), stranger.id().to_string()).expect("room for a file");

        let panics = tokio::spawn(async move {
            let _house = house;
            panic!("the demo has a bug");
        });
        assert!(panics.await.expect_err("it panics").is_panic());
        for broker in &brokers {
            let ended = tokio::time::timeout(Duration::from_secs(10), broker.ended()).await;
            ended.expect("a broker was left behind");
        }
        let left_alone = stranger.try_wait().expect("it is ours").is_none();
        let _ = stranger.kill();
        let _ = stranger.wait();
        assert!(left_alone, "another's process was ended");
        assert!(!folder.exists(), "its folder is still there");
    }
}

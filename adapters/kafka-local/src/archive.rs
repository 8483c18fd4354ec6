//! Kafka's classes as Java has read and checked them once, so that whatever runs later need not do it again. Kafka's own container
//! images do the same (KIP-974, KIP-975); `cargo run -p pehra-kafka-local --example start-times` measures what it saves.
//!
//! Java writes down which classes it has loaded as it ends. So a node is started once, with the jars just fetched, and ended when it
//! serves. Java itself looks whether what it finds is of its own version and of the same jars, and passes over what is not.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;
use crate::jars::{node_arguments, plain_java};
use crate::layout::{SERVES, random_id};

/// The node ends by itself then, even if whoever started it was killed. It takes some ten seconds on a machine of two cores.
const LIFE_SECONDS: &str = "120";

/// Whoever does not end when it is asked to is killed after these seconds.
const GRACE_SECONDS: &str = "10";

/// Whether there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archive {
    /// Here it is.
    There(PathBuf),
    /// This Java makes none, for this reason. All works without; starting is more work.
    None(String),
}

impl Archive {
    /// What Java is told.
    pub(crate) fn option(&self) -> Option<String> {
        match self {
            Self::There(path) => Some(format!("-XX:SharedArchiveFile={}", path.display())),
            Self::None(_) => None,
        }
    }
}

/// The archive of these jars for this build of Java; made, unless it was made or tried before. The caller sees to it that nobody
/// else does so at the same time.
pub(crate) fn of(jars: &Path, build: &str) -> Result<Archive, Error> {
    let archive = jars.join(format!("classes-{build}.jsa"));
    let failed = jars.join(format!("classes-{build}.failed"));
    if archive.exists() {
        return Ok(Archive::There(archive));
    }
    if let Ok(why) = fs::read_to_string(&failed) {
        return Ok(Archive::None(why));
    }
    // In a folder of its own until it is whole: a process that is killed leaves no half of one behind.
    let folder = jars.join("archive");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::file(&folder)(error)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir(&folder).map_err(Error::file(&folder))?;
    let made = make(jars, &folder);
    let result = match made {
        Ok(made) => fs::rename(&made, &archive)
            .map_err(Error::file(&archive))
            .map(|()| Archive::There(archive)),
        Err(error) => {
            let why = format!("{error}\nTo have it tried again, remove {}", failed.display());
            fs::write(&failed, &why)
                .map_err(Error::file(&failed))
                .map(|()| Archive::None(why))
        }
    };
    fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    result
}

/// A node that is broker and controller, so that the classes of both are loaded.
fn make(jars: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let properties = folder.join("node.properties");
    let (clients, controller) = free_ports().map_err(Error::Port)?;
    let text = format!(
        // The last line is for the small heap.
        "process.roles=broker,controller
node.id=1
listeners=CLIENT://127.0.0.1:{clients},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={}
log.cleaner.dedupe.buffer.size=2097152
",
        folder.join("data").display()
    );
    fs::write(&properties, text).map_err(Error::file(&properties))?;
    let mut format = plain_java(jars);
    format
        .args(["-Dlog4j2.level=OFF", "kafka.tools.StorageTool", "format"])
        .args(["--cluster-id", &random_id(), "--config"])
        .arg(&properties);
    let output = in_time(&format).output().map_err(failed)?;
    Error::unless_done(|| "formatting Kafka's storage".into(), &output)?;

    let archive = folder.join("classes.jsa");
    let log = folder.join("node.log");
    let to = File::create(&log).map_err(Error::file(&log))?;
    let mut command = plain_java(jars);
    command
        .arg(format!("-XX:ArchiveClassesAtExit={}", archive.display()))
        .args(node_arguments(jars, &properties));
    let mut node = Node::start(&command, to)?;
    let said = || fs::read_to_string(&log).unwrap_or_default();
    while !said().contains(SERVES) && node.runs()? {
        std::thread::sleep(Duration::from_millis(50));
    }
    node.end()?;
    if archive.exists() {
        return Ok(archive);
    }
    Err(Error::Failed {
        what: FAILED.into(),
        said: said(),
    })
}

const FAILED: &str = "archiving Kafka's classes";

fn failed(error: std::io::Error) -> Error {
    Error::Failed {
        what: FAILED.into(),
        said: format!("`timeout`, a part of coreutils, that runs Java: {error}"),
    }
}

fn free_ports() -> std::io::Result<(u16, u16)> {
    // Both are held, so that they are two.
    let (one, other) = (listener()?, listener()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

fn listener() -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// The same under the hand of `timeout`, which is in a group of its own: a Ctrl-C that is meant for this process leaves it alone, and
/// no archive is given up for it.
fn in_time(java: &Command) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-k", GRACE_SECONDS, LIFE_SECONDS]);
    command.arg(java.get_program()).args(java.get_args());
    command.envs(java.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null());
    command
}

/// A process that ends with this.
struct Node(Child);

impl Node {
    fn start(java: &Command, log: File) -> Result<Self, Error> {
        let started = in_time(java).stdout(log).stderr(Stdio::null()).spawn();
        started.map(Self).map_err(failed)
    }

    fn runs(&mut self) -> Result<bool, Error> {
        self.0.try_wait().map(|ended| ended.is_none()).map_err(failed)
    }

    /// Asks it to end, and waits until it has.
    fn end(&mut self) -> Result<(), Error> {
        if self.runs()?
            && let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM).map_err(|error| failed(error.into()))?;
        }
        self.0.wait().map(drop).map_err(failed)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended before, unless something went wrong.
        let _ = self.end();
    }
}

//! The files of a whole cluster: controllers and brokers in KRaft mode, on loopback unless a node is given a host of its own.
//!
//! Brokers have the ids 1, 2, 3 …, controllers 101, 102, 103 …; every node keeps its port and its data when it is ended and started
//! again.
//!
//! Only the first controller is formatted by Kafka's own tool (a second or more of Java for each node otherwise). Its folder is what
//! every node starts from, each with its own ids in `meta.properties`, as the tool would have written them.

mod properties;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Error, Jars};

/// The id of the first controller.
pub const FIRST_CONTROLLER: u16 = 101;

/// What the log of a node that is broker and controller, or a broker, says as soon as it serves. A broker says it only after the
/// controllers let it in.
pub const SERVES: &str = "Transition from STARTING to STARTED";

/// The same of a controller.
const CONTROLLER_SERVES: &str = "Kafka Server started";

/// What every node begins with: the levels of the cluster's features.
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// The controllers' log, which begins with who votes.
const METADATA: &str = "__cluster_metadata-0";

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many controllers.
    pub controllers: u16,
    /// How many brokers.
    pub brokers: u16,
    /// `broker.rack` of each broker, in order; who has none here has none there.
    pub racks: Vec<String>,
    /// Where clients find each broker, in order, if something stands in front of it, at [`Layout::inner`]; who has none here
    /// is found at its own port. Brokers find each other at their own ports all the same.
    pub advertised: Vec<String>,
    /// Hosts of their own for some nodes; all others are on this one, on loopback.
    pub hosts: BTreeMap<u16, Host>,
    /// More lines for every node's properties, such as `("num.partitions", "6")`; they win over ours.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    /// Three and three, without racks.
    fn default() -> Self {
        Self {
            controllers: 3,
            brokers: 3,
            racks: Vec::new(),
            advertised: Vec::new(),
            hosts: BTreeMap::new(),
            settings: Vec::new(),
        }
    }
}

/// A host that is not this one, but has the same files: a network name space.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it is reached.
    pub address: String,
    /// What starts a program there, with the program's own line as its last arguments; it becomes that program.
    pub enter: Vec<String>,
}

/// Where a node is, and where it listens there.
#[derive(Clone, Debug)]
struct Place {
    /// None for this host.
    host: Option<Host>,
    own: u16,
    /// For what stands in front of it.
    inner: u16,
}

impl Place {
    fn address(&self) -> String {
        self.at(self.own)
    }

    fn inner(&self) -> String {
        self.at(self.inner)
    }

    fn at(&self, port: u16) -> String {
        let host = self.host.as_ref().map_or("127.0.0.1", |host| &host.address);
        format!("{host}:{port}")
    }
}

/// A cluster's folder.
#[derive(Clone, Debug)]
pub struct Layout {
    folder: PathBuf,
    jars: Jars,
    nodes: BTreeMap<u16, Place>,
}

impl Layout {
    /// Writes the properties and the data of every node into this folder. `free_port` is asked for two ports for each node.
    ///
    /// # Errors
    /// There is no free port, a file cannot be written, or Java does not format the data.
    pub fn make(
        folder: &Path,
        jars: Jars,
        options: &Options,
        mut free_port: impl FnMut() -> io::Result<u16>,
    ) -> Result<Self, Error> {
        let ids = (1..=options.brokers).chain((0..options.controllers).map(|at| FIRST_CONTROLLER + at));
        let mut port = || free_port().map_err(Error::Port);
        let nodes = ids.map(|id| {
            let place = Place {
                host: options.hosts.get(&id).cloned(),
                own: port()?,
                inner: port()?,
            };
            Ok((id, place))
        });
        let layout = Self {
            nodes: nodes.collect::<Result<_, Error>>()?,
            folder: folder.to_owned(),
            jars,
        };
        layout.format(options)?;
        Ok(layout)
    }

    /// Where all brokers listen, for a client.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(&self.brokers()).join(",")
    }

    /// Where a node listens. Empty if there is no such node.
    #[must_use]
    pub fn address(&self, id: u16) -> String {
        self.nodes.get(&id).map_or_else(String::new, Place::address)
    }

    /// Where a broker listens for what stands in front of it, if it was given an advertised address. Empty if there is no such node.
    #[must_use]
    pub fn inner(&self, id: u16) -> String {
        self.nodes.get(&id).map_or_else(String::new, Place::inner)
    }

    /// The brokers' ids.
    #[must_use]
    pub fn brokers(&self) -> Vec<u16> {
        self.nodes.keys().copied().filter(|id| !is_controller(*id)).collect()
    }

    /// The controllers' ids. They are to be started before the brokers: on a busy machine their elections fail while all nodes start
    /// at once, and a broker that finds no controller waits longer each time.
    #[must_use]
    pub fn controllers(&self) -> Vec<u16> {
        self.nodes.keys().copied().filter(|id| is_controller(*id)).collect()
    }

    /// What starts a node on its data and port, on its host. It logs to standard output, which is for [`Self::log_path`].
    #[must_use]
    pub fn command(&self, id: u16) -> Command {
        let here = self.jars.node(&self.path(id, "properties"));
        let host = self.nodes.get(&id).and_then(|place| place.host.as_ref());
        let Some([program, arguments @ ..]) = host.map(|host| &*host.enter) else {
            return here;
        };
        let mut there = Command::new(program);
        there.args(arguments).arg(here.get_program()).args(here.get_args());
        there.envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
        there
    }

    /// One of Kafka's own tools, ready to be started.
    #[must_use]
    pub fn tool(&self, class: &str, arguments: &[&str]) -> Command {
        self.jars.tool(class, arguments)
    }

    /// Where a node's log goes, so that [`Self::serves`] finds it.
    #[must_use]
    pub fn log_path(&self, id: u16) -> PathBuf {
        self.path(id, "log")
    }

    /// The log of a node since its last start.
    #[must_use]
    pub fn log(&self, id: u16) -> String {
        fs::read_to_string(self.log_path(id)).unwrap_or_default()
    }

    /// Whether a node's log says that it serves.
    #[must_use]
    pub fn serves(&self, id: u16) -> bool {
        let said = if is_controller(id) { CONTROLLER_SERVES } else { SERVES };
        self.log(id).contains(said)
    }

    fn addresses(&self, ids: &[u16]) -> Vec<String> {
        ids.iter().map(|id| self.address(*id)).collect()
    }

    fn path(&self, id: u16, what: &str) -> PathBuf {
        self.folder.join(format!("{id}.{what}"))
    }

    /// Makes every node's properties and data.
    fn format(&self, options: &Options) -> Result<(), Error> {
        let cluster = random_id();
        let directories: BTreeMap<u16, String> = self.nodes.keys().map(|id| (*id, random_id())).collect();
        let voter = |id: &u16| Some(format!("{id}@{}:{}", self.address(*id), directories.get(id)?));
        let voters: Vec<String> = self.controllers().iter().filter_map(voter).collect();
        for (id, place) in &self.nodes {
            let controllers = self.addresses(&self.controllers());
            let text = properties::of_node(*id, place, &self.path(*id, "data"), &controllers, options);
            write(&self.path(*id, "properties"), &text)?;
        }
        let output = self
            .tool("kafka.tools.StorageTool", &["format", "--cluster-id", &cluster])
            .args(["--initial-controllers", &voters.join(","), "--config"])
            .arg(self.path(FIRST_CONTROLLER, "properties"))
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(Error::program("java"))?;
        Error::unless_done(|| "formatting Kafka's storage".into(), &output)?;
        let formatted = self.path(FIRST_CONTROLLER, "data");
        for (id, directory) in directories.iter().filter(|(id, _)| **id != FIRST_CONTROLLER) {
            let data = self.path(*id, "data");
            fs::create_dir(&data).map_err(Error::file(&data))?;
            copy(&formatted.join(BOOTSTRAP), &data.join(BOOTSTRAP))?;
            if is_controller(*id) {
                copy_folder(&formatted.join(METADATA), &data.join(METADATA))?;
            }
            let text = format!("version=1\nnode.id={id}\ncluster.id={cluster}\ndirectory.id={directory}\n");
            write(&data.join("meta.properties"), &text)?;
        }
        Ok(())
    }
}

/// Whether this is a controller's id.
#[must_use]
pub const fn is_controller(id: u16) -> bool {
    id >= FIRST_CONTROLLER
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file(path))
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::copy(from, to).map(drop).map_err(Error::file(from))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir(to).map_err(Error::file(to))?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// 16 random bytes as Kafka writes them: base64 for URLs, without padding.
#[must_use]
pub fn random_id() -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let number: u128 = rand::random();
    // 126 bits in 21 letters, the last two bits in one more; the first letter is none that looks like an option.
    let letters = (0..22).map(|at| match at {
        0 => 'P',
        21 => char::from(LETTERS[usize::try_from(number & 3).unwrap_or(0) << 4]),
        _ => char::from(LETTERS[usize::try_from((number >> (at * 6)) & 63).unwrap_or(0)]),
    });
    letters.collect()
}

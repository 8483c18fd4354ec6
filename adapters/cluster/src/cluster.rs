//! A cluster as its file describes it.

use std::fmt;
use std::path::{Path, PathBuf};

use pehra_core::election::{Config, Tenure, Timing};
use pehra_core::members::NodeSet;
use pehra_core::sleep::guard;
use pehra_core::types::NodeId;

use crate::address::Address;
use crate::problem::{ConfigError, Problem};
use crate::signed::AdminKey;
use crate::sleep::{Broker, SleepSettings};
use crate::{check, seed, toml_file};

/// Whether a node votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Votes, and may lead.
    Voter,
    /// Follows, and neither votes nor leads.
    Observer,
}

impl Role {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Observer => "observer",
        }
    }
}

/// Whose commands a node carries out. Questions are everybody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commanders {
    /// Over TLS whoever shows the certificate of a member, without it whoever is on the node's own machine.
    #[default]
    Trusted,
    /// Whoever reaches the port.
    Anybody,
}

impl Commanders {
    /// All of them, by their names in files.
    pub const NAMES: [(&'static str, Self); 2] = [("trusted", Self::Trusted), ("anybody", Self::Anybody)];
}

/// A journal that all nodes keep: one order of texts, decided by a majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journal {
    /// So many of the latest texts can be read.
    pub keep: u32,
    /// After so many entries each node takes a snapshot, and drops the log before it.
    pub snapshot_every: u32,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            keep: 1000,
            snapshot_every: 1000,
        }
    }
}

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id, 0 to 63.
    pub id: u16,
    /// Where it listens, for the others and for clients.
    pub address: Address,
    /// Whether it votes.
    pub role: Role,
    /// The Kafka broker that it looks after; none if it only watches.
    pub broker: Option<Broker>,
}

/// A secret that the nodes share. It makes the order of succession unforeseeable for those who do not have it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The secret itself.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Logs and dumps must not show it.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(of {} bytes)", self.0.len())
    }
}

/// Certificates, as PEM files. `{id}` in a path stands for the node's id, so that one file serves all nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signs the certificates of all nodes.
    pub ca: PathBuf,
    /// A node's certificate.
    pub cert: PathBuf,
    /// A node's key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The files of one node.
    #[must_use]
    pub fn of(&self, id: u16) -> Self {
        let filled = |path: &Path| PathBuf::from(path.to_string_lossy().replace("{id}", &id.to_string()));
        Self {
            ca: self.ca.clone(),
            cert: filled(&self.cert),
            key: filled(&self.key),
        }
    }
}

/// A cluster. It keeps every rule that can be checked without running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Its name; nodes of another cluster are refused.
    pub name: String,
    /// The number of this configuration; nodes with another number are refused.
    pub number: u32,
    /// The set of times it started from, by name.
    pub profile: &'static str,
    /// Its times, with what the file overrides.
    pub timing: Timing,
    /// Whether a leader may rely on its lease. Off, a dead process is replaced at once instead of after the lease.
    pub lease: bool,
    /// How long one leadership may last; none for as long as it works.
    pub tenure: Option<Tenure>,
    /// The journal; none if only a leader is elected.
    pub journal: Option<Journal>,
    /// How brokers are let sleep; none if nobody sleeps.
    pub sleep: Option<SleepSettings>,
    /// Whose commands are carried out.
    pub commanders: Commanders,
    /// What orders that can lead towards sleep must be signed with; none if they need no signature.
    pub admin: Option<AdminKey>,
    /// The shared secret.
    pub key: Option<Key>,
    /// The folder that holds a folder for each local node.
    pub data: PathBuf,
    /// Certificates; none for plain connections.
    pub tls: Option<TlsFiles>,
    /// The nodes, by id.
    pub members: Vec<Member>,
    /// What is allowed and unwise.
    pub warnings: Vec<Problem>,
}

impl Cluster {
    /// Reads a file. `config.txt` is known by its content: only that has a line such as `N: 5`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fail = |rule: String, instead: &str| ConfigError {
            path: path.to_owned(),
            problems: vec![Problem::new(None, "", rule, instead)],
        };
        let bytes = std::fs::read(path).map_err(|error| {
            let instead = match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "name the cluster's file with --config; examples/cluster.toml is a start"
                }
                std::io::ErrorKind::PermissionDenied => "let this user read it",
                _ => "is it a file on a disk that works?",
            };
            fail(format!("cannot read it: {error}"), instead)
        })?;
        let text = String::from_utf8(bytes).map_err(|_| fail("it is not text in UTF-8".into(), "save it as UTF-8"))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file that stands at `path`. Other files that it names are looked for from there.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        // Some editors put this mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let is_toml = path.extension().is_some_and(|extension| extension == "toml");
        let drafted = if !is_toml && seed::is_seed(text) {
            seed::draft(text)
        } else {
            toml_file::draft(text)
        };
        check::finish(path, drafted)
    }

    /// The node of this id.
    #[must_use]
    pub fn member(&self, id: u16) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Those who vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role == Role::Voter)
    }

    /// How many voters it takes to elect.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.voters().count() / 2 + 1
    }

    /// Where a node keeps what it must not forget.
    #[must_use]
    pub fn node_folder(&self, id: u16) -> PathBuf {
        self.data.join(format!("node{id}"))
    }

    /// What core is told on the node of this id; none if there is no such node.
    #[must_use]
    pub fn election(&self, id: u16) -> Option<Config> {
        self.member(id)?;
        let ids = |role| {
            let members = self.members.iter().filter(move |member| member.role == role);
            members.map(|member| NodeId(member.id)).collect::<NodeSet>()
        };
        let mut config = Config::new(NodeId(id), ids(Role::Voter), self.timing);
        config.observers = ids(Role::Observer);
        config.lease = self.lease;
        config.tenure = self.tenure;
        Some(config)
    }

    /// What core is told of guard duty on the node of this id; none if there is no such node, or nobody sleeps.
    #[must_use]
    pub fn guard(&self, id: u16) -> Option<guard::Config> {
        let (settings, member) = (self.sleep.as_ref()?, self.member(id)?);
        let ids = |holds: fn(&Member) -> bool| {
            let members = self.members.iter().filter(move |member| holds(member));
            members.map(|member| NodeId(member.id)).collect::<NodeSet>()
        };
        let voters = ids(|member| member.role == Role::Voter);
        let brokers = ids(|member| member.broker.is_some());
        let mut config = guard::Config::new(NodeId(id), voters, brokers, settings.timing);
        config.voter_spare = settings.voter_spare;
        config.gear = settings.gear;
        config.wake = settings.wake;
        config.disable_on_traffic = settings.disable_on_traffic;
        config.stay_awake = member.broker.as_ref().is_some_and(|broker| broker.stay_awake);
        Some(config)
    }
}

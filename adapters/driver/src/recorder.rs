//! The flight recorder: writes down what a node was fed, so that the same code can be fed it again and must say the
//! same.
//!
//! One file for each life of a node, from a recovery on: the configuration, what the store had kept, then every input
//! and every report of a commit, each followed by a digest of the outputs. A file that has reached its bound ends with a
//! mark; the files of older lives are removed, so the folder's size is bounded. It is written after each round of
//! inputs and never synced: it survives `kill -9`, not a power cut, and costs no node its pace.
//!
//! An entry is its kind (1 byte), the length of its bytes (4, big-endian), the bytes, and their CRC-32 (4). A recording
//! cut short in the middle of an entry ends before it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pehra_core::node::{Desk, GateBound, Node, Taken};
use pehra_core::protocol::{Input, Recovered};
use pehra_core::wire::{Replayable, VERSION, crc32};

/// The first bytes of a recording; the format's version is the last one.
const MAGIC: &[u8; 8] = b"PEHRAR\0\x01";

/// Files that one node keeps.
const LIVES_KEPT: usize = 4;

/// Bytes of one file at the most, unless said otherwise.
pub const FILE_MAX_BYTES: u64 = 32 * 1024 * 1024;

const HEAD: u8 = 1;
const CONFIG: u8 = 2;
const RECOVERED: u8 = 3;
const INPUT: u8 = 4;
const PERSISTED: u8 = 5;
const OUTPUTS: u8 = 6;
const FULL: u8 = 7;

/// What a recorder is told.
#[derive(Debug)]
pub enum Seen<'a, P: Replayable> {
    /// A life begins with this.
    Recovered {
        /// The node's configuration.
        config: &'a P::Config,
        /// The bound of its gate.
        gate: GateBound,
        /// What the store kept.
        recovered: &'a Recovered<P::Durable>,
    },
    /// This is about to be fed.
    Input(&'a Input<P>),
    /// A commit is about to be reported durable.
    Persisted,
    /// What came out, as a digest.
    Outputs(u64),
}

/// Writes recordings into a folder.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    name: String,
    bound: u64,
    file: Option<File>,
    written: u64,
    buffer: Vec<u8>,
    kept: VecDeque<PathBuf>,
}

impl Recorder {
    /// Recordings of a node called `name`, in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(folder: &Path, name: &str, file_max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let name: String = name
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let mut kept: Vec<PathBuf> = fs::read_dir(folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| is_of(path, &name))
            .collect();
        kept.sort();
        Ok(Self {
            folder: folder.to_owned(),
            name,
            bound: file_max_bytes,
            file: None,
            written: 0,
            buffer: Vec::new(),
            kept: kept.into(),
        })
    }

    /// Takes note. Written out by [`Recorder::flush`].
    pub fn see<P: Replayable>(&mut self, seen: &Seen<'_, P>) {
        match seen {
            Seen::Recovered {
                config,
                gate,
                recovered,
            } => {
                self.begin();
                self.entry(HEAD, |bytes| {
                    bytes.push(VERSION);
                    bytes.extend(gate.commits.to_be_bytes());
                    bytes.extend(gate.held.to_be_bytes());
                    bytes.extend(P::NAME.as_bytes());
                });
                self.entry(CONFIG, |bytes| P::encode_config(config, bytes));
                self.entry(RECOVERED, |bytes| P::encode_recovered(recovered, bytes));
            }
            Seen::Input(input) => self.entry(INPUT, |bytes| P::encode_input(input, bytes)),
            Seen::Persisted => self.entry(PERSISTED, |_| ()),
            Seen::Outputs(digest) => self.entry(OUTPUTS, |bytes| bytes.extend(digest.to_be_bytes())),
        }
    }

    /// Hands what was noted to the system. A recorder that cannot write gives up and says so once; the node goes on.
    pub fn flush(&mut self) {
        let Some(file) = &mut self.file else {
            self.buffer.clear();
            return;
        };
        if self.buffer.is_empty() {
            return;
        }
        let mut full = false;
        if self.written + self.buffer.len() as u64 > self.bound {
            self.buffer.clear();
            push_entry(&mut self.buffer, FULL, |_| ());
            full = true;
        }
        if let Err(error) = file.write_all(&self.buffer) {
            tracing::warn!(folder = %self.folder.display(), %error, "the flight recorder cannot write and stops");
            full = true;
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if full {
            self.file = None;
        }
    }

    fn begin(&mut self) {
        self.flush();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = self.folder.join(format!("{}-{:020}.rec", self.name, since.as_micros()));
        self.written = 0;
        self.file = File::create(&path)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "no flight recording"))
            .ok();
        self.buffer.extend(MAGIC);
        self.kept.push_back(path);
        while self.kept.len() > LIVES_KEPT {
            if let Some(oldest) = self.kept.pop_front() {
                // Gone already is as good as removed.
                let _ = fs::remove_file(oldest);
            }
        }
    }

    fn entry(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.file.is_some() {
            push_entry(&mut self.buffer, kind, fill);
        }
    }
}

fn is_of(path: &Path, name: &str) -> bool {
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    file.strip_suffix(".rec")
        .and_then(|stem| stem.rsplit_once('-'))
        .is_some_and(|(node, _)| node == name)
}

fn push_entry(buffer: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    buffer.push(kind);
    let at = buffer.len();
    buffer.extend([0; 4]);
    fill(buffer);
    let length = u32::try_from(buffer.len() - at - 4).unwrap_or(u32::MAX);
    buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
    let sum = crc32(&buffer[at + 4..]);
    buffer.extend(sum.to_be_bytes());
}

/// Digest of outputs, the same in every process of one build (FNV-1a, 64 bits). Outputs are hashed into it.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// The digest.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// A recording, read whole.
#[derive(Debug)]
pub struct Recording {
    entries: Vec<(u8, Vec<u8>)>,
    protocol: String,
    gate: GateBound,
    /// Whether it ends in the middle of an entry, as after `kill -9`.
    pub is_cut_short: bool,
    /// Whether it reached its bound, so that what followed was not written down.
    pub is_full: bool,
}

/// Why a recording cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecording(String);

impl std::fmt::Display for BadRecording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRecording {}

/// What playing it again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs fed.
    pub inputs: u64,
    /// Commits reported.
    pub persisted: u64,
    /// Outputs said.
    pub outputs: u64,
    /// The first difference, in words; none if everything was as recorded.
    pub difference: Option<String>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// If it is none, or was written by another release.
    pub fn read(path: &Path) -> Result<Self, BadRecording> {
        let bad = |what: String| BadRecording(format!("{}: {what}", path.display()));
        let bytes = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            return Err(bad("this is no recording of this release's format".into()));
        };
        let mut entries = Vec::new();
        let (mut is_cut_short, mut is_full) = (false, false);
        while !rest.is_empty() {
            let Some((entry, length)) = split_entry(rest) else {
                is_cut_short = true;
                break;
            };
            is_full |= entry.0 == FULL;
            entries.push((entry.0, entry.1.to_vec()));
            rest = &rest[length..];
        }
        let head = entries.first().filter(|(kind, bytes)| *kind == HEAD && bytes.len() > 5);
        let Some((_, head)) = head else {
            return Err(bad("it has no head: it was cut short at once".into()));
        };
        if head[0] != VERSION {
            return Err(bad(format!(
                "it was written with version {} of the format of messages, this build has {VERSION}: play it with the \
                 release that wrote it",
                head[0]
            )));
        }
        Ok(Self {
            protocol: String::from_utf8_lossy(&head[5..]).into_owned(),
            gate: GateBound {
                commits: u16::from_be_bytes([head[1], head[2]]),
                held: u16::from_be_bytes([head[3], head[4]]),
            },
            entries,
            is_cut_short,
            is_full,
        })
    }

    /// Which protocol it is of: [`Replayable::NAME`].
    #[must_use]
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Feeds it to the code of this build and compares what it says; `tell` is told every input and output.
    ///
    /// # Errors
    /// If an entry cannot be read.
    pub fn play<P: Replayable>(&self, mut tell: impl FnMut(&str)) -> Result<Replayed, BadRecording> {
        let wrong = |number: usize, what: &dyn std::fmt::Display| BadRecording(format!("entry {number}: {what}"));
        let find = |kind: u8| self.entries.iter().position(|(found, _)| *found == kind);
        let (Some(at_config), Some(at_recovered)) = (find(CONFIG), find(RECOVERED)) else {
            return Err(BadRecording("it ends before the node had recovered".into()));
        };
        let config = P::decode_config(&self.entries[at_config].1).map_err(|error| wrong(at_config, &error))?;
        let recovered =
            P::decode_recovered(&self.entries[at_recovered].1).map_err(|error| wrong(at_recovered, &error))?;
        tell(&format!("recovered from {recovered:?}"));
        let mut desk = Desk::default();
        let mut node: Node<P> = Node::recover(&config, self.gate, recovered, &mut desk);
        let mut replayed = Replayed::default();
        let mut cause = String::from("recovery");
        let mut digest = Some(drain(&mut desk, &mut replayed, &mut tell));
        for (number, (kind, bytes)) in self.entries.iter().enumerate().skip(at_recovered + 1) {
            match *kind {
                INPUT => {
                    let input = P::decode_input(bytes).map_err(|error| wrong(number, &error))?;
                    cause = format!("{input:?}");
                    tell(&format!("< {cause}"));
                    if node.step(&config, input, &mut desk) == Taken::No {
                        tell("  not taken");
                    }
                    replayed.inputs += 1;
                    digest = Some(drain(&mut desk, &mut replayed, &mut tell));
                }
                PERSISTED => {
                    "a commit reported durable".clone_into(&mut cause);
                    tell(&format!("< {cause}"));
                    node.persisted(&config, &mut desk);
                    replayed.persisted += 1;
                    digest = Some(drain(&mut desk, &mut replayed, &mut tell));
                }
                OUTPUTS if digest.take() == <[u8; 8]>::try_from(bytes.as_slice()).ok().map(u64::from_be_bytes) => {}
                OUTPUTS => {
                    replayed.difference = Some(format!(
                        "entry {number}: after input {} ({cause}) this build says something else than was recorded",
                        replayed.inputs
                    ));
                    return Ok(replayed);
                }
                _ => {}
            }
        }
        Ok(replayed)
    }
}

fn drain<P: Replayable>(desk: &mut Desk<P>, replayed: &mut Replayed, tell: &mut impl FnMut(&str)) -> u64 {
    let mut digest = Digest::default();
    for output in desk.outputs() {
        output.hash(&mut digest);
        replayed.outputs += 1;
        tell(&format!("  > {output:?}"));
    }
    digest.value()
}

/// The first entry and its whole length; `None` if it is not all there or not as it was written.
fn split_entry(bytes: &[u8]) -> Option<((u8, &[u8]), usize)> {
    let (kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let content = rest.get(..length)?;
    let sum = rest.get(length..)?.first_chunk::<4>()?;
    (crc32(content) == u32::from_be_bytes(*sum)).then_some(((*kind, content), length + 9))
}

//! Golden traces of sleep: scripts in `golden/traffic.txt` and `golden/coverage.txt`, each a story with all that is said.
//!
//! To rewrite what is expected after a change that is meant, run
//! `UPDATE_GOLDENFILES=1 cargo test -p pehra-core --test golden_sleep` and read the difference.
//!
//! | command of traffic | does |
//! | --- | --- |
//! | `ask fetch number=1 version=12` | the client sends a request: `produce`, `silent-produce` (acks=0), `metadata`, `versions`, `kind-N` |
//! | `answer number=1 fetched=r,-` | the broker answers a fetch: partitions with a record or without; `cut=true` ends it too early |
//! | `answer number=1 offers=1:4:30` | the broker answers a question for versions: kind, lowest, highest; `error=35` |
//! | `answer number=1` | the broker answers anything else |
//! | `pass bytes=17000 ms=250` | so much passes in so long on a connection that nothing is read of, with the usual allowance |
//!
//! | command of coverage | does |
//! | --- | --- |
//! | `cluster brokers=3` | a new cluster, all up, controllers apart; `combined=true` makes the brokers controllers |
//! | `partition copies=1,2,3 need=2` | one more partition, all in sync; `unclean=true`, `moving=true` |
//! | `asleep 3`, `down 3`, `awake 3` | a broker changes; with `in-sync=true` its copies stay in sync |
//! | `ask lean` | who may sleep in this gear: `full`, `lean`, `watch` |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::panic,
    reason = "a test may panic"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use pehra_core::sleep::coverage::{Broker, Controllers, Gear, Partition, Presence, Rules, Topology, assess};
use pehra_core::sleep::traffic::{Account, Allowance, Answers, InFlight, Meaning, Requests};
use pehra_core::types::NodeId;

#[test]
fn traffic() {
    let mut told = Told {
        requests: Requests::new(1000),
        flight: InFlight::new(4),
        answers: Answers::new(),
        account: Account::NEW,
    };
    goldenscript::run(&mut told, "tests/golden/traffic.txt").unwrap();
}

#[test]
fn coverage() {
    goldenscript::run(&mut Asked(Topology::default()), "tests/golden/coverage.txt").unwrap();
}

struct Told {
    requests: Requests,
    flight: InFlight,
    answers: Answers,
    account: Account,
}

fn framed(content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(content.len()).unwrap();
    [&length.to_be_bytes()[..], content].concat()
}

impl Told {
    fn ask(&mut self, what: &str, number: i32, version: i16) -> String {
        let (kind, rest): (i16, &[u8]) = match what {
            // A client without a name, no transaction, acks.
            "produce" => (0, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7]),
            "silent-produce" => (0, &[0xff, 0xff, 0xff, 0xff, 0, 0, 7]),
            "fetch" => (1, &[]),
            // A client without a name, group and member, epoch.
            "heartbeat-that-joins" => (68, b"\xff\xff\0\x02g\x03me\0\0\0\0"),
            "heartbeat" => (68, b"\xff\xff\0\x02g\x03me\0\0\0\x07"),
            "metadata" => (3, &[]),
            "versions" => (18, &[]),
            other => (other.strip_prefix("kind-").unwrap().parse().unwrap(), &[]),
        };
        let head = [&kind.to_be_bytes()[..], &version.to_be_bytes(), &number.to_be_bytes()];
        let bytes = framed(&[&head.concat()[..], rest].concat());
        let mut said = String::new();
        let fed = self.requests.feed(&bytes, |asked| {
            self.flight.asked(asked);
            let meaning = match asked.meaning {
                Meaning::Idle => "idle",
                Meaning::Traffic => "traffic",
                Meaning::ByAnswer => "its answer will tell",
                Meaning::ByEpoch => "untold",
            };
            let silent = if asked.is_answered { "" } else { ", and no answer comes" };
            writeln!(said, "{meaning}{silent}").unwrap();
        });
        fed.unwrap();
        said
    }

    fn pass(&mut self, bytes: u64, ms: u32) -> String {
        let is_traffic = self.account.passed(Allowance::USUAL, bytes, ms) == Meaning::Traffic;
        let meaning = if is_traffic { "traffic" } else { "idle" };
        format!("{meaning}, {} bytes stand on it\n", self.account.bytes())
    }

    fn answer(&mut self, number: i32, content: &[u8]) -> String {
        let sent = framed(&[&number.to_be_bytes()[..], content].concat());
        let mut passed = sent.clone();
        // In pieces, as it may come.
        let mut traffic = 0;
        for piece in passed.chunks_mut(3) {
            traffic += self.answers.feed(piece, |number| self.flight.answered(number)).unwrap();
        }
        let mut said = String::from(if traffic > 0 { "traffic\n" } else { "idle\n" });
        for (at, (sent, passed)) in sent.iter().zip(&passed).enumerate().filter(|(_, (a, b))| a != b) {
            writeln!(said, "byte {at} passes as {passed} instead of {sent}").unwrap();
        }
        said
    }
}

impl Runner for Told {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut arguments = command.consume_args();
        let number: i32 = key(&mut arguments, "number")?.unwrap_or(0);
        let said = match command.name.as_str() {
            "ask" => {
                let version = key(&mut arguments, "version")?.unwrap_or(4);
                let what = arguments.next_pos().ok_or("what?")?.to_owned();
                self.ask(&what, number, version)
            }
            "answer" => {
                let fetched: Option<String> = key(&mut arguments, "fetched")?;
                let offers: Option<String> = key(&mut arguments, "offers")?;
                let error: i16 = key(&mut arguments, "error")?.unwrap_or(0);
                let is_cut: bool = key(&mut arguments, "cut")?.unwrap_or(false);
                let mut content = match (fetched, offers) {
                    (Some(partitions), _) => fetched_in_version_4(&partitions),
                    (_, Some(kinds)) => offered_in_version_0(error, &kinds),
                    _ => vec![0; 6],
                };
                content.truncate(content.len() - usize::from(is_cut));
                self.answer(number, &content)
            }
            "pass" => {
                let bytes = key(&mut arguments, "bytes")?.ok_or("how many bytes?")?;
                let ms = key(&mut arguments, "ms")?.ok_or("in how long?")?;
                self.pass(bytes, ms)
            }
            other => return Err(format!("there is no {other}").into()),
        };
        arguments.reject_next()?;
        Ok(said)
    }
}

/// One topic with partitions that carry a record (`r`) or none (`-`).
fn fetched_in_version_4(partitions: &str) -> Vec<u8> {
    let partitions: Vec<&str> = partitions.split(',').collect();
    let count = u32::try_from(partitions.len()).unwrap();
    let mut bytes = [&[0; 4][..], &[0, 0, 0, 1], &[0, 1, b't'], &count.to_be_bytes()].concat();
    for partition in partitions {
        let records: &[u8] = if partition == "r" { &[0, 0, 0, 1, 9] } else { &[0; 4] };
        bytes.extend([&[0; 22][..], &[0; 4], records].concat());
    }
    bytes
}

fn offered_in_version_0(error: i16, kinds: &str) -> Vec<u8> {
    let kinds: Vec<&str> = kinds.split(',').collect();
    let count = u32::try_from(kinds.len()).unwrap();
    let mut bytes = [&error.to_be_bytes()[..], &count.to_be_bytes()].concat();
    for kind in kinds {
        let numbers = kind.split(':').map(|number| number.parse::<i16>().unwrap());
        bytes.extend(numbers.flat_map(i16::to_be_bytes));
    }
    bytes
}

/// What stands behind this key, if it is there.
fn key<T: FromStr<Err: Into<Box<dyn Error>>>>(
    arguments: &mut ArgumentConsumer<'_>,
    name: &str,
) -> Result<Option<T>, Box<dyn Error>> {
    arguments.take_key(name).map(str::parse).transpose().map_err(Into::into)
}

struct Asked(Topology);

fn nodes(text: &str) -> Vec<NodeId> {
    text.split(',').map(|id| NodeId(id.parse().unwrap())).collect()
}

impl Asked {
    fn change(&mut self, id: NodeId, presence: Presence, in_sync: bool) {
        for broker in self.0.brokers.iter_mut().filter(|broker| broker.id == id) {
            broker.presence = presence;
        }
        self.0.controllers.awake.retain(|other| *other != id);
        if presence == Presence::Awake && self.0.controllers.voters.contains(&id) {
            self.0.controllers.awake.push(id);
        }
        for partition in self.0.partitions.iter_mut().filter(|it| it.replicas.contains(&id)) {
            partition.in_sync.retain(|other| *other != id || in_sync);
            if presence == Presence::Awake && !partition.in_sync.contains(&id) {
                partition.in_sync.push(id);
            }
            partition.leader = partition.in_sync.first().copied();
        }
    }

    fn assess(&self, gear: Gear) -> String {
        let coverage = assess(&self.0, &Rules { gear, ..Rules::LEAN });
        let mut said = String::new();
        for obstacle in &coverage.obstacles {
            writeln!(said, "nobody: {obstacle:?}").unwrap();
        }
        for verdict in &coverage.verdicts {
            let id = verdict.broker.0;
            match &verdict.reasons[..] {
                _ if coverage.may_sleep(verdict.broker) => writeln!(said, "{id} may sleep").unwrap(),
                [] => writeln!(said, "{id} stays").unwrap(),
                reasons => writeln!(said, "{id} stays: {reasons:?}").unwrap(),
            }
        }
        let ids = |ids: &[NodeId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
        let (now, layout) = (ids(&coverage.now.sleepers), ids(&coverage.layout.sleepers));
        writeln!(said, "at once: {now:?} now, {layout:?} if all were well").unwrap();
        said
    }
}

impl Runner for Asked {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut arguments = command.consume_args();
        let said = match command.name.as_str() {
            "cluster" => {
                let brokers: u16 = key(&mut arguments, "brokers")?.unwrap_or(3);
                let combined: bool = key(&mut arguments, "combined")?.unwrap_or(false);
                let voters: Vec<NodeId> = if combined { 1..=3 } else { 101..=103 }.map(NodeId).collect();
                self.0 = Topology {
                    brokers: (1..=brokers)
                        .map(|id| Broker {
                            id: NodeId(id),
                            presence: Presence::Awake,
                            rack: None,
                        })
                        .collect(),
                    controllers: Controllers {
                        awake: voters.clone(),
                        voters,
                    },
                    keeps_eligible: true,
                    partitions: Vec::new(),
                };
                String::new()
            }
            "partition" => {
                let copies: String = key(&mut arguments, "copies")?.ok_or("whose copies?")?;
                let replicas = nodes(&copies);
                self.0.partitions.push(Partition {
                    topic: u32::try_from(self.0.partitions.len())?,
                    leader: replicas.first().copied(),
                    in_sync: replicas.clone(),
                    replicas,
                    eligible: Vec::new(),
                    in_sync_min: key(&mut arguments, "need")?.unwrap_or(2),
                    unclean_election: key(&mut arguments, "unclean")?.unwrap_or(false),
                    moving: key(&mut arguments, "moving")?.unwrap_or(false),
                });
                String::new()
            }
            "asleep" | "down" | "awake" => {
                let in_sync: bool = key(&mut arguments, "in-sync")?.unwrap_or(false);
                let id = NodeId(arguments.next_pos().ok_or("which broker?")?.parse()?);
                let presence = match command.name.as_str() {
                    "asleep" => Presence::Asleep,
                    "down" => Presence::Down,
                    _ => Presence::Awake,
                };
                self.change(id, presence, in_sync);
                String::new()
            }
            "ask" => match arguments.next_pos().ok_or("in which gear?")? {
                "full" => self.assess(Gear::Full),
                "lean" => self.assess(Gear::Lean),
                _ => self.assess(Gear::Watch),
            },
            other => return Err(format!("there is no {other}").into()),
        };
        arguments.reject_next()?;
        Ok(said)
    }
}

//! A golden trace of replication: the script in `golden/replication.txt` is a story of three members, with all that they
//! say.
//!
//! | command | does |
//! | --- | --- |
//! | `fire n0 election` | fires a timer: `election` or `heartbeat` |
//! | `persist n0` | makes all that it writes durable |
//! | `deliver n1` | delivers all that is on its way to it |
//! | `part n2`, `mend n2` | loses all that goes to it and comes from it, until it is mended |
//! | `calm n0` | persists and delivers, at all of them, until nothing is under way; says only what holds and is reported |
//! | `crash n0` | kills it and starts it again from what was durable |
//! | `wipe n0` | kills it; it starts again with a lost store, after the number was raised |
//! | `propose n0 a` | offers it a command |
//! | `read n0 id=7` | asks it to read |
//! | `snapshot n0 upto=5 nth=0 A`, the last one with `end=true` | hands it a piece of its snapshot |
//! | `show n0` | prints its log |
//!
//! The store answers at once what a member asks it for. An entry is named by its place and its leader's term: `2/t1`.
//!
//! To rewrite what is expected, run `UPDATE_GOLDENFILES=1 cargo test -p pehra-core --test replication`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::std_instead_of_core)]

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::mem::take;
use std::str::FromStr;

use goldenscript::{Command as Line, Context, Runner};
use pehra_core::election::{self, Timer, Timing};
use pehra_core::members::{NodeSet, Order};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Draw, Drawn, Image, Input};
use pehra_core::replication::{Body, Command, Config, Entry, Index, LogImage, Message, Record, Replication};
use pehra_core::types::{NodeId, RequestId};

type Member = Replication<char>;

struct Cluster {
    configs: Vec<Config>,
    nodes: Vec<Node<Member>>,
    images: Vec<LogImage<char>>,
    /// Commits that are not durable.
    open: Vec<Vec<Vec<Record<char>>>>,
    mail: Vec<(NodeId, NodeId, Message<char>)>,
    parted: NodeSet,
    said: String,
}

impl Cluster {
    fn new() -> Self {
        let config = |me| Config {
            // A letter fits, `€` does not.
            body_max: 2,
            ..Config::new(election::Config::new(NodeId(me), NodeSet::first(3), Timing::LAN))
        };
        let mut cluster = Self {
            configs: (0..3).map(config).collect(),
            nodes: Vec::new(),
            images: vec![LogImage::default(); 3],
            open: vec![Vec::new(); 3],
            mail: Vec::new(),
            parted: NodeSet::EMPTY,
            said: String::new(),
        };
        for at in 0..3 {
            let mut desk = Desk::default();
            let node = cluster.started(at, &mut desk);
            cluster.nodes.push(node);
            cluster.perform(at, &mut desk);
        }
        cluster.said.clear();
        cluster
    }

    fn started(&self, at: usize, desk: &mut Desk<Member>) -> Node<Member> {
        Node::recover(&self.configs[at], GateBound::DEPLOYED, self.images[at].summary(), desk)
    }

    fn feed(&mut self, at: usize, input: Input<Member>) {
        let mut desk = Desk::default();
        let _ = self.nodes[at].step(&self.configs[at], input, &mut desk);
        self.perform(at, &mut desk);
    }

    fn perform(&mut self, at: usize, desk: &mut Desk<Member>) {
        let me = NodeId(u16::try_from(at).unwrap());
        let (mut drawn, mut asked, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for output in desk.outputs() {
            let line = match output {
                Output::Notice { to, notice, .. } => {
                    let line = format!("to {to} at once: {}", plain(&notice));
                    self.send(me, to, notice.into());
                    line
                }
                Output::Claim { to, claim, .. } => {
                    let line = format!("to {to}: {}", plain(&claim));
                    self.send(me, to, claim.into());
                    line
                }
                Output::Record { record, .. } => {
                    let line = format!("writes {}", plain(&record));
                    records.push(record);
                    line
                }
                Output::Commit { .. } => {
                    self.open[at].push(take(&mut records));
                    continue;
                }
                Output::Fetch { query, .. } => {
                    let line = format!("looks up {}", plain(&query));
                    asked.push(query);
                    line
                }
                Output::Emit { event, .. } => format!("holds: {}", plain(&event)),
                Output::Report { report, .. } => format!("reports: {}", plain(&report)),
                Output::Draw {
                    draw: Draw::Order { term },
                    ..
                } => {
                    drawn.push(term);
                    continue;
                }
                Output::Arm { .. } | Output::Disarm { .. } | Output::Draw { .. } => continue,
                Output::Fault { broken, .. } => format!("FAULT: {broken}"),
            };
            writeln!(self.said, "{me} {line}").unwrap();
        }
        for term in drawn {
            let order = Order::new([0, 1, 2].map(NodeId));
            self.feed(at, Input::Drawn(Drawn::Order { term, order }));
        }
        for query in asked {
            let rows = self.images[at].answer(&query);
            self.feed(at, Input::Fetched { query, rows });
        }
        self.nodes[at].check(&self.configs[at]).unwrap();
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message<char>) {
        if !self.parted.contains(from) && !self.parted.contains(to) {
            self.mail.push((from, to, message));
        }
    }

    fn deliver(&mut self, at: usize) {
        let me = NodeId(u16::try_from(at).unwrap());
        let (now, later): (Vec<_>, Vec<_>) = take(&mut self.mail).into_iter().partition(|(_, to, _)| *to == me);
        self.mail = later;
        for (from, _, message) in now {
            self.feed(at, Input::Received { from, message });
        }
    }

    fn persist(&mut self, at: usize) {
        while !self.open[at].is_empty() {
            for record in self.open[at].remove(0) {
                self.images[at].apply(&record);
            }
            let mut desk = Desk::default();
            self.nodes[at].persisted(&self.configs[at], &mut desk);
            self.perform(at, &mut desk);
        }
    }

    fn calm(&mut self) {
        while !self.mail.is_empty() || self.open.iter().any(|commits| !commits.is_empty()) {
            (0..3).for_each(|at| {
                self.persist(at);
                self.deliver(at);
            });
        }
        let all = take(&mut self.said);
        let told = |line: &&str| line.contains(" holds: ") || line.contains(" reports: ") || line.contains("FAULT");
        for line in all.lines().filter(told) {
            writeln!(self.said, "{line}").unwrap();
        }
    }

    /// What is in the store, and what the member knows of it.
    fn show(&mut self, at: usize) {
        let (state, image) = (self.nodes[at].state(), &self.images[at]);
        let rows: Vec<String> = image.entries.iter().map(named).collect();
        writeln!(
            self.said,
            "term {}, snapshot {:?} up to {}, then [{}]; decided {}, applied {}",
            state.election().term(),
            image.pieces.iter().collect::<String>(),
            image.base,
            rows.join(", "),
            state.decided().0,
            state.applied().0
        )
        .unwrap();
    }
}

impl Runner for Cluster {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = line.consume_args();
        let name = args.next_pos().ok_or("which node?")?;
        let at: usize = name.trim_start_matches('n').parse()?;
        let me = NodeId(u16::try_from(at)?);
        match line.name.as_str() {
            "fire" => {
                let timer = match args.next_pos().ok_or("which timer?")? {
                    "election" => Timer::Election,
                    "heartbeat" => Timer::Heartbeat,
                    other => return Err(format!("no timer {other}").into()),
                };
                self.feed(at, Input::Fired(timer));
            }
            "persist" if self.open[at].is_empty() => return Err("nothing to persist".into()),
            "persist" => self.persist(at),
            "deliver" => self.deliver(at),
            "part" => {
                self.parted.insert(me);
                self.mail.retain(|(from, to, _)| *from != me && *to != me);
            }
            "mend" => self.parted.remove(me),
            "calm" => self.calm(),
            "crash" | "wipe" => {
                if line.name == "wipe" {
                    self.images[at] = LogImage {
                        lacks: true,
                        ..LogImage::default()
                    };
                }
                self.open[at].clear();
                let mut desk = Desk::default();
                self.nodes[at] = self.started(at, &mut desk);
                self.perform(at, &mut desk);
            }
            "propose" => {
                let body = args.next_pos().ok_or("what?")?.parse()?;
                self.feed(at, Input::Commanded(RequestId(0), Command::Propose(body)));
            }
            "read" => {
                let id = RequestId(number(args.take_key("id"))?.unwrap_or(0));
                self.feed(at, Input::Commanded(id, Command::Read));
            }
            "snapshot" => {
                let piece = Command::Piece {
                    upto: Index(number(args.take_key("upto"))?.unwrap_or(0)),
                    nth: number(args.take_key("nth"))?.unwrap_or(0),
                    end: number(args.take_key("end"))?.unwrap_or(false),
                    body: args.next_pos().ok_or("what?")?.parse()?,
                };
                self.feed(at, Input::Commanded(RequestId(0), piece));
            }
            "show" => self.show(at),
            other => return Err(format!("no command {other}").into()),
        }
        args.reject_next()?;
        Ok(take(&mut self.said))
    }
}

fn number<T: FromStr>(text: Option<&str>) -> Result<Option<T>, T::Err> {
    text.map(str::parse).transpose()
}

fn named(entry: &Entry<char>) -> String {
    match entry.body {
        Body::Empty => format!("{} empty", entry.id),
        Body::Command(body) => format!("{} {body}", entry.id),
    }
}

/// As `Debug` has it, with names and entries as people write them.
fn plain(said: &impl Debug) -> String {
    let text = format!("{said:?}");
    let text = short(
        &text,
        ["LogId { term: Term(", "), index: Index(", ") }"],
        |term, index| format!("{index}/t{term}"),
    );
    let text = short(&text, ["Entry { id: ", ", body: ", " }"], |id, body| {
        let body = body.trim_start_matches("Command('").trim_end_matches("')");
        format!("{id} {}", if body == "Empty" { "empty" } else { body })
    });
    let text = short(&text, ["Term(", ")", ""], |term, _| format!("t{term}"));
    let text = short(&text, ["Index(", ")", ""], |index, _| index.into());
    short(&text, ["NodeId(", ")", ""], |node, _| format!("n{node}"))
}

/// Replaces all that has these three parts, by what stands between them.
fn short(text: &str, [first, second, third]: [&str; 3], to: impl Fn(&str, &str) -> String) -> String {
    let mut parts = text.split(first);
    let mut out: String = parts.next().unwrap_or_default().into();
    for part in parts {
        let cut = part
            .split_once(second)
            .and_then(|(a, rest)| Some((a, rest.split_once(third)?)));
        let Some((a, (b, rest))) = cut else {
            out.extend([first, part]);
            continue;
        };
        out.push_str(&to(a, b));
        out.push_str(rest);
    }
    out
}

#[test]
fn a_log_is_replicated_cut_caught_up_with_and_read() {
    let path = format!("{}/tests/golden/replication.txt", env!("CARGO_MANIFEST_DIR"));
    goldenscript::run(&mut Cluster::new(), path).unwrap();
}

//! Golden traces of election: scripts in `golden/election*.txt`, each a story of three voters, with all that they say.
//!
//! | command | does |
//! | --- | --- |
//! | `fire n0 election` | fires an armed timer: election, heartbeat, handover, write, quarantine, `peer 1`, or `lease 0` |
//! | `persist n0` | makes its oldest commit durable |
//! | `deliver n1` | delivers all that is on its way to it; `from=0` only from that one |
//! | `lose n1` | loses all that is on its way to it |
//! | `withhold n1` | puts aside what is on its way to it; `repeat n1` delivers that, and may do so again |
//! | `crash n0` | kills it and starts it again from what was durable |
//! | `ask n0 id=1`, `transfer n0 to=1`, `transfer n0`, `resign n0`, `drain n0` | commands |
//! | `gone n0 peer=1` | the transport says that the peer's process is gone |
//! | `show n0` | prints its state |
//!
//! To rewrite what is expected, run `UPDATE_GOLDENFILES=1 cargo test -p pehra-core --test election`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::std_instead_of_core)]

use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;

use goldenscript::{Command as Line, Context, Runner};
use pehra_core::election::{Command, Config, Election, HardImage, Message, Timer, Timing};
use pehra_core::members::{NodeSet, Order};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Draw, Drawn, Image, Input};
use pehra_core::types::{NodeId, RequestId};

type Voter = Node<Election<()>>;

struct Cluster {
    configs: Vec<Config>,
    nodes: Vec<Voter>,
    images: Vec<HardImage>,
    open: Vec<Vec<<Election<()> as pehra_core::protocol::Protocol>::Record>>,
    mail: Vec<(NodeId, NodeId, Message<()>)>,
    withheld: Vec<(NodeId, NodeId, Message<()>)>,
    said: String,
}

impl Cluster {
    fn new(lease: bool) -> Self {
        let voters = NodeSet::first(3);
        let config = |me| Config {
            lease,
            ..Config::new(NodeId(me), voters, Timing::LAN)
        };
        let configs: Vec<Config> = (0..3).map(config).collect();
        let mut cluster = Self {
            configs,
            nodes: Vec::new(),
            images: vec![HardImage::default(); 3],
            open: vec![Vec::new(); 3],
            mail: Vec::new(),
            withheld: Vec::new(),
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

    fn started(&self, at: usize, desk: &mut Desk<Election<()>>) -> Voter {
        let recovered = <HardImage as Image<Election<()>>>::summary(&self.images[at]);
        Node::recover(&self.configs[at], GateBound::DEPLOYED, recovered, desk)
    }

    fn feed(&mut self, at: usize, input: Input<Election<()>>) {
        let mut desk = Desk::default();
        let _ = self.nodes[at].step(&self.configs[at], input, &mut desk);
        self.perform(at, &mut desk);
    }

    fn perform(&mut self, at: usize, desk: &mut Desk<Election<()>>) {
        let me = NodeId(u16::try_from(at).unwrap());
        let mut drawn = Vec::new();
        for output in desk.outputs() {
            let line = match output {
                Output::Notice { to, notice, .. } => {
                    self.mail.push((me, to, notice.into()));
                    format!("to {to} at once: {notice:?}")
                }
                Output::Claim { to, claim, .. } => {
                    self.mail.push((me, to, claim.into()));
                    format!("to {to}: {claim:?}")
                }
                Output::Record { record, .. } => {
                    self.open[at].push(record);
                    format!("writes {record:?}")
                }
                Output::Emit { event, .. } => format!("holds: {event:?}"),
                Output::Report { report, .. } => format!("reports: {report:?}"),
                Output::Arm { timer, after, .. } => format!("arms {timer:?} {}..{} ms", after.min.0, after.max.0),
                Output::Disarm { .. } | Output::Commit { .. } | Output::Fetch { .. } => continue,
                Output::Draw {
                    draw: Draw::Order { term },
                    ..
                } => {
                    drawn.push(term);
                    continue;
                }
                Output::Draw { draw: Draw::Nonce, .. } => continue,
                Output::Fault { broken, .. } => format!("FAULT: {broken}"),
            };
            writeln!(self.said, "{me} {line}").unwrap();
        }
        for term in drawn {
            let order = Order::new([0, 1, 2].map(NodeId));
            self.feed(at, Input::Drawn(Drawn::Order { term, order }));
        }
        self.nodes[at].check(&self.configs[at]).unwrap();
    }

    fn deliver(&mut self, at: usize, from: Option<u16>) {
        let me = NodeId(u16::try_from(at).unwrap());
        let (now, later) = std::mem::take(&mut self.mail)
            .into_iter()
            .partition(|(sender, to, _)| *to == me && from.is_none_or(|from| *sender == NodeId(from)));
        self.mail = later;
        let now: Vec<(NodeId, NodeId, Message<()>)> = now;
        for (from, _, message) in now {
            self.feed(at, Input::Received { from, message });
        }
    }
}

impl Runner for Cluster {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = line.consume_args();
        let name = args.next_pos().ok_or("which node?")?;
        let at: usize = name.trim_start_matches('n').parse()?;
        match line.name.as_str() {
            "fire" => {
                let timer = args.next_pos().ok_or("which timer?")?;
                let timer = match timer {
                    "election" => Timer::Election,
                    "heartbeat" => Timer::Heartbeat,
                    "handover" => Timer::HandOver,
                    "write" => Timer::Write,
                    "quarantine" => Timer::Quarantine,
                    "lease" => Timer::Lease(args.next_pos().ok_or("which slot?")?.parse::<u8>()? > 0),
                    "peer" => Timer::Peer(NodeId(args.next_pos().ok_or("which peer?")?.parse()?)),
                    other => return Err(format!("no timer {other}").into()),
                };
                self.feed(at, Input::Fired(timer));
            }
            "persist" => {
                if self.open[at].is_empty() {
                    return Err("nothing to persist".into());
                }
                let record = self.open[at].remove(0);
                <HardImage as Image<Election<()>>>::apply(&mut self.images[at], &record);
                let mut desk = Desk::default();
                self.nodes[at].persisted(&self.configs[at], &mut desk);
                self.perform(at, &mut desk);
            }
            "deliver" => {
                let from = number(args.take_key("from"))?;
                self.deliver(at, from);
            }
            "withhold" => {
                let me = NodeId(u16::try_from(at)?);
                self.withheld = self.mail.iter().filter(|(_, to, _)| *to == me).copied().collect();
                self.mail.retain(|(_, to, _)| *to != me);
            }
            "repeat" => {
                let later = std::mem::replace(&mut self.mail, self.withheld.clone());
                self.deliver(at, None);
                self.mail.splice(0..0, later);
            }
            "lose" => {
                let me = NodeId(u16::try_from(at)?);
                self.mail.retain(|(_, to, _)| *to != me);
            }
            "crash" => {
                self.open[at].clear();
                let mut desk = Desk::default();
                self.nodes[at] = self.started(at, &mut desk);
                self.perform(at, &mut desk);
            }
            "ask" => {
                let id = RequestId(number(args.take_key("id"))?.unwrap_or(0));
                self.feed(at, Input::Commanded(id, Command::Confirm));
            }
            "transfer" => {
                let to = number(args.take_key("to"))?.map(NodeId);
                self.feed(at, Input::Commanded(RequestId(0), Command::Transfer(to)));
            }
            "resign" => self.feed(at, Input::Commanded(RequestId(0), Command::Resign)),
            "drain" => self.feed(at, Input::Commanded(RequestId(0), Command::Drain(true))),
            "gone" => {
                let peer = NodeId(number(args.take_key("peer"))?.unwrap_or(0));
                self.feed(at, Input::Link { peer, up: false });
            }
            "show" => {
                let state = self.nodes[at].state();
                let (role, loyalty, term) = (state.role(), state.loyalty(), state.term());
                writeln!(self.said, "{term} {role:?} {loyalty:?} disk {:?}", self.images[at].hard)?;
            }
            other => return Err(format!("no command {other}").into()),
        }
        args.reject_next()?;
        Ok(std::mem::take(&mut self.said))
    }
}

fn number<T: FromStr>(text: Option<&str>) -> Result<Option<T>, T::Err> {
    text.map(str::parse).transpose()
}

fn run(name: &str) {
    run_with(name, false);
}

fn run_with(name: &str, lease: bool) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    goldenscript::run(&mut Cluster::new(lease), path).unwrap();
}

#[test]
fn a_leader_is_elected_asked_and_deposed() {
    run("election");
}

#[test]
fn a_leader_hands_over_or_resigns() {
    run("hand-over");
}

#[test]
fn a_lease_rests_on_promises_that_no_late_message_ends() {
    run_with("lease", true);
}

//! Golden traces of PEHRA: the scripts in `golden/sleep.txt` and `golden/rousing.txt` are stories of three members with a broker each.
//! Each is the whole deployed protocol: guard duty beside the log, over the election. In the second one only n0 votes, and all others
//! may sleep.
//!
//! | command | does |
//! | --- | --- |
//! | `fire n0 election` | fires a timer: `election`, `heartbeat`, `idle`, `tell`, `probe`, `alarm`, `drain`, `rouse`, `wake`, `answer` |
//! | `calm n0` | persists and delivers, at all of them, until nothing is under way; says only what holds and is reported |
//! | `look n0` | answers its question about the cluster: three copies on all, of which two are needed |
//! | `watch n0` | answers its questions, and calms, until it asks no more |
//! | `up n0`, `stopped n0`, `done n0` | its broker is up and in sync, has stopped; the work on it is done |
//! | `traffic n0`, `rouse n0` | traffic is seen there; something wakes it |
//! | `enable n0 epoch=1`, `disable n0`, `maintain n0` | what a person may ask for |
//! | `gone n0` | its machine is gone: nothing that is sent there arrives |
//! | `crash n0` | kills it and starts it again from what was durable |
//! | `show n0` | prints how it stands |
//!
//! To rewrite what is expected, run `UPDATE_GOLDENFILES=1 cargo test -p pehra-core --test sleep`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::std_instead_of_core)]

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::mem::take;

use goldenscript::{Command as Line, Context, Runner};
use pehra_core::election::{self, Timing};
use pehra_core::members::{NodeSet, Order};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::protocol::{Draw, Drawn, Image, Input, Protocol};
use pehra_core::replication::{self, LogImage, Record};
use pehra_core::sleep::Sleep;
use pehra_core::sleep::cover::{Cover, View};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::{self, Decree, Order as Ask, State, Timer as Duty};
use pehra_core::sleep::member::{Command, Config, Event, Message, Timer};
use pehra_core::types::{NodeId, RequestId, Ticks};

struct Cluster {
    configs: Vec<Config>,
    nodes: Vec<Node<Sleep>>,
    images: Vec<LogImage<Decree>>,
    open: Vec<Vec<Vec<Record<Decree>>>>,
    mail: Vec<(NodeId, NodeId, Message)>,
    /// What was asked about the cluster, and is not answered.
    looks: Vec<Option<(Gear, NodeSet)>>,
    gone: NodeSet,
    drawn: u64,
    said: String,
}

fn config(me: u16, voters: NodeSet, gear: Gear) -> Config {
    let all = NodeSet::first(3);
    let timing = guard::Timing {
        idle: Ticks(300_000),
        tell: Ticks(1000),
        probe: Ticks(3000),
        drain: Ticks(60_000),
        alarm: Ticks(1_800_000),
        rouse: Ticks(2000),
        answer: Ticks(15_000),
        wake: Ticks(60_000),
    };
    let election = election::Config {
        observers: all.minus(voters),
        ..election::Config::new(NodeId(me), voters, Timing::LAN)
    };
    Config {
        log: replication::Config::new(election),
        guard: guard::Config {
            me: NodeId(me),
            voters,
            brokers: all,
            voter_spare: 0,
            gear,
            wake: guard::WakeRule::Needed,
            disable_on_traffic: false,
            stay_awake: false,
            timing,
            #[cfg(seeded_bugs)]
            bug: None,
        },
        snapshot_every: 4,
    }
}

impl Cluster {
    fn new(voters: NodeSet, gear: Gear) -> Self {
        let mut cluster = Self {
            configs: (0..3).map(|me| config(me, voters, gear)).collect(),
            nodes: Vec::new(),
            images: vec![LogImage::default(); 3],
            open: vec![Vec::new(); 3],
            mail: Vec::new(),
            looks: vec![None; 3],
            gone: NodeSet::EMPTY,
            drawn: 0,
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

    fn started(&self, at: usize, desk: &mut Desk<Sleep>) -> Node<Sleep> {
        let image = &self.images[at];
        let durable = <LogImage<Decree> as Image<replication::Replication<Decree>>>::summary(image);
        Node::recover(&self.configs[at], GateBound::DEPLOYED, durable, desk)
    }

    fn feed(&mut self, at: usize, input: Input<Sleep>) {
        let mut desk = Desk::default();
        let _ = self.nodes[at].step(&self.configs[at], input, &mut desk);
        self.perform(at, &mut desk);
    }

    fn ask(&mut self, at: usize, ask: Ask) {
        self.feed(at, Input::Commanded(RequestId(7), Command::Order(ask)));
    }

    fn perform(&mut self, at: usize, desk: &mut Desk<Sleep>) {
        let me = NodeId(u16::try_from(at).unwrap());
        let (mut draws, mut asked, mut records) = (Vec::new(), Vec::new(), Vec::new());
        for output in desk.outputs() {
            let line = match output {
                Output::Notice { to, notice, .. } => {
                    self.mail.push((me, to, notice.into()));
                    continue;
                }
                Output::Claim { to, claim, .. } => {
                    self.mail.push((me, to, claim.into()));
                    continue;
                }
                Output::Record { record, .. } => {
                    records.push(record);
                    continue;
                }
                Output::Commit { .. } => {
                    self.open[at].push(take(&mut records));
                    continue;
                }
                Output::Fetch { query, .. } => {
                    asked.push(query);
                    continue;
                }
                Output::Emit { event, .. } => {
                    if let Event::Guard(guard::Event::Look { gear, awake }) = event {
                        self.looks[at] = Some((gear, awake));
                    }
                    format!("holds: {}", plain(&event))
                }
                Output::Report { report, .. } => format!("reports: {}", plain(&report)),
                Output::Draw { draw, .. } => {
                    draws.push(draw);
                    continue;
                }
                Output::Arm { .. } | Output::Disarm { .. } => continue,
                Output::Fault { broken, .. } => format!("FAULT: {broken}"),
            };
            writeln!(self.said, "{me} {line}").unwrap();
        }
        for draw in draws {
            let drawn = match draw {
                Draw::Order { term } => Drawn::Order {
                    term,
                    // Not by number: of n1 and n2, n2 has the first slot for its alarm clock.
                    order: Order::new([0, 2, 1].map(NodeId)),
                },
                Draw::Nonce => {
                    self.drawn = self.drawn.saturating_add(1);
                    Drawn::Nonce(self.drawn)
                }
            };
            self.feed(at, Input::Drawn(drawn));
        }
        for query in asked {
            let rows = <LogImage<Decree> as Image<replication::Replication<Decree>>>::answer(&self.images[at], &query);
            self.feed(at, Input::Fetched { query, rows });
        }
        self.nodes[at].check(&self.configs[at]).unwrap();
    }

    fn calm(&mut self) {
        while !self.mail.is_empty() || self.open.iter().any(|commits| !commits.is_empty()) {
            for at in 0..3 {
                while !self.open[at].is_empty() {
                    for record in self.open[at].remove(0) {
                        Image::<replication::Replication<Decree>>::apply(&mut self.images[at], &record);
                    }
                    let mut desk = Desk::default();
                    self.nodes[at].persisted(&self.configs[at], &mut desk);
                    self.perform(at, &mut desk);
                }
                let me = NodeId(u16::try_from(at).unwrap());
                let (now, later): (Vec<_>, Vec<_>) = take(&mut self.mail).into_iter().partition(|(_, to, _)| *to == me);
                self.mail = later;
                self.mail.retain(|(_, to, _)| !self.gone.contains(*to));
                for (from, _, message) in now {
                    self.feed(at, Input::Received { from, message });
                }
            }
        }
    }

    /// Three copies everywhere, two needed: whoever's broker is not down is in sync.
    fn look(&mut self, at: usize) -> Result<(), Box<dyn Error>> {
        let (gear, awake) = self.looks[at].take().ok_or("it has not asked")?;
        let all = NodeSet::first(3);
        let down = |node: &NodeId| {
            let state = self.nodes[usize::from(node.0)].state().duty().state();
            !matches!(
                state,
                State::Active
                    | State::Draining {
                        stage: guard::Stage::Looking | guard::Stage::Stopping,
                        ..
                    }
            )
        };
        let down: NodeSet = all.iter().filter(down).collect();
        let among = awake.minus(down);
        let need = match gear {
            // More than there are.
            Gear::Full => u8::MAX,
            Gear::Lean => 2,
            Gear::Watch => 1,
        };
        let view = View {
            covers: vec![Cover {
                among,
                others: all.minus(awake),
                need,
            }],
            // Those with the highest numbers.
            sleepers: among.iter().skip(usize::from(need)).collect(),
            healthy: true,
        };
        self.ask(at, Ask::View(view));
        Ok(())
    }

    fn show(&mut self, at: usize) {
        let (state, config) = (self.nodes[at].state(), &self.configs[at].guard);
        let duty = state.duty();
        let check = duty
            .self_check(config)
            .map_or_else(|why| why.to_string(), |()| "would sleep".into());
        let plan = duty.plan().map(|(_, plan)| plan.watch);
        let base = state.decrees().log().base();
        let watching = match duty.role() {
            guard::Role::None => "",
            guard::Role::Temporary => ", stands in",
            guard::Role::Pehredar(_) => ", watches",
        };
        let state = plain(&duty.state());
        writeln!(
            self.said,
            "{state}{watching}; on duty {plan:?}; {check}; snapshot up to {base}"
        )
        .unwrap();
    }
}

fn timer(name: &str) -> Option<<Sleep as Protocol>::Timer> {
    Some(match name {
        "election" => Timer::Election(election::Timer::Election),
        "heartbeat" => Timer::Election(election::Timer::Heartbeat),
        "idle" => Timer::Guard(Duty::Idle),
        "tell" => Timer::Guard(Duty::Tell),
        "probe" => Timer::Guard(Duty::Probe),
        "alarm" => Timer::Guard(Duty::Alarm),
        "drain" => Timer::Guard(Duty::Drain),
        "rouse" => Timer::Guard(Duty::Rouse),
        "wake" => Timer::Guard(Duty::Wake),
        "answer" => Timer::Guard(Duty::Answer),
        _ => return None,
    })
}

impl Runner for Cluster {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Result<String, Box<dyn Error>> {
        let mut args = line.consume_args();
        let name = args.next_pos().ok_or("which node?")?;
        let at: usize = name.trim_start_matches('n').parse()?;
        match line.name.as_str() {
            "fire" => {
                let name = args.next_pos().ok_or("which timer?")?;
                let timer = timer(name).ok_or_else(|| format!("no timer {name}"))?;
                self.feed(at, Input::Fired(timer));
            }
            "calm" => self.calm(),
            "look" => self.look(at)?,
            "watch" => {
                self.calm();
                while self.looks[at].is_some() {
                    self.look(at)?;
                    self.calm();
                }
            }
            "up" => self.ask(at, Ask::Up),
            "stopped" => self.ask(at, Ask::Stopped),
            "done" => self.ask(at, Ask::Done),
            "traffic" => self.ask(at, Ask::Traffic),
            "rouse" => self.ask(at, Ask::Wake),
            "enable" => {
                let epoch = args.take_key("epoch").ok_or("which epoch?")?.parse()?;
                self.ask(at, Ask::Enable { epoch });
            }
            "disable" => self.ask(at, Ask::Disable),
            "maintain" => self.ask(at, Ask::Maintain(NodeSet::first(3))),
            "gone" => self.gone.insert(NodeId(u16::try_from(at)?)),
            "crash" => {
                self.open[at].clear();
                self.looks[at] = None;
                let mut desk = Desk::default();
                self.nodes[at] = self.started(at, &mut desk);
                self.perform(at, &mut desk);
            }
            "show" => self.show(at),
            other => return Err(format!("no command {other}").into()),
        }
        args.reject_next()?;
        Ok(take(&mut self.said))
    }
}

/// As `Debug` has it, with names as people write them.
fn plain(said: &impl Debug) -> String {
    let mut text = format!("{said:?}");
    for (long, end, short) in [
        ("NodeId(", ')', "n"),
        ("Term(", ')', "t"),
        ("Index(", ')', ""),
        ("RequestId(", ')', "#"),
    ] {
        while let Some((before, rest)) = text.split_once(long) {
            let (inside, after) = rest.split_once(end).unwrap_or((rest, ""));
            text = format!("{before}{short}{inside}{after}");
        }
    }
    text
}

#[test]
fn members_sleep_and_wake() {
    let path = format!("{}/tests/golden/sleep.txt", env!("CARGO_MANIFEST_DIR"));
    goldenscript::run(&mut Cluster::new(NodeSet::first(3), Gear::Lean), path).unwrap();
}

#[test]
fn a_watch_wakes_as_few_as_it_takes() {
    let path = format!("{}/tests/golden/rousing.txt", env!("CARGO_MANIFEST_DIR"));
    goldenscript::run(&mut Cluster::new(NodeSet::first(1), Gear::Watch), path).unwrap();
}

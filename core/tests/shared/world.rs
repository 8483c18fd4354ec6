//! One edge, one cloud and the network between them, led by a script.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;

use goldenscript::{ArgumentConsumer, Command, Context, Runner};
use pehra_core::delivery::*;
use pehra_core::node::{GateBound, Output};
use pehra_core::protocol::{Drawn, Image, Input, Recovered};
use pehra_core::types::{NodeId, RequestId};

use crate::site::Site;
use crate::speech::{Readable, Speech, tell};

pub type Failure = Box<dyn Error>;

pub const EDGE: NodeId = NodeId(1);
pub const CLOUD: NodeId = NodeId(2);

/// What can stand at the edge: the sender alone, or the pipeline that hosts it.
pub trait Edge:
    Speech<Heard = Downlink<Self::Row>, Notice = Heartbeat, Claim = SenderClaim<Self::Row>, Config: Clone>
{
    type Row: Readable;
    type Disk: Image<Self>;

    fn outbox(disk: &Self::Disk) -> &EdgeImage<Self::Row>;
    fn by_name(timer: &str) -> Option<Self::Timer>;
    /// What a line of the script asks of the edge; `None` if it asks nothing of it.
    fn commands(
        site: &Site<Self, Self::Disk>,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Result<Option<Vec<Self::Command>>, Failure>;
}

/// Messages on their way in one direction.
struct Way<M> {
    waiting: VecDeque<M>,
    delivered: Option<M>,
}

impl<M: Clone> Way<M> {
    const fn new() -> Self {
        let waiting = VecDeque::new();
        Self {
            waiting,
            delivered: None,
        }
    }

    fn deliver(&mut self, nth: usize) -> Result<M, Failure> {
        let message = nth.checked_sub(1).and_then(|at| self.waiting.remove(at));
        self.delivered.clone_from(&message);
        message.ok_or_else(|| "no such message is on its way".into())
    }

    fn again(&self) -> Result<M, Failure> {
        self.delivered.clone().ok_or_else(|| "nothing was delivered yet".into())
    }
}

/// The stage of a script.
pub struct World<E: Edge> {
    edge: Site<E, E::Disk>,
    cloud: Site<Receiver<E::Row>, CloudImage<E::Row>>,
    up: Way<Uplink<E::Row>>,
    down: Way<Downlink<E::Row>>,
    saved: Option<E::Disk>,
    /// Given out so far: 101, 102, …
    nonce: u64,
    request: u64,
    /// What was said and not yet printed.
    said: String,
}

impl<E: Edge> World<E> {
    pub fn new(edge: E::Config, cloud: ReceiverConfig, bound: GateBound) -> Self {
        let (edge, from_edge) = Site::start(edge, bound, E::Disk::default(), Recovered::Fresh);
        let (cloud, from_cloud) = Site::start(cloud, bound, CloudImage::default(), Recovered::Fresh);
        let mut world = Self {
            edge,
            cloud,
            up: Way::new(),
            down: Way::new(),
            saved: None,
            nonce: 100,
            request: 0,
            said: String::new(),
        };
        world.hear_edge(Some(from_edge));
        world.hear_cloud(Some(from_cloud));
        world
    }

    /// Puts the edge's messages on their way and writes down all that it said.
    fn hear_edge(&mut self, outputs: Option<Vec<Output<E>>>) {
        let Some(outputs) = outputs else {
            self.said.push_str("edge takes nothing: its gate is full\n");
            return;
        };
        for output in &outputs {
            match output {
                Output::Notice { notice, .. } => self.up.waiting.push_back((*notice).into()),
                Output::Claim { claim, .. } => self.up.waiting.push_back(claim.clone().into()),
                _ => {}
            }
        }
        self.said.push_str(&tell("edge", &outputs));
    }

    fn hear_cloud(&mut self, outputs: Option<Vec<Output<Receiver<E::Row>>>>) {
        let Some(outputs) = outputs else {
            self.said.push_str("cloud takes nothing: its gate is full\n");
            return;
        };
        for output in &outputs {
            match output {
                Output::Notice { notice, .. } => self.down.waiting.push_back((*notice).into()),
                Output::Claim { claim, .. } => self.down.waiting.push_back(claim.clone().into()),
                _ => {}
            }
        }
        self.said.push_str(&tell("cloud", &outputs));
    }

    fn feed_edge(&mut self, input: Input<E>) {
        let outputs = self.edge.feed(input);
        self.hear_edge(outputs);
    }

    fn feed_cloud(&mut self, input: Input<Receiver<E::Row>>) {
        let outputs = self.cloud.feed(input);
        self.hear_cloud(outputs);
    }

    fn cloud_hears(&mut self, message: Uplink<E::Row>) {
        self.feed_cloud(Input::Received { from: EDGE, message });
    }

    fn edge_hears(&mut self, message: Downlink<E::Row>) {
        self.feed_edge(Input::Received { from: CLOUD, message });
    }

    fn draw(&mut self) -> Result<(), Failure> {
        self.edge.draws = self.edge.draws.checked_sub(1).ok_or("the edge asked for no number")?;
        self.nonce += 1;
        self.feed_edge(Input::Drawn(Drawn::Nonce(self.nonce)));
        Ok(())
    }

    fn persist(&mut self, who: Who) -> Result<(), Failure> {
        match who {
            Who::Edge => {
                let outputs = self.edge.persist().ok_or("the edge has no open commit")?;
                self.hear_edge(Some(outputs));
            }
            Who::Cloud => {
                let outputs = self.cloud.persist().ok_or("the cloud has no open commit")?;
                self.hear_cloud(Some(outputs));
            }
        }
        Ok(())
    }

    fn answer(&mut self, who: Who) -> Result<(), Failure> {
        match who {
            Who::Edge => {
                let outputs = self.edge.answer().ok_or("the edge has asked for nothing")?;
                self.hear_edge(Some(outputs));
            }
            Who::Cloud => {
                let outputs = self.cloud.answer().ok_or("the cloud has asked for nothing")?;
                self.hear_cloud(Some(outputs));
            }
        }
        Ok(())
    }

    fn commits(&self, who: Who) -> usize {
        match who {
            Who::Edge => self.edge.commits.len(),
            Who::Cloud => self.cloud.commits.len(),
        }
    }

    /// Does what a node waits for from its own machine; `false` if that was nothing.
    fn settle(&mut self, who: Who) -> bool {
        let mut busy = false;
        loop {
            let draws = who == Who::Edge && self.edge.draws > 0;
            if !(draws && self.draw().is_ok() || self.persist(who).is_ok() || self.answer(who).is_ok()) {
                return busy;
            }
            busy = true;
        }
    }

    fn calm(&mut self) -> Result<(), Failure> {
        for _ in 0..1000 {
            let busy = self.settle(Who::Edge) | self.settle(Who::Cloud);
            if let Ok(message) = self.up.deliver(1) {
                self.cloud_hears(message);
            } else if let Ok(message) = self.down.deliver(1) {
                self.edge_hears(message);
            } else if !busy {
                return Ok(());
            }
        }
        Err("it never becomes quiet".into())
    }

    fn fire(&mut self, who: Who, timer: &str) -> Result<(), Failure> {
        match who {
            Who::Edge => {
                let timer = E::by_name(timer).ok_or("no such timer")?;
                let outputs = self.edge.fire(timer).ok_or("that timer is not armed")?;
                self.hear_edge(Some(outputs));
            }
            Who::Cloud => {
                let outputs = self
                    .cloud
                    .fire(ReceiverTimer::Silence)
                    .ok_or("that timer is not armed")?;
                self.hear_cloud(Some(outputs));
            }
        }
        Ok(())
    }

    fn crash(&mut self, who: Who, keep: usize) {
        match who {
            Who::Edge => {
                let outputs = self.edge.crash(keep);
                self.hear_edge(Some(outputs));
            }
            Who::Cloud => {
                let outputs = self.cloud.crash(keep);
                self.hear_cloud(Some(outputs));
            }
        }
    }

    fn wipe(&mut self, who: Who) {
        match who {
            Who::Edge => {
                self.edge.disk = E::Disk::default();
                let outputs = self.edge.restart(Recovered::Lost);
                self.hear_edge(Some(outputs));
            }
            Who::Cloud => {
                self.cloud.disk = CloudImage::default();
                let outputs = self.cloud.restart(Recovered::Lost);
                self.hear_cloud(Some(outputs));
            }
        }
    }

    fn restore(&mut self) -> Result<(), Failure> {
        self.edge.disk = self.saved.clone().ok_or("no copy was saved")?;
        let outputs = self.edge.crash(0);
        self.hear_edge(Some(outputs));
        Ok(())
    }

    fn show(&self, who: Who) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        match who {
            Who::Edge => {
                let outbox = E::outbox(&self.edge.disk);
                let SenderDurable {
                    epoch,
                    last,
                    sent,
                    acked,
                    oldest,
                } = outbox.cursors();
                let epoch = epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
                writeln!(
                    text,
                    "edge store epoch={epoch} oldest={oldest} acked={acked} sent={sent} last={last}"
                )?;
                let mut seq = *oldest;
                for row in outbox.rows() {
                    writeln!(text, "edge store {seq} ({}) flag={}", row.text(), outbox.flag(seq))?;
                    seq = seq.next();
                }
                for (household, code) in outbox.codes() {
                    writeln!(text, "edge store {household} has {code}")?;
                }
            }
            Who::Cloud => {
                let ReceiverDurable { epoch, high, retired } = self.cloud.disk.marks();
                let epoch = epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
                let retired: Vec<String> = retired.iter().map(|epoch| epoch.to_string()).collect();
                writeln!(
                    text,
                    "cloud store epoch={epoch} mark={high} retired=[{}]",
                    retired.join(" ")
                )?;
                for (epoch, seq, row) in self.cloud.disk.applied() {
                    writeln!(text, "cloud store {epoch}/{seq} ({})", row.text())?;
                }
                for (from, to) in self.cloud.disk.skipped() {
                    writeln!(text, "cloud store skipped {from}..{to}")?;
                }
            }
        }
        Ok(text)
    }

    fn obey(&mut self, command: &Command) -> Result<(), Failure> {
        let mut args = command.consume_args();
        let name = command.name.as_str();
        match name {
            "start" => {}
            "draw" => {
                who(&mut args)?;
                self.draw()?;
            }
            "persist" => {
                let who = who(&mut args)?;
                let count = if all(&mut args) { self.commits(who) } else { 1 };
                (0..count).try_for_each(|_| self.persist(who))?;
            }
            "answer" => self.answer(who(&mut args)?)?,
            "settle" => {
                self.settle(who(&mut args)?);
            }
            "calm" => self.calm()?,
            "deliver" => {
                let nth = key(&mut args, "nth")?.unwrap_or(1);
                match to(&mut args)? {
                    Who::Cloud => {
                        let message = self.up.deliver(nth)?;
                        self.cloud_hears(message);
                    }
                    Who::Edge => {
                        let message = self.down.deliver(nth)?;
                        self.edge_hears(message);
                    }
                }
            }
            "again" => match to(&mut args)? {
                Who::Cloud => self.cloud_hears(self.up.again()?),
                Who::Edge => self.edge_hears(self.down.again()?),
            },
            "drop" => {
                let every = all(&mut args);
                let lost = match to(&mut args)? {
                    Who::Cloud => lose(&mut self.up.waiting, every),
                    Who::Edge => lose(&mut self.down.waiting, every),
                };
                writeln!(self.said, "network lost {lost}")?;
            }
            "fire" => {
                let who = who(&mut args)?;
                self.fire(who, args.next_pos().unwrap_or_default())?;
            }
            "link" => {
                let up = args.next_pos() == Some("up");
                self.feed_edge(Input::Link { peer: CLOUD, up });
            }
            "stalled" => {
                let stalled = args.next_pos() == Some("true");
                match args.next_pos() {
                    Some("cloud") => self.feed_cloud(Input::Stalled(stalled)),
                    _ => self.feed_edge(Input::Stalled(stalled)),
                }
            }
            "paused" => self.feed_edge(Input::Paused),
            "crash" => {
                let who = who(&mut args)?;
                self.crash(who, key(&mut args, "keep")?.unwrap_or(0));
            }
            "wipe" => self.wipe(who(&mut args)?),
            "save" => {
                who(&mut args)?;
                self.saved = Some(self.edge.disk.clone());
            }
            "restore" => {
                who(&mut args)?;
                self.restore()?;
            }
            "show" => {
                let text = self.show(who(&mut args)?)?;
                self.said.push_str(&text);
            }
            _ => {
                let commands = E::commands(&self.edge, name, &mut args)?.ok_or("no such command")?;
                for command in commands {
                    self.request += 1;
                    self.feed_edge(Input::Commanded(RequestId(self.request), command));
                }
            }
        }
        args.reject_next()
    }
}

impl<E: Edge> Runner for World<E> {
    type Command = Command;

    fn run(&mut self, command: &Command, _: &Context) -> Result<String, Failure> {
        self.obey(command)?;
        self.edge.assert_sound();
        self.cloud.assert_sound();
        Ok(std::mem::take(&mut self.said))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Edge,
    Cloud,
}

impl FromStr for Who {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text {
            "edge" => Ok(Self::Edge),
            "cloud" => Ok(Self::Cloud),
            _ => Err(format!("'{text}' is neither edge nor cloud").into()),
        }
    }
}

fn who(args: &mut ArgumentConsumer<'_>) -> Result<Who, Failure> {
    args.next_pos().unwrap_or_default().parse()
}

fn to(args: &mut ArgumentConsumer<'_>) -> Result<Who, Failure> {
    args.take_key("to").unwrap_or_default().parse()
}

fn all(args: &mut ArgumentConsumer<'_>) -> bool {
    args.next_pos() == Some("all")
}

/// A `name=value` of a line, if it is there.
pub fn key<T: FromStr<Err: Into<Failure>>>(args: &mut ArgumentConsumer<'_>, name: &str) -> Result<Option<T>, Failure> {
    args.take_key(name).map(str::parse).transpose().map_err(Into::into)
}

fn lose<M>(waiting: &mut VecDeque<M>, every: bool) -> usize {
    let count = if every { waiting.len() } else { waiting.len().min(1) };
    waiting.drain(..count).count()
}

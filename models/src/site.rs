//! One node in a model: the deployed `Node`, its disk, its timers and its open fetches.
//!
//! The disk is core's own image of the store. A commit passes three points that a crash can fall between: handed over,
//! durable, reported. A crash loses what is not durable, so any prefix of the commits may survive it.

use std::collections::VecDeque;

use pehra_core::members::Order;
use pehra_core::node::{Desk, GateBound, Node, Output, Taken};
use pehra_core::protocol::{Draw, Drawn, Image, Input, Protocol};
use pehra_core::types::{Delay, NodeId, Term};

/// A node and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Site<P: Protocol, I> {
    /// The deployed node.
    pub node: Node<P>,
    /// The bound of its gate.
    pub gate: GateBound,
    /// What is durable.
    pub image: I,
    /// Commits handed over and not yet durable, oldest first.
    pub disk: VecDeque<Vec<P::Record>>,
    /// Commits that are durable and not yet reported.
    pub unreported: u8,
    /// Timers that are armed, sorted.
    pub timers: Vec<P::Timer>,
    /// Queries that left the node and are not yet answered, oldest first.
    pub fetches: Vec<P::Query>,
}

/// What a step let out of a site.
#[derive(Clone, Debug)]
pub enum Said<P: Protocol> {
    /// A message that rests on nothing durable.
    Notice(NodeId, P::Notice),
    /// A message that rests on durable state.
    Claim(NodeId, P::Claim),
    /// Local news, gated.
    Event(P::Event),
    /// Local news, ungated.
    Report(P::Report),
    /// A timer runs from here, for so long. Only a model with clocks listens to this.
    Armed(P::Timer, Delay),
}

/// Where random choices come from.
pub trait Nonces {
    /// The next nonce, each number once; `None` when the model's budget is spent.
    fn draw(&mut self) -> Option<u64>;

    /// The order of a term; `None` if it is not drawn yet.
    fn order(&mut self, _term: Term) -> Option<Order> {
        None
    }
}

impl Nonces for () {
    fn draw(&mut self) -> Option<u64> {
        None
    }
}

/// Counts nonces up to a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter {
    /// The last nonce drawn.
    pub drawn: u8,
    /// The last that may be drawn.
    pub most: u8,
}

impl Nonces for Counter {
    fn draw(&mut self) -> Option<u64> {
        (self.drawn < self.most).then(|| {
            self.drawn += 1;
            u64::from(self.drawn)
        })
    }
}

impl<P: Protocol, I: Image<P>> Site<P, I> {
    /// A site that starts from `image`, with the gate of models.
    pub fn start(config: &P::Config, image: I, nonces: &mut impl Nonces, said: &mut Vec<Said<P>>) -> Self {
        Self::start_behind(GateBound::MODEL, config, image, nonces, said)
    }

    /// A site that starts from `image`, with this gate, also after crashes.
    pub fn start_behind(
        gate: GateBound,
        config: &P::Config,
        image: I,
        nonces: &mut impl Nonces,
        said: &mut Vec<Said<P>>,
    ) -> Self {
        let mut desk = Desk::default();
        let node = Node::recover(config, gate, image.summary(), &mut desk);
        let mut site = Self {
            node,
            gate,
            image,
            disk: VecDeque::new(),
            unreported: 0,
            timers: Vec::new(),
            fetches: Vec::new(),
        };
        site.perform(config, &mut desk, nonces, said);
        site
    }

    /// Feeds one input. `false` if the node did not take it.
    pub fn feed(
        &mut self,
        config: &P::Config,
        input: Input<P>,
        nonces: &mut impl Nonces,
        said: &mut Vec<Said<P>>,
    ) -> bool {
        let mut desk = Desk::default();
        if let Input::Fired(timer) = &input {
            self.timers.retain(|armed| armed != timer);
        }
        if self.node.step(config, input, &mut desk) == Taken::No {
            return false;
        }
        self.perform(config, &mut desk, nonces, said);
        true
    }

    /// The oldest commit becomes durable. `false` if there is none.
    pub fn make_durable(&mut self) -> bool {
        let Some(records) = self.disk.pop_front() else {
            return false;
        };
        for record in &records {
            self.image.apply(record);
        }
        self.unreported += 1;
        true
    }

    /// The oldest durable commit is reported to the node. `false` if there is none.
    pub fn report(&mut self, config: &P::Config, nonces: &mut impl Nonces, said: &mut Vec<Said<P>>) -> bool {
        if self.unreported == 0 {
            return false;
        }
        self.unreported -= 1;
        let mut desk = Desk::default();
        self.node.persisted(config, &mut desk);
        self.perform(config, &mut desk, nonces, said);
        true
    }

    /// The oldest fetch is answered. `false` if there is none.
    pub fn answer(&mut self, config: &P::Config, nonces: &mut impl Nonces, said: &mut Vec<Said<P>>) -> bool {
        if self.fetches.is_empty() {
            return false;
        }
        let query = self.fetches.remove(0);
        let rows = self.image.answer(&query);
        self.feed(config, Input::Fetched { query, rows }, nonces, said)
    }

    /// The process dies and starts again: only what is durable is left.
    pub fn crash(&mut self, config: &P::Config, nonces: &mut impl Nonces, said: &mut Vec<Said<P>>) {
        *self = Self::start_behind(self.gate, config, self.image.clone(), nonces, said);
    }

    /// Whether a timer is armed.
    pub fn is_armed(&self, timer: P::Timer) -> bool {
        self.timers.contains(&timer)
    }

    fn perform(&mut self, config: &P::Config, desk: &mut Desk<P>, nonces: &mut impl Nonces, said: &mut Vec<Said<P>>) {
        let mut records = Vec::new();
        let mut draws = Vec::new();
        for output in desk.outputs() {
            match output {
                Output::Notice { to, notice, .. } => said.push(Said::Notice(to, notice)),
                Output::Claim { to, claim, .. } => said.push(Said::Claim(to, claim)),
                Output::Record { record, .. } => records.push(record),
                Output::Commit { .. } => self.disk.push_back(std::mem::take(&mut records)),
                // An equal query that is open already stands for both: a second equal answer adds nothing.
                Output::Fetch { query, .. } if self.fetches.contains(&query) => {}
                Output::Fetch { query, .. } => self.fetches.push(query),
                Output::Emit { event, .. } => said.push(Said::Event(event)),
                Output::Report { report, .. } => said.push(Said::Report(report)),
                Output::Arm { timer, after, .. } => {
                    said.push(Said::Armed(timer, after));
                    if let Err(at) = self.timers.binary_search(&timer) {
                        self.timers.insert(at, timer);
                    }
                }
                Output::Disarm { timer, .. } => self.timers.retain(|armed| *armed != timer),
                Output::Draw { draw, .. } => draws.push(draw),
                Output::Fault { .. } => {}
            }
        }
        // A draw has one outcome here, since only difference matters in a nonce; so it is answered at once.
        for draw in draws {
            let drawn = match draw {
                Draw::Nonce => nonces.draw().map(Drawn::Nonce),
                Draw::Order { term } => nonces.order(term).map(|order| Drawn::Order { term, order }),
            };
            if let Some(drawn) = drawn {
                self.feed(config, Input::Drawn(drawn), nonces, said);
            }
        }
    }
}

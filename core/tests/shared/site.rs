//! One node with its disk, for tests: the image as core specifies it, commits under way, open fetches, armed timers.

use std::collections::{BTreeMap, VecDeque};

use pehra_core::node::{Desk, GateBound, Node, Output, Taken};
use pehra_core::protocol::{Image, Input, Protocol, Recovered};
use pehra_core::types::Delay;

/// A node and its disk.
pub struct Site<P: Protocol, I: Image<P>> {
    pub config: P::Config,
    pub bound: GateBound,
    pub node: Node<P>,
    /// What is durable.
    pub disk: I,
    /// Handed over, not yet durable.
    pub commits: VecDeque<Vec<P::Record>>,
    /// Asked, not yet answered.
    pub fetches: VecDeque<P::Query>,
    pub timers: BTreeMap<P::Timer, Delay>,
    /// How many nonces were asked for and not yet given.
    pub draws: u32,
    desk: Desk<P>,
}

impl<P: Protocol, I: Image<P>> Site<P, I> {
    /// Starts from a disk; what comes out at once is returned with it.
    pub fn start(
        config: P::Config,
        bound: GateBound,
        disk: I,
        recovered: Recovered<P::Durable>,
    ) -> (Self, Vec<Output<P>>) {
        let mut desk = Desk::default();
        let node = Node::recover(&config, bound, recovered, &mut desk);
        let mut site = Self {
            config,
            bound,
            node,
            disk,
            commits: VecDeque::new(),
            fetches: VecDeque::new(),
            timers: BTreeMap::new(),
            draws: 0,
            desk,
        };
        let outputs = site.perform();
        (site, outputs)
    }

    /// Feeds an input; `None` if the node did not take it.
    pub fn feed(&mut self, input: Input<P>) -> Option<Vec<Output<P>>> {
        match self.node.step(&self.config, input, &mut self.desk) {
            Taken::Yes => Some(self.perform()),
            Taken::No => None,
        }
    }

    /// Makes the oldest commit durable and reports it; `None` if there is none.
    pub fn persist(&mut self) -> Option<Vec<Output<P>>> {
        let commit = self.commits.pop_front()?;
        for record in &commit {
            self.disk.apply(record);
        }
        self.node.persisted(&self.config, &mut self.desk);
        Some(self.perform())
    }

    /// Answers the oldest fetch from what is durable; `None` if there is none.
    pub fn answer(&mut self) -> Option<Vec<Output<P>>> {
        let query = self.fetches.pop_front()?;
        let rows = self.disk.answer(&query);
        self.feed(Input::Fetched { query, rows })
    }

    /// Fires a timer, if it is armed.
    pub fn fire(&mut self, timer: P::Timer) -> Option<Vec<Output<P>>> {
        self.timers.remove(&timer)?;
        self.feed(Input::Fired(timer))
    }

    /// Kills the process and starts it again. Of the commits under way the first `keep` had reached the disk.
    pub fn crash(&mut self, keep: usize) -> Vec<Output<P>>
    where
        P::Config: Clone,
    {
        for commit in self.commits.iter().take(keep) {
            for record in commit {
                self.disk.apply(record);
            }
        }
        let recovered = self.disk.summary();
        self.restart(recovered)
    }

    /// Starts the process again from what it is told.
    pub fn restart(&mut self, recovered: Recovered<P::Durable>) -> Vec<Output<P>>
    where
        P::Config: Clone,
    {
        let (site, outputs) = Self::start(self.config.clone(), self.bound, self.disk.clone(), recovered);
        *self = site;
        outputs
    }

    /// Asserts that the node's invariants hold.
    pub fn assert_sound(&self) {
        self.node.check(&self.config).unwrap();
    }

    fn perform(&mut self) -> Vec<Output<P>> {
        let outputs: Vec<Output<P>> = self.desk.outputs().collect();
        let mut commit = Vec::new();
        for output in &outputs {
            match output {
                Output::Record { record, .. } => commit.push(record.clone()),
                Output::Commit { .. } => self.commits.push_back(std::mem::take(&mut commit)),
                Output::Fetch { query, .. } => self.fetches.push_back(query.clone()),
                Output::Arm { timer, after, .. } => {
                    self.timers.insert(*timer, *after);
                }
                Output::Disarm { timer, .. } => {
                    self.timers.remove(timer);
                }
                Output::Draw { .. } => self.draws += 1,
                Output::Notice { .. }
                | Output::Claim { .. }
                | Output::Emit { .. }
                | Output::Report { .. }
                | Output::Fault { .. } => {}
            }
        }
        assert!(commit.is_empty(), "records without a commit");
        outputs
    }
}

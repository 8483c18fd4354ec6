//! An edge, its cloud, the network between them, and what must hold of all three.

use std::collections::{BTreeMap, VecDeque};

use pehra_core::delivery::*;
use pehra_core::node::{GateBound, Output};
use pehra_core::pipeline::*;
use pehra_core::protocol::{Drawn, Input, Recovered};
use pehra_core::types::{Household, NodeId, RequestId};
use pehra_core::window::*;

use super::site::Site;

pub const EDGE: NodeId = NodeId(1);
pub const CLOUD: NodeId = NodeId(2);

/// Messages that are on their way in one direction at the most; the oldest are lost first.
const ON_THE_WAY_MAX: usize = 32;

type EdgeSite = Site<Pipeline, PipelineImage>;
type CloudSite = Site<Receiver<Tuple>, CloudImage<Tuple>>;

/// Both ends and what lies between them.
pub struct World {
    pub edge: EdgeSite,
    pub cloud: CloudSite,
    pub up: VecDeque<Uplink<Tuple>>,
    pub down: VecDeque<Downlink<Tuple>>,
    pub now_ms: i64,
    nonces: u64,
    /// How often the edge's store was lost: the rows of different stores have nothing in common.
    edge_stores: u32,
    /// Whether the cloud's store was ever lost.
    cloud_lost: bool,
    /// Which of the edge's stores drew an epoch.
    epochs: BTreeMap<u64, u32>,
    /// Every row that was ever durable at the edge, by store and sequence.
    rows: BTreeMap<(u32, Seq), Tuple>,
    /// By epoch, the last row that took effect at the cloud.
    marks: BTreeMap<u64, Seq>,
    /// How many of the cloud's rows were compared already.
    compared: usize,
    /// Whether somebody else speaks too: then only the nodes' own invariants are left to hold.
    pub is_hostile: bool,
}

impl World {
    pub fn new(edge: PipelineConfig, cloud: ReceiverConfig, bound: GateBound) -> Self {
        let (edge, edge_out) = Site::start(edge, bound, PipelineImage::default(), Recovered::Fresh);
        let (cloud, cloud_out) = Site::start(cloud, bound, CloudImage::default(), Recovered::Fresh);
        let mut world = Self {
            edge,
            cloud,
            up: VecDeque::new(),
            down: VecDeque::new(),
            now_ms: 0,
            nonces: 0,
            edge_stores: 0,
            cloud_lost: false,
            epochs: BTreeMap::new(),
            rows: BTreeMap::new(),
            marks: BTreeMap::new(),
            compared: 0,
            is_hostile: false,
        };
        world.edge_said(Some(edge_out));
        world.cloud_said(Some(cloud_out));
        world
    }

    pub fn feed_edge(&mut self, input: Input<Pipeline>) {
        let out = self.edge.feed(input);
        self.edge_said(out);
    }

    pub fn feed_cloud(&mut self, input: Input<Receiver<Tuple>>) {
        let out = self.cloud.feed(input);
        self.cloud_said(out);
    }

    pub fn fire_edge(&mut self, timer: PipelineTimer) {
        let out = self.edge.fire(timer);
        self.edge_said(out);
    }

    pub fn fire_cloud(&mut self) {
        let out = self.cloud.fire(ReceiverTimer::Silence);
        self.cloud_said(out);
    }

    /// The next record of a partition of the source, as far as the edge has come.
    pub fn read(&mut self, partition: u16, content: Content) {
        let before = self.edge.node.state().position(partition).unwrap_or(0);
        let taken = Taken {
            partition,
            before,
            after: before + 1,
            content,
        };
        self.feed_edge(Input::Commanded(RequestId(before), taken));
    }

    pub fn reading(&mut self, household: &str, time_ms: i64, power_mw: i64, register: Option<u64>) {
        let reading = Reading {
            household: Household::new(household).unwrap(),
            time_ms,
            power_mw,
            register,
        };
        let now_ms = self.now_ms;
        self.read(0, Content::Reading(Take { reading, now_ms }));
    }

    /// Gives a nonce that was asked for.
    pub fn draw(&mut self) {
        if self.edge.draws > 0 {
            self.edge.draws -= 1;
            self.nonces += 1;
            self.feed_edge(Input::Drawn(Drawn::Nonce(self.nonces)));
        }
    }

    pub fn persist_edge(&mut self) {
        self.edge_keeps(1);
        let out = self.edge.persist();
        self.edge_said(out);
    }

    pub fn persist_cloud(&mut self) {
        let out = self.cloud.persist();
        self.cloud_said(out);
        self.compare();
    }

    pub fn answer_edge(&mut self) {
        // The store answers after the writes that were handed to it before.
        let out = self.edge.answer();
        self.edge_said(out);
    }

    pub fn answer_cloud(&mut self) {
        let out = self.cloud.answer();
        self.cloud_said(out);
    }

    /// Delivers one message to the cloud; it may come again.
    pub fn deliver_up(&mut self, which: usize, again: bool) {
        if let Some(message) = pick(&mut self.up, which, again) {
            self.feed_cloud(Input::Received { from: EDGE, message });
        }
    }

    /// Delivers one message to the edge; it may come again.
    pub fn deliver_down(&mut self, which: usize, again: bool) {
        if let Some(message) = pick(&mut self.down, which, again) {
            self.feed_edge(Input::Received { from: CLOUD, message });
        }
    }

    /// The edge dies; the first `keep` commits under way had reached its disk.
    pub fn crash_edge(&mut self, keep: usize) {
        self.edge_keeps(keep);
        let out = self.edge.crash(keep);
        self.edge_said(Some(out));
    }

    pub fn crash_cloud(&mut self, keep: usize) {
        let out = self.cloud.crash(keep);
        self.cloud_said(Some(out));
        self.compare();
    }

    /// The edge dies and its store with it.
    pub fn lose_edge(&mut self) {
        self.edge_stores += 1;
        self.edge.disk = PipelineImage::default();
        let out = self.edge.restart(Recovered::Lost);
        self.edge_said(Some(out));
    }

    pub fn lose_cloud(&mut self) {
        self.cloud_lost = true;
        self.marks.clear();
        self.compared = 0;
        self.cloud.disk = CloudImage::default();
        let out = self.cloud.restart(Recovered::Lost);
        self.cloud_said(Some(out));
    }

    /// Asserts all that must hold after every step.
    pub fn assert_sound(&self) {
        self.edge.assert_sound();
        self.cloud.assert_sound();
        if self.is_hostile || self.cloud_lost {
            return;
        }
        let (edge, cloud) = (self.edge.disk.outbox().cursors(), self.cloud.disk.marks());
        if edge.epoch.is_some() && edge.epoch == cloud.epoch {
            assert!(
                edge.acked <= cloud.high,
                "acknowledged and not applied: {edge:?} {cloud:?}"
            );
        } else {
            assert_eq!(edge.acked, Seq::ZERO, "acknowledged by nobody: {edge:?} {cloud:?}");
        }
    }

    /// The network calms down and nothing crashes any more: then all that was appended must arrive.
    pub fn assert_it_drains(&mut self) {
        self.feed_edge(Input::Stalled(false));
        self.feed_cloud(Input::Stalled(false));
        for _ in 0..10_000 {
            if self.is_quiet() {
                return;
            }
            self.calm_round();
            self.assert_sound();
        }
        let (edge, cloud) = (self.edge.node.state(), self.cloud.node.state());
        panic!("it never ends: {:?} {cloud:?}", edge.sender());
    }

    fn is_quiet(&self) -> bool {
        let sender = self.edge.node.state().sender();
        sender.phase() == Phase::Fenced || (sender.phase() == Phase::Streaming && sender.backlog() == 0)
    }

    fn calm_round(&mut self) {
        self.draw();
        while !self.edge.commits.is_empty() {
            self.persist_edge();
        }
        while !self.edge.fetches.is_empty() {
            self.answer_edge();
        }
        while !self.up.is_empty() {
            self.deliver_up(0, false);
            while !self.cloud.commits.is_empty() {
                self.persist_cloud();
            }
            while !self.cloud.fetches.is_empty() {
                self.answer_cloud();
            }
        }
        if self.down.is_empty() && self.edge.fetches.is_empty() && self.edge.commits.is_empty() {
            self.fire_edge(PipelineTimer::Sender(SenderTimer::Retry));
            self.fire_edge(PipelineTimer::Sender(SenderTimer::Heartbeat));
        }
        while !self.down.is_empty() {
            self.deliver_down(0, false);
        }
    }

    fn edge_said(&mut self, outputs: Option<Vec<Output<Pipeline>>>) {
        for output in outputs.into_iter().flatten() {
            match output {
                Output::Notice { notice, .. } => self.up.push_back(notice.into()),
                Output::Claim { claim, .. } => self.up.push_back(claim.into()),
                _ => {}
            }
        }
        while self.up.len() > ON_THE_WAY_MAX {
            self.up.pop_front();
        }
    }

    fn cloud_said(&mut self, outputs: Option<Vec<Output<Receiver<Tuple>>>>) {
        for output in outputs.into_iter().flatten() {
            match output {
                Output::Notice { notice, .. } => self.down.push_back(notice.into()),
                Output::Claim { claim, .. } => self.down.push_back(claim.into()),
                _ => {}
            }
        }
        while self.down.len() > ON_THE_WAY_MAX {
            self.down.pop_front();
        }
    }

    /// Notes what the next commits of the edge make durable.
    fn edge_keeps(&mut self, commits: usize) {
        for record in self.edge.commits.iter().take(commits).flatten() {
            match record {
                PipelineRecord::Sender(SenderRecord::Epoch(epoch)) => {
                    self.epochs.insert(*epoch, self.edge_stores);
                }
                PipelineRecord::Sender(SenderRecord::Row { seq, body }) => {
                    let before = self.rows.insert((self.edge_stores, *seq), *body);
                    assert_eq!(before, None, "two durable rows of one number");
                }
                _ => {}
            }
        }
    }

    /// Compares what has newly taken effect at the cloud with what the edge holds.
    fn compare(&mut self) {
        let applied = self.cloud.disk.applied();
        if self.is_hostile {
            return;
        }
        for (epoch, seq, tuple) in &applied[self.compared..] {
            let store = self.epochs.get(epoch).copied();
            let appended = store.and_then(|store| self.rows.get(&(store, *seq)));
            assert_eq!(appended, Some(tuple), "applied and never appended");
            let mark = self.marks.entry(*epoch).or_default();
            assert!(*seq > *mark, "{seq} was applied twice");
            assert!(*seq == mark.next() || self.cloud_lost, "a hole before {seq}");
            *mark = *seq;
        }
        self.compared = applied.len();
    }
}

fn pick<T: Clone>(messages: &mut VecDeque<T>, which: usize, again: bool) -> Option<T> {
    let which = which % messages.len().max(1);
    if again {
        messages.get(which).cloned()
    } else {
        messages.remove(which)
    }
}

//! Lawful records for the tests of stores: what a real edge and a real cloud write while they work, crash, lose
//! messages and lose stores.
//!
//! A [`World`] is driven by numbers, each of which is one act, so that a property test can shorten the list. Every
//! commit is durable at once here: what a store makes of crashes is the business of the store's own tests.

use std::collections::VecDeque;

use pehra_core::delivery::CloudImage;
use pehra_core::delivery::{
    Downlink, FLIGHTS_MAX, Receiver, ReceiverConfig, ReceiverRecord, SenderConfig, SenderTimer, Uplink,
};
use pehra_core::node::{Desk, GateBound, Node, Output};
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineImage, PipelineRecord, PipelineTimer, Taken};
use pehra_core::protocol::{Draw, Drawn, Image, Input, Protocol, Recovered};
use pehra_core::types::{Household, NodeId, RequestId, Ticks};
use pehra_core::window::{Reading, Take, Tuple, WindowConfig, WindowTimer};

/// The commits of one life of a store, in order: each is one whole commit of the node.
pub type Life<P> = Vec<Vec<<P as Protocol>::Record>>;

const EDGE: NodeId = NodeId(1);
const CLOUD: NodeId = NodeId(2);

/// Households with names that try the stores' patience.
const HOUSES: [&str; 5] = ["H1", "haus:zwei", "o'Neil \"x\"", "%41 zähler", "H1:windows"];

/// Messages that may be on their way.
const WAY_MAX: usize = 64;

/// One side: its node, and its disk.
#[derive(Debug)]
struct Side<P: Protocol, I> {
    config: P::Config,
    node: Node<P>,
    desk: Desk<P>,
    disk: I,
    lives: Vec<Life<P>>,
}

impl<P: Protocol, I: Image<P>> Side<P, I> {
    fn new(config: P::Config) -> Self {
        let mut desk = Desk::default();
        let node = Node::recover(&config, GateBound::DEPLOYED, Recovered::Fresh, &mut desk);
        Self {
            config,
            node,
            desk,
            disk: I::default(),
            lives: vec![Vec::new()],
        }
    }

    /// Starts again from its disk.
    fn crash(&mut self) {
        self.desk = Desk::default();
        self.node = Node::recover(&self.config, GateBound::DEPLOYED, self.disk.summary(), &mut self.desk);
    }

    /// Starts again on an empty disk: another life of its store.
    fn begin_anew(&mut self) {
        self.disk = I::default();
        self.lives.push(Vec::new());
        self.crash();
    }

    fn feed(&mut self, input: Input<P>) {
        let _ = self.node.step(&self.config, input, &mut self.desk);
    }

    /// Performs the outputs until there are none; what leaves goes to `say`.
    fn settle(&mut self, nonce: &mut u64, mut say: impl FnMut(Said<P>)) {
        let mut commit = Vec::new();
        loop {
            let outputs: Vec<Output<P>> = self.desk.outputs().collect();
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                match output {
                    Output::Record { record, .. } => {
                        self.disk.apply(&record);
                        commit.push(record);
                    }
                    Output::Commit { .. } => {
                        if let Some(life) = self.lives.last_mut() {
                            life.push(std::mem::take(&mut commit));
                        }
                        self.node.persisted(&self.config, &mut self.desk);
                    }
                    Output::Fetch { query, .. } => {
                        let rows = self.disk.answer(&query);
                        self.feed(Input::Fetched { query, rows });
                    }
                    Output::Draw { draw: Draw::Nonce, .. } => {
                        // Far apart and with the top bit set now and then: stores keep 64 bits in signed numbers.
                        *nonce = nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                        self.feed(Input::Drawn(Drawn::Nonce((*nonce).max(1))));
                    }
                    Output::Draw {
                        draw: Draw::Order { term },
                        ..
                    } => {
                        let order = pehra_core::members::Order::new([]);
                        self.feed(Input::Drawn(Drawn::Order { term, order }));
                    }
                    Output::Notice { notice, .. } => say(Said::Notice(notice)),
                    Output::Claim { claim, .. } => say(Said::Claim(claim)),
                    Output::Fault { broken, .. } => panic!("a fault while making records: {broken}"),
                    Output::Emit { .. } | Output::Report { .. } | Output::Arm { .. } | Output::Disarm { .. } => {}
                }
            }
        }
    }
}

enum Said<P: Protocol> {
    Notice(P::Notice),
    Claim(P::Claim),
}

/// An edge, a cloud, and the way between them.
#[derive(Debug)]
pub struct World {
    edge: Side<Pipeline, PipelineImage>,
    cloud: Side<Receiver<Tuple>, CloudImage<Tuple>>,
    up: VecDeque<Uplink<Tuple>>,
    down: VecDeque<Downlink<Tuple>>,
    nonce: u64,
    clocks: [i64; HOUSES.len()],
    source: Vec<Taken>,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A new edge and a new cloud, with small bounds so that much happens in few acts.
    #[must_use]
    pub fn new() -> Self {
        let windows = WindowConfig {
            lateness_ms: 30_000,
            households_max: 4,
            readings_max: 4,
            ..WindowConfig::default()
        };
        let mut sender = SenderConfig::deployed(CLOUD);
        sender.batch_rows = 3;
        sender.flights = u8::try_from(FLIGHTS_MAX.min(3)).unwrap_or(1);
        sender.retain_rows = 8;
        sender.retry = Ticks(1);
        let mut cloud = ReceiverConfig::deployed(EDGE);
        cloud.credit = 7;
        let mut world = Self {
            edge: Side::new(PipelineConfig { windows, sender }),
            cloud: Side::new(cloud),
            up: VecDeque::new(),
            down: VecDeque::new(),
            nonce: 1,
            clocks: [1_700_000_000_000; HOUSES.len()],
            source: Vec::new(),
        };
        world.settle();
        world
    }

    /// The commits that `acts` make the edge write and those of the cloud, by lives of their stores.
    #[must_use]
    pub fn run(acts: &[u32]) -> (Vec<Life<Pipeline>>, Vec<Life<Receiver<Tuple>>>) {
        let mut world = Self::new();
        for act in acts {
            world.act(*act);
        }
        (world.edge.lives, world.cloud.lives)
    }

    /// Does what the number says.
    pub fn act(&mut self, number: u32) {
        let (kind, detail) = (number % 32, number / 32);
        match kind {
            0..=15 => self.read(detail),
            16 => self.edge.feed(Input::Fired(PipelineTimer::Window(WindowTimer::Sweep))),
            17..=24 => self.deliver(1 + detail % 4),
            25 => {
                self.up.pop_front();
            }
            26 => {
                self.down.pop_front();
            }
            27 => {
                let again = self.up.front().cloned();
                self.up.extend(again);
            }
            28 => self.edge.feed(Input::Fired(PipelineTimer::Sender(SenderTimer::Retry))),
            29 => self
                .edge
                .feed(Input::Fired(PipelineTimer::Sender(SenderTimer::Heartbeat))),
            30 => self.edge.crash(),
            _ => match detail % 16 {
                0 => self.lose_edge(),
                1 | 2 => self.cloud.begin_anew(),
                _ => self.cloud.crash(),
            },
        }
        self.settle();
    }

    /// The edge's store is made anew, and all that the source ever held is read again.
    fn lose_edge(&mut self) {
        self.edge.begin_anew();
        for (at, taken) in (0..).zip(self.source.clone()) {
            self.edge.feed(Input::Commanded(RequestId(at), taken));
            self.settle();
        }
    }

    fn read(&mut self, detail: u32) {
        let (house, detail) = (detail as usize % HOUSES.len(), detail / 5);
        let (kind, detail) = (detail % 24, detail / 24);
        let partition = u16::try_from(house % 3).unwrap_or(0);
        let before = self.edge.node.state().position(partition).unwrap_or(7);
        let clock = &mut self.clocks[house];
        let now_ms = *clock;
        let mut time_ms = now_ms;
        match kind {
            0 => time_ms -= 6_000,
            1 => time_ms -= 17_000,
            2 => time_ms -= 100_000,
            3 => time_ms += 400_000,
            4 => {
                *clock += 60_000;
                time_ms = *clock;
            }
            5 => {}
            _ => {
                *clock += 500 + i64::from(detail % 2500);
                time_ms = *clock;
            }
        }
        let power_mw = match kind {
            6 => i64::MAX / 2,
            _ => i64::from(detail % 5_000_000) - 1_000_000,
        };
        let register = (kind % 3 != 0).then_some(u64::MAX - u64::from(detail));
        let content = match (kind, Household::new(HOUSES[house])) {
            (7, _) => Content::Unreadable(vec![0xff, 0, b'\'', 1]),
            (8, _) | (_, None) => Content::Gone,
            (_, Some(household)) => Content::Reading(Take {
                reading: Reading {
                    household,
                    time_ms,
                    power_mw,
                    register,
                },
                now_ms,
            }),
        };
        let after = before + 1 + u64::from(detail % 3);
        let taken = Taken {
            partition,
            before,
            after,
            content,
        };
        self.source.push(taken.clone());
        self.edge.feed(Input::Commanded(RequestId(0), taken));
    }

    fn deliver(&mut self, messages: u32) {
        for _ in 0..messages {
            if let Some(message) = self.up.pop_front() {
                self.cloud.feed(Input::Received { from: EDGE, message });
                self.settle();
            }
            if let Some(message) = self.down.pop_front() {
                self.edge.feed(Input::Received { from: CLOUD, message });
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        let Self {
            edge,
            cloud,
            up,
            down,
            nonce,
            ..
        } = self;
        edge.settle(nonce, |said| {
            up.push_back(match said {
                Said::Notice(notice) => notice.into(),
                Said::Claim(claim) => claim.into(),
            });
        });
        cloud.settle(nonce, |said| {
            down.push_back(match said {
                Said::Notice(notice) => notice.into(),
                Said::Claim(claim) => claim.into(),
            });
        });
        up.truncate(WAY_MAX);
        down.truncate(WAY_MAX);
    }
}

/// The image after the first `count` commits of a life.
#[must_use]
pub fn image_after<P: Protocol, I: Image<P>>(life: &[Vec<P::Record>], count: usize) -> I {
    let mut image = I::default();
    for record in life.iter().take(count).flatten() {
        image.apply(record);
    }
    image
}

/// Many acts from a seed.
#[must_use]
pub fn acts(seed: u64, count: usize) -> Vec<u32> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    (0..count).map(|_| rng.next_u32()).collect()
}

/// Many acts from a seed, none of which loses a store: one long life each.
#[must_use]
pub fn calm_acts(seed: u64, count: usize) -> Vec<u32> {
    let calm = |act: u32| if act % 32 == 31 { act - 31 } else { act };
    acts(seed, count).into_iter().map(calm).collect()
}

/// The edge's longest life.
#[must_use]
pub fn longest_edge_life(acts: &[u32]) -> Vec<Vec<PipelineRecord>> {
    World::run(acts).0.into_iter().max_by_key(Vec::len).unwrap_or_default()
}

/// The cloud's longest life.
#[must_use]
pub fn longest_cloud_life(acts: &[u32]) -> Vec<Vec<ReceiverRecord<Tuple>>> {
    World::run(acts).1.into_iter().max_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pehra_core::delivery::SenderRecord;

    use super::*;

    #[test]
    fn every_kind_of_record_is_made() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            let (edges, clouds) = World::run(&acts(seed, 800));
            for record in edges.iter().flatten().flatten() {
                seen.insert(match record {
                    PipelineRecord::Position { .. } => "position",
                    PipelineRecord::Window(_) => "window",
                    PipelineRecord::SetAside(_) => "set aside",
                    PipelineRecord::Sender(record) => match record {
                        SenderRecord::Epoch(_) => "epoch",
                        SenderRecord::Row { .. } => "row",
                        SenderRecord::Sent(_) => "sent",
                        SenderRecord::Acked { codes, .. } if codes.is_empty() => "acked",
                        SenderRecord::Acked { .. } => "acked with codes",
                        SenderRecord::Trimmed { .. } => "trimmed",
                        SenderRecord::Rewound { .. } => "rewound",
                    },
                });
            }
            for record in clouds.iter().flatten().flatten() {
                seen.insert(match record {
                    ReceiverRecord::Adopted(_) => "adopted",
                    ReceiverRecord::Skipped { .. } => "skipped",
                    ReceiverRecord::Applied { .. } => "applied",
                });
            }
        }
        assert_eq!(seen.len(), 13, "{seen:?}");
    }
}

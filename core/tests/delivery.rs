//! Delivery, walked at random: one edge and one cloud with their stores, and a network that loses, repeats and reorders.
//! Both crash between any two steps, with any part of their open commits on disk; now and then the cloud loses its
//! store.
//!
//! The oracle believes no counter of the protocol. Every row has a content of its own, and the oracle keeps three
//! lists by content: what is durable at the edge, what took effect at the cloud since its store was made, and what
//! ever took effect. It fills them from the commits that reach a disk, and holds each message that leaves against them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "shared/letter.rs"]
mod letter;
#[path = "shared/site.rs"]
mod site;

use std::collections::BTreeSet;

use letter::Letter;
use pehra_core::delivery::*;
use pehra_core::node::{GateBound, Output};
use pehra_core::protocol::{Drawn, Input, Recovered};
use pehra_core::types::{NodeId, RequestId};
use proptest::collection::vec;
use proptest::prelude::*;
use site::Site;

const EDGE: NodeId = NodeId(1);
const CLOUD: NodeId = NodeId(2);

type Edge = Site<Sender<Letter>, EdgeImage<Letter>>;
type Cloud = Site<Receiver<Letter>, CloudImage<Letter>>;

/// What is true of the rows, by content alone.
#[derive(Default)]
struct Oracle {
    /// Durable at the edge, in order; those that left since as well.
    appended: Vec<Letter>,
    /// In effect at the cloud since its store was made: consecutive rows of `appended` from `begin` on.
    begin: usize,
    applied: Vec<Letter>,
    /// In effect at the cloud at some time.
    ever: BTreeSet<Letter>,
    /// How often the cloud lost its store, and whether the edge has rewound since.
    wipes: u32,
    /// Households whose code is durable at the edge.
    coded: BTreeSet<char>,
    /// Rows that are acknowledged at the edge, durably.
    acked: usize,
    /// Rows that have left the edge's store.
    trimmed: usize,
}

impl Oracle {
    fn edge_wrote(&mut self, commit: &[SenderRecord<Letter>]) {
        for record in commit {
            match record {
                SenderRecord::Row { body, .. } => {
                    assert!(!self.appended.contains(body), "{body} is appended twice");
                    self.appended.push(body.clone());
                }
                SenderRecord::Acked { to, codes } => {
                    for (household, code) in codes {
                        assert_eq!(*code, Letter::first_code(household));
                        self.coded.insert(*household);
                    }
                    let to = index(*to);
                    assert!(to >= self.acked, "flags fall without a rewind");
                    self.acked = to;
                    for row in &self.appended[..to] {
                        assert!(self.ever.contains(row), "{row} is flagged 2 and was never applied");
                        assert!(
                            self.coded.contains(&row.household()),
                            "{row} is flagged 2 without a code"
                        );
                        assert!(
                            self.wipes > 0 || self.applied.contains(row),
                            "{row} is flagged 2 and not applied"
                        );
                    }
                }
                SenderRecord::Trimmed { oldest } => {
                    self.trimmed = index(oldest.previous());
                    let gone = &self.appended[..self.trimmed];
                    assert!(gone.iter().all(|row| self.ever.contains(row)), "a row left too early");
                }
                SenderRecord::Rewound { to } => {
                    assert!(self.wipes > 0, "flags fall though the cloud lost nothing");
                    assert!(index(*to) <= self.acked);
                    self.acked = index(*to);
                }
                SenderRecord::Epoch(_) | SenderRecord::Sent(_) => {}
            }
        }
    }

    fn cloud_wrote(&mut self, commit: &[ReceiverRecord<Letter>]) {
        for record in commit {
            match record {
                ReceiverRecord::Applied { bodies, .. } => bodies.iter().for_each(|row| self.apply(row)),
                ReceiverRecord::Skipped { to, .. } => {
                    let skipped = &self.appended[self.begin + self.applied.len()..index(*to)];
                    assert!(self.wipes > 0, "rows are skipped though nothing was lost");
                    assert!(
                        skipped.iter().all(|row| self.ever.contains(row)),
                        "skips what never came"
                    );
                    assert!(self.applied.is_empty(), "skips rows between others");
                    self.begin = index(*to);
                }
                ReceiverRecord::Adopted(_) => assert!(self.applied.is_empty(), "there is but one epoch"),
                #[allow(unreachable_patterns, reason = "with seeded bugs there may be more")]
                other => panic!("{other:?}"),
            }
        }
    }

    /// In order, without holes, each once, and only what is durable at the edge.
    fn apply(&mut self, row: &Letter) {
        assert!(!self.applied.contains(row), "{row} is applied twice");
        let expected = self.appended.get(self.begin + self.applied.len());
        assert_eq!(
            Some(row),
            expected,
            "rows out of order, or one that the edge may still lose"
        );
        self.applied.push(row.clone());
        self.ever.insert(row.clone());
    }

    fn wiped(&mut self) {
        self.wipes += 1;
        self.begin = 0;
        self.applied.clear();
    }

    /// A mark that leaves the cloud speaks of durable rows.
    fn marked(&self, high: Seq) {
        assert!(
            index(high) <= self.begin + self.applied.len(),
            "a mark above what is durable leaves"
        );
    }

    /// A row that leaves the edge is durable there, as the row that it says it is.
    fn sent(&self, rows: &Rows<Letter>) {
        let from = index(rows.first.previous());
        assert_eq!(
            self.appended.get(from..from + rows.bodies.len()),
            Some(&rows.bodies[..])
        );
    }
}

/// Row numbers count from 1; so many rows end there.
fn index(seq: Seq) -> usize {
    usize::try_from(seq.0).unwrap()
}

struct Walk {
    edge: Edge,
    cloud: Cloud,
    up: Vec<Uplink<Letter>>,
    down: Vec<Downlink<Letter>>,
    oracle: Oracle,
    nonce: u64,
    rows: u64,
}

impl Walk {
    fn new(bound: GateBound) -> Self {
        let sender = SenderConfig {
            batch_rows: 2,
            flights: 2,
            retain_rows: 4,
            backlog_rows: 12,
            ..SenderConfig::deployed(CLOUD)
        };
        let receiver = ReceiverConfig {
            credit: 5,
            ..ReceiverConfig::deployed(EDGE)
        };
        let (edge, from_edge) = Edge::start(sender, bound, EdgeImage::default(), Recovered::Fresh);
        let (cloud, from_cloud) = Cloud::start(receiver, bound, CloudImage::default(), Recovered::Fresh);
        let mut walk = Self {
            edge,
            cloud,
            up: Vec::new(),
            down: Vec::new(),
            oracle: Oracle::default(),
            nonce: 0,
            rows: 0,
        };
        walk.hear_edge(Some(from_edge));
        walk.hear_cloud(Some(from_cloud));
        walk
    }

    /// `None` is an input that was not taken: a lost message, or a row to be offered again.
    fn hear_edge(&mut self, outputs: Option<Vec<Output<Sender<Letter>>>>) {
        for output in outputs.unwrap_or_default() {
            match output {
                Output::Notice { notice, .. } => self.up.push(notice.into()),
                Output::Claim { claim, .. } => {
                    if let SenderClaim::Batch { rows, .. } = &claim {
                        self.oracle.sent(rows);
                    }
                    self.up.push(claim.into());
                }
                Output::Emit { event, .. } => {
                    let SenderEvent::Acked(to) = event;
                    assert!(index(to) <= self.oracle.acked, "the shell is told before it is durable");
                }
                Output::Fault { broken, .. } => panic!("{broken}"),
                _ => {}
            }
        }
    }

    fn hear_cloud(&mut self, outputs: Option<Vec<Output<Receiver<Letter>>>>) {
        for output in outputs.unwrap_or_default() {
            match output {
                Output::Notice { notice, .. } => self.down.push(notice.into()),
                Output::Claim { claim, .. } => {
                    match &claim {
                        ReceiverClaim::Welcome { high, .. } | ReceiverClaim::Ack { high, .. } => {
                            self.oracle.marked(*high);
                        }
                        ReceiverClaim::Fenced { .. } => panic!("there is but one epoch"),
                    }
                    self.down.push(claim.into());
                }
                Output::Emit { event, .. } => {
                    let ReceiverEvent::Applied(to) = event;
                    self.oracle.marked(to);
                }
                Output::Fault { broken, .. } => panic!("{broken}"),
                _ => {}
            }
        }
    }

    fn feed_edge(&mut self, input: Input<Sender<Letter>>) {
        let outputs = self.edge.feed(input);
        self.hear_edge(outputs);
    }

    fn feed_cloud(&mut self, input: Input<Receiver<Letter>>) {
        let outputs = self.cloud.feed(input);
        self.hear_cloud(outputs);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Append(house) => self.append(house),
            Act::Draw => self.draw(),
            Act::Persist(Who::Edge) => self.persist_edge(),
            Act::Persist(Who::Cloud) => self.persist_cloud(),
            Act::Answer(Who::Edge) => {
                let outputs = self.edge.answer();
                self.hear_edge(outputs);
            }
            Act::Answer(Who::Cloud) => {
                let outputs = self.cloud.answer();
                self.hear_cloud(outputs);
            }
            Act::Deliver { to, at, fate } => self.deliver(to, usize::from(at), fate),
            Act::Fire(timer) => {
                let outputs = self.edge.fire(timer);
                self.hear_edge(outputs);
            }
            Act::Silence => {
                let outputs = self.cloud.fire(ReceiverTimer::Silence);
                self.hear_cloud(outputs);
            }
            Act::Crash(Who::Edge, keep) => self.crash_edge(usize::from(keep)),
            Act::Crash(Who::Cloud, keep) => self.crash_cloud(usize::from(keep)),
            Act::Wipe => self.wipe(),
            Act::Link(up) => self.feed_edge(Input::Link { peer: CLOUD, up }),
            Act::Stalled(Who::Edge, stalled) => self.feed_edge(Input::Stalled(stalled)),
            Act::Stalled(Who::Cloud, stalled) => self.feed_cloud(Input::Stalled(stalled)),
            Act::Paused => {
                self.feed_edge(Input::Paused);
                self.feed_cloud(Input::Paused);
            }
        }
        self.edge.assert_sound();
        self.cloud.assert_sound();
    }

    /// Every row has a number of its own, also one that is lost in a crash.
    fn append(&mut self, house: u8) {
        self.rows += 1;
        let house = char::from(b'a' + house);
        let row = Letter(format!("{house}{}", self.rows));
        self.feed_edge(Input::Commanded(RequestId(self.rows), Append(row)));
    }

    fn draw(&mut self) {
        if let Some(draws) = self.edge.draws.checked_sub(1) {
            self.edge.draws = draws;
            self.nonce += 1;
            self.feed_edge(Input::Drawn(Drawn::Nonce(self.nonce)));
        }
    }

    fn persist_edge(&mut self) {
        if let Some(commit) = self.edge.commits.front() {
            self.oracle.edge_wrote(commit);
            let outputs = self.edge.persist();
            self.hear_edge(outputs);
        }
    }

    fn persist_cloud(&mut self) {
        if let Some(commit) = self.cloud.commits.front() {
            self.oracle.cloud_wrote(commit);
            let outputs = self.cloud.persist();
            self.hear_cloud(outputs);
        }
    }

    fn crash_edge(&mut self, keep: usize) {
        for commit in self.edge.commits.iter().take(keep) {
            self.oracle.edge_wrote(commit);
        }
        let outputs = self.edge.crash(keep);
        self.hear_edge(Some(outputs));
    }

    fn crash_cloud(&mut self, keep: usize) {
        for commit in self.cloud.commits.iter().take(keep) {
            self.oracle.cloud_wrote(commit);
        }
        let outputs = self.cloud.crash(keep);
        self.hear_cloud(Some(outputs));
    }

    fn wipe(&mut self) {
        self.oracle.wiped();
        self.cloud.disk = CloudImage::default();
        let outputs = self.cloud.restart(Recovered::Lost);
        self.hear_cloud(Some(outputs));
    }

    fn deliver(&mut self, to: Who, at: usize, fate: Fate) {
        match to {
            Who::Cloud => {
                if let Some(message) = pick(&mut self.up, at, fate) {
                    self.feed_cloud(Input::Received { from: EDGE, message });
                }
            }
            Who::Edge => {
                if let Some(message) = pick(&mut self.down, at, fate) {
                    self.feed_edge(Input::Received { from: CLOUD, message });
                }
            }
        }
    }

    /// The network behaves, nothing crashes, and timers go off when nothing else happens. One row more is appended:
    /// a cloud that lost its store is found out only when the edge has something to send.
    fn calm_down(&mut self) {
        self.act(Act::Stalled(Who::Edge, false));
        self.act(Act::Stalled(Who::Cloud, false));
        let mut appended = false;
        for _ in 0..60 {
            self.settle();
            let all = self.oracle.acked == self.oracle.appended.len();
            if all && appended && self.edge.node.state().backlog() == 0 {
                return;
            }
            if !appended {
                let before = self.edge.node.state().last();
                self.act(Act::Append(0));
                appended = self.edge.node.state().last() > before;
                self.settle();
            }
            self.act(Act::Fire(SenderTimer::Heartbeat));
            self.settle();
            self.act(Act::Fire(SenderTimer::Retry));
        }
        let (edge, cloud) = (self.edge.node.state(), self.cloud.node.state());
        panic!("after the network calmed down, rows are still not acknowledged: {edge:?} {cloud:?}");
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            let local = self.edge.commits.len() + self.cloud.commits.len() + self.edge.fetches.len();
            if local + self.cloud.fetches.len() + self.up.len() + self.down.len() == 0 && self.edge.draws == 0 {
                return;
            }
            self.draw();
            for who in [Who::Edge, Who::Cloud] {
                self.act(Act::Persist(who));
                self.act(Act::Answer(who));
                self.deliver(who, 0, Fate::Arrives);
            }
        }
        panic!("it never becomes quiet");
    }

    /// Everything that the edge holds durably is in effect at the cloud, once, in order; so both stores say.
    fn assert_complete(&self) {
        let oracle = &self.oracle;
        assert_eq!(oracle.applied, oracle.appended[oracle.begin..], "all arrived");
        assert!(
            oracle.wipes > 0 || oracle.begin == 0,
            "nothing is missing but what a loss took"
        );
        let stored: Vec<Letter> = self
            .cloud
            .disk
            .applied()
            .iter()
            .map(|(_, _, row)| row.clone())
            .collect();
        assert_eq!(stored, oracle.applied);
        assert_eq!(self.edge.disk.rows(), &oracle.appended[oracle.trimmed..]);
        let last = self.edge.disk.cursors().last;
        assert!((oracle.trimmed + 1..=index(last)).all(|row| self.edge.disk.flag(Seq(row.try_into().unwrap())) == 2));
    }
}

/// What the network does to one message.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    ArrivesAndStays,
    IsLost,
}

fn pick<M: Clone>(waiting: &mut Vec<M>, at: usize, fate: Fate) -> Option<M> {
    let at = at.checked_rem(waiting.len())?;
    match fate {
        Fate::Arrives => Some(waiting.remove(at)),
        Fate::ArrivesAndStays => waiting.get(at).cloned(),
        Fate::IsLost => {
            waiting.remove(at);
            None
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Edge,
    Cloud,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Append(u8),
    Draw,
    Persist(Who),
    Answer(Who),
    Deliver { to: Who, at: u8, fate: Fate },
    Fire(SenderTimer),
    Silence,
    Crash(Who, u8),
    Wipe,
    Link(bool),
    Stalled(Who, bool),
    Paused,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Edge), Just(Who::Cloud)]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![8 => Just(Fate::Arrives), 1 => Just(Fate::ArrivesAndStays), 1 => Just(Fate::IsLost)]
}

/// Mostly the oldest message first.
fn place() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => any::<u8>()]
}

fn act(wipes: bool) -> impl Strategy<Value = Act> {
    prop_oneof![
        24 => (0..3_u8).prop_map(Act::Append),
        10 => Just(Act::Draw),
        60 => who().prop_map(Act::Persist),
        30 => who().prop_map(Act::Answer),
        60 => (who(), place(), fate()).prop_map(|(to, at, fate)| Act::Deliver { to, at, fate }),
        8 => Just(Act::Fire(SenderTimer::Retry)),
        2 => Just(Act::Fire(SenderTimer::Heartbeat)),
        1 => Just(Act::Silence),
        4 => (who(), 0..4_u8).prop_map(|(who, keep)| Act::Crash(who, keep)),
        1 => Just(if wipes { Act::Wipe } else { Act::Paused }),
        1 => any::<bool>().prop_map(Act::Link),
        1 => (who(), prop_oneof![1 => Just(true), 2 => Just(false)]).prop_map(|(who, stalled)| Act::Stalled(who, stalled)),
    ]
}

fn bound() -> impl Strategy<Value = GateBound> {
    prop_oneof![Just(GateBound::DEPLOYED), Just(GateBound { commits: 2, held: 64 })]
}

/// Found by the walk below. A retry joins two batches into one that begins at the same row; the answer to the first of
/// the two, asked for one household's code only, must not end the joined one.
#[test]
fn an_answer_ends_no_batch_that_asked_for_more() {
    let mut walk = Walk::new(GateBound::DEPLOYED);
    let local = [
        Act::Draw,
        Act::Persist(Who::Edge),
        Act::Answer(Who::Edge),
        Act::Persist(Who::Edge),
    ];
    let deliver = |to| Act::Deliver {
        to,
        at: 0,
        fate: Fate::Arrives,
    };
    local.into_iter().for_each(|act| walk.act(act));
    walk.act(deliver(Who::Cloud));
    walk.act(Act::Persist(Who::Cloud));
    walk.act(deliver(Who::Edge));
    for household in [0, 1] {
        walk.act(Act::Append(household));
        local.into_iter().for_each(|act| walk.act(act));
        walk.act(deliver(Who::Cloud));
    }
    walk.act(Act::Fire(SenderTimer::Retry));
    walk.act(Act::Answer(Who::Edge));
    walk.act(Act::Persist(Who::Cloud));
    walk.act(Act::Persist(Who::Cloud));
    walk.act(Act::Answer(Who::Cloud));
    walk.act(deliver(Who::Edge));
    walk.act(Act::Persist(Who::Edge));
    walk.calm_down();
    walk.assert_complete();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `delivery/OS1` to `OS7`, and `OL1` for the calm at the end.
    #[test]
    fn every_row_arrives_once_and_in_order_whatever_crashes(bound in bound(), acts in vec(act(false), 0..500)) {
        let mut walk = Walk::new(bound);
        acts.into_iter().for_each(|act| walk.act(act));
        walk.calm_down();
        walk.assert_complete();
    }

    /// The same with a cloud that loses its store now and then: what the edge still holds arrives again, and only rows
    /// that had been in effect before are ever missing.
    #[test]
    fn a_cloud_that_lost_its_store_is_healed(bound in bound(), acts in vec(act(true), 0..500)) {
        let mut walk = Walk::new(bound);
        acts.into_iter().for_each(|act| walk.act(act));
        walk.calm_down();
        walk.assert_complete();
    }
}

//! The constrained election: the leader is dead, and the only voter that sees a majority has a log that is behind.
//!
//! Raft never elects anybody here, nor do pre-votes and leases help: the others would win, but reach nobody; the one in
//! the middle reaches all, but lacks entries. Catching up before standing makes it win. 200 seeds in two profiles: after
//! the fault the first entry of a new leader is decided within 1.5 T (`lan`) or 2 T (`wan`), also if
//! what the one in the middle lacks is in a snapshot only. Held after every step: one leader in each term, one decided entry in each place,
//! which a majority has on disk and each later leader in its log. In the end all come back, and have the same log.

use std::collections::BTreeMap;

use pehra_core::election::{self, Timing};
use pehra_core::members::NodeSet;
use pehra_core::replication::{
    Claim, Command, Config, Entry, Event, Index, LogId, LogImage, Message, Notice, Replication, Report,
};
use pehra_core::types::{NodeId, RequestId, Term};
use pehra_models::simulator::{Cluster, Death, Failure, Random, Setting, Sight, Time, View, Voice, Watch};

type Member = Replication<u64>;
type Image = LogImage<u64>;

const SEEDS: u64 = 200;
const VOTERS: u16 = 5;

/// What is decided, who has led, and what must never happen.
#[derive(Default)]
struct Oracle {
    decided: BTreeMap<Index, Entry<u64>>,
    leaders: BTreeMap<Term, (NodeId, u32)>,
    /// When the first entry of each term was decided.
    first_decided: BTreeMap<Term, Time>,
    snapshots: usize,
    loaded: usize,
    wrong: Option<String>,
}

impl Oracle {
    fn last(&self) -> LogId {
        self.decided.last_key_value().map_or(LogId::ZERO, |(_, entry)| entry.id)
    }

    fn decides(&mut self, view: &View<'_, Member, Image>, node: NodeId, entry: &Entry<u64>) {
        let known = *self.decided.entry(entry.id.index).or_insert(*entry);
        if known != *entry {
            self.wrong = Some(format!("I11: {node} was told {entry:?}, another {known:?}"));
        }
        self.first_decided.entry(entry.id.term).or_insert(view.now);
    }

    fn begins(&mut self, node: NodeId, life: u32, state: &Member) -> Result<(), String> {
        let term = state.election().term();
        if let Some(known) = self.leaders.get(&term) {
            if *known == (node, life) {
                return Ok(());
            }
            return Err(format!("I1: {node} (life {life}) leads {term}, as {known:?} did"));
        }
        self.leaders.insert(term, (node, life));
        let lacks = |id: &LogId| id.term < term && id.index > state.log().base().index && !state.log().holds(*id);
        match self.decided.values().map(|entry| entry.id).find(lacks) {
            Some(lost) => Err(format!("I10: {node} leads {term} without {lost}, which is decided")),
            None => Ok(()),
        }
    }
}

fn has(image: &Image, id: LogId) -> bool {
    image.base.index >= id.index || image.entry(id.index).is_some_and(|entry| entry.id == id)
}

impl Watch<Member, Image> for Oracle {
    fn see(&mut self, view: &View<'_, Member, Image>, node: NodeId, sight: &Sight<'_, Member>) {
        match sight {
            Sight::Event(Event::Decided(entry)) => self.decides(view, node, entry),
            Sight::Event(Event::Compacted { .. }) => self.snapshots += 1,
            Sight::Event(Event::Load { .. }) => self.loaded += 1,
            Sight::Report(Report::Election(election::Report::Misbehaved { from, what })) => {
                self.wrong = Some(format!("{node} says that {from} misbehaves: {what}"));
            }
            _ => {}
        }
    }

    fn judge(&mut self, view: &View<'_, Member, Image>, stepped: NodeId) -> Result<(), String> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let last = self.last();
        let copies = view
            .machines
            .iter()
            .filter(|machine| has(&machine.disk.image, last))
            .count();
        if last != LogId::ZERO && copies <= usize::from(VOTERS / 2) {
            return Err(format!("D2: {last} is decided and on {copies} disks"));
        }
        let machine = view.machine(stepped).filter(|machine| machine.state().is_some());
        match machine.and_then(|machine| Some((machine.lives, machine.state()?))) {
            Some((life, state)) if state.lead().is_some() => self.begins(stepped, life, state),
            _ => Ok(()),
        }
    }
}

struct Trial {
    cluster: Cluster<Member, Image, Oracle>,
    t: Time,
    chance: Random,
    proposed: u64,
}

impl Trial {
    fn new(timing: Timing, mut setting: Setting, seed: u64, traced: bool) -> Self {
        // As within one connection.
        setting.network.in_order = true;
        let voters = NodeSet::first(VOTERS);
        let configs = voters.iter().map(|me| {
            let election = election::Config::new(me, voters, timing);
            // Small pieces, so that what is lacking takes several questions.
            let chunk = 16;
            (
                me,
                Config {
                    chunk,
                    ..Config::new(election)
                },
            )
        });
        let voice = Voice {
            notice: |notice: Notice<u64>| Message::from(notice),
            claim: |claim: Claim| Message::from(claim),
        };
        let mut cluster = Cluster::new(seed, setting, voice, configs, Oracle::default());
        if traced {
            cluster = cluster.traced(Box::new(|now, line| println!("{now:>12} {line}")));
        }
        Self {
            cluster,
            t: Time::from(timing.election),
            chance: Random::new(seed, 100),
            proposed: 0,
        }
    }

    fn wait_some(&mut self, min: u64, max: u64) -> Result<(), Failure> {
        let permille = self.chance.between(min, max);
        self.cluster.run_for(self.t.permille(permille))
    }

    fn failure(&self, what: &str) -> Failure {
        Failure {
            at: self.cluster.now(),
            what: what.into(),
        }
    }

    fn propose(&mut self, leader: NodeId) {
        self.proposed += 1;
        self.cluster
            .command(leader, RequestId(self.proposed), Command::Propose(self.proposed));
    }

    /// Starts everybody, and waits for a leader whose first entry is decided.
    fn begin(&mut self) -> Result<NodeId, Failure> {
        for id in NodeSet::first(VOTERS).iter() {
            self.cluster.start(id);
            self.wait_some(0, 100)?;
        }
        let limit = self.t.permille(10_000);
        if !self
            .cluster
            .run_until(limit, |cluster| !cluster.watch.first_decided.is_empty())?
        {
            return Err(self.failure("nobody leads to begin with"));
        }
        self.wait_some(2000, 4000)?;
        let leads =
            |cluster: &Cluster<Member, Image, Oracle>, id| cluster.state(id).is_some_and(|s| s.lead().is_some());
        let leader = NodeSet::first(VOTERS).iter().find(|id| leads(&self.cluster, *id));
        leader.ok_or_else(|| self.failure("nobody leads"))
    }

    /// Thousandths of T from the fault until an entry of a new leader was decided.
    fn run(&mut self, snapshot: bool) -> Result<u64, Failure> {
        let leader = self.begin()?;
        let followers: Vec<NodeId> = NodeSet::first(VOTERS).without(leader).iter().collect();
        let hub = followers[usize::try_from(self.chance.below(4)).unwrap_or(0)];
        let others = NodeSet::first(VOTERS).without(hub).without(leader);
        (0..5).for_each(|_| self.propose(leader));
        self.wait_some(500, 1000)?;
        // The hub misses some, for less than T: it still believes in the leader.
        self.cluster.isolate(hub);
        let many = self.chance.between(1, 60);
        (0..many).for_each(|_| self.propose(leader));
        self.wait_some(300, 500)?;
        let last = self.cluster.watch.last();
        if snapshot {
            for id in others.iter() {
                for nth in 0..2 {
                    let piece = Command::Piece {
                        upto: self.cluster.state(id).map_or(Index::ZERO, Member::applied),
                        nth,
                        end: nth == 1,
                        body: nth.into(),
                    };
                    self.cluster.command(id, RequestId(0), piece);
                }
            }
        }
        self.wait_some(100, 300)?;
        if last.index.0 != self.proposed + 1 || self.cluster.state(hub).is_some_and(|hub| hub.log().holds(last)) {
            return Err(self.failure("the hub lacks nothing"));
        }
        if snapshot && self.cluster.watch.snapshots != 3 {
            return Err(self.failure("no snapshots were taken"));
        }
        self.cluster.remark("fault");
        self.cluster.kill(leader, Death::Silent);
        let pairs: Vec<(NodeId, NodeId)> = NodeSet::first(VOTERS).without(hub).iter().map(|id| (hub, id)).collect();
        self.cluster.link_only(&pairs);
        let fault = self.cluster.now();
        let old = self.cluster.watch.leaders.keys().max().copied().unwrap_or_default();
        let new = |cluster: &Cluster<Member, Image, Oracle>| {
            let mut later = cluster
                .watch
                .first_decided
                .range(old..)
                .filter(|(term, _)| **term > old);
            later.next().map(|(_, at)| *at)
        };
        let limit = self.t.permille(40_000);
        self.cluster.run_until(limit, |cluster| new(cluster).is_some())?;
        let Some(decided) = new(&self.cluster) else {
            return Err(self.failure("no new leader's entry was decided"));
        };
        if self.cluster.state(hub).is_none_or(|hub| hub.lead().is_none()) {
            return Err(self.failure("not the one in the middle leads"));
        }
        if snapshot && self.cluster.watch.loaded == 0 {
            return Err(self.failure("the snapshot was not copied"));
        }
        self.calm(leader, hub)?;
        Ok((decided - fault).in_permille_of(self.t))
    }

    /// It leads on; then all is mended, the dead one returns, and all get the same log.
    fn calm(&mut self, dead: NodeId, hub: NodeId) -> Result<(), Failure> {
        let changes = self.cluster.watch.leaders.len();
        self.propose(hub);
        self.wait_some(3000, 5000)?;
        self.cluster.mend_all();
        self.cluster.start(dead);
        self.propose(hub);
        self.wait_some(3000, 3000)?;
        let last = self.cluster.watch.last();
        for id in NodeSet::first(VOTERS).iter() {
            let whole = self
                .cluster
                .state(id)
                .is_some_and(|state| state.log().last() == last && state.applied() == last.index);
            let image = &self.cluster.machine(id).disk.image;
            let lost = |entry: &&Entry<u64>| !has(image, entry.id);
            if !whole || self.cluster.watch.decided.values().any(|entry| lost(&entry)) {
                return Err(self.failure(&format!("{id} has not got the whole log up to {last}")));
            }
        }
        if self.cluster.watch.leaders.len() != changes {
            return Err(self.failure("the leader changed without a reason"));
        }
        if self.cluster.watch.decided.len() as u64 != self.proposed + 2 {
            return Err(self.failure("a command was lost"));
        }
        Ok(())
    }
}

/// Tries all seeds, or the one that `PEHRA_SEED` names with its trace; `PEHRA_SEEDS` says how many are all.
fn try_all(test: &str, timing: Timing, setting: Setting, snapshot: bool, within: u64) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let (chosen, many) = (number("PEHRA_SEED"), number("PEHRA_SEEDS"));
    let mut took = Vec::new();
    let (mut failures, mut late) = (String::new(), Vec::new());
    for seed in chosen.map_or(0..many.unwrap_or(SEEDS), |seed| seed..seed + 1) {
        match Trial::new(timing, setting, seed, chosen.is_some()).run(snapshot) {
            Ok(permille) => {
                took.push(permille);
                if permille > within {
                    late.push((seed, permille));
                }
            }
            Err(failure) => failures += &format!("\n  seed {seed}: {failure}"),
        }
    }
    took.sort_unstable();
    let at = |percent: usize| took.get((took.len() * percent).div_ceil(100).max(1) - 1);
    println!("{test}: median {:?}, p99 {:?}, most {:?}", at(50), at(99), at(100));
    assert!(
        failures.is_empty(),
        "see one with: PEHRA_SEED=… cargo test -p pehra-models --test simulator_replication {test} -- --nocapture{failures}"
    );
    assert!(
        late.is_empty(),
        "{test}: these seeds took longer than {within} thousandths of T: {late:?}"
    );
}

#[test]
fn constrained_lan() {
    try_all("constrained_lan", Timing::LAN, Setting::LAN, false, 1500);
}

#[test]
fn constrained_wan() {
    try_all("constrained_wan", Timing::WAN, Setting::WAN, false, 2000);
}

#[test]
fn constrained_with_a_snapshot_lan() {
    try_all("constrained_with_a_snapshot_lan", Timing::LAN, Setting::LAN, true, 1500);
}

#[test]
fn constrained_with_a_snapshot_wan() {
    try_all("constrained_with_a_snapshot_wan", Timing::WAN, Setting::WAN, true, 2000);
}

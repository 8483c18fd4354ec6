//! Windows and pipeline against a naive computation: whatever the split into commits, wherever the process is killed,
//! the same bytes come out; every reading is counted once or set aside; gaps are said. Integers only.
//!
//! Sweeps depend on the clock, so which households a sweep closed is read from the store (it commits what it decides);
//! the naive computation is told the same.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::std_instead_of_core,
    clippy::use_self,
    clippy::wildcard_enum_match_arm
)]

#[path = "shared/site.rs"]
mod site;

use std::collections::{BTreeMap, BTreeSet};

use pehra_core::delivery::{Rows, SenderClaim, SenderConfig, Seq, Uplink};
use pehra_core::node::GateBound;
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineImage, PipelineRecord, PipelineTimer, Taken};
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{EdgeName, Household, NodeId, RequestId, Ticks};
use pehra_core::window::{Reading, Span, Take, Tuple, Why, WindowConfig, WindowRecord, WindowTimer};
use pehra_core::wire;
use proptest::collection::vec;
use proptest::prelude::*;
use site::Site;

fn config() -> PipelineConfig {
    PipelineConfig {
        windows: WindowConfig {
            width_ms: 10,
            slack_ms: 5,
            lateness_ms: 40,
            future_ms: 100,
            power_max_mw: 50,
            households_max: 3,
            readings_max: 4,
            idle: Ticks(1),
            #[cfg(seeded_bugs)]
            bug: None,
        },
        sender: SenderConfig::deployed(NodeId(0)),
        #[cfg(seeded_bugs)]
        bug: None,
    }
}

/// One household as one would first compute it: all that was ever counted, nothing forgotten.
#[derive(Default)]
struct Naive {
    counted: BTreeMap<i64, (i64, Option<u64>)>,
    revisions: BTreeMap<i64, u32>,
    until_ms: Option<i64>,
}

struct Naively {
    config: WindowConfig,
    houses: BTreeMap<Household, Naive>,
    tuples: Vec<Tuple>,
    set_aside: Vec<(Why, Reading)>,
}

impl Naively {
    fn new() -> Self {
        Self {
            config: config().windows,
            houses: BTreeMap::new(),
            tuples: Vec::new(),
            set_aside: Vec::new(),
        }
    }

    fn start(&self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.config.width_ms) * self.config.width_ms
    }

    fn read(&mut self, Take { reading, now_ms }: Take) {
        match self.outcome(&reading, now_ms) {
            Some(why) => self.set_aside.push((why, reading)),
            None => self.count(reading),
        }
    }

    fn outcome(&self, reading: &Reading, now_ms: i64) -> Option<Why> {
        let config = &self.config;
        if reading.time_ms - now_ms > config.future_ms {
            return Some(Why::Future);
        }
        if reading.power_mw.abs() > config.power_max_mw {
            return Some(Why::OutOfRange);
        }
        let Some(house) = self.houses.get(&reading.household) else {
            return (self.houses.len() == 3).then_some(Why::NoRoom);
        };
        let newest_ms = *house.counted.last_key_value().unwrap().0;
        let start_ms = self.start(reading.time_ms);
        let end_ms = start_ms + config.width_ms;
        if end_ms + config.lateness_ms + config.slack_ms <= newest_ms {
            return Some(Why::TooLate);
        }
        match house.counted.get(&reading.time_ms) {
            Some(same) if *same == (reading.power_mw, reading.register) => Some(Why::Repeated),
            Some(_) => Some(Why::Conflict),
            None => (house.counted.range(start_ms..end_ms).count() == 4).then_some(Why::NoRoom),
        }
    }

    fn count(&mut self, reading: Reading) {
        let (name, start_ms) = (reading.household, self.start(reading.time_ms));
        let house = self.houses.entry(name).or_default();
        house
            .counted
            .insert(reading.time_ms, (reading.power_mw, reading.register));
        let newest_ms = *house.counted.last_key_value().unwrap().0;
        if house.until_ms.is_some_and(|until_ms| start_ms < until_ms) {
            let revision = house.revisions.get(&start_ms).map_or(1, |revision| revision + 1);
            self.close(name, start_ms, revision);
        }
        self.close_until(name, newest_ms - self.config.slack_ms);
    }

    fn close_until(&mut self, name: Household, watermark_ms: i64) {
        let house = &self.houses[&name];
        let from_ms = house.until_ms.unwrap_or(i64::MIN);
        let starts: BTreeSet<i64> = house
            .counted
            .range(from_ms..)
            .map(|(time_ms, _)| self.start(*time_ms))
            .collect();
        for start_ms in starts {
            let end_ms = start_ms + self.config.width_ms;
            if end_ms > watermark_ms {
                return;
            }
            let house = self.houses.get_mut(&name).unwrap();
            if let Some(until_ms) = house.until_ms.replace(end_ms).filter(|until_ms| *until_ms < start_ms) {
                let span = Span::Gap { until_ms: start_ms };
                self.tuples.push(Tuple {
                    household: name,
                    start_ms: until_ms,
                    span,
                });
            }
            self.close(name, start_ms, 0);
        }
    }

    fn close(&mut self, household: Household, start_ms: i64, revision: u32) {
        let end_ms = start_ms + self.config.width_ms;
        let house = self.houses.get_mut(&household).unwrap();
        house.revisions.insert(start_ms, revision);
        let inside: Vec<(i64, Option<u64>)> = house.counted.range(start_ms..end_ms).map(|(_, kept)| *kept).collect();
        let registers: Vec<u64> = inside.iter().filter_map(|(_, register)| *register).collect();
        let span = Span::Window {
            sum_mw: inside.iter().map(|(power_mw, _)| power_mw).sum(),
            n: inside.len().try_into().unwrap(),
            min_mw: inside.iter().map(|(power_mw, _)| *power_mw).min().unwrap(),
            max_mw: inside.iter().map(|(power_mw, _)| *power_mw).max().unwrap(),
            first_register: registers.first().copied(),
            last_register: registers.last().copied(),
            revision,
        };
        self.tuples.push(Tuple {
            household,
            start_ms,
            span,
        });
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Feed(u8),
    Persist(u8),
    Crash { keep: u8 },
    Sweep,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1..8_u8).prop_map(Act::Feed),
        5 => (1..8_u8).prop_map(Act::Persist),
        1 => (0..6_u8).prop_map(|keep| Act::Crash { keep }),
        1 => Just(Act::Sweep),
    ]
}

/// Times wander forward, with readings that come late, twice, far ahead, or after a gap.
fn source() -> impl Strategy<Value = Vec<Take>> {
    let step = prop_oneof![12 => 0..4_i64, 3 => -30..0_i64, 1 => -90..-30_i64, 1 => 15..60_i64, 1 => 101..140_i64];
    let one = (
        0..4_u8,
        step,
        prop_oneof![20 => -3..4_i64, 1 => -60..60_i64],
        proptest::option::of(0..9_u64),
    );
    vec(one, 1..120).prop_map(|all| {
        let mut now_ms = -200;
        let mut takes = Vec::new();
        for (house, step_ms, power_mw, register) in all {
            // Steps up to the future's bound move the time; those beyond it, and those back, do not.
            now_ms += if (0..100).contains(&step_ms) { step_ms } else { 0 };
            let time_ms = if (0..100).contains(&step_ms) {
                now_ms
            } else {
                now_ms + step_ms
            };
            // The fourth household is seldom, so that three come first and it finds no room.
            let household = Household::new(["a", "b", "c", "d"][usize::from(house)]).unwrap();
            let reading = Reading {
                household,
                time_ms,
                power_mw,
                register,
            };
            takes.push(Take { reading, now_ms });
        }
        takes
    })
}

type Edge = Site<Pipeline, PipelineImage>;

/// What became durable, in order.
enum Event {
    Reading(usize),
    Sweep(BTreeSet<Household>),
}

struct Run {
    edge: Edge,
    source: Vec<Take>,
    history: Vec<Event>,
}

impl Run {
    fn new(source: Vec<Take>) -> Self {
        let bound = GateBound { commits: 6, held: 512 };
        let (edge, _) = Edge::start(config(), bound, PipelineImage::default(), Recovered::Fresh);
        Self {
            edge,
            source,
            history: Vec::new(),
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Feed(count) => (0..count).for_each(|_| self.feed()),
            Act::Persist(count) => (0..count).for_each(|_| self.persist()),
            Act::Crash { keep } => {
                let keep = usize::from(keep).min(self.edge.commits.len());
                (0..keep).for_each(|at| self.remember(at));
                self.edge.crash(keep);
            }
            Act::Sweep => {
                self.edge.fire(PipelineTimer::Window(WindowTimer::Sweep));
            }
        }
        self.edge.assert_sound();
    }

    /// Feeds the next record from the position where the edge stands; a full gate takes nothing.
    fn feed(&mut self) {
        let before = self.edge.node.state().position(3).unwrap_or(0);
        let Some(take) = self.source.get(usize::try_from(before).unwrap()) else {
            return;
        };
        let taken = Taken {
            partition: 3,
            before,
            after: before + 1,
            content: Content::Reading(*take),
        };
        self.edge.feed(Input::Commanded(RequestId(before), taken));
    }

    fn persist(&mut self) {
        if !self.edge.commits.is_empty() {
            self.remember(0);
            self.edge.persist();
        }
    }

    fn remember(&mut self, at: usize) {
        let commit = &self.edge.commits[at];
        let position = commit.iter().find_map(|record| match record {
            PipelineRecord::Position { next, .. } => Some(usize::try_from(*next).unwrap()),
            _ => None,
        });
        let closed = commit.iter().filter_map(|record| match record {
            PipelineRecord::Window(WindowRecord::Closed { household, .. }) => Some(*household),
            _ => None,
        });
        self.history.push(match position {
            Some(next) => Event::Reading(next - 1),
            None => Event::Sweep(closed.collect()),
        });
    }

    fn finish(&mut self) {
        for _ in 0..=self.source.len() {
            self.act(Act::Feed(1));
            self.act(Act::Persist(8));
        }
        assert!(self.edge.commits.is_empty());
        assert_eq!(
            self.edge.node.state().position(3),
            Some(self.source.len().try_into().unwrap())
        );
    }

    fn naively(&self) -> Naively {
        let mut naive = Naively::new();
        for event in &self.history {
            match event {
                Event::Reading(at) => naive.read(self.source[*at]),
                Event::Sweep(houses) => houses.iter().for_each(|house| naive.close_until(*house, i64::MAX)),
            }
        }
        naive
    }

    fn tuples(&self) -> &[Tuple] {
        self.edge.disk.outbox().rows()
    }
}

fn bytes(tuples: &[Tuple]) -> Vec<u8> {
    let rows = Rows {
        first: Seq(1),
        bodies: tuples.to_vec(),
        asks: Vec::new(),
    };
    let mut buffer = Vec::new();
    let edge = EdgeName::new("e").unwrap();
    wire::encode_up(
        &edge,
        &Uplink::Claim(SenderClaim::Batch { epoch: 1, rows }),
        &mut buffer,
    );
    buffer
}

/// For each household the windows and gaps in order leave nothing unsaid between the first and the last.
fn assert_gaps_are_said(tuples: &[Tuple], width_ms: i64) {
    let mut until: BTreeMap<Household, i64> = BTreeMap::new();
    for tuple in tuples {
        let end_ms = match tuple.span {
            Span::Window { revision: 0, .. } => tuple.start_ms + width_ms,
            Span::Window { .. } => continue,
            Span::Gap { until_ms } => until_ms,
        };
        assert!(end_ms > tuple.start_ms);
        let before_ms = until.insert(tuple.household, end_ms);
        assert!(
            before_ms.is_none_or(|before_ms| before_ms == tuple.start_ms),
            "{tuple:?}"
        );
    }
}

/// The newest revision of each window holds exactly the readings that were counted in it.
fn assert_last_revisions_are_whole(tuples: &[Tuple], naive: &Naively) {
    let mut newest: BTreeMap<(Household, i64), (i64, u32)> = BTreeMap::new();
    for tuple in tuples {
        if let Span::Window { sum_mw, n, .. } = tuple.span {
            newest.insert((tuple.household, tuple.start_ms), (sum_mw, n));
        }
    }
    for ((household, start_ms), whole) in newest {
        let inside = naive.houses[&household]
            .counted
            .range(start_ms..start_ms + naive.config.width_ms);
        let expected = inside.fold((0, 0), |(sum, n), (_, (power_mw, _))| (sum + power_mw, n + 1));
        assert_eq!(whole, expected, "{household} {start_ms}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// `window/W1`, `W2`, `W3`, `W4` and `pipeline/P1`, `P2`.
    #[test]
    fn any_split_and_any_kill_give_the_bytes_of_the_naive_computation(source in source(), acts in vec(act(), 0..80)) {
        let mut run = Run::new(source);
        acts.into_iter().for_each(|act| run.act(act));
        run.finish();
        let once: Vec<usize> = run.history.iter().filter_map(|e| match e { Event::Reading(at) => Some(*at), Event::Sweep(_) => None }).collect();
        prop_assert_eq!(once, (0..run.source.len()).collect::<Vec<_>>(), "each record took effect once, in order");
        let naive = run.naively();
        prop_assert_eq!(run.tuples(), &naive.tuples[..]);
        prop_assert_eq!(bytes(run.tuples()), bytes(&naive.tuples));
        let aside: Vec<(Why, Reading)> = run.edge.disk.set_aside().iter().map(|item| (item.why, item.reading.unwrap())).collect();
        prop_assert_eq!(&aside, &naive.set_aside);
        let counted: usize = naive.houses.values().map(|house| house.counted.len()).sum();
        prop_assert_eq!(counted + aside.len(), run.source.len());
        assert_gaps_are_said(run.tuples(), 10);
        assert_last_revisions_are_whole(run.tuples(), &naive);
    }

    /// Without sweeps nothing but the readings decides.
    #[test]
    fn two_runs_that_are_split_and_killed_differently_give_the_same_bytes(source in source(), one in vec(act(), 0..60), two in vec(act(), 0..60)) {
        let run = |acts: Vec<Act>| {
            let mut run = Run::new(source.clone());
            acts.into_iter().filter(|act| !matches!(act, Act::Sweep)).for_each(|act| run.act(act));
            run.finish();
            bytes(run.tuples())
        };
        prop_assert_eq!(run(one), run(two));
    }
}

#[test]
fn a_reading_at_the_end_of_time_is_set_aside() {
    let household = Household::new("a").unwrap();
    let take = |time_ms, now_ms| {
        let reading = Reading {
            household,
            time_ms,
            power_mw: 1,
            register: None,
        };
        Take { reading, now_ms }
    };
    let ends = [i64::MAX, i64::MAX - 3, i64::MIN, i64::MIN + 3].map(|time_ms| take(time_ms, i64::MAX));
    let mut run = Run::new([&[take(5, 5)], &ends[..], &[take(6, 6)]].concat());
    run.finish();
    for _ in 0..4 {
        run.act(Act::Sweep);
        run.act(Act::Persist(1));
    }
    assert_eq!(run.edge.disk.set_aside().len(), 4);
    assert!(run.edge.disk.set_aside().iter().all(|item| item.why == Why::OutOfRange));
    assert_eq!(run.tuples().len(), 1);
}

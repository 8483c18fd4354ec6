//! What keeps brokers awake, and what would let more sleep, as sentences.

use std::collections::BTreeMap;
use std::fmt::Display;

use pehra_core::sleep::coverage::{Advice, Aligned, Obstacle, Presence, Reason};
use pehra_core::types::NodeId;

use super::Plan;

/// How many things are named before the rest is only counted.
const NAMED_MAX: usize = 3;

impl Plan {
    /// Kafka's id of a node.
    pub fn id(&self, node: NodeId) -> i32 {
        self.numbered.id(node).unwrap_or(-1)
    }

    pub fn ids(&self, nodes: &[NodeId]) -> Vec<i32> {
        nodes.iter().map(|node| self.id(*node)).collect()
    }

    /// A partition as people write it.
    pub fn partition(&self, place: usize) -> String {
        let found = self.numbered.partition(place).and_then(|(topic, at)| {
            let topic = self.view.topics.get(topic)?;
            Some(format!("{}-{}", topic.name, topic.partitions.get(at)?.partition))
        });
        found.unwrap_or_else(|| format!("partition {place}"))
    }

    pub fn topic(&self, number: u32) -> &str {
        let topic = usize::try_from(number).ok().and_then(|at| self.view.topics.get(at));
        topic.map_or("?", |topic| &topic.name)
    }

    /// What keeps everybody awake, one sentence for each cause.
    pub fn obstacles(&self) -> Vec<String> {
        let (mut said, mut headless, mut moving, mut unclean) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut lagging: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for obstacle in &self.coverage.obstacles {
            match *obstacle {
                Obstacle::Full => said.push("the gear is full".to_owned()),
                Obstacle::NoEligibleLeaders => said.push(
                    "watch gear needs eligible leader replicas (KIP-966), and they are off: \
                     kafka-features.sh upgrade --feature eligible.leader.replicas.version=1"
                        .to_owned(),
                ),
                Obstacle::FewControllers { awake, need } => {
                    said.push(format!(
                        "{awake} of the {need} controllers that have to be awake are up and keep up"
                    ));
                }
                Obstacle::NoLeader { partition } => headless.push(self.partition(partition)),
                Obstacle::Moving { partition } => moving.push(self.partition(partition)),
                Obstacle::UncleanElection { topic } => unclean.push(self.topic(topic).to_owned()),
                Obstacle::OutOfSync { partition, replica } => {
                    lagging.entry(replica).or_default().push(self.partition(partition));
                }
            }
        }
        let mut group = |what: &str, which: &[String]| {
            if !which.is_empty() {
                said.push(format!("{what}: {}", some(which)));
            }
        };
        group("without a leader", &headless);
        for (broker, partitions) in &lagging {
            let state = match self.presence(*broker) {
                Some(Presence::Awake) => "lags behind",
                Some(Presence::Asleep) => "sleeps",
                Some(Presence::Down) => "is down",
                None => "is not registered",
            };
            let what = format!("broker {} {state}, and its copies are not in sync", self.id(*broker));
            group(&what, partitions);
        }
        group("copies are being moved", &moving);
        group(
            "unclean leader election is on, which may lose records; switch it off",
            &unclean,
        );
        said
    }

    /// Why one broker may not sleep, as far as it is about that broker.
    pub fn reason(&self, reason: &Reason) -> String {
        match *reason {
            Reason::Asleep => "it is asleep".into(),
            Reason::Down => "it is down".into(),
            Reason::LastAwake => "it is the last one awake".into(),
            Reason::Controller { left, need } => {
                format!("it is a controller too: {left} would be awake, {need} have to be")
            }
            Reason::Uncovered {
                partition,
                left,
                need,
                partitions,
            } => {
                let more = match partitions {
                    0 | 1 => String::new(),
                    more => format!(", {} more alike", more - 1),
                };
                let copies = if left == 1 { "copy" } else { "copies" };
                format!(
                    "{} would keep {left} in-sync {copies} awake and needs {need}{more}",
                    self.partition(partition)
                )
            }
        }
    }

    /// One way to let more sleep.
    pub fn advice(&self, advice: &Advice) -> String {
        match advice {
            Advice::MoreCopies { topic, copies, wanted } => format!(
                "topic {} has {copies} {} and none to spare, so their brokers never sleep: give it {wanted} \
                 (min.insync.replicas stays as it is)",
                self.topic(*topic),
                if *copies == 1 { "copy" } else { "copies" },
            ),
            Advice::SeparateControllers { sleepers } => format!(
                "with the controllers on nodes of their own, {sleepers} of {} could sleep",
                self.view.brokers.len()
            ),
            Advice::Align(aligned) => self.alignment(aligned),
        }
    }

    fn alignment(&self, aligned: &Aligned) -> String {
        let yields = format!("{} of {} could sleep", aligned.sleepers, self.view.brokers.len());
        let move_copies = format!(
            "with every partition's copies spread over {} racks (kafka-reassign-partitions.sh) {yields}, {} at a time",
            aligned.racks,
            if aligned.racks_asleep == 1 {
                "one rack".to_owned()
            } else {
                format!("{} racks", aligned.racks_asleep)
            },
        );
        if self.has_such_racks(aligned) {
            return format!("{move_copies}; the racks are right already");
        }
        let mut racks: BTreeMap<u32, Vec<i32>> = BTreeMap::new();
        for (broker, rack) in &aligned.rack_of {
            racks.entry(*rack).or_default().push(self.id(*broker));
        }
        let racks = racks
            .iter()
            .map(|(rack, ids)| format!("broker.rack=G{rack} on {}", list(ids)));
        format!("{move_copies}: {}", racks.collect::<Vec<_>>().join(", "))
    }

    /// Whether the brokers' racks already are as many and as large.
    fn has_such_racks(&self, aligned: &Aligned) -> bool {
        let sizes = |racks: BTreeMap<String, usize>| {
            let mut sizes: Vec<usize> = racks.into_values().collect();
            sizes.sort_unstable();
            sizes
        };
        let (mut have, mut want) = (BTreeMap::new(), BTreeMap::new());
        for broker in &self.view.brokers {
            let Some(rack) = &broker.rack else { return false };
            *have.entry(rack.clone()).or_default() += 1;
        }
        for (_, rack) in &aligned.rack_of {
            *want.entry(rack.to_string()).or_default() += 1;
        }
        sizes(have) == sizes(want)
    }

    pub fn presence(&self, node: NodeId) -> Option<Presence> {
        let mut brokers = self.numbered.topology.brokers.iter();
        brokers.find(|broker| broker.id == node).map(|broker| broker.presence)
    }
}

/// The first few, and how many more.
fn some(which: &[String]) -> String {
    let named = &which[..which.len().min(NAMED_MAX)];
    match which.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Things with commas between.
pub fn list<T: Display>(things: &[T]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A share as people read it.
pub fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

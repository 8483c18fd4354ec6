//! A Kafka cluster, as far as sleeping is concerned: who has copies of what.
//!
//! Whoever is up is in sync; leaders are the first copies in sync. A write with `acks=all` needs `IN_SYNC_MIN` of them.

use std::collections::HashMap;

use pehra_core::members::NodeSet;
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::{self, Broker, Gear, Partition, Presence, Rules, Topology};
use pehra_core::types::NodeId;

/// Copies of each partition, and racks: one copy in each rack, so that a rack can sleep as a whole.
pub const COPIES: u16 = 3;
/// In-sync copies that a write needs.
pub const IN_SYNC_MIN: u16 = 2;
/// Branches that a search for sleepers may visit.
const EFFORT: u32 = 50_000;

type Asked = (Gear, NodeSet, NodeSet, NodeSet);

/// The cluster.
#[derive(Clone, Debug)]
pub struct Kafka {
    brokers: NodeSet,
    partitions: Vec<Vec<NodeId>>,
    /// Brokers that are controllers too.
    controllers: NodeSet,
    /// A reading depends on few things, and is asked for often.
    known: HashMap<Asked, View, foldhash::fast::FixedState>,
}

impl Kafka {
    /// Brokers from number 0 on, in three racks by turns; four partitions for each broker, one copy in each rack.
    #[must_use]
    pub fn new(brokers: u16) -> Self {
        let racks: Vec<Vec<NodeId>> = (0..COPIES)
            .map(|rack| (rack..brokers).step_by(COPIES.into()).map(NodeId).collect())
            .collect();
        let partition = |nth: usize| -> Vec<NodeId> {
            let of_rack = |rack: usize| {
                let row = &racks[rack];
                // Other neighbours in each round, so that copies are spread.
                row[(nth + rack * (nth / row.len())) % row.len()]
            };
            (0..usize::from(COPIES))
                .map(|turn| of_rack((turn + nth) % usize::from(COPIES)))
                .collect()
        };
        Self {
            brokers: NodeSet::first(brokers),
            partitions: (0..usize::from(brokers) * 4).map(partition).collect(),
            controllers: NodeSet::EMPTY,
            known: HashMap::default(),
        }
    }

    /// The same with these brokers as its controllers.
    #[must_use]
    pub fn with_controllers(self, controllers: NodeSet) -> Self {
        Self { controllers, ..self }
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Who leads a partition if these are up.
    #[must_use]
    pub fn leader(&self, partition: usize, up: NodeSet) -> Option<NodeId> {
        self.partitions[partition]
            .iter()
            .copied()
            .find(|node| up.contains(*node))
    }

    /// Whether every partition has so many copies among these.
    #[must_use]
    pub fn holds(&self, up: NodeSet, need: u16) -> bool {
        self.partitions
            .iter()
            .all(|replicas| replicas.iter().filter(|node| up.contains(**node)).count() >= usize::from(need))
    }

    /// Whether every partition takes writes if these are up.
    #[must_use]
    pub fn is_writable(&self, up: NodeSet) -> bool {
        self.holds(up, IN_SYNC_MIN)
    }

    /// How many may sleep at once in this gear.
    #[must_use]
    pub fn sleepers_max(&self, gear: Gear) -> u32 {
        let topology = self.topology(self.brokers, self.brokers);
        coverage::assess(&topology, &rules(gear)).layout.count()
    }

    /// A reading for a member: these are up, and those taken to be awake.
    pub fn view(&mut self, me: NodeId, gear: Gear, up: NodeSet, awake: NodeSet) -> View {
        let keep = NodeSet::only(me).and(self.brokers);
        let asked = (gear, up, awake, keep);
        if let Some(view) = self.known.get(&asked) {
            return view.clone();
        }
        let view = View::of(&self.topology(up, awake), &rules(gear), keep);
        self.known.insert(asked, view.clone());
        view
    }

    fn topology(&self, up: NodeSet, awake: NodeSet) -> Topology {
        let broker = |id: NodeId| Broker {
            id,
            presence: match (awake.contains(id), up.contains(id)) {
                (true, true) => Presence::Awake,
                (true, false) => Presence::Down,
                (false, _) => Presence::Asleep,
            },
            rack: Some(id.0 % COPIES),
        };
        let partition = |replicas: &Vec<NodeId>| {
            let (in_sync, left): (Vec<NodeId>, Vec<NodeId>) = replicas.iter().partition(|node| up.contains(**node));
            let few = in_sync.len() < usize::from(IN_SYNC_MIN);
            Partition {
                topic: 0,
                leader: in_sync.first().copied(),
                replicas: replicas.clone(),
                eligible: if few { left } else { Vec::new() },
                in_sync,
                in_sync_min: IN_SYNC_MIN,
                unclean_election: false,
                moving: false,
            }
        };
        Topology {
            brokers: self.brokers.iter().map(broker).collect(),
            partitions: self.partitions.iter().map(partition).collect(),
            controllers: coverage::Controllers {
                voters: self.controllers.iter().collect(),
                awake: self.controllers.and(up).iter().collect(),
            },
            keeps_eligible: true,
        }
    }
}

fn rules(gear: Gear) -> Rules {
    Rules {
        gear,
        controller_spare: 0,
        effort: EFFORT,
        ..Rules::LEAN
    }
}

//! What can be read of a state: the cluster, by the deployed coverage; the log; and whether enough are up.

use pehra_core::members::NodeSet;
use pehra_core::replication::{Index, LogId};
use pehra_core::sleep::cover::View;
use pehra_core::sleep::coverage::{self, Controllers, Gear, Partition, Presence, Rules, Topology};
use pehra_core::sleep::guard::{Decree, Plan, WakeRule};
use pehra_core::types::{NodeId, Term};

use super::bounds::Copies;
use super::cluster;
use super::state::{Decided, Process, State};
use super::world::World;

impl World {
    /// One reading of the cluster, begun and ended now.
    pub(super) fn view(&self, state: &State, member: u8, (gear, awake): (Gear, NodeSet)) -> View {
        let topology = match &self.bounds.kafka {
            Some(kafka) => cluster::topology(kafka, &state.kafka, awake),
            None => self.topology(state, awake),
        };
        let rules = Rules { gear, ..Rules::LEAN };
        let mut view = View::of(&topology, &rules, NodeSet::only(NodeId(member.into())));
        let term = usize::from(state.at(member).term);
        if let Some(suggested) = term.checked_sub(1).and_then(|at| self.bounds.suggests.get(at)) {
            view.sleepers = *suggested;
        }
        view
    }

    fn topology(&self, state: &State, awake: NodeSet) -> Topology {
        let serves = |node: &NodeId| state.at(u8::try_from(node.0).expect("few")).process != Process::Down;
        let broker = |node: NodeId| coverage::Broker {
            id: node,
            presence: if awake.contains(node) {
                Presence::Awake
            } else {
                Presence::Asleep
            },
            rack: None,
        };
        let partition = |copies: &Copies| {
            let in_sync: Vec<NodeId> = copies.replicas.iter().filter(serves).collect();
            Partition {
                topic: 0,
                leader: in_sync.first().copied(),
                replicas: copies.replicas.iter().collect(),
                in_sync,
                eligible: Vec::new(),
                in_sync_min: copies.in_sync_min,
                unclean_election: false,
                moving: false,
            }
        };
        Topology {
            brokers: self.bounds.all().iter().map(broker).collect(),
            partitions: self.bounds.partitions.iter().map(partition).collect(),
            controllers: Controllers::default(),
            keeps_eligible: true,
        }
    }

    /// The name of the decree at this place, counted from one.
    pub(super) fn id(state: &State, place: u8) -> LogId {
        let decided = state.log.get(usize::from(place) - 1).expect("it is decided");
        LogId {
            term: Term(decided.term.into()),
            index: Index(place.into()),
        }
    }

    /// The plan that this member knows as the latest.
    pub(super) fn plan_known(state: &State, member: u8) -> Option<(LogId, Plan)> {
        let known = &state.log[..usize::from(state.at(member).applied)];
        let plan = |(at, decided): (usize, &Decided)| match decided.decree {
            Decree::Plan(plan) => Some((Self::id(state, u8::try_from(at).expect("few") + 1), plan)),
            Decree::Switch { .. } | Decree::Round { .. } => None,
        };
        known.iter().enumerate().rev().find_map(plan)
    }

    /// Those who take part by the latest plan that is decided.
    pub(super) fn latest_members(&self, state: &State) -> NodeSet {
        let members = |decided: &Decided| match decided.decree {
            Decree::Plan(plan) => Some(plan.members),
            Decree::Switch { .. } | Decree::Round { .. } => None,
        };
        state.log.iter().rev().find_map(members).unwrap_or(self.bounds.all())
    }

    /// Whether enough are up for traffic: one gear more than the lowest.
    pub(super) fn serves(&self, state: &State) -> bool {
        let awake = state.awake(self.bounds.brokers);
        let all = self.bounds.wake == WakeRule::All || self.bounds.gear == Gear::Lean;
        if all {
            return awake == self.bounds.all();
        }
        let mut partitions = self.bounds.partitions.iter();
        partitions.all(|copies| copies.replicas.and(awake).count() >= copies.in_sync_min.into())
    }

    /// Whether those who are up without this one are enough for every partition in the lowest gear.
    pub(super) fn covers_without(&self, state: &State, member: u8) -> bool {
        if let Some(cluster) = &self.bounds.kafka {
            return cluster::covers_without(cluster, &state.kafka, (self.bounds.gear, member));
        }
        let awake = state.awake(self.bounds.brokers).without(NodeId(member.into()));
        let need = |copies: &Copies| match self.bounds.gear {
            Gear::Watch => 1,
            Gear::Full | Gear::Lean => u32::from(copies.in_sync_min),
        };
        let mut partitions = self.bounds.partitions.iter();
        partitions.all(|copies| copies.replicas.and(awake).count() >= need(copies))
    }
}

//! Who may sleep, in every small cluster: the deployed [`assess`] against the sentences that it keeps, spelt out again
//! without limits, slack or search.
//!
//! The walk begins with every layout within the bounds, and goes on as a cluster would: brokers that may sleep are let go, one
//! after the other, and are counted as in sync until they have drained; one fails; some wake.

use pehra_core::sleep::coverage::{Broker, Controllers, Gear, Partition, Presence, Rules, Topology, assess};
use pehra_core::types::NodeId;
use stateright::{Model, Property};

use crate::kinds::Kinds;

/// The clusters, and the budgets of their environment.
#[derive(Clone, Debug)]
pub struct Clusters {
    brokers: u16,
    /// Sets of copies that a partition may have.
    layouts: Vec<Vec<u16>>,
    /// Brokers that fail.
    failures: u8,
    #[cfg(seeded_bugs)]
    bug: Option<pehra_core::sleep::coverage::bugs::Bug>,
}

/// A cluster, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    topology: Topology,
    rules: Rules,
    failures: u8,
    /// Who may sleep, by id.
    may: Vec<NodeId>,
    /// The largest set, and the bound.
    most: (Vec<NodeId>, u32),
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// One who may sleep is let go.
    LetGo(NodeId),
    /// It has gone, and is in sync with nothing any more.
    Drained(NodeId),
    /// A broker fails.
    Fail(NodeId),
    /// A broker is back, and its copies are in sync.
    Wake(NodeId),
}

impl Clusters {
    /// Three brokers, and two partitions, each with any set of copies.
    #[must_use]
    pub fn three(failures: u8) -> Self {
        Self::of(3, 1..=3, failures)
    }

    /// Four brokers, and two partitions, each with any two or three copies.
    #[must_use]
    pub fn four(failures: u8) -> Self {
        Self::of(4, 2..=3, failures)
    }

    fn of(brokers: u16, copies: std::ops::RangeInclusive<usize>, failures: u8) -> Self {
        let sets = (1..1_u16 << brokers).map(|set| (1..=brokers).filter(|id| set >> (id - 1) & 1 == 1).collect());
        let layouts: Vec<Vec<u16>> = sets.filter(|set: &Vec<u16>| copies.contains(&set.len())).collect();
        Self {
            brokers,
            layouts,
            failures,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub fn with_bug(self, bug: pehra_core::sleep::coverage::bugs::Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    fn rules(&self) -> Vec<Rules> {
        let bare = |gear| Rules {
            gear,
            #[cfg(seeded_bugs)]
            bug: self.bug,
            ..Rules::LEAN
        };
        let mut rules: Vec<Rules> = [Gear::Full, Gear::Lean, Gear::Watch].map(bare).into();
        rules.push(Rules {
            lean_spare: 1,
            controller_spare: 0,
            ..bare(Gear::Lean)
        });
        rules
    }

    /// Every cluster to begin with: all are up. Controllers are apart or the brokers themselves; at most one thing is wrong.
    fn beginnings(&self) -> Vec<Topology> {
        let mut found = Vec::new();
        let pairs = (0..self.layouts.len()).flat_map(|one| (one..self.layouts.len()).map(move |other| (one, other)));
        for (one, other) in pairs {
            for in_sync_min in [1, 2] {
                for combined in [false, true] {
                    for wrong in 0..4 {
                        // What is wrong is so whatever the layout: with two layouts is enough.
                        if wrong > 0 && (one, other) != (0, self.layouts.len() - 1) {
                            continue;
                        }
                        found.push(self.beginning([one, other], in_sync_min, combined, wrong));
                    }
                }
            }
        }
        // Where there is nothing to cover, somebody stays all the same.
        for combined in [false, true] {
            found.push(Topology {
                partitions: Vec::new(),
                ..self.beginning([0, 0], 1, combined, 0)
            });
        }
        found
    }

    fn beginning(&self, layouts: [usize; 2], in_sync_min: u16, combined: bool, wrong: u8) -> Topology {
        let first_voter = if combined { 1 } else { 101 };
        let voters: Vec<NodeId> = (first_voter..first_voter + 3).map(NodeId).collect();
        let partition = |(topic, layout): (u32, usize)| {
            let replicas: Vec<NodeId> = self.layouts[layout].iter().map(|id| NodeId(*id)).collect();
            Partition {
                topic,
                leader: replicas.first().copied(),
                in_sync: replicas.clone(),
                replicas,
                eligible: Vec::new(),
                in_sync_min,
                unclean_election: wrong == 1 && topic == 0,
                moving: wrong == 2 && topic == 1,
            }
        };
        Topology {
            brokers: (1..=self.brokers)
                .map(|id| Broker {
                    id: NodeId(id),
                    presence: Presence::Awake,
                    rack: None,
                })
                .collect(),
            partitions: (0..).zip(layouts).map(partition).collect(),
            controllers: Controllers {
                awake: voters.clone(),
                voters,
            },
            keeps_eligible: wrong != 3,
        }
    }
}

impl State {
    fn new(topology: Topology, rules: Rules, failures: u8) -> Self {
        let coverage = assess(&topology, &rules);
        let may = topology.brokers.iter().map(|broker| broker.id);
        Self {
            may: may.filter(|id| coverage.may_sleep(*id)).collect(),
            most: (coverage.now.sleepers.clone(), coverage.now.bound),
            topology,
            rules,
            failures,
        }
    }

    fn presence(&self, id: NodeId) -> Presence {
        let broker = self.topology.brokers.iter().find(|broker| broker.id == id);
        broker.map_or(Presence::Down, |broker| broker.presence)
    }

    fn awake(&self) -> Vec<NodeId> {
        let brokers = self.topology.brokers.iter().map(|broker| broker.id);
        brokers.filter(|id| self.presence(*id) == Presence::Awake).collect()
    }

    fn with(&self, id: NodeId, presence: Presence, change: impl Fn(&mut Topology)) -> Self {
        let mut topology = self.topology.clone();
        for broker in topology.brokers.iter_mut().filter(|broker| broker.id == id) {
            broker.presence = presence;
        }
        let controllers = &mut topology.controllers;
        if controllers.voters.contains(&id) {
            controllers.awake.retain(|other| *other != id);
            if presence == Presence::Awake {
                controllers.awake.push(id);
                controllers.awake.sort_unstable();
            }
        }
        change(&mut topology);
        for partition in &mut topology.partitions {
            // The first one that is awake and in sync leads.
            let leads = |id: &&NodeId| {
                partition.in_sync.contains(id) && {
                    let broker = topology.brokers.iter().find(|broker| broker.id == **id);
                    broker.is_some_and(|broker| broker.presence == Presence::Awake)
                }
            };
            partition.leader = partition.replicas.iter().find(leads).copied();
        }
        Self::new(topology, self.rules, self.failures)
    }

    // The sentences, spelt out.

    fn keeps_copies(&self, sleepers: &[NodeId]) -> bool {
        let awake = self.awake();
        self.topology.partitions.iter().all(|partition| {
            if !partition.in_sync.iter().any(|id| sleepers.contains(id)) {
                return true;
            }
            let left = partition.in_sync.iter();
            let left = left.filter(|id| awake.contains(id) && !sleepers.contains(id)).count();
            let need = match self.rules.gear {
                Gear::Full => usize::MAX,
                Gear::Lean => usize::from((partition.in_sync_min + self.rules.lean_spare).max(1)),
                Gear::Watch => 1,
            };
            left >= need
        })
    }

    fn keeps_controllers(&self, sleepers: &[NodeId]) -> bool {
        let Controllers { voters, awake } = &self.topology.controllers;
        if !sleepers.iter().any(|id| awake.contains(id)) {
            return true;
        }
        let left = awake.iter().filter(|id| !sleepers.contains(id)).count();
        let majority = voters.len() / 2 + 1;
        left >= (majority + usize::from(self.rules.controller_spare)).min(voters.len())
    }

    fn keeps_somebody(&self, sleepers: &[NodeId]) -> bool {
        self.awake().iter().any(|id| !sleepers.contains(id))
    }

    fn is_in_order(&self) -> bool {
        let Controllers { voters, awake } = &self.topology.controllers;
        let controllers = (voters.len() / 2 + 1 + usize::from(self.rules.controller_spare)).min(voters.len());
        let partitions = self.topology.partitions.iter().all(|partition| {
            let lags = |id: &&NodeId| !partition.in_sync.contains(id) && self.presence(**id) != Presence::Asleep;
            let leads = partition.leader.is_some();
            leads && !partition.moving && !partition.unclean_election && !partition.replicas.iter().any(|id| lags(&id))
        });
        let gear = match self.rules.gear {
            Gear::Full => false,
            Gear::Lean => true,
            Gear::Watch => self.topology.keeps_eligible,
        };
        gear && partitions && awake.len() >= controllers
    }

    fn may_all_sleep(&self, sleepers: &[NodeId]) -> bool {
        sleepers.is_empty()
            || self.is_in_order()
                && self.keeps_copies(sleepers)
                && self.keeps_controllers(sleepers)
                && self.keeps_somebody(sleepers)
    }

    /// The largest set of all.
    fn largest(&self) -> usize {
        let awake = self.awake();
        let sets = 0..1_u32 << awake.len();
        let sets = sets.map(|set| {
            let ids = awake.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
            ids.map(|(_, id)| *id).collect::<Vec<_>>()
        });
        let safe = sets.filter(|set| self.may_all_sleep(set));
        safe.map(|set| set.len()).max().unwrap_or(0)
    }

    fn each(&self, holds: impl Fn(&[NodeId]) -> bool) -> bool {
        self.may.iter().all(|id| holds(&[*id]))
    }
}

impl Model for Clusters {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let rules = self.rules();
        let all = self.beginnings().into_iter();
        let all = all.flat_map(|topology| rules.iter().map(move |rules| (topology.clone(), *rules)));
        all.map(|(topology, rules)| State::new(topology, rules, self.failures))
            .collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.may.iter().copied().map(Action::LetGo));
        for id in state.topology.brokers.iter().map(|broker| broker.id) {
            match state.presence(id) {
                Presence::Awake if state.failures > 0 => actions.push(Action::Fail(id)),
                Presence::Awake => {}
                Presence::Asleep => actions.extend([Action::Drained(id), Action::Wake(id)]),
                Presence::Down => actions.push(Action::Wake(id)),
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let leave = |id: NodeId| {
            move |topology: &mut Topology| {
                for partition in &mut topology.partitions {
                    partition.in_sync.retain(|other| *other != id);
                }
            }
        };
        let next = match action {
            Action::LetGo(id) => state.with(id, Presence::Asleep, |_| {}),
            Action::Drained(id) => state.with(id, Presence::Asleep, leave(id)),
            Action::Fail(id) => {
                let mut next = state.with(id, Presence::Down, leave(id));
                next.failures -= 1;
                next
            }
            Action::Wake(id) => state.with(id, Presence::Awake, |topology| {
                for partition in &mut topology.partitions {
                    if partition.replicas.contains(&id) && !partition.in_sync.contains(&id) {
                        partition.in_sync.push(id);
                        partition.in_sync.sort_unstable();
                    }
                }
            }),
        };
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "coverage/C1 every partition keeps the copies it needs",
                |_, state: &State| state.each(|ids| state.keeps_copies(ids)),
            ),
            Property::always(
                "coverage/C2 the controllers keep majority and spare",
                |_, state: &State| state.each(|ids| state.keeps_controllers(ids)),
            ),
            Property::always("coverage/C3 somebody stays awake", |_, state: &State| {
                state.each(|ids| state.keeps_somebody(ids))
            }),
            Property::always(
                "coverage/C4 nobody sleeps while anything else is wrong",
                |_, state: &State| state.may.is_empty() || state.is_in_order(),
            ),
            Property::always(
                "coverage/C5 the largest set is safe, and none is larger than its bound",
                |_, state: &State| {
                    let (sleepers, bound) = &state.most;
                    state.may_all_sleep(sleepers)
                        && sleepers.len() <= *bound as usize
                        && state.largest() <= *bound as usize
                },
            ),
            Property::always("coverage/C6 whom nothing keeps awake may sleep", |_, state: &State| {
                let awake = state.awake();
                awake
                    .iter()
                    .all(|id| state.may.contains(id) || !state.may_all_sleep(&[*id]))
            }),
            Property::sometimes("two sleep at once", |_, state: &State| {
                let brokers = state.topology.brokers.iter();
                brokers.filter(|broker| broker.presence == Presence::Asleep).count() >= 2
            }),
        ]
    }
}

impl Kinds for Clusters {
    const KINDS: &'static [&'static str] = &["let go", "drained", "fail", "wake"];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::LetGo(_) => "let go",
            Action::Drained(_) => "drained",
            Action::Fail(_) => "fail",
            Action::Wake(_) => "wake",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        kind != "fail" || self.failures > 0
    }
}

//! The search behind [`crate::lasso`], on numbers alone: where one may wait, and where one may wait for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::graph::{Edges, Promises};
use crate::scc::Components;

/// The states in which a run may be waiting, nearest first.
pub(crate) struct Waiting {
    pub(crate) asked: usize,
    pub(crate) order: Vec<u32>,
    /// Place in `order`, or `NOWHERE`.
    place: Vec<u32>,
    /// The place of the state before, or `NOWHERE` where the waiting begins.
    via: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

/// A component from which a fair run need never leave, as the cycle that stays in it.
pub(crate) struct Trap {
    pub(crate) knot: u32,
    /// Edge numbers, each with the state it leaves.
    pub(crate) cycle: Vec<(u32, usize)>,
}

impl Waiting {
    /// `judge` says of a state whether `to` holds, and whether the waiting begins there.
    pub(crate) fn collect(edges: &Edges, states: usize, judge: impl Fn(u32) -> (bool, bool)) -> Self {
        let mut waiting = Self {
            asked: 0,
            order: Vec::new(),
            place: vec![NOWHERE; states],
            via: Vec::new(),
        };
        let mut goal = vec![false; states];
        for at in 0..states as u32 {
            let (reached, begins) = judge(at);
            goal[at as usize] = reached;
            if begins {
                waiting.add(at, NOWHERE);
            }
        }
        waiting.asked = waiting.order.len();
        let mut next = 0;
        while next < waiting.order.len() {
            for (target, _) in edges.from(waiting.order[next]) {
                if !goal[target as usize] && waiting.place[target as usize] == NOWHERE {
                    waiting.add(target, next as u32);
                }
            }
            next += 1;
        }
        waiting
    }

    fn add(&mut self, state: u32, via: u32) {
        self.place[state as usize] = self.order.len() as u32;
        self.order.push(state);
        self.via.push(via);
    }

    /// The states from where the waiting begins to this one.
    pub(crate) fn path_to(&self, state: u32) -> Vec<u32> {
        let mut place = self.place[state as usize];
        let mut path = Vec::new();
        while place != NOWHERE {
            path.push(self.order[place as usize]);
            place = self.via[place as usize];
        }
        path.reverse();
        path
    }

    pub(crate) fn nearest_trap(&self, edges: &Edges, promises: Promises) -> Option<Trap> {
        // Standing still needs no component and makes the plainest lasso, so it is looked for first.
        let all = promises.weak | promises.strong;
        if let Some(&knot) = self.order.iter().find(|&&state| edges.enabled(state) & all == 0) {
            return Some(Trap {
                knot,
                cycle: Vec::new(),
            });
        }
        let members = self.nearest_component(edges, promises)?;
        Some(round(edges, promises, &members))
    }

    /// The fair component nearest to where the waiting begins, its entry first.
    ///
    /// A component that breaks a weak promise is hopeless: the class is enabled in all its states, so in those of every
    /// part of it. One that breaks a strong promise may have fair parts: those that avoid the states where the
    /// class is enabled (Streett's condition). They are searched in turn.
    fn nearest_component(&self, edges: &Edges, promises: Promises) -> Option<Vec<u32>> {
        let mut components = Components::new(edges, self.place.len());
        let mut work = vec![self.order.clone()];
        let mut best: Option<(u32, Vec<u32>)> = None;
        while let Some(members) = work.pop() {
            let region = components.enclose(&members);
            let mut found: Vec<Vec<u32>> = Vec::new();
            // A state alone cannot keep a promise here: those that can were taken as standing still.
            components.each(&members, region, |component| {
                if component.len() > 1 {
                    found.push(component.to_vec());
                }
            });
            for component in found {
                let region = components.enclose(&component);
                let sums = Sums::of(edges, &component, |state| components.inside(state, region));
                if promises.weak & sums.everywhere & !sums.taken != 0 {
                    continue;
                }
                let refused = promises.strong & sums.somewhere & !sums.taken;
                if refused != 0 {
                    work.push(
                        component
                            .into_iter()
                            .filter(|&at| edges.enabled(at) & refused == 0)
                            .collect(),
                    );
                    continue;
                }
                let nearest = component
                    .iter()
                    .map(|&at| self.place[at as usize])
                    .min()
                    .unwrap_or(NOWHERE);
                if best.as_ref().is_none_or(|&(place, _)| nearest < place) {
                    best = Some((nearest, component));
                }
            }
        }
        best.map(|(place, mut members)| {
            let entry = self.order[place as usize];
            let at = members.iter().position(|&state| state == entry).unwrap_or(0);
            members.swap(0, at);
            members
        })
    }
}

/// Which classes are enabled in all states, in some state, and taken by some inner edge.
struct Sums {
    everywhere: u128,
    somewhere: u128,
    taken: u128,
}

impl Sums {
    fn of(edges: &Edges, members: &[u32], inside: impl Fn(u32) -> bool) -> Self {
        let mut sums = Self {
            everywhere: u128::MAX,
            somewhere: 0,
            taken: 0,
        };
        for &state in members {
            let enabled = edges.enabled(state);
            sums.everywhere &= enabled;
            sums.somewhere |= enabled;
            let inner = edges.range(state).filter(|&edge| inside(edges.target(edge)));
            sums.taken |= inner.fold(0, |set, edge| set | edges.class_bit(edge));
        }
        sums
    }
}

/// A closed walk through a fair component, from its first member, that meets a witness for every promise.
fn round(edges: &Edges, promises: Promises, members: &[u32]) -> Trap {
    let knot = members[0];
    let inside: BTreeSet<u32> = members.iter().copied().collect();
    let sums = Sums::of(edges, members, |state| inside.contains(&state));
    let mut owed = promises.weak | (promises.strong & sums.somewhere);
    owed &= !(promises.weak & !edges.enabled(knot));
    let mut cycle: Vec<(u32, usize)> = Vec::new();
    let mut at = knot;
    while owed != 0 || at != knot || cycle.is_empty() {
        let settles = |edge: usize| {
            let target = edges.target(edge);
            if owed == 0 {
                return target == knot;
            }
            owed & (edges.class_bit(edge) | (promises.weak & !edges.enabled(target))) != 0
        };
        let stretch = nearest_edge(edges, at, |state| inside.contains(&state), settles)
            .expect("a component is connected and has a witness for every promise");
        for &(_, edge) in &stretch {
            at = edges.target(edge);
            owed &= !(edges.class_bit(edge) | (promises.weak & !edges.enabled(at)));
        }
        cycle.extend(stretch);
    }
    Trap { knot, cycle }
}

/// The shortest walk from a state through the region whose last edge is wanted.
fn nearest_edge(
    edges: &Edges,
    start: u32,
    inside: impl Fn(u32) -> bool,
    wanted: impl Fn(usize) -> bool,
) -> Option<Vec<(u32, usize)>> {
    let mut via = BTreeMap::from([(start, None)]);
    let mut queue = VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        for edge in edges.range(state) {
            let target = edges.target(edge);
            if !inside(target) {
                continue;
            }
            if wanted(edge) {
                let mut walk = vec![(state, edge)];
                while let Some(&Some((before, edge))) = via.get(&walk[walk.len() - 1].0) {
                    walk.push((before, edge));
                }
                walk.reverse();
                return Some(walk);
            }
            via.entry(target).or_insert_with(|| {
                queue.push_back(target);
                Some((state, edge))
            });
        }
    }
    None
}

//! The largest set of brokers that may sleep at once: branch and bound over the limits.
//!
//! The problem is a hard one in general (with one spare copy each it is the largest set without two brokers that share a
//! partition), so the effort is bounded and the answer says how far it is proven. Two bounds cut the search short:
//!
//! * *Counting*, once: the sleepers' copies together may not outnumber what all limits together can spare. For a placement
//!   that spreads copies evenly this is tight.
//! * *Covering*, at every branch: pick limits whose remaining members do not overlap. No set has more sleepers among these
//!   members than their limits can spare.

use alloc::vec::Vec;

use super::limits::{Limit, Of};
use super::{Rules, Topology, count};
use crate::types::NodeId;

/// A largest set of sleepers, as far as it was searched for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Most {
    /// Who, by id: they may all sleep at once.
    pub sleepers: Vec<NodeId>,
    /// No set has more members than this.
    pub bound: u32,
}

impl Most {
    /// Nobody may sleep.
    #[must_use]
    pub const fn nobody() -> Self {
        Self {
            sleepers: Vec::new(),
            bound: 0,
        }
    }

    /// How many sleepers were found.
    #[must_use]
    pub fn count(&self) -> u32 {
        count(self.sleepers.len())
    }

    /// Whether it is proven that no larger set exists.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.count() >= self.bound
    }
}

/// Finds it, spending at most the rules' effort of looks at a limit or a broker beside the first greedy rounds.
pub(in crate::sleep) fn most(topology: &Topology, limits: &[Limit], rules: &Rules) -> Most {
    let mut search = Search::new(limits);
    #[cfg(seeded_bugs)]
    {
        search.bug = rules.bug;
    }
    for order in orders(topology, &search) {
        search.greedy(&order);
    }
    let bound = search.counting(limits);
    let proven = search.branch(bound, u64::from(rules.effort));
    let best = core::mem::take(&mut search.best);
    let mut sleepers: Vec<NodeId> = best
        .into_iter()
        .filter_map(|place| search.candidates.get(place).map(|it| it.id))
        .collect();
    sleepers.sort_unstable();
    let found = count(sleepers.len());
    Most {
        sleepers,
        bound: if proven { found } else { bound.max(found) },
    }
}

/// In which orders to try brokers greedily: as they come, and with each rack first, as brokers of one rack share least.
fn orders(topology: &Topology, search: &Search) -> Vec<Vec<usize>> {
    let rack_of = |place: &usize| {
        let candidate = search.candidates.get(*place);
        let broker = candidate.and_then(|it| topology.brokers.iter().find(|broker| broker.id == it.id));
        broker.and_then(|broker| broker.rack)
    };
    let places: Vec<usize> = (0..search.candidates.len()).collect();
    let ranked: Vec<(Option<u16>, usize)> = places.iter().map(|place| (rack_of(place), *place)).collect();
    let mut racks: Vec<u16> = ranked.iter().filter_map(|(rack, _)| *rack).collect();
    racks.sort_unstable();
    racks.dedup();
    let mut orders = Vec::with_capacity(racks.len().saturating_add(1));
    orders.push(places);
    for first in racks {
        let mut order = ranked.clone();
        // From this rack on, round and round; stable, so that the order within a rack stays.
        order.sort_by_key(|(rack, _)| rack.map_or(u32::MAX, |rack| u32::from(rack.wrapping_sub(first))));
        orders.push(order.into_iter().map(|(_, place)| place).collect());
    }
    orders
}

/// A broker that is in no exhausted limit.
#[derive(Debug)]
struct Candidate {
    id: NodeId,
    /// Places of the limits that it is in.
    limits: Vec<usize>,
}

#[derive(Debug)]
struct Search {
    /// Those in few limits first.
    candidates: Vec<Candidate>,
    /// Places of each limit's candidates.
    members: Vec<Vec<usize>>,
    /// How many each limit can still spare.
    left: Vec<u32>,
    chosen: Vec<usize>,
    best: Vec<usize>,
    #[cfg(seeded_bugs)]
    bug: Option<super::bugs::Bug>,
}

impl Search {
    fn new(limits: &[Limit]) -> Self {
        let mut never: Vec<NodeId> = limits
            .iter()
            .filter(|limit| limit.slack() == 0)
            .flat_map(|limit| limit.among.iter().copied())
            .collect();
        never.sort_unstable();
        never.dedup();
        let everybody = limits.iter().find(|limit| limit.of == Of::Everybody);
        let awake = everybody.map(|limit| limit.among.as_slice()).unwrap_or_default();
        let ids = awake.iter().copied().filter(|id| never.binary_search(id).is_err());
        let mut candidates: Vec<Candidate> = ids.map(|id| Candidate { id, limits: Vec::new() }).collect();
        // Only limits that can bind; of those over the same brokers the tightest.
        let mut binding: Vec<(Vec<NodeId>, u32)> = Vec::new();
        for limit in limits {
            let among = limit
                .among
                .iter()
                .copied()
                .filter(|id| never.binary_search(id).is_err());
            let among: Vec<NodeId> = among.collect();
            if limit.slack() < count(among.len()) {
                binding.push((among, limit.slack()));
            }
        }
        binding.sort_unstable();
        binding.dedup_by(|later, kept| later.0 == kept.0);
        for (at, (among, _)) in binding.iter().enumerate() {
            for id in among {
                if let Ok(place) = candidates.binary_search_by_key(id, |it| it.id)
                    && let Some(candidate) = candidates.get_mut(place)
                {
                    candidate.limits.push(at);
                }
            }
        }
        candidates.sort_by_key(|it| (it.limits.len(), it.id));
        let mut members: Vec<Vec<usize>> = binding.iter().map(|_| Vec::new()).collect();
        for (place, candidate) in candidates.iter().enumerate() {
            for at in &candidate.limits {
                if let Some(members) = members.get_mut(*at) {
                    members.push(place);
                }
            }
        }
        Self {
            candidates,
            members,
            left: binding.into_iter().map(|(_, slack)| slack).collect(),
            chosen: Vec::new(),
            best: Vec::new(),
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    fn can_take(&self, place: usize) -> bool {
        let Some(candidate) = self.candidates.get(place) else {
            return false;
        };
        let mut lefts = candidate
            .limits
            .iter()
            .map(|at| self.left.get(*at).copied().unwrap_or(0));
        #[cfg(seeded_bugs)]
        if self.bug == Some(super::bugs::Bug::OneLimitIsEnough) {
            return candidate.limits.is_empty() || lefts.any(|left| left > 0);
        }
        lefts.all(|left| left > 0)
    }

    fn take(&mut self, place: usize) {
        self.shift(place, |left| left.saturating_sub(1));
        self.chosen.push(place);
    }

    fn give_back(&mut self) {
        if let Some(place) = self.chosen.pop() {
            self.shift(place, |left| left.saturating_add(1));
        }
    }

    fn shift(&mut self, place: usize, change: impl Fn(u32) -> u32) {
        let Some(candidate) = self.candidates.get(place) else {
            return;
        };
        for at in &candidate.limits {
            if let Some(left) = self.left.get_mut(*at) {
                *left = change(*left);
            }
        }
    }

    fn keep_if_better(&mut self) {
        if self.chosen.len() > self.best.len() {
            self.best.clone_from(&self.chosen);
        }
    }

    /// Takes whoever can be taken, in this order.
    fn greedy(&mut self, order: &[usize]) {
        for place in order {
            if self.can_take(*place) {
                self.take(*place);
            }
        }
        self.keep_if_better();
        while !self.chosen.is_empty() {
            self.give_back();
        }
    }

    /// What all limits over partitions can spare, against how many copies each sleeper has. Each class of limits is counted
    /// together with the tighter ones: generous limits would blur what the tight ones say.
    fn counting(&self, limits: &[Limit]) -> u32 {
        let partitions = || limits.iter().filter(|limit| matches!(limit.of, Of::Partition(_)));
        let mut classes: Vec<u32> = partitions().map(Limit::slack).collect();
        classes.sort_unstable();
        classes.dedup();
        let mut bound = count(self.candidates.len());
        for class in classes {
            let mut copies: Vec<(NodeId, u64)> = self.candidates.iter().map(|it| (it.id, 0)).collect();
            copies.sort_unstable();
            let mut spare: u64 = 0;
            for limit in partitions().filter(|limit| limit.slack() <= class) {
                spare = spare.saturating_add(limit.slack().into());
                for id in &limit.among {
                    if let Ok(at) = copies.binary_search_by_key(id, |(id, _)| *id)
                        && let Some((_, copies)) = copies.get_mut(at)
                    {
                        *copies = copies.saturating_add(1);
                    }
                }
            }
            let mut counts: Vec<u64> = copies.into_iter().map(|(_, copies)| copies).collect();
            counts.sort_unstable();
            let affordable = counts.iter().take_while(|copies| {
                let enough = **copies <= spare;
                spare = spare.saturating_sub(**copies);
                enough
            });
            bound = bound.min(count(affordable.count()));
        }
        bound
    }

    /// Walks the tree of decisions, candidate after candidate: taken, then left out. Whether the best is proven.
    fn branch(&mut self, bound: u32, mut effort: u64) -> bool {
        let cost = count(self.candidates.len().saturating_add(self.members.len()));
        let mut path: Vec<bool> = Vec::new();
        loop {
            if count(self.best.len()) >= bound {
                return true;
            }
            let at = path.len();
            let possible = self.chosen.len().saturating_add(self.covering(at));
            if possible > self.best.len() {
                let Some(left) = effort.checked_sub(cost.into()) else {
                    return false;
                };
                effort = left;
                let take = self.can_take(at);
                if take {
                    self.take(at);
                    self.keep_if_better();
                }
                path.push(take);
                continue;
            }
            loop {
                match path.pop() {
                    None => return true,
                    Some(false) => {}
                    Some(true) => {
                        self.give_back();
                        path.push(false);
                        break;
                    }
                }
            }
        }
    }

    /// How many more can be taken at most among the candidates from this place on; 0 if there is none.
    fn covering(&self, from: usize) -> usize {
        let mut open: Vec<bool> = (0..self.candidates.len())
            .map(|place| place >= from && self.can_take(place))
            .collect();
        let is_open = |open: &[bool], place: usize| open.get(place).copied().unwrap_or(false);
        let mut bound: usize = 0;
        let largest = self.members.iter().map(Vec::len).max().unwrap_or(0);
        // Large groups first: a group that is cut by another says less.
        for size in [largest, largest.div_ceil(2), 2] {
            for (members, left) in self.members.iter().zip(&self.left) {
                let among = members.iter().filter(|place| is_open(&open, **place)).count();
                let left = usize::try_from(*left).unwrap_or(usize::MAX);
                if among < size || left >= among {
                    continue;
                }
                bound = bound.saturating_add(left);
                for place in members {
                    if let Some(open) = open.get_mut(*place) {
                        *open = false;
                    }
                }
            }
        }
        bound.saturating_add(open.iter().filter(|open| **open).count())
    }
}

//! What would let more brokers sleep.

use alloc::vec::Vec;

use super::limits::Of;
use super::{Gear, Limit, Most, Rules, Topology, count, limits, most_of};
use crate::types::NodeId;

/// A layout in which each rack is a gear: brokers in racks of equal size, and every partition's copies spread over as many
/// racks as it can, so that whole racks can sleep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aligned {
    /// How many racks.
    pub racks: u32,
    /// How many of them can sleep at once.
    pub racks_asleep: u32,
    /// How many brokers that are, at the most.
    pub sleepers: u32,
    /// Each broker's rack, 0 to `racks` − 1.
    pub rack_of: Vec<(NodeId, u32)>,
}

/// One way to let more sleep. Each stands for itself: what it yields is counted on the cluster as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Advice {
    /// A topic has no copy to spare, so none of its brokers may ever sleep: give it more copies. Lowering
    /// `min.insync.replicas` would do too, and is never advised: it gives up a promise to the topic's writers.
    MoreCopies {
        /// The caller's number.
        topic: u32,
        /// Its fewest copies now.
        copies: u32,
        /// So many would do.
        wanted: u32,
    },
    /// Brokers that are controllers too may not sleep: give the controllers nodes of their own.
    SeparateControllers {
        /// So many could sleep then.
        sleepers: u32,
    },
    /// Make racks gears, and move the topics' copies accordingly.
    Align(Aligned),
}

/// All that would help, the cheapest first. `topology` is the cluster if all were up.
pub(super) fn advice(topology: &Topology, rules: &Rules, layout: &Most) -> Vec<Advice> {
    let mut found = Vec::new();
    if rules.gear == Gear::Full {
        return found;
    }
    more_copies(topology, rules, &mut found);
    let limits = limits(topology, rules);
    let combined = limits.iter().any(|limit| limit.of == Of::Controllers && binds(limit));
    if combined {
        let mut apart = topology.clone();
        apart.controllers = super::Controllers::default();
        let sleepers = most_of(&apart, rules).count();
        if sleepers > layout.count() {
            found.push(Advice::SeparateControllers { sleepers });
        }
    }
    let aligned = aligned(topology, rules);
    if aligned.sleepers > layout.count() {
        found.push(Advice::Align(aligned));
    }
    found
}

/// Whether this limit ever keeps a broker awake.
fn binds(limit: &Limit) -> bool {
    limit.slack() < count(limit.among.len())
}

fn more_copies(topology: &Topology, rules: &Rules, found: &mut Vec<Advice>) {
    let brokers = count(topology.brokers.len());
    for partition in &topology.partitions {
        let (topic, copies) = (partition.topic, count(partition.replicas.len()));
        let wanted = rules.need(partition).saturating_add(1);
        if copies >= wanted || wanted > brokers {
            continue;
        }
        let known = found.iter_mut().find_map(|advice| match advice {
            Advice::MoreCopies {
                topic: known,
                copies,
                wanted,
            } if *known == topic => Some((copies, wanted)),
            Advice::MoreCopies { .. } | Advice::SeparateControllers { .. } | Advice::Align(_) => None,
        });
        match known {
            Some((fewest, most)) => (*fewest, *most) = ((*fewest).min(copies), (*most).max(wanted)),
            None => found.push(Advice::MoreCopies { topic, copies, wanted }),
        }
    }
}

/// The best layout of that kind for these brokers and topics, each with as many copies as it has. Topics without a copy to
/// spare are left out: they need more copies first.
#[must_use]
pub fn aligned(topology: &Topology, rules: &Rules) -> Aligned {
    let mut kinds: Vec<(u32, u32)> = topology
        .partitions
        .iter()
        .map(|partition| (count(partition.replicas.len()), rules.need(partition)))
        .filter(|(copies, need)| copies > need)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let brokers = count(topology.brokers.len());
    let mut best = Aligned {
        racks: 1,
        racks_asleep: 0,
        sleepers: 0,
        rack_of: Vec::new(),
    };
    if rules.gear == Gear::Full {
        return best;
    }
    for racks in 1..=brokers {
        for asleep in 1..racks {
            if !kinds
                .iter()
                .all(|(copies, need)| is_covered(*copies, *need, racks, asleep))
            {
                break;
            }
            let sleepers = largest_racks(brokers, racks, asleep);
            if sleepers > best.sleepers {
                (best.racks, best.racks_asleep, best.sleepers) = (racks, asleep, sleepers);
            }
        }
    }
    let mut ids: Vec<NodeId> = topology.brokers.iter().map(|broker| broker.id).collect();
    ids.sort_unstable();
    ids.dedup();
    best.rack_of = ids.into_iter().zip((0..best.racks).cycle()).collect();
    best
}

/// Whether a partition whose copies are spread evenly over `racks` keeps its need while the fullest `asleep` of them sleep.
fn is_covered(copies: u32, need: u32, racks: u32, asleep: u32) -> bool {
    copies.saturating_sub(largest_racks(copies, racks, asleep)) >= need
}

/// Of so many things spread evenly over `racks`, how many are in the fullest `some` of them.
fn largest_racks(things: u32, racks: u32, some: u32) -> u32 {
    let each = things.checked_div(racks).unwrap_or(0);
    let over = things.checked_rem(racks).unwrap_or(0);
    each.saturating_mul(some).saturating_add(over.min(some))
}

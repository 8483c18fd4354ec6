//! Sets and orders of a cluster's members: fixed in size, flat, and the same for equal content.

use core::fmt;

use crate::types::NodeId;

/// The most members of one cluster; their ids are 0 to 63.
pub const MEMBERS_MAX: u16 = 64;

/// A set of members.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSet(u64);

impl NodeSet {
    /// Nobody.
    pub const EMPTY: Self = Self(0);

    /// The set with this one member. An id that no member can have is left out.
    #[must_use]
    pub const fn only(node: NodeId) -> Self {
        Self(bit(node))
    }

    /// The set of the ids below `count`.
    #[must_use]
    pub fn first(count: u16) -> Self {
        (0..count.min(MEMBERS_MAX)).map(NodeId).collect()
    }

    /// Whether it has this member.
    #[must_use]
    pub const fn contains(self, node: NodeId) -> bool {
        self.0 & bit(node) != 0
    }

    /// Adds a member; an id that no member can have is left out.
    pub const fn insert(&mut self, node: NodeId) {
        self.0 |= bit(node);
    }

    /// Takes a member out.
    pub const fn remove(&mut self, node: NodeId) {
        self.0 &= !bit(node);
    }

    /// The set with this member as well.
    #[must_use]
    pub const fn with(self, node: NodeId) -> Self {
        Self(self.0 | bit(node))
    }

    /// The set without this member.
    #[must_use]
    pub const fn without(self, node: NodeId) -> Self {
        Self(self.0 & !bit(node))
    }

    /// Members of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Members of either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members of this one that are not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is nobody.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these are in the other set.
    #[must_use]
    pub const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether more than half of `all` are here. Two such sets share a member.
    #[must_use]
    pub const fn is_majority_of(self, all: Self) -> bool {
        self.and(all).count() > all.count() / 2
    }

    /// The members, by id.
    pub fn iter(self) -> impl Iterator<Item = NodeId> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let id = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            u16::try_from(id).ok().filter(|id| *id < MEMBERS_MAX).map(NodeId)
        })
    }

    /// The set as bits, lowest id first: for the wire and for people.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

const fn bit(node: NodeId) -> u64 {
    if node.0 < MEMBERS_MAX { 1 << node.0 } else { 0 }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        nodes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for NodeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, node) in self.iter().enumerate() {
            write!(f, "{}{node}", if at == 0 { "" } else { " " })?;
        }
        f.write_str("}")
    }
}

/// An order of members, each once, first to last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    // Unused places stay zero, so that equal orders are equal bytes.
    ids: [u8; MEMBERS_MAX as usize],
    len: u8,
}

impl Order {
    /// The order in which these come; what is no member's id, or comes again, is left out.
    #[must_use]
    pub fn new(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let mut order = Self {
            ids: [0; MEMBERS_MAX as usize],
            len: 0,
        };
        let mut seen = NodeSet::EMPTY;
        for node in nodes {
            let Ok(id) = u8::try_from(node.0) else { continue };
            if node.0 >= MEMBERS_MAX || seen.contains(node) {
                continue;
            }
            seen.insert(node);
            if let Some(place) = order.ids.get_mut(usize::from(order.len)) {
                *place = id;
                order.len = order.len.saturating_add(1);
            }
        }
        order
    }

    /// The members, first to last.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ids
            .iter()
            .take(usize::from(self.len))
            .map(|id| NodeId((*id).into()))
    }

    /// Whether this member is in it.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.iter().any(|other| other == node)
    }

    /// All who come before this one; everybody, if it is not in the order.
    #[must_use]
    pub fn ahead_of(&self, node: NodeId) -> NodeSet {
        self.iter().take_while(|other| *other != node).collect()
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_majorities_share_a_member_and_two_halves_need_not() {
        for voters in 1..=6 {
            let all = NodeSet::first(voters);
            let sets: alloc::vec::Vec<NodeSet> = (0..1 << voters).map(NodeSet::from_bits).collect();
            for a in &sets {
                for b in &sets {
                    if a.is_majority_of(all) && b.is_majority_of(all) {
                        assert!(!a.and(*b).is_empty(), "{a:?} {b:?} of {all:?}");
                    }
                }
            }
        }
        assert!(!NodeSet::first(2).is_majority_of(NodeSet::first(4)));
        // Whoever is no voter does not count.
        assert!(!NodeSet::from_bits(0b1_1001).is_majority_of(NodeSet::first(3)));
    }

    #[test]
    fn a_set_lists_its_members_by_id() {
        let set: NodeSet = [5, 63, 0, 64].map(NodeId).into_iter().collect();
        assert_eq!(set.iter().collect::<alloc::vec::Vec<_>>(), [0, 5, 63].map(NodeId));
        assert_eq!(alloc::format!("{set:?}"), "{n0 n5 n63}");
        assert_eq!(set.without(NodeId(5)).count(), 2);
        assert_eq!(NodeSet::from_bits(u64::MAX).iter().count(), 64);
    }

    #[test]
    fn an_order_has_each_member_once() {
        let order = Order::new([2, 0, 2, 99, 1].map(NodeId));
        assert_eq!(order.iter().collect::<alloc::vec::Vec<_>>(), [2, 0, 1].map(NodeId));
        assert_eq!(order.ahead_of(NodeId(2)), NodeSet::EMPTY);
        assert_eq!(order.ahead_of(NodeId(1)), NodeSet::from_bits(0b101));
        assert_eq!(order.ahead_of(NodeId(7)), NodeSet::from_bits(0b111));
        assert!(order.contains(NodeId(1)) && !order.contains(NodeId(7)));
    }
}

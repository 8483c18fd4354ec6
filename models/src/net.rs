//! The network: a set of messages that only grows. Loss is a delivery that never happens, duplication is one that
//! happens again, delay and reordering are free; so no action is needed for any of them.
//!
//! For liveness the network calms down once. What is on its way then may come or not ([`Net::let_go`]); what is sent
//! from then on arrives at least once. So no run is saved by a message that a real network would have lost.

/// A set of messages, each packed into one number below [`STALE`]; sorted, so that equal sets are equal states.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net(Vec<u32>);

/// Marks a message that nobody owes us: it may still arrive once, or never.
pub const STALE: u32 = 1 << 31;

impl Net {
    /// Adds a message; no effect if it is there and still owed.
    pub fn send(&mut self, packed: u32) {
        if let Err(at) = self.0.binary_search(&packed) {
            self.0.insert(at, packed);
            self.0.retain(|other| *other != packed | STALE);
        }
    }

    /// All messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Keeps only messages that `keep` accepts; it is asked without the mark.
    pub fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.0.retain(|packed| keep(packed & !STALE));
    }

    /// From here on nothing that is under way is owed.
    pub fn let_go(&mut self) {
        for packed in &mut self.0 {
            *packed |= STALE;
        }
        self.0.sort_unstable();
        self.0.dedup();
    }

    /// The message has arrived, after the calm. One that was owed may come once more, or not; one that was not owed has
    /// come for the last time. So a calm network repeats too, but not without end.
    pub fn arrived(&mut self, packed: u32) {
        self.0.retain(|other| *other != packed);
        if packed & STALE == 0
            && let Err(at) = self.0.binary_search(&(packed | STALE))
        {
            self.0.insert(at, packed | STALE);
        }
    }

    /// The message has arrived, and will not come again.
    pub fn take(&mut self, packed: u32) {
        self.0.retain(|other| *other != packed);
    }

    /// Whether a message that `counts` is under way and must arrive.
    pub fn owes(&self, counts: impl Fn(u32) -> bool) -> bool {
        self.0.iter().any(|packed| packed & STALE == 0 && counts(*packed))
    }

    /// Replaces each message by an equivalent one. It is asked without the mark.
    pub fn map(&mut self, replace: impl Fn(u32) -> u32) {
        let mut changed = false;
        for packed in &mut self.0 {
            let new = replace(*packed & !STALE) | *packed & STALE;
            changed |= new != *packed;
            *packed = new;
        }
        if changed {
            self.0.sort_unstable();
            self.0.dedup();
            let owed: Vec<u32> = self.0.iter().copied().filter(|packed| packed & STALE == 0).collect();
            self.0
                .retain(|packed| packed & STALE == 0 || owed.binary_search(&(packed & !STALE)).is_err());
        }
    }
}

/// Writes small numbers into one `u32`, lowest bits first; the highest bit stays free for [`STALE`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Packer {
    word: u32,
    used: u32,
}

impl Packer {
    /// Adds `value` in `bits` bits.
    ///
    /// # Panics
    /// If it does not fit: a bound of the model is too narrow, and wrapping would make the model lie.
    #[must_use]
    pub fn put(mut self, value: u64, bits: u32) -> Self {
        assert!(
            value < 1 << bits && self.used + bits <= 31,
            "{value} does not fit into {bits} bits of a packed message"
        );
        self.word |= u32::try_from(value).expect("just checked") << self.used;
        self.used += bits;
        self
    }

    /// The word.
    #[must_use]
    pub const fn word(self) -> u32 {
        self.word
    }
}

/// Reads what a [`Packer`] wrote, in the same order.
#[derive(Clone, Copy, Debug)]
pub struct Unpacker(pub u32);

impl Unpacker {
    /// Takes the next `bits` bits.
    pub fn take(&mut self, bits: u32) -> u8 {
        let value = self.0 & ((1 << bits) - 1);
        self.0 >>= bits;
        u8::try_from(value).expect("no field has more than eight bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_at_the_calm_is_owed_again_only_when_it_is_sent_again() {
        let mut net = Net::default();
        net.send(3);
        net.send(1);
        net.let_go();
        assert!(!net.owes(|_| true));
        net.send(3);
        assert!(net.owes(|_| true));
        assert_eq!(net.iter().collect::<Vec<_>>(), [3, 1 | STALE]);
        net.arrived(3);
        assert!(!net.owes(|_| true));
        assert_eq!(net.iter().collect::<Vec<_>>(), [1 | STALE, 3 | STALE]);
        net.arrived(3 | STALE);
        assert_eq!(net.iter().collect::<Vec<_>>(), [1 | STALE]);
    }
}

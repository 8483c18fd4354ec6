//! The network: a set of messages that only grows. Loss is a delivery that never happens, duplication is one that
//! happens again, delay and reordering are free; so no action is needed for any of them.

/// A set of messages, each packed into one number; sorted, so that equal sets are equal states.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Net(Vec<u32>);

impl Net {
    /// Adds a message; no effect if it was sent before.
    pub fn send(&mut self, packed: u32) {
        if let Err(at) = self.0.binary_search(&packed) {
            self.0.insert(at, packed);
        }
    }

    /// All messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Keeps only messages that `keep` accepts.
    pub fn retain(&mut self, keep: impl FnMut(&u32) -> bool) {
        self.0.retain(keep);
    }
}

/// Writes small numbers into one `u32`, lowest bits first.
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
            value < 1 << bits && self.used + bits <= 32,
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

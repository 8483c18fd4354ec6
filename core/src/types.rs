//! The small types that all protocols share.

use core::fmt;

/// One running instance of a protocol, as its peers call it. Names and addresses belong to the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Counts leaderships; each has at most one leader, so a term is also the fencing number of its leadership. The borders
/// call it leader epoch (Kafka) or epoch (`ZooKeeper`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

impl Term {
    /// Before the first.
    pub const ZERO: Self = Self(0);

    /// The term after this one; `None` after the last that there is.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(next) => Some(Self(next)),
            None => None,
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

/// A span of time in milliseconds of boot time (time that also passes while the machine is suspended).
/// There is no instant in core: a protocol that has to notice that time went by arms a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u32);

impl Ticks {
    /// So many times as long.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// Both, one after the other.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The half, rounded down.
    #[must_use]
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }
}

/// When a timer goes off: at a moment between `min` and `max` from now, drawn by the driver. The spread is the jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delay {
    /// The earliest moment.
    pub min: Ticks,
    /// The latest moment.
    pub max: Ticks,
}

impl Delay {
    /// Exactly `ticks`, without jitter.
    #[must_use]
    pub const fn exactly(ticks: Ticks) -> Self {
        Self { min: ticks, max: ticks }
    }

    /// `ticks`, up to `spread` more.
    #[must_use]
    pub const fn spread(ticks: Ticks, spread: Ticks) -> Self {
        Self {
            min: ticks,
            max: Ticks(ticks.0.saturating_add(spread.0)),
        }
    }

    /// `ticks`, up to a quarter more: enough that a crowd does not move in step.
    #[must_use]
    pub const fn about(ticks: Ticks) -> Self {
        let quarter = ticks.0 / 4;
        Self {
            min: ticks,
            max: Ticks(ticks.0.saturating_add(quarter)),
        }
    }
}

/// Names one command, so that its refusal can be told apart from others. Chosen by whoever commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Nothing: the vocabulary of a side that has none. A message of this type cannot be made, so sending it too early
/// does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Never {}

/// An invariant that did not hold. The node that finds one stops answering; it never panics and never guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Broken(pub &'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A short name held in place: at most `N` (≤ 255) bytes of UTF-8, no allocation, no terminator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<const N: usize> {
    // Unused bytes stay zero, so that equal names are equal bytes. Bytes before length: names sort as text does.
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Name<N> {
    /// Takes a name; `None` if it is empty or too long.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, len })
    }

    /// Takes a name from bytes; `None` if they are not UTF-8, empty or too many.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(core::str::from_utf8(bytes).ok()?)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A household's name, as meters send it.
pub type Household = Name<80>;
/// An edge's name, as the cloud knows it.
pub type EdgeName = Name<64>;

//! What lies between machines: a directed link for each pair.

use super::random::Random;
use super::time::{Span, Time};

/// How a link treats what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quality {
    /// How long a message is under way. A wide span reorders.
    pub latency: Span,
    /// So many of a thousand messages are lost.
    pub loss_permille: u16,
    /// So many of a thousand messages arrive twice.
    pub twice_permille: u16,
    /// Whether messages keep their order, as they do within one connection.
    pub in_order: bool,
}

impl Quality {
    /// One room: a tenth to half a millisecond.
    pub const LAN: Self = Self::of(Span::us(100, 500));
    /// Two continents: 30 to 40 ms one way.
    pub const WAN: Self = Self::of(Span::ms(30, 40));

    /// Nothing but delay.
    #[must_use]
    pub const fn of(latency: Span) -> Self {
        Self {
            latency,
            loss_permille: 0,
            twice_permille: 0,
            in_order: false,
        }
    }

    /// The same, losing so many of a thousand.
    #[must_use]
    pub const fn losing(self, permille: u16) -> Self {
        Self {
            loss_permille: permille,
            ..self
        }
    }
}

/// One direction between two machines.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whether it carries anything.
    pub up: bool,
    /// How it treats what it carries.
    pub quality: Quality,
    chance: Random,
    latest: Time,
}

impl Link {
    /// A link that is up.
    #[must_use]
    pub const fn new(quality: Quality, chance: Random) -> Self {
        Self {
            up: true,
            quality,
            chance,
            latest: Time(0),
        }
    }

    /// When a message that leaves now arrives, and when its double does; `None` if it is lost. What has left is under
    /// way even if the link fails behind it.
    pub fn carry(&mut self, now: Time) -> Option<(Time, Option<Time>)> {
        if !self.up || self.chance.chance(self.quality.loss_permille) {
            return None;
        }
        let first = self.arrival(now);
        let second = self
            .chance
            .chance(self.quality.twice_permille)
            .then(|| self.arrival(now));
        Some((first, second))
    }

    /// When the end of a connection is noticed at the other end; `None` if it cannot be. Such news is not lost by
    /// chance: the transport below repeats it.
    pub fn carry_news(&mut self, now: Time) -> Option<Time> {
        self.up.then(|| self.arrival(now))
    }

    fn arrival(&mut self, now: Time) -> Time {
        let at = now + self.chance.within(self.quality.latency);
        self.latest = self.latest.max(at);
        if self.quality.in_order { self.latest } else { at }
    }
}

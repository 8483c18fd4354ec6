//! Which requests wait for an answer.

use alloc::collections::VecDeque;

#[cfg(seeded_bugs)]
use super::bugs::Bug;
use super::{API_VERSIONS, Asked, FETCH};

/// What an answer is the answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// A fetch, in this version.
    Fetch(i16),
    /// A question for the versions that the broker takes, in this version.
    Versions(i16),
    /// Something whose answer tells nothing.
    Other,
    /// Nothing that was asked: whoever answers or asks does not keep Kafka's order.
    Unknown,
}

/// The requests of one connection that wait for an answer. A broker answers in the order of the requests.
#[derive(Clone, Debug)]
pub struct InFlight {
    waiting: VecDeque<Asked>,
    max: usize,
    is_lost: bool,
    #[cfg(seeded_bugs)]
    bug: Option<Bug>,
}

impl InFlight {
    /// None yet, and never more than `max`.
    #[must_use]
    pub const fn new(max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            max,
            is_lost: false,
            #[cfg(seeded_bugs)]
            bug: None,
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub const fn with_bug(mut self, bug: Option<Bug>) -> Self {
        self.bug = bug;
        self
    }

    /// Notes a request. If more wait than may, the order is given up: from then on every answer is [`Awaited::Unknown`], and
    /// nothing more is kept.
    pub fn asked(&mut self, asked: Asked) {
        if !asked.is_answered || self.is_lost {
            return;
        }
        if self.waiting.len() >= self.max {
            self.lose();
        } else {
            self.waiting.push_back(asked);
        }
    }

    /// What the answer with this number is the answer to. Once the order is lost it stays lost.
    pub fn answered(&mut self, correlation: i32) -> Awaited {
        match self.waiting.pop_front() {
            Some(asked) if asked.correlation == correlation => match asked.key {
                FETCH => Awaited::Fetch(asked.version),
                API_VERSIONS => Awaited::Versions(asked.version),
                _ => Awaited::Other,
            },
            #[cfg(seeded_bugs)]
            Some(_) if self.bug == Some(Bug::OrderUnchecked) => Awaited::Other,
            Some(_) | None => {
                self.lose();
                Awaited::Unknown
            }
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn lose(&mut self) {
        self.is_lost = true;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::classify;
    use super::*;

    const fn asked(key: i16, correlation: i32) -> Asked {
        Asked {
            key,
            version: 17,
            correlation,
            is_answered: true,
            meaning: classify(key),
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_requests() {
        let mut flight = InFlight::new(10);
        flight.asked(asked(FETCH, 1));
        flight.asked(Asked {
            is_answered: false,
            ..asked(0, 2)
        });
        flight.asked(asked(3, 3));
        assert_eq!(flight.answered(1), Awaited::Fetch(17));
        assert_eq!(flight.answered(3), Awaited::Other);
        assert!(flight.is_empty());
    }

    #[test]
    fn once_the_order_is_lost_every_answer_is_unknown() {
        let mut flight = InFlight::new(10);
        flight.asked(asked(3, 1));
        flight.asked(asked(3, 2));
        assert_eq!(flight.answered(2), Awaited::Unknown);
        flight.asked(asked(3, 3));
        assert_eq!(flight.answered(3), Awaited::Unknown);
    }

    #[test]
    fn more_than_may_wait_gives_up_the_order_and_takes_no_more_room() {
        let mut flight = InFlight::new(2);
        for correlation in 0..1000 {
            flight.asked(asked(3, correlation));
            assert!(flight.len() <= 2);
        }
        assert_eq!(flight.answered(0), Awaited::Unknown);
    }
}

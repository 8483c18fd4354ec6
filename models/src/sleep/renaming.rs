//! Locks and tickets are compared and nothing else, so states that differ only in their numbers are one: they get the lowest names.

use super::state::State;
use super::world::World;
use crate::site::{Nonces, Site};

/// The most locks and tickets that are alive at once.
const TOKENS: usize = 24;
/// Numbers from here on were drawn in the last step.
pub(super) const FRESH: u64 = TOKENS as u64;
/// How many may be drawn in one step.
const DRAWS: usize = 8;

/// New names of locks and tickets, by the old.
pub(super) type Names = [u8; TOKENS + DRAWS];

/// Draws numbers that nobody has.
pub(super) struct Draws(pub(super) u64);

impl Nonces for Draws {
    fn draw(&mut self) -> Option<u64> {
        self.0 += 1;
        assert!(
            self.0 < (TOKENS + DRAWS) as u64,
            "more numbers drawn in one step than there is room for"
        );
        Some(self.0)
    }
}

impl World {
    /// Locks and tickets get the lowest names, in the order in which they stand in the state.
    pub(super) fn renamed(&self, mut state: State) -> State {
        let mut names: Names = [0; TOKENS + DRAWS];
        let mut next = 0;
        let mut visit = |token: u64| {
            let token = usize::try_from(token).expect("few");
            if token != 0 && names[token] == 0 {
                next += 1;
                names[token] = next;
            }
        };
        for member in self.members() {
            state.guard(member).tokens(&mut visit);
        }
        for letter in state.net.iter() {
            letter.tokens(&mut visit);
        }
        assert!(usize::from(next) < TOKENS, "more numbers alive than there is room for");
        let same = |(old, new): (usize, &u8)| *new == 0 || usize::from(*new) == old;
        if names.iter().enumerate().all(same) {
            return state;
        }
        let name = |token: u64| u64::from(names[usize::try_from(token).expect("few")]);
        for member in self.members() {
            let at = usize::from(member);
            let known = state.members[at];
            let compute = |_: &_| {
                let mut site = Site::clone(&known);
                site.node = site.node.renamed(|guard| guard.renamed(&name));
                self.parts.members.share(site)
            };
            state.members[at] = *self.parts.names.answer((known, names), compute);
        }
        self.change_net(&mut state, |net| *net = net.renamed(&name));
        self.repeat_first(&mut state);
        state
    }

    /// Places beyond the last member say nothing.
    pub(super) fn repeat_first(&self, state: &mut State) {
        let members = usize::from(self.bounds.brokers);
        let (first, around) = (state.members[0], state.around[0]);
        state.members[members..].fill(first);
        state.around[members..].fill(around);
    }
}

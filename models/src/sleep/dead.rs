//! Letters that can change nothing are dropped, so that states which differ only in them are one.

use pehra_core::sleep::guard::{Claim, Message, Notice, Role};
use pehra_core::types::NodeId;

use super::net::{Letter, Net};
use super::state::State;
use super::world::World;

impl World {
    /// Letters that can change nothing, now or later: what a Pehredar only would hear, to one that is none and never will be; and
    /// grants of an older term to one that has heard of a later one, from a member that it will not follow again.
    pub(super) fn drop_dead(&self, state: &mut State) {
        // What changes nothing may well change something where there is a bug.
        #[cfg(seeded_bugs)]
        if self.bounds.bug.is_some() {
            return;
        }
        let dead = |letter: &Letter| match letter.message {
            Message::Claim(Claim::Standing(_)) | Message::Notice(Notice::Traffic) => !self.may_matter(state, letter.to),
            Message::Claim(Claim::Grant { plan, .. }) => {
                let led = u8::try_from(plan.term.0).expect("few terms");
                let again = state.leaders[usize::from(led)..].contains(&letter.from);
                let later = (state.top() + 1..=self.bounds.terms)
                    .any(|term| self.bounds.may_lead(term).contains(NodeId(letter.from.into())));
                state.at(letter.to).term > led && !again && !later
            }
            Message::Notice(Notice::Wake { .. }) => false,
        };
        if state.net.iter().any(dead) {
            let mut net = Net::clone(&state.net);
            net.retain(|letter| !dead(letter));
            state.net = self.parts.nets.share(net);
        }
    }

    /// Whether this member leads, or may come to lead.
    fn may_matter(&self, state: &State, member: u8) -> bool {
        let later = state.top() + 1..=self.bounds.terms;
        let mut later = later.filter(|term| self.bounds.may_lead(*term).contains(NodeId(member.into())));
        matches!(state.guard(member).role(), Role::Pehredar(_)) || later.next().is_some()
    }
}

//! What must happen in the end, once things are calm.

use pehra_core::election::{Leader, Loyalty};
use pehra_core::members::NodeSet;
use pehra_core::types::NodeId;

use super::bounds::Shape;
use super::state::State;
use super::world::World;
use crate::lasso::Leads;

/// Whoever can reach a majority is led, by one leader, and it stays.
#[must_use]
pub fn a_leader_stays() -> Leads<World> {
    Leads {
        name: "election/V1 once calm, a majority gets a leader and keeps it",
        from: |_, state: &State| state.calm.is_some(),
        to: |world, state| state.calm.is_some_and(|shape| is_led(world, state, shape)),
    }
}

/// One leads, reaches a majority, and is followed by all whom it reaches; nobody else that is up leads.
fn is_led(world: &World, state: &State, shape: Shape) -> bool {
    let members = world.bounds().members();
    let mut leaders = (0..members).filter(|member| shape != Shape::Without(*member) && state.leads(*member));
    let (Some(leader), None) = (leaders.next(), leaders.next()) else {
        return false;
    };
    let linked = |member: &u8| shape.links(leader, *member);
    let voters = NodeSet::first(world.bounds().voters);
    // It has heard a majority that will go on answering: nothing that was said before the calm is needed any more.
    let heard = state.members[usize::from(leader)]
        .node
        .state()
        .leadership()
        .map(Leader::fresh);
    let answers = |voter: &NodeId| u8::try_from(voter.0).is_ok_and(|voter| linked(&voter));
    let heard: NodeSet = heard.unwrap_or_default().iter().filter(answers).collect();
    heard.with(NodeId(leader.into())).is_majority_of(voters)
        && (0..members)
            .filter(|member| *member != leader)
            .filter(linked)
            .all(|member| {
                let follower = state.members[usize::from(member)].node.state();
                follower.loyalty() == Loyalty::To(NodeId(leader.into())) && state.term(member) == state.term(leader)
            })
}

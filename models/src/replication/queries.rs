//! What must happen in the end, once things are calm.

use pehra_core::election::{Leader, Loyalty};
use pehra_core::members::NodeSet;
use pehra_core::replication::Progress;
use pehra_core::types::NodeId;

use super::bounds::Shape;
use super::state::State;
use super::world::World;
use crate::lasso::Leads;

/// Whoever can reach a majority is led, and all that it reaches get the same log and apply it.
#[must_use]
pub fn all_get_the_log() -> Leads<World> {
    Leads {
        name: "replication/V8 once calm, a majority gets a leader, and all whom it reaches its whole log",
        from: |_, state: &State| state.calm.is_some(),
        to: |world, state| state.calm.is_some_and(|shape| is_served(world, state, shape)),
    }
}

fn is_served(world: &World, state: &State, shape: Shape) -> bool {
    let members = world.bounds().members();
    let mut leaders = (0..members).filter(|member| shape != Shape::Without(*member) && state.leads(*member));
    let (Some(leader), None) = (leaders.next(), leaders.next()) else {
        return false;
    };
    let linked = |member: &u8| shape.links(leader, *member);
    let voters = NodeSet::first(world.bounds().voters);
    let site = &state.members[usize::from(leader)];
    let lead = site.node.state();
    let heard = lead.election().leadership().map(Leader::fresh);
    let answers = |voter: &NodeId| u8::try_from(voter.0).is_ok_and(|voter| linked(&voter));
    let heard: NodeSet = heard.unwrap_or_default().iter().filter(answers).collect();
    let end = lead.log().last();
    let knows = |progress: &Progress| progress.matched == end.index && progress.decided == end.index;
    heard.with(NodeId(leader.into())).is_majority_of(voters)
        && lead.applied() == end.index
        && lead.lead().is_some_and(|lead| {
            let reached = |progress: &&Progress| u8::try_from(progress.node.0).is_ok_and(|node| linked(&node));
            lead.others().iter().filter(reached).all(knows)
        })
        && (0..members)
            .filter(|member| *member != leader)
            .filter(linked)
            .all(|member| {
                let follower = state.members[usize::from(member)].node.state();
                follower.election().loyalty() == Loyalty::To(NodeId(leader.into()))
                    && state.term(member) == state.term(leader)
                    && follower.log().last() == end
                    && follower.applied() == end.index
            })
}

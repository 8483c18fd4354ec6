//! What must hold in every state of whole members.

use pehra_core::members::NodeSet;
use pehra_core::sleep::guard::{Role, Stage, State as Broker, Timer as Duty};
use pehra_core::sleep::member::Timer;
use pehra_core::types::NodeId;
use stateright::Property;

use super::state::{MEMBERS, State};
use super::world::World;
use crate::sleep::properties as duty;

/// Two members know different decrees to be decided.
pub const SAME: &str = "sleep/S2 members that know as many decrees know the same plan, switch and round";

pub(super) mod broken {
    pub const STRANGER: u8 = 1;
    pub const NOT_LEADER: u8 = 2;
    pub const NOT_ALONE: u8 = 4;
}

fn up(state: &State) -> NodeSet {
    let up = (0..MEMBERS).filter(|member| match state.guard(*member).state() {
        Broker::Sleeping => false,
        Broker::Draining { stage, .. } => stage == Stage::Looking,
        Broker::Active | Broker::Ringing | Broker::Waking | Broker::Maintenance => true,
    });
    up.map(|member| NodeId(member.into())).collect()
}

/// Whoever has been told the same decrees has the same plan and the same switch.
fn agree(state: &State) -> bool {
    let known = |member: u8| {
        let guard = state.guard(member);
        (guard.plan(), guard.switch(), guard.round())
    };
    (0..MEMBERS).all(|one| {
        (0..one).all(|other| {
            let same = state.sleep(one).decrees().applied() == state.sleep(other).decrees().applied();
            !same || known(one) == known(other)
        })
    })
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let mut all = vec![
        Property::always(duty::S1, |_, state: &State| state.broken & broken::NOT_LEADER == 0),
        Property::always(duty::WATCHES, |_, state: &State| {
            (0..MEMBERS).all(|member| {
                let term = usize::try_from(state.guard(member).term().0).expect("few terms");
                !matches!(state.guard(member).role(), Role::Pehredar(_))
                    || state.led[term] == NodeSet::only(NodeId(member.into()))
            })
        }),
        Property::always(duty::S2, |_, state: &State| state.broken & broken::STRANGER == 0),
        Property::always(SAME, |_, state: &State| agree(state)),
        Property::always(duty::S3, |world: &World, state: &State| {
            let crashed = u32::from(world.bounds().crashes - state.left[0]);
            state.awake().count() + crashed >= 2
        }),
        Property::always(duty::S3_NOW, |_, state: &State| state.broken & broken::NOT_ALONE == 0),
        Property::always(duty::S4, |_, state: &State| up(state).is_majority_of(NodeSet::first(3))),
        Property::always(duty::S12, |_, state: &State| {
            (0..MEMBERS).all(|member| {
                let site = &state.members[usize::from(member)];
                state.guard(member).state() != Broker::Sleeping || site.is_armed(Timer::Guard(Duty::Alarm))
            })
        }),
        Property::always(duty::CHECK, |world: &World, state: &State| {
            (0..MEMBERS).all(|member| {
                let node = &state.members[usize::from(member)].node;
                node.fault().is_none() && node.check(world.config(member)).is_ok()
            })
        }),
        Property::sometimes("one sleeps", |_, state: &State| {
            (0..MEMBERS).any(|member| state.guard(member).state() == Broker::Sleeping)
        }),
    ];
    if world.bounds().terms > 1 {
        all.push(Property::sometimes("another one watches", |_, state: &State| {
            !state.led[2].is_empty()
        }));
    }
    all
}

//! What must hold in every state.

use pehra_core::delivery::{Phase, Seq};
use stateright::Property;

use super::state::{State, small};
use super::world::World;

/// The acknowledged rows are applied at the cloud, with the very content that the edge stored. A cloud that lost its
/// store is excused here; that it is healed is asked as a liveness query.
pub const OS1: &str = "delivery/OS1 acknowledged is durable at the cloud";
/// Nothing takes effect twice.
pub const OS2: &str = "delivery/OS2 applied at most once";
/// Nothing takes effect that was not durable at the edge before.
pub const OS3: &str = "delivery/OS3 nothing applied that was not stored at the edge";
/// But for a rewind that was reported, and a store that somebody put back.
pub const OS4: &str = "delivery/OS4 flags only rise";
/// Rows below the oldest are acknowledged, durably on both sides.
pub const OS5: &str = "delivery/OS5 a row leaves only after both ends have it";
/// Per epoch.
pub const OS6: &str = "delivery/OS6 in order and without holes";
/// A flag 2 without its code would never get one.
pub const OS7: &str = "delivery/OS7 flag 2 comes with the code";

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let mut all = vec![
        Property::always(OS1, |_, state: &State| {
            state.ghosts.wiped || acked_rows_are_applied(state)
        }),
        Property::always(OS2, |_, state: &State| {
            let applied = state.cloud.image.applied();
            let mut seen = 0u32;
            applied.iter().all(|(_, _, parcel)| {
                let bit = 1 << parcel.number;
                let new = seen & bit == 0;
                seen |= bit;
                new
            })
        }),
        Property::always(OS3, |_, state: &State| {
            let applied = state.cloud.image.applied();
            applied
                .iter()
                .all(|(_, _, parcel)| parcel.number <= state.ghosts.stored)
        }),
        Property::always(OS4, |_, state: &State| {
            let cursors = state.edge.image.cursors();
            small(cursors.acked) >= state.ghosts.acked && small(cursors.sent) >= state.ghosts.sent
        }),
        Property::always(OS5, |_, state: &State| {
            let cursors = state.edge.image.cursors();
            let held = cursors.last.since(cursors.oldest.previous());
            cursors.oldest.previous() <= cursors.acked && state.edge.image.rows().len() as u64 == held
        }),
        Property::always(OS6, |_, state: &State| {
            let applied = state.cloud.image.applied();
            applied
                .windows(2)
                .all(|pair| pair[0].0 != pair[1].0 || pair[1].1 == pair[0].1.next())
        }),
        Property::always(OS7, |world: &World, state: &State| {
            let acked = usize::from(small(state.edge.image.cursors().acked));
            let codes = state.edge.image.codes();
            let knows = |number: u8| {
                let household = world.bounds().parcel(number).household;
                codes.iter().any(|(known, _)| *known == household)
            };
            state.ghosts.written.iter().take(acked).all(|number| knows(*number))
        }),
        Property::always(
            "delivery/check invariants of both nodes",
            |world: &World, state: &State| {
                let bounds = world.bounds();
                state.edge.node.check(&bounds.sender).is_ok() && state.cloud.node.check(&bounds.receiver).is_ok()
            },
        ),
        Property::always("delivery/fenced only if there is a reason", |_, state: &State| {
            state.ghosts.restored || state.ghosts.renewed || state.edge.node.state().phase() != Phase::Fenced
        }),
        Property::sometimes("everything arrives", |world: &World, state: &State| {
            state.is_done(world.bounds().parcels)
        }),
    ];
    if world.bounds().restores > 0 {
        all.push(Property::sometimes("a restored edge is fenced", |_, state: &State| {
            state.edge.node.state().phase() == Phase::Fenced
        }));
    }
    if world.bounds().wipes > 0 {
        all.push(Property::sometimes("flags are rewound", |_, state: &State| {
            state.ghosts.rewinds != 0
        }));
    }
    all
}

fn acked_rows_are_applied(state: &State) -> bool {
    let cursors = state.edge.image.cursors();
    let Some(epoch) = cursors.epoch else {
        return cursors.acked == Seq::ZERO;
    };
    let acked = usize::from(small(cursors.acked));
    (1..)
        .zip(state.ghosts.written)
        .take(acked)
        .all(|(seq, number)| state.is_applied(epoch, Seq(seq), number))
}

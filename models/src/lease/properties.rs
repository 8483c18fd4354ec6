//! What must hold in every state.

use pehra_core::election::{Claim, Message};
use stateright::Property;

use super::state::State;
use super::world::World;
use crate::election::messages::Letter;
use crate::election::properties::Q1;

/// The claim.
pub const I5: &str = "election/I5 no two leases are valid at one moment";
/// More than the claim, and why a lease is worth having: nobody else can have been asked to decide.
pub const ALONE: &str = "election/I5 while a lease is valid nobody leads a higher term";
/// What is said is what is.
pub const SAID: &str = "election/I5 whoever has a lease was told so, and is told when it ends";

/// What single steps can break, as bits of a ghost.
pub mod broken {
    use pehra_core::election::{Election, Event, Leader, Report};

    use crate::lease::state::Member;
    use crate::site::Said;

    /// A lease began or ended without a word.
    pub const UNSAID: u8 = 1;
    /// A deposed leader was confirmed.
    pub const CONFIRMED_WRONGLY: u8 = 2;

    /// Of a member that lives on.
    pub(in crate::lease) fn of_step(before: &Member, after: &Member, said: &[Said<Election<()>>]) -> u8 {
        let has = |member: &Member| member.node.state().leadership().is_some_and(Leader::is_leased);
        let mut told = has(before);
        for one in said {
            match one {
                Said::Event(Event::Leased { .. }) => told = true,
                Said::Report(Report::LeaseLost { .. } | Report::StoppedLeading { .. }) => told = false,
                _ => {}
            }
        }
        if told == has(after) { 0 } else { UNSAID }
    }
}

fn members(world: &World) -> std::ops::Range<u8> {
    0..world.bounds().members()
}

pub(super) fn all(world: &World) -> Vec<Property<World>> {
    let bounds = world.bounds();
    let claim = Property::always(I5, |world: &World, state: &State| {
        members(world).filter(|member| state.has_valid_lease(*member)).count() < 2
    });
    if bounds.claim_alone {
        return vec![claim];
    }
    let mut all = vec![
        claim,
        Property::always(ALONE, |world: &World, state: &State| {
            let leads_above = |term| move |other: &u8| state.leadership(*other).is_some() && state.term(*other) > term;
            members(world)
                .filter(|member| state.has_valid_lease(*member))
                .all(|member| !members(world).any(|other| leads_above(state.term(member))(&other)))
        }),
        Property::always(Q1, |_, state: &State| state.broken & broken::CONFIRMED_WRONGLY == 0),
        Property::always(SAID, |_, state: &State| state.broken & broken::UNSAID == 0),
        Property::always(
            "election/check invariants of all members",
            |world: &World, state: &State| {
                members(world).all(|member| {
                    state.members[usize::from(member)]
                        .node
                        .check(world.config(member))
                        .is_ok()
                })
            },
        ),
        Property::sometimes("a lease is valid", |world: &World, state: &State| {
            members(world).any(|member| state.has_valid_lease(member))
        }),
        Property::sometimes(
            "the leader of the next term has a lease",
            |world: &World, state: &State| {
                members(world).any(|member| state.term(member) > 1 && state.has_valid_lease(member))
            },
        ),
        // What no clock can prevent: such a holder stands still, and its fencing number is what it must show.
        Property::sometimes(
            "one has not noticed that its lease has run out, and another has one",
            |world: &World, state: &State| {
                members(world).any(|member| state.has_dead_lease(member))
                    && members(world).any(|member| state.has_valid_lease(member))
            },
        ),
    ];
    if bounds.transfers > 0 {
        all.push(Property::sometimes(
            "a successor that was asked to stand has a lease",
            |world: &World, state: &State| {
                members(world).any(|member| {
                    let asked = |word| {
                        let letter = Letter::unpack(word);
                        let stood = matches!(
                            letter.message,
                            Message::Claim(Claim::Vote { term, token: Some(_), .. }) if term.0 == state.term(member)
                        );
                        stood && letter.from == member
                    };
                    state.has_valid_lease(member) && state.net.iter().any(asked)
                })
            },
        ));
    }
    all
}

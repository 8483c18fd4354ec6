//! What must hold of the edge's store in every state.

use pehra_core::pipeline::Content;
use pehra_core::protocol::{Image, Recovered};
use pehra_core::window::{Kept, Span, Tuple};
use stateright::Property;

use super::plain::{Plain, summed};
use super::{Event, State, World};

pub(super) fn properties() -> Vec<Property<World>> {
    vec![
        Property::always(
            "window/W2 the same tuples, wherever the edge was killed",
            |world: &World, state: &State| {
                let undisturbed = world.undisturbed(&state.history);
                undisturbed.outbox().rows() == state.edge.image.outbox().rows()
            },
        ),
        Property::always(
            "pipeline/P1 the store is what the records before its position make of it",
            |world: &World, state: &State| {
                let taken: Vec<u8> = taken(state).collect();
                let position = World::position(&state.edge.image);
                taken == (0..position).collect::<Vec<_>>() && world.undisturbed(&state.history) == state.edge.image
            },
        ),
        Property::always(
            "window/W1 every reading is counted in exactly one window or set aside",
            |world: &World, state: &State| each_once(world, state),
        ),
        Property::always(
            "window/W3 the last revision of a window holds exactly what was counted in it",
            |world: &World, state: &State| last_revisions_are_whole(world, state),
        ),
        Property::always(
            "window/W4 what lies between two windows is said to be a gap",
            |world: &World, state: &State| gaps_are_said(world, state),
        ),
        Property::always(
            "window/W2 the tuples are those that the rules give, computed plainly",
            |world: &World, state: &State| {
                let mut plain = Plain::new(&world.config.windows);
                for event in &state.history {
                    match event {
                        Event::Record(at) => plain.read(&world.records[usize::from(*at)]),
                        Event::Sweep => plain.swept(),
                    }
                }
                let image = &state.edge.image;
                plain.tuples == image.outbox().rows()
                    && image.set_aside().iter().map(|item| item.why).eq(plain.set_aside)
            },
        ),
        Property::always("pipeline/check invariants", |world: &World, state: &State| {
            state.edge.node.check(&world.config).is_ok()
        }),
        Property::sometimes("pipeline/everything is taken", |world: &World, state: &State| {
            usize::from(World::position(&state.edge.image)) == world.records()
        }),
        Property::sometimes(
            "pipeline/something is refused and read again",
            |_: &World, state: &State| state.edge.image.set_aside().len() >= 2 && state.repeats == 0,
        ),
        Property::sometimes(
            "pipeline/a window that a sweep closed is revised",
            |_: &World, state: &State| {
                let rows = state.edge.image.outbox().rows();
                let revised =
                    |tuple: &Tuple| matches!(tuple.span, Span::Window { revision: 1.., .. }) && tuple.start_ms == 0;
                state.history.get(1) == Some(&Event::Sweep) && rows.iter().any(revised)
            },
        ),
        Property::sometimes("pipeline/three sweeps close something", |_: &World, state: &State| {
            state.history.iter().filter(|event| **event == Event::Sweep).count() == 3
        }),
    ]
}

fn taken(state: &State) -> impl Iterator<Item = u8> {
    state.history.iter().filter_map(|event| match event {
        Event::Record(at) => Some(*at),
        Event::Sweep => None,
    })
}

/// All readings before the position that were not set aside, sorted: those that must have been counted. `None` when a
/// record was set aside twice, or not and is no reading.
fn counted(world: &World, state: &State) -> Option<Vec<Kept>> {
    let aside = state.edge.image.set_aside();
    let mut counted = Vec::new();
    for at in taken(state) {
        let times = aside.iter().filter(|item| item.position == u64::from(at)).count();
        match (times, &world.records[usize::from(at)]) {
            (0, Content::Reading(take)) => counted.push(Kept {
                time_ms: take.reading.time_ms,
                power_mw: take.reading.power_mw,
                register: take.reading.register,
            }),
            (1, _) => {}
            _ => return None,
        }
    }
    counted.sort_unstable();
    Some(counted)
}

fn start(world: &World, time_ms: i64) -> i64 {
    let width_ms = world.config.windows.width_ms;
    time_ms.div_euclid(width_ms) * width_ms
}

/// A record is set aside once, or it is a reading and counted, at a time that no other counted one has. Nothing else is
/// counted, and the store holds all that is counted, but for windows that can no longer be revised. What is counted
/// before the mark is in a window that was delivered.
fn each_once(world: &World, state: &State) -> bool {
    let Some(counted) = counted(world, state) else {
        return false;
    };
    let Recovered::Known(durable) = state.edge.image.summary() else {
        return counted.is_empty();
    };
    let kept: Vec<Kept> = durable.houses.iter().flat_map(|house| house.kept().to_vec()).collect();
    let until_ms = durable.houses.first().map_or(i64::MIN, |house| house.until_ms());
    let config = &world.config.windows;
    let newest_ms = counted.last().map_or(0, |kept| kept.time_ms);
    let is_gone = |kept: &Kept| {
        let end_ms = start(world, kept.time_ms) + config.width_ms;
        end_ms + config.lateness_ms <= newest_ms - config.slack_ms
    };
    let rows = state.edge.image.outbox().rows();
    let is_delivered = |kept: &Kept| {
        rows.iter()
            .any(|tuple| matches!(tuple.span, Span::Window { .. }) && tuple.start_ms == start(world, kept.time_ms))
    };
    let let_go = counted.len().saturating_sub(kept.len());
    counted.is_sorted_by(|a, b| a.time_ms < b.time_ms)
        && counted[let_go..] == kept
        && counted[..let_go].iter().all(is_gone)
        && counted.iter().filter(|kept| kept.time_ms < until_ms).all(is_delivered)
}

/// Revisions of a window count up by one, and the last one is the sum of the readings within its bounds.
fn last_revisions_are_whole(world: &World, state: &State) -> bool {
    let Some(counted) = counted(world, state) else {
        return false;
    };
    let rows = state.edge.image.outbox().rows();
    rows.iter().enumerate().all(|(at, tuple)| {
        let Span::Window { revision, .. } = tuple.span else {
            return true;
        };
        let later = rows[at + 1..].iter().find_map(|later| match later.span {
            Span::Window { revision, .. } if later.start_ms == tuple.start_ms => Some(revision),
            _ => None,
        });
        if let Some(later) = later {
            return later == revision + 1;
        }
        let inside = counted
            .iter()
            .filter(|kept| start(world, kept.time_ms) == tuple.start_ms);
        let inside: Vec<(i64, Option<u64>)> = inside.map(|kept| (kept.power_mw, kept.register)).collect();
        tuple.span == summed(&inside, revision)
    })
}

/// Each window that closes, and each gap, begins where the one before ended.
fn gaps_are_said(world: &World, state: &State) -> bool {
    let mut until_ms = None;
    state.edge.image.outbox().rows().iter().all(|tuple| {
        let end_ms = match tuple.span {
            Span::Window { revision: 0, .. } => tuple.start_ms + world.config.windows.width_ms,
            // A revision, or a window that fills a gap.
            Span::Window { .. } => return true,
            Span::Gap { until_ms } => until_ms,
        };
        let from_ms = until_ms.replace(end_ms);
        end_ms > tuple.start_ms && from_ms.is_none_or(|from_ms| from_ms == tuple.start_ms)
    })
}

//! A path of the model as a sequence diagram: one lifeline for each member, a bar on it while the member leads, and a note
//! wherever its standing or its log changes.

use super::messages::Letter;
use super::state::{Action, State};
use super::words;
use crate::diagram::{Diagram, Mark};

/// From one member to the next: room for a message.
const GAP: u32 = 300;

/// The diagram of a path, as SVG: states, and what was done in each; the last has nothing.
#[must_use]
pub fn svg(members: u8, path: &[(State, Option<Action>)]) -> String {
    let mut diagram = Diagram::new((0..members).map(|member| (format!("n{member}"), GAP)));
    if let Some((first, _)) = path.first() {
        for member in 0..members {
            diagram.note(member.into(), words::standing(first, member));
        }
    }
    for pair in path.windows(2) {
        let [(before, Some(action)), (after, _)] = pair else {
            break;
        };
        draw(&mut diagram, action);
        for member in 0..members {
            note(&mut diagram, member, before, after);
        }
    }
    diagram.svg()
}

fn draw(diagram: &mut Diagram, action: &Action) {
    let (member, mark, label) = match *action {
        Action::Deliver(word, to) => {
            let letter = Letter::unpack(word);
            diagram.arrow(letter.from.into(), to.into(), words::message(&letter.message));
            return;
        }
        Action::Calm(shape) => return diagram.between(format!("calm: {shape:?}")),
        Action::Durable(member) => (member, Mark::Disk, "its disk has it".to_owned()),
        Action::Reported(member) => (member, Mark::Dot, "hears that it is durable".into()),
        Action::Answer(member) => (member, Mark::Disk, "its store answers".into()),
        Action::Fire(member, timer) => (member, Mark::Clock, crate::election::words::timer(timer)),
        Action::Crash(member) => (member, Mark::Cross, "crashes and restarts".into()),
        Action::Propose(member) => (member, Mark::Dot, "is given a command".into()),
        Action::Read(member) => (member, Mark::Dot, "is asked for a read".into()),
        Action::Snapshot(member) => (member, Mark::Disk, "takes a snapshot".into()),
    };
    diagram.mark(member.into(), mark, label);
}

/// What has become of a member.
fn note(diagram: &mut Diagram, member: u8, before: &State, after: &State) {
    let (was, is) = (words::standing(before, member), words::standing(after, member));
    if was == is {
        return;
    }
    let place = member.into();
    if after.leads(member) {
        diagram.strong_note(place, is);
        if !before.leads(member) {
            diagram.begin_bar(place);
        }
    } else {
        diagram.note(place, is);
        diagram.end_bar(place);
    }
}

#[cfg(test)]
mod tests {
    use stateright::Model;

    use super::*;
    use crate::replication::{Bounds, Disk, World};

    /// Each step is the first one whose words begin so.
    const WALK: [&str; 6] = [
        "n0: the election timer",
        "n1 hears: n0 to all: vote for me",
        "n0 hears: n1 to n0: my vote",
        "n1 hears: n0 to all: I lead",
        "n1 hears: n0 to n1: at the beginning comes 1/t1 empty",
        "n0 hears: n1 to n0: my log is yours up to 1",
    ];

    #[test]
    fn a_decided_entry_is_drawn_from_the_vote_on() {
        let world = World::new(Bounds {
            disk: Disk::Instant,
            ..Bounds::new(3, 1)
        });
        let mut state = world.init_states().remove(0);
        let mut path = Vec::new();
        for words in WALK {
            let steps = world.next_steps(&state);
            let found = steps
                .into_iter()
                .find(|(action, _)| world.format_action(action).starts_with(words));
            let (action, next) = found.unwrap_or_else(|| panic!("{words:?} is not possible in {state:?}"));
            path.push((state, Some(action)));
            state = next;
        }
        path.push((state, None));
        let svg = svg(3, &path);
        assert_eq!(svg.matches("class=\"label\"").count(), WALK.len());
        assert_eq!(svg.matches("class=\"bar\"").count(), 1);
        assert!(svg.contains("leads; log to 1/t1, decided 1"), "{svg}");
    }
}

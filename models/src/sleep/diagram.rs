//! A path of the model as a sequence diagram: one lifeline for each member, a bar on it while its broker is on its way down or
//! asleep, and a note wherever its standing changes.

use pehra_core::sleep::guard::Role;

use super::state::{Action, State};
use super::words;
use crate::diagram::{Diagram, Mark};

/// From one member to the next: room for a message.
const GAP: u32 = 330;

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

/// One step. An arrow says by itself where it goes, and a mark where it is, so the words are shorter than the action's.
fn draw(diagram: &mut Diagram, action: &Action) {
    let (member, mark, label) = match action {
        Action::Deliver(letter) => {
            return diagram.arrow(letter.from.into(), letter.to.into(), words::message(&letter.message));
        }
        Action::Calm | Action::AllDown(_) | Action::Kafka(_) => return diagram.between(words::action(action)),
        Action::Fire(member, timer) => (*member, Mark::Clock, words::timer(timer)),
        Action::Decide(member) => (*member, Mark::Disk, "its proposal is decided".to_owned()),
        Action::Learn(member) => (*member, Mark::Dot, "is told of the next decree".into()),
        Action::Elect(member, votes) => (*member, Mark::Dot, format!("is elected by {votes:?}")),
        Action::Follow(member) => (*member, Mark::Dot, "hears the leader".into()),
        Action::Lose(member) => (*member, Mark::Dot, "hears no leader any more".into()),
        Action::View(member) => (*member, Mark::Dot, "reads the cluster".into()),
        Action::Stopped(member) => (*member, Mark::Dot, "its broker has stopped".into()),
        Action::Up(member) => (*member, Mark::Dot, "its broker is up and in sync".into()),
        Action::Traffic(member) => (*member, Mark::Dot, "sees traffic".into()),
        Action::Wake(member) => (*member, Mark::Dot, "is woken from outside".into()),
        Action::Crash(member) => (*member, Mark::Cross, "crashes and starts again".into()),
        Action::PowerLoss(member, records) => (
            *member,
            Mark::Cross,
            format!("loses power and the newest {records} of its broker's records, and starts again"),
        ),
        Action::Done(member) => (*member, Mark::Dot, "the work on it is done".into()),
        Action::Enable(member, 0) => (*member, Mark::Dot, "asked to switch on, with the last epoch".into()),
        Action::Enable(member, _) => (*member, Mark::Dot, "asked to switch on".into()),
        Action::Disable(member) => (*member, Mark::Dot, "asked to switch off".into()),
        Action::Round(member, nodes) => (*member, Mark::Dot, format!("asked for maintenance of {nodes:?}")),
    };
    diagram.mark(member.into(), mark, label);
}

/// What has become of a member.
fn note(diagram: &mut Diagram, member: u8, before: &State, after: &State) {
    let place = member.into();
    match (words::is_down(before, member), words::is_down(after, member)) {
        (false, true) => diagram.begin_bar(place),
        (true, false) => diagram.end_bar(place),
        (true, true) | (false, false) => {}
    }
    let is = words::standing(after, member);
    if words::standing(before, member) == is {
        return;
    }
    match after.guard(member).role() {
        Role::None => diagram.note(place, is),
        Role::Temporary | Role::Pehredar(_) => diagram.strong_note(place, is),
    }
}

#[cfg(test)]
mod tests {
    use stateright::Model;

    use super::*;
    use crate::sleep::{World, explored_by_hand};

    /// Each step is the first one whose words begin so.
    const WALK: [&str; 9] = [
        "n1: the timer Tell",
        "n2: the timer Tell",
        "n1 -> n0: Active",
        "n2 -> n0: Active",
        "n0 reads the cluster",
        "n0 -> n1: grant of Sleep",
        "n1 reads the cluster",
        "the broker of n1 has stopped",
        "n1 reads the cluster",
    ];

    #[test]
    fn a_member_that_falls_asleep_is_drawn_from_the_grant_on() {
        let world = World::new(explored_by_hand());
        let mut state = world.init_states().remove(0);
        let mut path = Vec::new();
        for words in WALK {
            let steps = world.next_steps(&state);
            let offered: Vec<String> = steps.iter().map(|(action, _)| world.format_action(action)).collect();
            let found = steps
                .into_iter()
                .find(|(action, _)| world.format_action(action).starts_with(words));
            let (action, next) = found.unwrap_or_else(|| panic!("{words:?} is not among {offered:?} in {state:#?}"));
            path.push((state, Some(action)));
            state = next;
        }
        path.push((state, None));
        let svg = svg(3, &path);
        assert_eq!(svg.matches("class=\"label\"").count(), WALK.len());
        assert_eq!(svg.matches("class=\"bar\"").count(), 1);
        for words in [
            ">Pehredar of term 1: active, on duty</text>",
            ">looks whether it may stop</text>",
            ">stops its broker</text>",
            ">down, looks whether it is missed</text>",
            ">sleeps</text>",
        ] {
            assert!(svg.contains(words), "{words} is missing: {svg}");
        }
    }
}

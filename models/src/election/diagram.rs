//! A path of the model as a sequence diagram: one lifeline for each member, a bar on it while the member leads, and a note
//! wherever a role or a term changes.

use super::messages::Letter;
use super::state::{Action, State};
use super::words;
use crate::diagram::{Diagram, Mark};

/// From one member to the next: room for a message and where it was sent.
const GAP: u32 = 250;

/// A state, and what was done in it; the last has nothing.
type Step = (State, Option<Action>);

/// The diagram of a path, as SVG.
#[must_use]
pub fn svg(members: u8, path: &[Step]) -> String {
    let mut diagram = Diagram::new((0..members).map(|member| (format!("n{member}"), GAP)));
    if let Some((first, _)) = path.first() {
        for member in 0..members {
            diagram.note(member.into(), words::standing(first, member));
        }
    }
    for (at, pair) in path.windows(2).enumerate() {
        let [(before, Some(action)), (after, _)] = pair else {
            break;
        };
        draw(&mut diagram, action, after, &path[..=at]);
        for member in 0..members {
            note(&mut diagram, member, before, after);
        }
    }
    diagram.svg()
}

/// One step. An arrow says by itself where it goes, and a mark where it is, so the words are shorter than the action's.
fn draw(diagram: &mut Diagram, action: &Action, after: &State, before: &[Step]) {
    let (member, mark, label) = match *action {
        Action::Deliver(word, to) => {
            let letter = Letter::unpack(word);
            let label = format!("{}{}", words::message(&letter.message), age(word, to, before));
            diagram.arrow(letter.from.into(), to.into(), label);
            let asked = before.last().is_some_and(|(state, _)| !state.ghosts.answered);
            if asked && after.ghosts.answered {
                diagram.strong_note(to.into(), "answers that it leads");
            }
            return;
        }
        Action::Calm(shape) => return diagram.between(words::calm(shape)),
        Action::Durable(member) => {
            let label = format!("on disk: {}", words::disk(&after.members[usize::from(member)]));
            (member, Mark::Disk, label)
        }
        Action::Reported(member) => (member, Mark::Dot, "hears that it is durable".into()),
        Action::Fire(member, timer) => (member, Mark::Clock, words::timer(timer)),
        Action::Crash(member) => (member, Mark::Cross, "crashes and restarts".into()),
        Action::Wipe(member) => (member, Mark::Cross, "loses its disk and restarts".into()),
        Action::Transfer(member, None) => (member, Mark::Dot, "asked to hand over".into()),
        Action::Transfer(member, Some(to)) => (member, Mark::Dot, format!("asked to hand over to n{to}")),
        Action::Hint(member) => (member, Mark::Dot, "told that its leader is gone".into()),
        Action::Ask(member) => (member, Mark::Dot, "asked who leads".into()),
        Action::Resign(member) => (member, Mark::Dot, "asked to resign".into()),
    };
    diagram.mark(member.into(), mark, label);
}

/// Since when a message is under way, if it was not sent in the step before; and whether it has come already.
fn age(word: u32, to: u8, before: &[Step]) -> String {
    let under_way = |(state, _): &Step| state.net.iter().any(|other| other == word);
    let sent = before.iter().rposition(|step| !under_way(step)).map_or(0, |at| at + 1);
    let again = before[sent..]
        .iter()
        .rev()
        .skip(1)
        .any(|(_, action)| *action == Some(Action::Deliver(word, to)));
    match (sent + 1 < before.len(), again) {
        (_, true) => format!(", since step {sent}, again"),
        (true, false) => format!(", since step {sent}"),
        (false, false) => String::new(),
    }
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
        diagram.begin_bar(place);
    } else {
        diagram.note(place, is);
        diagram.end_bar(place);
    }
}

#[cfg(test)]
mod tests {
    use stateright::Model;

    use super::*;
    use crate::election::{Bounds, World};

    /// Takes the actions with these words, one after the other.
    fn walk(world: &World, script: &[&str]) -> Vec<Step> {
        let mut state = world.init_states().remove(0);
        let mut path = Vec::new();
        for words in script {
            let mut steps = world.next_steps(&state).into_iter();
            let (action, next) = steps
                .find(|(action, _)| world.format_action(action) == *words)
                .unwrap_or_else(|| panic!("{words:?} is not possible in {state:?}"));
            path.push((state, Some(action)));
            state = next;
        }
        path.push((state, None));
        path
    }

    /// The first time the timer goes off, it ends the wait after the start; the second time it asks.
    const ELECTION: [&str; 9] = [
        "n0's election timer goes off",
        "n1's election timer goes off",
        "n0's election timer goes off",
        "n1 hears PreVote(term 1) from n0",
        "n0 hears PreVoted(term 1) from n1",
        "n0's write is durable",
        "n1 hears Vote(term 1) from n0",
        "n1's write is durable",
        "n0 hears Voted(term 1) from n1",
    ];

    fn world() -> World {
        World::new(Bounds {
            pre_vote: true,
            ..Bounds::new(3, 2).crashes(1)
        })
    }

    #[test]
    fn an_election_is_drawn_from_the_first_timer_to_the_bar_of_the_leader() {
        let path = walk(&world(), &ELECTION);
        let svg = svg(3, &path);
        assert_eq!(svg.matches("class=\"label\"").count(), ELECTION.len());
        assert_eq!(svg.matches("marker-end").count(), 4);
        for words in [
            ">election timer</text>",
            ">PreVote(term 1)</text>",
            ">on disk: term 1, vote for n0</text>",
            ">Voted(term 1)</text>",
            ">term 1: leads</text>",
        ] {
            assert!(svg.contains(words), "{words} is missing: {svg}");
        }
        assert_eq!(svg.matches("class=\"bar\"").count(), 1);
    }

    #[test]
    fn a_bar_ends_when_its_leader_dies_and_late_messages_say_since_when_they_are_under_way() {
        let later = ["n0 crashes and restarts", "n2 hears Heartbeat(term 1) from n0"];
        let path = walk(&world(), &[&ELECTION[..], &later].concat());
        let svg = svg(3, &path);
        let bar = svg
            .split("class=\"bar\"")
            .nth(1)
            .and_then(|rest| rest.split('>').next());
        let lower_edge = svg.split("height=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert!(bar.is_some() && !bar.unwrap().contains(lower_edge.unwrap()), "{bar:?}");
        assert!(svg.contains(">term 1: waits after its start</text>"), "{svg}");
        assert!(svg.contains(">Heartbeat(term 1), since step 9</text>"), "{svg}");
    }
}

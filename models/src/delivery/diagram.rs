//! A path of the model as a sequence diagram: the two nodes, their disks, and one row for each action.

use super::state::Action;
use super::words;
use crate::diagram::{Diagram, Mark};

/// The lifelines, and how far each is from the one before. Messages have the longest words.
const LIFELINES: [(&str, u32); 4] = [("edge's disk", 0), ("edge", 180), ("cloud", 540), ("cloud's disk", 180)];
const EDGE_DISK: usize = 0;
const EDGE: usize = 1;
const CLOUD: usize = 2;
const CLOUD_DISK: usize = 3;

/// The diagram, as SVG.
#[must_use]
pub fn svg(actions: &[Action]) -> String {
    let mut diagram = Diagram::new(LIFELINES);
    for action in actions {
        draw(&mut diagram, action);
    }
    diagram.svg()
}

/// An arrow says by itself where it goes, so its words are shorter than the action's.
fn draw(diagram: &mut Diagram, action: &Action) {
    let words = || words::action(action);
    match action {
        Action::ToCloud(word) => diagram.arrow(EDGE, CLOUD, words::up(*word)),
        Action::ToEdge(word) => diagram.arrow(CLOUD, EDGE, words::down(*word)),
        Action::EdgeDurable => diagram.arrow(EDGE, EDGE_DISK, "durable"),
        Action::EdgeReported => diagram.arrow(EDGE_DISK, EDGE, "reported"),
        Action::EdgeFetched => diagram.arrow(EDGE_DISK, EDGE, "rows"),
        Action::CloudDurable => diagram.arrow(CLOUD, CLOUD_DISK, "durable"),
        Action::CloudReported => diagram.arrow(CLOUD_DISK, CLOUD, "reported"),
        Action::CloudFetched => diagram.arrow(CLOUD_DISK, CLOUD, "rows"),
        Action::Append => diagram.mark(EDGE, Mark::Dot, words()),
        Action::EdgeRetry | Action::EdgeHeartbeat => diagram.mark(EDGE, Mark::Clock, words()),
        Action::EdgeCrash | Action::EdgeRestore | Action::EdgeRenew => diagram.mark(EDGE, Mark::Cross, words()),
        Action::EdgeCopy => diagram.mark(EDGE_DISK, Mark::Disk, words()),
        Action::CloudCrash | Action::CloudWipe => diagram.mark(CLOUD, Mark::Cross, words()),
        Action::Calm => diagram.between(words()),
    }
}

#[cfg(test)]
mod tests {
    use stateright::Model;

    use super::*;
    use crate::delivery::{Bounds, World};

    /// A walk over the model's own actions: the first that is possible, until nothing is.
    fn walk(world: &World) -> Vec<Action> {
        let mut state = world.init_states().remove(0);
        let mut path = Vec::new();
        while let Some((action, next)) = world.next_steps(&state).into_iter().next() {
            path.push(action);
            state = next;
            if path.len() == 40 {
                break;
            }
        }
        path
    }

    #[test]
    fn each_action_of_a_path_is_one_arrow_or_mark_with_its_words() {
        let path = walk(&World::new(Bounds::new(2, 1)));
        assert!(path.len() > 8, "{path:?}");
        let svg = svg(&path);
        let between = path.iter().filter(|action| **action == Action::Calm).count();
        let drawn = svg.matches("marker-end").count() + svg.matches("class=\"mark\"").count() + between;
        assert_eq!(drawn, path.len());
        assert_eq!(svg.matches("class=\"label\"").count(), path.len());
        for action in &path {
            let words = match action {
                Action::ToCloud(word) => words::up(*word),
                Action::ToEdge(word) => words::down(*word),
                _ => continue,
            };
            assert!(svg.contains(&format!(">{words}</text>")), "{words}");
        }
    }
}

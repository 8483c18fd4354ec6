//! A path of the model as a sequence diagram: the two nodes, their disks, and one line for each action.

use std::fmt::Write as _;

use super::state::Action;
use super::words;

/// Where the lifelines stand: the edge's disk, the edge, the cloud, the cloud's disk.
const LIFELINES: [(&str, u32); 4] = [
    ("edge's disk", 80),
    ("edge", 260),
    ("cloud", 800),
    ("cloud's disk", 980),
];
/// From one action to the next.
const LINE: u32 = 28;
/// Of the whole picture.
const WIDTH: u32 = 1060;

/// How an action is drawn, by the numbers of its lifelines.
enum Drawn {
    /// An arrow from one to the other.
    Arrow(usize, usize),
    /// Something happens at one.
    At(usize),
    /// Something happens to the network.
    Between,
}

const fn drawn(action: &Action) -> Drawn {
    match action {
        Action::ToCloud(_) => Drawn::Arrow(1, 2),
        Action::ToEdge(_) => Drawn::Arrow(2, 1),
        Action::EdgeDurable => Drawn::Arrow(1, 0),
        Action::EdgeReported | Action::EdgeFetched => Drawn::Arrow(0, 1),
        Action::CloudDurable => Drawn::Arrow(2, 3),
        Action::CloudReported | Action::CloudFetched => Drawn::Arrow(3, 2),
        Action::Append | Action::EdgeRetry | Action::EdgeHeartbeat | Action::EdgeCrash => Drawn::At(1),
        Action::EdgeRestore | Action::EdgeRenew => Drawn::At(1),
        Action::EdgeCopy => Drawn::At(0),
        Action::CloudCrash | Action::CloudWipe => Drawn::At(2),
        Action::Calm => Drawn::Between,
    }
}

/// What stands at an action. An arrow says where it goes by itself.
fn label(action: &Action) -> String {
    match action {
        Action::ToCloud(word) => words::up(*word),
        Action::ToEdge(word) => words::down(*word),
        Action::EdgeDurable | Action::CloudDurable => "durable".into(),
        Action::EdgeReported | Action::CloudReported => "reported".into(),
        Action::EdgeFetched | Action::CloudFetched => "rows".into(),
        other => words::action(other),
    }
}

/// The diagram, as SVG.
#[must_use]
pub fn svg(actions: &[Action]) -> String {
    let count = u32::try_from(actions.len()).unwrap_or(u32::MAX);
    let height = count.saturating_add(2).saturating_mul(LINE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\
         <defs><marker id=\"tip\" markerWidth=\"8\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\">\
         <path d=\"M0,0 L8,4 L0,8 z\"/></marker></defs>"
    );
    for (name, x) in LIFELINES {
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"16\" font-weight=\"bold\">{name}</text>\
             <line x1=\"{x}\" y1=\"22\" x2=\"{x}\" y2=\"{height}\" stroke=\"silver\"/>"
        );
    }
    for (at, action) in actions.iter().enumerate() {
        let y = u32::try_from(at)
            .unwrap_or(u32::MAX)
            .saturating_add(2)
            .saturating_mul(LINE);
        let middle = match drawn(action) {
            Drawn::Arrow(from, to) => {
                let (from, to) = (LIFELINES[from].1, LIFELINES[to].1);
                let _ = write!(
                    svg,
                    "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"black\" marker-end=\"url(#tip)\"/>"
                );
                u32::midpoint(from, to)
            }
            Drawn::At(lifeline) => {
                let x = LIFELINES[lifeline].1;
                let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"4\"/>");
                x
            }
            Drawn::Between => WIDTH / 2,
        };
        let text = escaped(&label(action));
        let _ = write!(svg, "<text x=\"{middle}\" y=\"{}\">{text}</text>", y.saturating_sub(6));
    }
    svg.push_str("</svg>");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
    fn each_action_of_a_path_is_one_arrow_or_dot_with_its_words() {
        let path = walk(&World::new(Bounds::new(2, 1)));
        assert!(path.len() > 8, "{path:?}");
        let svg = svg(&path);
        let between = path.iter().filter(|action| **action == Action::Calm).count();
        let drawn = svg.matches("marker-end").count() + svg.matches("<circle").count() + between;
        assert_eq!(drawn, path.len());
        assert_eq!(svg.matches("<text").count(), LIFELINES.len() + path.len());
        for action in &path {
            assert!(svg.contains(&format!(">{}</text>", escaped(&label(action)))));
        }
    }

    #[test]
    fn words_cannot_break_the_markup() {
        assert_eq!(escaped("a <- b & c>"), "a &lt;- b &amp; c&gt;");
    }
}

//! The picture. Boxes and bends are placed by hand: eight states do not need a layout engine, and stay where a reader knows
//! them. An edge that nobody has placed is drawn straight, so that no row of the table can be missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Place, Row};

/// The class that lights a box, for a page that follows a member.
pub const LIT: &str = "lit";

const WIDTH: i32 = 1540;
/// Half a box.
const BOX: (i32, i32) = (78, 24);
/// Centres of the columns.
const X: [i32; 5] = [130, 420, 710, 1000, 1290];
/// Centres of the lines of boxes.
const Y: [i32; 3] = [150, 350, 570];
/// Where the rows are explained.
const LEGEND: i32 = 710;
const LINE: i32 = 19;
/// Above it are all boxes and edges: a page that leaves the rows out cuts here.
const BOXES: i32 = LEGEND - LINE;
/// Waking is as wide as all that leads to it.
const WAKING: (i32, i32) = (340, 1430);

type Point = (i32, i32);

/// Left and right edge, and the centre from above.
fn place(place: Place) -> (i32, i32, i32) {
    let (column, line) = match place {
        Place::Active => (0, 0),
        Place::Looking => (1, 0),
        Place::Stopping => (2, 0),
        Place::Settling => (3, 0),
        Place::Sleeping => (4, 0),
        Place::Ringing => (4, 1),
        Place::Maintenance => (0, 1),
        Place::Waking => return (WAKING.0, WAKING.1, Y[2]),
    };
    (X[column] - BOX.0, X[column] + BOX.0, Y[line])
}

/// The bends of an edge, where its words begin, and how wide they may be in letters.
type Way = (Vec<Point>, Point, usize);

fn placed(from: Place, next: Place) -> Option<Way> {
    let [top, middle, low] = Y;
    let (half, up) = BOX;
    let gap = |column: usize, y: i32| {
        let (begin, end) = (X[column] + half, X[column + 1] - half);
        (vec![(begin, y), (end, y)], (begin + 6, y - 8), 20)
    };
    let down =
        |x: i32, from: i32, letters: usize| (vec![(x, from + up), (x, low - up)], (x + 8, from + up + 40), letters);
    Some(match (from, next) {
        (Place::Active, Place::Looking) => gap(0, top),
        (Place::Looking, Place::Stopping) => gap(1, top),
        (Place::Stopping, Place::Settling) => gap(2, top),
        (Place::Settling, Place::Sleeping) => gap(3, top),
        (Place::Looking, Place::Active) => {
            let bends = vec![(X[1], top - up), (X[1], top - 66), (X[0], top - 66), (X[0], top - up)];
            (bends, (X[0] + 8, top - 74), 70)
        }
        (Place::Looking, Place::Waking) => down(X[1], top, 24),
        (Place::Stopping, Place::Waking) => down(X[2], top, 24),
        (Place::Settling, Place::Waking) => down(X[3] - 62, top, 17),
        (Place::Sleeping, Place::Ringing) => (
            vec![(X[4], top + up), (X[4], middle - up)],
            (X[4] + 8, top + up + 50),
            12,
        ),
        (Place::Sleeping, Place::Waking) => {
            let (right, out) = (X[4] + half, 1405);
            let bends = vec![(right, top), (out, top), (out, low - up)];
            (bends, (out + 8, middle), 16)
        }
        (Place::Ringing, Place::Waking) => down(X[4] - 20, middle, 16),
        (Place::Ringing, Place::Settling) => {
            let bends = vec![(X[4] - half, middle), (X[3] + 62, middle), (X[3] + 62, top + up)];
            (bends, (X[3] + 72, middle - 8), 20)
        }
        (Place::Active, Place::Maintenance) => (
            vec![(X[0] - 20, top + up), (X[0] - 20, middle - up)],
            (X[0] - 12, top + up + 50),
            14,
        ),
        (Place::Active, Place::Waking) => {
            let x = X[0] + 60;
            let bends = vec![
                (x, top + up),
                (x, top + 60),
                (X[1] - 60, top + 60),
                (X[1] - 60, low - up),
            ];
            (bends, (x + 60, top + 52), 20)
        }
        (Place::Maintenance, Place::Waking) => {
            let bends = vec![(X[0], middle + up), (X[0], low - 10), (WAKING.0, low - 10)];
            (bends, (X[0] + 10, low - 18), 20)
        }
        (Place::Waking, Place::Active) => {
            let bends = vec![(WAKING.0, low + 10), (24, low + 10), (24, top), (X[0] - half, top)];
            (bends, (X[0] + 10, low + 28), 20)
        }
        _ => return None,
    })
}

/// An edge that nobody has placed goes straight, from centre to centre.
fn straight(from: Place, next: Place) -> Way {
    let ((left, right, y), (to_left, to_right, to_y)) = (place(from), place(next));
    let ends = (i32::midpoint(left, right), i32::midpoint(to_left, to_right));
    let words = (i32::midpoint(ends.0, ends.1), i32::midpoint(y, to_y));
    (vec![(ends.0, y), (ends.1, to_y)], words, 20)
}

/// The picture of these rows.
#[must_use]
pub fn svg(rows: &[Row]) -> String {
    let height = LEGEND + LINE * (i32::try_from(rows.len()).unwrap_or(0) + 2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         data-height=\"{height}\" data-boxes=\"{BOXES}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <style>.state rect{{fill:#f2f5f7;stroke:#33506b;stroke-width:1.5}}\
         .state.{LIT} rect{{fill:#ffd27a;stroke:#c77700;stroke-width:3}}\
         .edge path{{fill:none;stroke:#33506b}}.edge text{{fill:#1d2b38;font-size:11px}}.number{{font-weight:bold;fill:#c77700}}</style>\n\
         <defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" orient=\"auto\">\
         <path d=\"M0,0 L9,4 L0,8 z\" fill=\"#33506b\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"white\"/>\n\
         <text class=\"heading\" x=\"24\" y=\"34\" font-size=\"17\" font-weight=\"bold\">A member's broker</text>\n"
    );
    for ((from, next), numbers) in edges(rows) {
        let (bends, at, letters) = placed(from, next).unwrap_or_else(|| straight(from, next));
        let name = format!("{} to {}", from.name(), next.name());
        draw_edge(&mut svg, &name, &bends);
        let words: Vec<(usize, String)> = numbers
            .iter()
            .map(|nth| (nth + 1, rows[*nth].inputs.join(", ")))
            .collect();
        draw_words(&mut svg, at, letters, &words, next);
        svg.push_str("</g>\n");
    }
    draw_start(&mut svg, rows);
    for one in Place::ALL {
        let (left, right, y) = place(one);
        let _ = writeln!(
            svg,
            "<g id=\"{}\" class=\"state\"><rect x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-weight=\"bold\">{}</text></g>",
            one.id(),
            y - BOX.1,
            right - left,
            2 * BOX.1,
            i32::midpoint(left, right),
            y + 4,
            one.name()
        );
    }
    legend(&mut svg, rows);
    svg.push_str("</svg>\n");
    svg
}

/// Which rows each edge stands for. Rows from anywhere have one edge of their own.
fn edges(rows: &[Row]) -> BTreeMap<(Place, Place), Vec<usize>> {
    let mut edges: BTreeMap<(Place, Place), Vec<usize>> = BTreeMap::new();
    for (nth, row) in rows.iter().enumerate() {
        for from in &row.from {
            edges.entry((*from, row.next)).or_default().push(nth);
        }
    }
    edges
}

fn draw_edge(svg: &mut String, name: &str, bends: &[Point]) {
    let mut path = String::new();
    for (nth, (x, y)) in bends.iter().enumerate() {
        let _ = write!(path, "{}{x},{y}", if nth == 0 { "M" } else { " L" });
    }
    let _ = write!(
        svg,
        "<g class=\"edge\"><title>{name}</title><path d=\"{path}\" marker-end=\"url(#tip)\"/>"
    );
}

/// The numbers of the rows, and what they begin with. Above a level line they grow upwards, beside a falling one downwards.
fn draw_words(svg: &mut String, (x, y): Point, letters: usize, words: &[(usize, String)], next: Place) {
    let mut lines = Vec::new();
    for (number, inputs) in words {
        for (nth, line) in wrapped(inputs, letters).into_iter().enumerate() {
            lines.push((if nth == 0 { Some(*number) } else { None }, line));
        }
    }
    let level = !matches!(next, Place::Waking | Place::Ringing | Place::Maintenance);
    let many = i32::try_from(lines.len()).unwrap_or(0);
    let first = if level { y - 14 * (many - 1) } else { y };
    for (nth, (number, line)) in (0..).zip(lines) {
        let number = number.map_or_else(String::new, |number| {
            format!("<tspan class=\"number\">{number}</tspan> ")
        });
        let _ = write!(
            svg,
            "<text x=\"{x}\" y=\"{}\" stroke=\"white\" stroke-width=\"4\" paint-order=\"stroke\">{number}{}</text>",
            first + 14 * nth,
            escaped(&line)
        );
    }
}

/// Where rows from anywhere come from.
fn draw_start(svg: &mut String, rows: &[Row]) {
    let any = rows.iter().enumerate().filter(|(_, row)| row.from.is_empty());
    for (column, (nth, row)) in (0..).zip(any) {
        let (left, right, y) = place(row.next);
        let x = i32::midpoint(left, right) + 160 * column;
        let from = y + BOX.1 + 50;
        let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{from}\" r=\"7\"/>");
        draw_edge(
            svg,
            &format!("anywhere to {}", row.next.name()),
            &[(x, from), (x, y + BOX.1)],
        );
        let words = [(nth + 1, format!("{} (from anywhere)", row.inputs.join(", ")))];
        draw_words(svg, (x + 14, from - 8), 60, &words, Place::Waking);
        svg.push_str("</g>\n");
    }
}

fn legend(svg: &mut String, rows: &[Row]) {
    let columns = [24, 52, 330, 900, 1130];
    let line = |svg: &mut String, y: i32, cells: [&str; 5], class: &str| {
        for (x, cell) in columns.into_iter().zip(cells) {
            let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>", escaped(cell));
        }
        svg.push('\n');
    };
    let head = ["", "from → to", "on", "if", "and does"];
    line(svg, LEGEND, head, " font-weight=\"bold\"");
    for (nth, row) in rows.iter().enumerate() {
        let y = LEGEND + LINE * (i32::try_from(nth).unwrap_or(0) + 1);
        let from = if row.from.is_empty() {
            "any".to_owned()
        } else {
            row.from.iter().map(|place| place.name()).collect::<Vec<_>>().join(", ")
        };
        let (number, guard) = ((nth + 1).to_string(), row.guard.replace('`', ""));
        let way = format!("{from} → {}", row.next.name());
        let cells = [&number, &way, &row.inputs.join(", "), &guard, &row.effects];
        line(svg, y, cells.map(String::as_str), " font-size=\"11\"");
    }
}

/// Lines of at most so many letters, if no word is longer.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > letters {
            lines.push(word.into());
        } else {
            *last = format!("{last}{}{word}", if last.is_empty() { "" } else { " " });
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::table;

    #[test]
    fn every_box_has_an_id_and_every_edge_its_place() {
        let rows = table().expect("a table");
        let svg = svg(&rows);
        for place in Place::ALL {
            assert_eq!(svg.matches(&format!("id=\"{}\"", place.id())).count(), 1, "{place:?}");
        }
        for (from, next) in edges(&rows).keys() {
            assert!(
                placed(*from, *next).is_some(),
                "{from:?} to {next:?} is drawn straight: place it by hand"
            );
        }
        let anywhere = rows.iter().filter(|row| row.from.is_empty()).count();
        assert_eq!(svg.matches("class=\"edge\"").count(), edges(&rows).len() + anywhere);
    }

    #[test]
    fn long_words_are_wrapped() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}

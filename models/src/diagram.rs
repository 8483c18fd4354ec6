//! A walk through any model as a sequence diagram in SVG: lifelines, and one numbered row for each step, with an arrow
//! from one lifeline to another or a mark on one of them, and notes below about what has become of whom.
//!
//! It knows nothing of a protocol: each model draws its own steps with it. The picture carries its own paper, so that it
//! reads the same on a dark page as in a file.

use std::fmt::Write as _;

/// From the left edge to the first lifeline, and from the last to the right edge: room for the words of a mark.
const MARGIN: u32 = 130;
/// From one row to the next, without notes.
const LINE: u32 = 30;
/// What notes add to their row.
const NOTE: u32 = 24;
/// A letter's width at the font size below, on average and rather too wide than too narrow.
const LETTER: u32 = 6;
/// The colour of a bar, and the frames of strong notes.
const STRONG: &str = "#c77700";

/// What stands on a lifeline when something happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Anything.
    Dot,
    /// A timer goes off.
    Clock,
    /// Something is durable.
    Disk,
    /// It dies.
    Cross,
}

#[derive(Debug)]
enum What {
    /// Before the first step.
    Start,
    Arrow {
        from: usize,
        to: usize,
    },
    Mark(usize, Mark),
    /// Something happens to all, or between them.
    Between,
}

#[derive(Debug)]
struct Row {
    what: What,
    label: String,
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    lifeline: usize,
    text: String,
    strong: bool,
}

/// From one row to another, on one lifeline.
#[derive(Debug)]
struct Bar {
    lifeline: usize,
    from: usize,
    to: Option<usize>,
}

/// A diagram under way. Lifelines are named by their places, counted from 0.
#[derive(Debug)]
pub struct Diagram {
    lifelines: Vec<(String, u32)>,
    rows: Vec<Row>,
    bars: Vec<Bar>,
}

impl Diagram {
    /// A diagram with these lifelines, each so many pixels to the right of the one before; the first one's distance
    /// does not count.
    #[must_use]
    pub fn new<S: Into<String>>(lifelines: impl IntoIterator<Item = (S, u32)>) -> Self {
        let mut x = 0;
        let place = |(at, (name, gap)): (usize, (S, u32))| {
            x = if at == 0 { MARGIN } else { x + gap };
            (name.into(), x)
        };
        Self {
            lifelines: lifelines.into_iter().enumerate().map(place).collect(),
            rows: vec![Row {
                what: What::Start,
                label: String::new(),
                notes: Vec::new(),
            }],
            bars: Vec::new(),
        }
    }

    /// A step: something goes from one lifeline to another.
    pub fn arrow(&mut self, from: usize, to: usize, label: impl Into<String>) {
        self.row(What::Arrow { from, to }, label.into());
    }

    /// A step: something happens at one.
    pub fn mark(&mut self, lifeline: usize, mark: Mark, label: impl Into<String>) {
        self.row(What::Mark(lifeline, mark), label.into());
    }

    /// A step that belongs to none of them, or to all.
    pub fn between(&mut self, label: impl Into<String>) {
        self.row(What::Between, label.into());
    }

    /// What the latest step has made of one of them; before the first step, what it is at the start.
    pub fn note(&mut self, lifeline: usize, text: impl Into<String>) {
        self.add(lifeline, text.into(), false);
    }

    /// A note that must not be overlooked.
    pub fn strong_note(&mut self, lifeline: usize, text: impl Into<String>) {
        self.add(lifeline, text.into(), true);
    }

    /// From the latest step on the lifeline is a bar, until [`Self::end_bar`] or the end.
    pub fn begin_bar(&mut self, lifeline: usize) {
        self.end_bar(lifeline);
        self.bars.push(Bar {
            lifeline,
            from: self.rows.len() - 1,
            to: None,
        });
    }

    /// With the latest step the lifeline's bar ends.
    pub fn end_bar(&mut self, lifeline: usize) {
        let latest = self.rows.len() - 1;
        let open = |bar: &&mut Bar| bar.lifeline == lifeline && bar.to.is_none();
        if let Some(bar) = self.bars.iter_mut().find(open) {
            bar.to = Some(latest);
        }
    }

    fn row(&mut self, what: What, label: String) {
        self.rows.push(Row {
            what,
            label,
            notes: Vec::new(),
        });
    }

    fn add(&mut self, lifeline: usize, text: String, strong: bool) {
        let latest = self.rows.last_mut().expect("there is always the start");
        latest.notes.push(Note { lifeline, text, strong });
    }

    fn x(&self, lifeline: usize) -> u32 {
        self.lifelines[lifeline].1
    }

    fn width(&self) -> u32 {
        self.lifelines.last().map_or(0, |(_, x)| *x) + MARGIN
    }

    /// How far down each row is, and the height of all.
    fn heights(&self) -> (Vec<u32>, u32) {
        let mut down = 0;
        let places = self.rows.iter().map(|row| {
            down += LINE;
            let here = down;
            down += if row.notes.is_empty() { 0 } else { NOTE };
            here
        });
        (places.collect(), down + LINE)
    }

    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let (downs, height) = self.heights();
        let width = self.width();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\
             <defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" orient=\"auto\">\
             <path d=\"M0,0 L9,4 L0,8 z\"/></marker></defs>\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"white\"/>"
        );
        for (name, x) in &self.lifelines {
            let _ = write!(
                svg,
                "<line x1=\"{x}\" y1=\"24\" x2=\"{x}\" y2=\"{height}\" stroke=\"silver\"/>\
                 <text x=\"{x}\" y=\"18\" font-weight=\"bold\">{}</text>",
                escaped(name)
            );
        }
        for bar in &self.bars {
            let (from, to) = (downs[bar.from], bar.to.map_or(height, |row| downs[row]));
            let _ = write!(
                svg,
                "<rect class=\"bar\" x=\"{}\" y=\"{from}\" width=\"8\" height=\"{}\" fill=\"{STRONG}\" opacity=\"0.5\"/>",
                self.x(bar.lifeline).saturating_sub(4),
                to.saturating_sub(from)
            );
        }
        for (number, (row, down)) in self.rows.iter().zip(downs).enumerate() {
            self.draw(&mut svg, number, row, down);
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw(&self, svg: &mut String, number: usize, row: &Row, y: u32) {
        let middle = match row.what {
            What::Start => None,
            What::Arrow { from, to } => {
                let (from, to) = (self.x(from), self.x(to));
                let _ = write!(
                    svg,
                    "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"black\" marker-end=\"url(#tip)\"/>"
                );
                Some(u32::midpoint(from, to))
            }
            What::Mark(lifeline, mark) => {
                let x = self.x(lifeline);
                draw_mark(svg, mark, x, y);
                Some(x)
            }
            What::Between => {
                let _ = write!(
                    svg,
                    "<line x1=\"40\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"gray\" stroke-dasharray=\"6 4\"/>",
                    self.width() - 40
                );
                Some(self.width() / 2)
            }
        };
        if let Some(x) = middle {
            // The white edge keeps the letters apart from the lifelines that they cross.
            let _ = write!(
                svg,
                "<text x=\"16\" y=\"{}\" fill=\"gray\">{number}</text>\
                 <text class=\"label\" x=\"{x}\" y=\"{}\" stroke=\"white\" stroke-width=\"4\" \
                 paint-order=\"stroke\">{}</text>",
                y + 4,
                y.saturating_sub(8),
                escaped(&row.label)
            );
        }
        for note in &row.notes {
            draw_note(svg, note, self.x(note.lifeline), y);
        }
    }
}

fn draw_mark(svg: &mut String, mark: Mark, x: u32, y: u32) {
    let _ = match mark {
        Mark::Dot => write!(svg, "<circle class=\"mark\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>"),
        Mark::Clock => write!(
            svg,
            "<g class=\"mark\"><circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"white\" stroke=\"black\"/>\
             <path d=\"M{x},{} V{y} h3\" fill=\"none\" stroke=\"black\"/></g>",
            y - 4
        ),
        Mark::Disk => write!(
            svg,
            "<rect class=\"mark\" x=\"{}\" y=\"{}\" width=\"12\" height=\"8\" fill=\"#2b7a3d\"/>",
            x - 6,
            y - 4
        ),
        Mark::Cross => write!(
            svg,
            "<path class=\"mark\" d=\"M{},{} l12,12 m0,-12 l-12,12\" stroke=\"#c00\" stroke-width=\"3\"/>",
            x - 6,
            y - 6
        ),
    };
}

fn draw_note(svg: &mut String, note: &Note, x: u32, y: u32) {
    let letters = u32::try_from(note.text.chars().count()).unwrap_or(u32::MAX);
    let width = letters.saturating_mul(LETTER).saturating_add(14);
    let (frame, fill) = if note.strong {
        (STRONG, "#ffe9c7")
    } else {
        ("silver", "#f2f5f7")
    };
    let _ = write!(
        svg,
        "<rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"18\" rx=\"4\" fill=\"{fill}\" stroke=\"{frame}\"/>\
         <text class=\"note\" x=\"{x}\" y=\"{}\" font-size=\"11\">{}</text>",
        x.saturating_sub(width / 2),
        y + 8,
        y + 21,
        escaped(&note.text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Diagram {
        Diagram::new(["a", "b", "c"].map(|name| (name, 200)))
    }

    #[test]
    fn an_arrow_runs_from_its_sender_to_its_receiver() {
        let mut diagram = three();
        diagram.arrow(2, 0, "hello");
        let svg = diagram.svg();
        let arrow = format!("x1=\"{}\" y1=\"60\" x2=\"{MARGIN}\" y2=\"60\"", MARGIN + 400);
        assert!(svg.contains(&arrow), "{svg}");
        assert!(svg.contains(">hello</text>"));
    }

    #[test]
    fn rows_below_notes_make_room_for_them() {
        let mut diagram = three();
        diagram.note(0, "at the start");
        diagram.mark(1, Mark::Clock, "timer");
        diagram.note(1, "has changed");
        diagram.mark(1, Mark::Cross, "dies");
        let (downs, height) = diagram.heights();
        assert_eq!(downs, [LINE, 2 * LINE + NOTE, 3 * LINE + 2 * NOTE]);
        assert_eq!(height, 4 * LINE + 2 * NOTE);
        assert_eq!(diagram.svg().matches("class=\"note\"").count(), 2);
        assert_eq!(diagram.svg().matches("class=\"mark\"").count(), 2);
    }

    #[test]
    fn a_bar_ends_where_it_is_told_to_or_with_the_picture() {
        let mut diagram = three();
        diagram.between("first");
        diagram.begin_bar(1);
        diagram.between("second");
        diagram.end_bar(1);
        diagram.begin_bar(2);
        let svg = diagram.svg();
        assert!(
            svg.contains(&format!("y=\"{}\" width=\"8\" height=\"{LINE}\"", 2 * LINE)),
            "{svg}"
        );
        assert!(
            svg.contains(&format!("y=\"{}\" width=\"8\" height=\"{LINE}\"", 3 * LINE)),
            "{svg}"
        );
    }

    #[test]
    fn words_cannot_break_the_markup() {
        assert_eq!(escaped("a <- b & c>"), "a &lt;- b &amp; c&gt;");
    }
}

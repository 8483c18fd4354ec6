//! The flow chart of a member's broker, drawn from the transition table in the documentation of the code that carries it out.
//!
//! The table is read from core's source when this crate is built, so the picture cannot be older than the table. That the code
//! does what the table says, no less and no more, is what `tests/sleep_flow.rs` walks the model for.

mod chart;

pub use chart::{LIT, svg};

use pehra_core::sleep::guard::{Stage, State};

/// The documentation that has the table.
const SOURCE: &str = include_str!("../../../core/src/sleep/guard/mod.rs");
/// The heading that it stands under.
const HEADING: &str = "//! # A member's broker";

/// Where a member's broker can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Up.
    Active,
    /// Holds a grant, and looks whether it may stop.
    Looking,
    /// Stops.
    Stopping,
    /// Down, and looks whether it is missed.
    Settling,
    /// Asleep.
    Sleeping,
    /// The alarm clock rang.
    Ringing,
    /// Starts.
    Waking,
    /// Worked on.
    Maintenance,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Looking,
        Self::Stopping,
        Self::Settling,
        Self::Sleeping,
        Self::Ringing,
        Self::Waking,
        Self::Maintenance,
    ];

    /// As the table names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Looking => "Draining: looking",
            Self::Stopping => "Draining: stopping",
            Self::Settling => "Draining: settling",
            Self::Sleeping => "Sleeping",
            Self::Ringing => "Ringing",
            Self::Waking => "Waking",
            Self::Maintenance => "Maintenance",
        }
    }

    /// What a page finds its box by.
    #[must_use]
    pub fn id(self) -> String {
        format!("state-{}", self.name().to_lowercase().replace(": ", "-"))
    }

    /// Where the code says that it is.
    #[must_use]
    pub const fn of(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Draining { stage, .. } => match stage {
                Stage::Looking => Self::Looking,
                Stage::Stopping => Self::Stopping,
                Stage::Settling => Self::Settling,
            },
            State::Sleeping => Self::Sleeping,
            State::Ringing => Self::Ringing,
            State::Waking => Self::Waking,
            State::Maintenance => Self::Maintenance,
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|place| place.name() == name);
        found.ok_or_else(|| format!("the table names the state {name:?}, which the code has not"))
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From these; from anywhere, if it is empty.
    pub from: Vec<Place>,
    /// On any of these.
    pub inputs: Vec<String>,
    /// If this holds.
    pub guard: String,
    /// It goes there.
    pub next: Place,
    /// And does this.
    pub effects: String,
}

impl Row {
    /// Where it can start.
    #[must_use]
    pub fn starts(&self) -> &[Place] {
        if self.from.is_empty() { &Place::ALL } else { &self.from }
    }
}

/// The table.
///
/// # Errors
/// What cannot be read in it.
pub fn table() -> Result<Vec<Row>, String> {
    parse(SOURCE)
}

fn parse(source: &str) -> Result<Vec<Row>, String> {
    let (_, below) = source
        .split_once(HEADING)
        .ok_or("the heading of the table is missing")?;
    let mut rows = below
        .lines()
        .skip_while(|line| !line.starts_with("//! |"))
        .take_while(|line| line.starts_with("//! |"));
    if rows.next().map(cells) != Some(vec!["state", "input", "guard", "next", "effects"]) {
        return Err("the table has other columns".into());
    }
    rows.skip(1).map(row).collect()
}

fn cells(line: &str) -> Vec<&str> {
    let inside = line.trim_start_matches("//! |").trim_end().trim_end_matches('|');
    inside.split('|').map(str::trim).collect()
}

fn row(line: &str) -> Result<Row, String> {
    let [from, inputs, guard, next, effects] = cells(line)[..] else {
        return Err(format!("a row without five cells: {line}"));
    };
    let from = match from {
        "any" => Ok(Vec::new()),
        some => some.split(", ").map(Place::named).collect(),
    };
    Ok(Row {
        from: from?,
        inputs: inputs.split(", ").map(str::to_owned).collect(),
        guard: guard.into(),
        next: Place::named(next)?,
        effects: effects.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_code_is_read_whole() {
        let rows = table().expect("a table");
        assert!(rows.len() > 10, "{rows:?}");
        let grant = &rows[0];
        assert_eq!((grant.starts(), grant.next), (&[Place::Active][..], Place::Looking));
        assert_eq!(grant.inputs, ["Grant to sleep"]);
        assert!(rows.iter().any(|row| row.starts().len() == Place::ALL.len()));
    }

    #[test]
    fn a_state_that_the_code_has_not_is_found() {
        let table = format!(
            "{HEADING}\n//!\n//! | state | input | guard | next | effects |\n//! | --- | --- | --- | --- | --- |\n\
             //! | Active | Grant | – | Dozing | – |\n"
        );
        let problem = parse(&table).expect_err("no such state");
        assert!(problem.contains("Dozing"), "{problem}");
    }
}

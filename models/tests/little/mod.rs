//! Little explicit graphs as models: a few numbered states and the edges between them.

use std::collections::BTreeSet;

use pehra_models::{Explored, Keep, Kinds, Leads, Options, Strength, explore};
use stateright::{Model, Property};

/// An explicit graph. The sets `from` and `to` are the two sides of the one query, [`query`].
#[derive(Clone, Debug, Default)]
pub struct Little {
    pub inits: Vec<u8>,
    /// From, to, fairness class.
    pub edges: Vec<(u8, u8, Option<u16>)>,
    /// Classes whose promise is strong.
    pub strong: BTreeSet<u16>,
    pub from: BTreeSet<u8>,
    pub to: BTreeSet<u8>,
    /// States that must not be reached.
    pub bad: BTreeSet<u8>,
    /// Also asks Stateright for `to` with its own `eventually`.
    pub eventually: bool,
    /// States from here on are outside the boundary; 0 for none.
    pub boundary: u8,
}

/// Starts in 0, waits from 0.
pub fn graph(edges: &[(u8, u8, Option<u16>)], to: &[u8]) -> Little {
    Little {
        inits: vec![0],
        edges: edges.to_vec(),
        from: BTreeSet::from([0]),
        to: to.iter().copied().collect(),
        ..Little::default()
    }
}

impl Model for Little {
    type State = u8;
    type Action = usize;

    fn init_states(&self) -> Vec<u8> {
        self.inits.clone()
    }

    fn actions(&self, state: &u8, out: &mut Vec<usize>) {
        out.extend((0..self.edges.len()).filter(|&edge| self.edges[edge].0 == *state));
    }

    fn next_state(&self, _: &u8, edge: usize) -> Option<u8> {
        Some(self.edges[edge].1)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("numbered", |_, _| true),
            Property::always("never bad", |m: &Self, s| !m.bad.contains(s)),
        ];
        if self.eventually {
            properties.push(Property::eventually("to at last", |m: &Self, s| m.to.contains(s)));
        }
        properties
    }

    fn within_boundary(&self, state: &u8) -> bool {
        self.boundary == 0 || *state < self.boundary
    }

    fn format_action(&self, &edge: &usize) -> String {
        let (from, to, class) = self.edges[edge];
        class.map_or_else(
            || format!("{from} -> {to}"),
            |class| format!("{from} -> {to} ({class})"),
        )
    }
}

impl Kinds for Little {
    const KINDS: &'static [&'static str] = &["edge"];

    fn kind(_: &usize) -> &'static str {
        "edge"
    }

    fn fairness(&self, _: &u8, &edge: &usize) -> Option<u16> {
        self.edges[edge].2
    }

    fn strength(&self, class: u16) -> Strength {
        if self.strong.contains(&class) {
            Strength::Strong
        } else {
            Strength::Weak
        }
    }
}

/// Whenever `from` holds, `to` holds then or later.
pub fn query() -> Leads<Little> {
    Leads {
        name: "from leads to to",
        from: |m, s| m.from.contains(s),
        to: |m, s| m.to.contains(s),
    }
}

pub fn walk(little: &Little) -> Explored<'_, Little> {
    explore(
        little,
        Options {
            keep: Keep::Edges,
            quiet: true,
            ..Options::default()
        },
    )
    .expect("no limit was set")
}

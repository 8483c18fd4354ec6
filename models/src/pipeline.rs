//! The edge as a whole: a source that is read again from where the store stands, windows, and the outbox, killed
//! anywhere.
//!
//! The store's image after a number of records is known: it is what one undisturbed run over them leaves. In every state
//! of the model, whatever was killed, refused or read twice, the store must be exactly that image for its position.

use pehra_core::delivery::SenderConfig;
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineImage, PipelineReport, Taken};
use pehra_core::protocol::{Image, Input, Recovered};
use pehra_core::types::{Household, RequestId};
use pehra_core::window::{Reading, Take, WindowConfig};
use stateright::{Model, Property};

use crate::delivery::CLOUD;
use crate::kinds::Kinds;
use crate::site::{Said, Site};

/// The edge: the deployed pipeline and its disk.
pub type Edge = Site<Pipeline, PipelineImage>;

/// One partition with a few records, and the budgets of what happens.
#[derive(Clone, Debug)]
pub struct World {
    config: PipelineConfig,
    records: Vec<Content>,
    /// What the store holds after each number of records.
    images: Vec<PipelineImage>,
    /// Kills of the edge.
    pub crashes: u8,
    /// Times that the source hands over again what it has handed over.
    pub repeats: u8,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    edge: Edge,
    /// The record that the source hands over next.
    reader: u8,
    crashes: u8,
    repeats: u8,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The source hands over its next record.
    Take,
    /// The source goes back one record, as a group that is rebalanced does.
    Repeat,
    /// The oldest commit becomes durable.
    Durable,
    /// The oldest durable commit is reported.
    Reported,
    /// The edge dies and starts again; the source is read from the store's position.
    Crash,
}

impl World {
    /// A window that closes, a reading that is repeated, one that comes late and one too late, a gap, and a record that
    /// cannot be read.
    ///
    /// # Panics
    /// Never: the household's name is short.
    #[must_use]
    pub fn new(crashes: u8, repeats: u8) -> Self {
        let household = Household::new("h1").expect("short");
        let reading = |time_ms: i64, power_mw: i64| {
            let reading = Reading {
                household,
                time_ms,
                power_mw,
                register: None,
            };
            Content::Reading(Take {
                reading,
                now_ms: 100_000,
            })
        };
        let mut world = Self {
            config: PipelineConfig {
                windows: WindowConfig {
                    slack_ms: 0,
                    lateness_ms: 10_000,
                    ..WindowConfig::default()
                },
                sender: SenderConfig::deployed(CLOUD),
                #[cfg(seeded_bugs)]
                bug: None,
            },
            records: vec![
                reading(1000, 7),
                reading(1000, 7),
                reading(6000, 5),
                reading(3000, -2),
                Content::Unreadable(vec![0xff]),
                reading(31_000, 4),
                reading(2000, 9),
            ],
            images: Vec::new(),
            crashes,
            repeats,
        };
        let mut edge: Edge = Site::start(&world.config, PipelineImage::default(), &mut (), &mut Vec::new());
        world.images.push(edge.image.clone());
        for position in 0..world.records.len() {
            let _ = world.take(&mut edge, position as u8);
            while edge.make_durable() && edge.report(&world.config, &mut (), &mut Vec::new()) {}
            world.images.push(edge.image.clone());
        }
        world
    }

    /// The same edge with a seeded bug, held against what the right one stores.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub fn with_bug(bug: pehra_core::pipeline::bugs::Bug) -> Self {
        let mut world = Self::new(1, 1);
        world.config.bug = Some(bug);
        world
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// Hands over a record. Where the edge stands elsewhere, it says so, and that is where the source seeks to.
    fn take(&self, edge: &mut Edge, at: u8) -> Option<u8> {
        let taken = Taken {
            partition: 0,
            before: at.into(),
            after: u64::from(at) + 1,
            content: self.records[usize::from(at)].clone(),
        };
        let mut said = Vec::new();
        let input = Input::Commanded(RequestId(0), taken);
        if !edge.feed(&self.config, input, &mut (), &mut said) {
            return None;
        }
        let seek = said.into_iter().find_map(|one| match one {
            Said::Report(PipelineReport::Position { expected, .. }) => u8::try_from(expected).ok(),
            _ => None,
        });
        Some(seek.unwrap_or(at + 1))
    }

    fn position(image: &PipelineImage) -> u8 {
        match image.summary() {
            Recovered::Known(durable) => durable.positions.first().map_or(0, |(_, next)| *next as u8),
            Recovered::Fresh | Recovered::Lost => 0,
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            edge: Site::start(&self.config, PipelineImage::default(), &mut (), &mut Vec::new()),
            reader: 0,
            crashes: self.crashes,
            repeats: self.repeats,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (possible, action) in [
            (usize::from(state.reader) < self.records.len(), Action::Take),
            (state.repeats > 0 && state.reader > 0, Action::Repeat),
            (!state.edge.disk.is_empty(), Action::Durable),
            (state.edge.unreported > 0, Action::Reported),
            (state.crashes > 0, Action::Crash),
        ] {
            if possible {
                actions.push(action);
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Take => state.reader = self.take(&mut state.edge, before.reader)?,
            Action::Repeat => {
                state.repeats -= 1;
                state.reader -= 1;
            }
            Action::Durable => {
                state.edge.make_durable();
            }
            Action::Reported => {
                state.edge.report(&self.config, &mut (), &mut Vec::new());
            }
            Action::Crash => {
                state.crashes -= 1;
                state.edge.crash(&self.config, &mut (), &mut Vec::new());
                state.reader = Self::position(&state.edge.image);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "pipeline/P1 the store is what the records before its position make of it",
                |world, state: &State| {
                    let position = usize::from(Self::position(&state.edge.image));
                    world.images.get(position) == Some(&state.edge.image)
                },
            ),
            Property::always(
                "window/W2 the same tuples, wherever the edge was killed",
                |world, state: &State| {
                    let all = world.images.last().map(|image| image.outbox().rows());
                    all.is_some_and(|all| all.starts_with(state.edge.image.outbox().rows()))
                },
            ),
            Property::always("pipeline/check invariants", |world, state: &State| {
                state.edge.node.check(&world.config).is_ok()
            }),
            Property::sometimes("pipeline/everything is taken", |world, state: &State| {
                Some(&state.edge.image) == world.images.last()
            }),
            Property::sometimes("pipeline/something is refused and read again", |_, state: &State| {
                state.edge.image.set_aside().len() == 3 && state.repeats == 0
            }),
        ]
    }
}

impl Kinds for World {
    const KINDS: &'static [&'static str] = &["take", "repeat", "durable", "reported", "crash"];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Take => "take",
            Action::Repeat => "repeat",
            Action::Durable => "durable",
            Action::Reported => "reported",
            Action::Crash => "crash",
        }
    }
}

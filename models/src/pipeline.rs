//! The edge as a whole: a source that is read again from where the store stands, windows, and the outbox, killed
//! anywhere.
//!
//! Beside the edge the model keeps what became durable: which records, and between them the sweeps that closed
//! something. In every state, whatever was killed, refused or read twice, the store must be exactly what one undisturbed
//! run leaves that takes the same, and the windows in it what their rules give when they are computed plainly.

mod plain;
mod properties;

use pehra_core::delivery::SenderConfig;
use pehra_core::pipeline::{Content, Pipeline, PipelineConfig, PipelineImage, PipelineReport, PipelineTimer, Taken};
use pehra_core::protocol::{Image, Input, Recovered};
use pehra_core::types::{Household, RequestId};
use pehra_core::window::{Reading, Take, WindowConfig, WindowTimer};
use stateright::{Model, Property};

use crate::delivery::CLOUD;
use crate::kinds::Kinds;
use crate::site::{Said, Site};

/// The edge: the deployed pipeline and its disk.
pub type Edge = Site<Pipeline, PipelineImage>;

/// The timer that looks for silent households.
const SWEEP: PipelineTimer = PipelineTimer::Window(WindowTimer::Sweep);

/// One partition with a few records, and the budgets of what happens.
#[derive(Clone, Debug)]
pub struct World {
    config: PipelineConfig,
    records: Vec<Content>,
    /// Kills of the edge.
    pub crashes: u8,
    /// Times that the source hands over again what it has handed over.
    pub repeats: u8,
}

/// One commit: what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Event {
    /// A record of the source was taken.
    Record(u8),
    /// A sweep closed something.
    Sweep,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    edge: Edge,
    /// The record that the source hands over next.
    reader: u8,
    crashes: u8,
    repeats: u8,
    /// What the commits under way stand for, oldest first.
    under_way: Vec<Event>,
    /// What became durable, oldest first.
    history: Vec<Event>,
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
    /// The edge looks for silent households.
    Sweep,
}

/// A reading of the only household. The register tells readings apart.
fn reading(time_ms: i64, power_mw: i64) -> Content {
    let reading = Reading {
        household: Household::new("h1").expect("short"),
        time_ms,
        power_mw,
        register: Some(time_ms.unsigned_abs()),
    };
    Content::Reading(Take {
        reading,
        now_ms: 100_000,
    })
}

impl World {
    /// Windows that close, one exactly at its end, a gap and what fills it later, readings that are repeated, in
    /// conflict, late, too late and from the future, and a record that cannot be read.
    #[must_use]
    pub fn new(crashes: u8, repeats: u8) -> Self {
        let windows = WindowConfig {
            slack_ms: 0,
            lateness_ms: 20_000,
            ..WindowConfig::default()
        };
        let records = vec![
            reading(1000, 7),
            reading(1000, 7),
            reading(4999, 1),
            reading(5000, 5),
            reading(3000, -2),
            reading(5000, 6),
            Content::Unreadable(vec![0xff]),
            reading(500_000, 3),
            reading(31_000, 4),
            reading(2000, 9),
            reading(36_000, 1),
            reading(22_000, 2),
        ];
        Self::of(windows, records, crashes, repeats)
    }

    /// A window that is full, windows that are let go of, a late reading for the oldest that is kept, and one for the
    /// newest that is not.
    #[must_use]
    pub fn long(crashes: u8, repeats: u8) -> Self {
        let windows = WindowConfig {
            slack_ms: 1000,
            lateness_ms: 5000,
            readings_max: 2,
            ..WindowConfig::default()
        };
        let records = vec![
            reading(1000, 1),
            reading(2000, 2),
            reading(3000, 3),
            reading(6000, 4),
            reading(11_000, 5),
            reading(16_000, 6),
            reading(21_000, 7),
            reading(26_000, 8),
            reading(24_000, 9),
            reading(19_999, 10),
        ];
        Self::of(windows, records, crashes, repeats)
    }

    fn of(windows: WindowConfig, records: Vec<Content>, crashes: u8, repeats: u8) -> Self {
        Self {
            config: PipelineConfig {
                windows,
                sender: SenderConfig::deployed(CLOUD),
                #[cfg(seeded_bugs)]
                bug: None,
            },
            records,
            crashes,
            repeats,
        }
    }

    /// The same edge with a seeded bug, held against what the right one stores.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub fn with_bug(bug: pehra_core::pipeline::bugs::Bug) -> Self {
        let mut world = Self::new(1, 1);
        world.config.bug = Some(bug);
        world
    }

    /// The same edge with a seeded bug in its windows.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub const fn with_bug_in_the_windows(mut self, bug: pehra_core::window::bugs::Bug) -> Self {
        self.config.windows.bug = Some(bug);
        self
    }

    /// What one undisturbed run leaves that takes the same records and closes the same by sweeps. It has the windows'
    /// bug, if there is one, and not the pipeline's: what the windows should say is asked by properties of their own.
    fn undisturbed(&self, history: &[Event]) -> PipelineImage {
        #[cfg(seeded_bugs)]
        let world = {
            let mut world = self.clone();
            world.config.bug = None;
            world
        };
        #[cfg(not(seeded_bugs))]
        let world = self;
        let mut edge: Edge = Site::start(&world.config, PipelineImage::default(), &mut (), &mut Vec::new());
        for event in history {
            match event {
                Event::Record(at) => {
                    let _ = world.take(&mut edge, *at);
                }
                // A household counts as silent from the second sweep on.
                Event::Sweep => {
                    let _ = world.sweep(&mut edge) && edge.disk.is_empty() && world.sweep(&mut edge);
                }
            }
            while edge.make_durable() && edge.report(&world.config, &mut (), &mut Vec::new()) {}
        }
        edge.image
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

    /// Fires the sweep's timer.
    fn sweep(&self, edge: &mut Edge) -> bool {
        edge.feed(&self.config, Input::Fired(SWEEP), &mut (), &mut Vec::new())
    }

    fn position(image: &PipelineImage) -> u8 {
        match image.summary() {
            Recovered::Known(durable) => durable.positions.first().map_or(0, |(_, next)| *next as u8),
            Recovered::Fresh | Recovered::Lost => 0,
        }
    }
}

impl State {
    /// Notes what the step's commit stands for, if it made one.
    fn notes(&mut self, event: Event) {
        if self.edge.disk.len() > self.under_way.len() {
            self.under_way.push(event);
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
            under_way: Vec::new(),
            history: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (possible, action) in [
            (usize::from(state.reader) < self.records.len(), Action::Take),
            (state.repeats > 0 && state.reader > 0, Action::Repeat),
            (!state.edge.disk.is_empty(), Action::Durable),
            (state.edge.unreported > 0, Action::Reported),
            (state.crashes > 0, Action::Crash),
            (state.edge.is_armed(SWEEP), Action::Sweep),
        ] {
            if possible {
                actions.push(action);
            }
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Take => {
                state.reader = self.take(&mut state.edge, before.reader)?;
                state.notes(Event::Record(before.reader));
            }
            Action::Sweep => {
                let _ = self.sweep(&mut state.edge);
                state.notes(Event::Sweep);
            }
            Action::Repeat => {
                state.repeats -= 1;
                state.reader -= 1;
            }
            Action::Durable => {
                state.edge.make_durable();
                let event = state.under_way.remove(0);
                state.history.push(event);
            }
            Action::Reported => {
                state.edge.report(&self.config, &mut (), &mut Vec::new());
            }
            Action::Crash => {
                state.crashes -= 1;
                state.under_way.clear();
                state.edge.crash(&self.config, &mut (), &mut Vec::new());
                state.reader = Self::position(&state.edge.image);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::properties()
    }
}

impl Kinds for World {
    const KINDS: &'static [&'static str] = &["take", "repeat", "durable", "reported", "crash", "sweep"];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Take => "take",
            Action::Repeat => "repeat",
            Action::Durable => "durable",
            Action::Reported => "reported",
            Action::Crash => "crash",
            Action::Sweep => "sweep",
        }
    }
}

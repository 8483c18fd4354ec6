//! Kafka alone as a Stateright model: operators who stop and start brokers in any order, and a world that kills them.

use stateright::{Model, Property};

use super::properties;
use super::setup::Setup;
use super::state::{Kafka, Presence};
use super::steps::Step;
use super::words;

/// What can happen, how often.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The cluster.
    pub setup: Setup,
    /// Records written, in all.
    pub records: u8,
    /// Clean stops.
    pub stops: u8,
    /// Processes killed.
    pub kills: u8,
    /// Brokers that lose their power while they run, or are down after an unclean end.
    pub power_losses: u8,
    /// Brokers frozen.
    pub freezes: u8,
    /// Whoever sleeps, cleanly stopped or frozen, may lose its power too, at no cost: a host that is suspended or off is
    /// not watched over. It loses every record that it has not written to its disk.
    pub dark_sleepers: bool,
    /// Preferred leaders are given their leaderships back.
    pub prefers: bool,
}

impl Bounds {
    /// So many records, and nothing goes wrong.
    #[must_use]
    pub const fn new(setup: Setup, records: u8) -> Self {
        Self {
            setup,
            records,
            stops: 0,
            kills: 0,
            power_losses: 0,
            freezes: 0,
            dark_sleepers: false,
            prefers: false,
        }
    }

    /// As words for the report.
    #[must_use]
    pub fn words(&self) -> String {
        let setup = &self.setup;
        let elr = if setup.keeps_eligible { "kept" } else { "not kept" };
        let mut words = format!(
            "{} brokers, {} partitions with {} copies, min.insync.replicas {}, eligible replicas {elr}, {} records, {} stops, {} \
             kills, {} power losses, {} freezes",
            setup.brokers,
            setup.partitions,
            setup.copies,
            setup.in_sync_min,
            self.records,
            self.stops,
            self.kills,
            self.power_losses,
            self.freezes
        );
        for (is, word) in [
            (self.dark_sleepers, "sleepers lose power freely"),
            (self.prefers, "preferred leaders return"),
        ] {
            if is {
                words = format!("{words}, {word}");
            }
        }
        words
    }
}

/// A state of the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The cluster.
    pub kafka: Kafka,
    /// Budgets left: records, stops, kills, power losses, freezes.
    pub left: [u8; 5],
}

/// A cluster and what befalls it.
#[derive(Clone, Copy, Debug)]
pub struct World {
    bounds: Bounds,
}

impl World {
    /// The world of these bounds.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds }
    }

    /// Its bounds.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Its cluster's setup.
    #[must_use]
    pub const fn setup(&self) -> &Setup {
        &self.bounds.setup
    }

    /// Which budget a step is paid from.
    fn budget(&self, state: &State, step: Step) -> Option<usize> {
        match step {
            Step::Produce(_) => Some(0),
            Step::Stop(_) => Some(1),
            Step::Kill(_) => Some(2),
            Step::PowerLoss(broker, _) => {
                let sleeps = matches!(state.kafka.broker(broker), Presence::Frozen | Presence::FrozenOut);
                (!(sleeps && self.bounds.dark_sleepers)).then_some(3)
            }
            Step::Freeze(_) => Some(4),
            _ => None,
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let bounds = &self.bounds;
        vec![State {
            kafka: Kafka::new(self.setup()),
            left: [
                bounds.records,
                bounds.stops,
                bounds.kills,
                bounds.power_losses,
                bounds.freezes,
            ],
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        state.kafka.own_steps(self.setup(), actions);
        actions.retain(|step| self.bounds.prefers || !matches!(step, Step::Prefer(_)));
        actions.extend(self.setup().all_partitions().map(Step::Produce));
        for broker in self.setup().all_brokers() {
            actions.extend([Step::Stop, Step::Kill, Step::Start, Step::Freeze, Step::Thaw].map(|step| step(broker)));
            let most = self.bounds.records.max(1);
            actions.extend((1..=most).map(|records| Step::PowerLoss(broker, records)));
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut left = state.left;
        if let Some(budget) = self.budget(state, step) {
            left[budget] = left[budget].checked_sub(1)?;
        }
        let kafka = state.kafka.step(self.setup(), step)?;
        Some(State { kafka, left })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn format_action(&self, step: &Step) -> String {
        words::step(*step)
    }
}

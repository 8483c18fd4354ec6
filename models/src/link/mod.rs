//! The link between edge and cloud: the deployed sender and receiver with their heartbeats, over two directions that
//! can be cut one by one. A direction that is cut while the other works is a half-open link.
//!
//! There is no clock. Before the calm any timer may go off at any time; after it, a heartbeat or a retry goes off when
//! no answer is on its way, and the cloud's silence only when a heartbeat was sent and did not come. That is what the
//! configured times mean: silence (5 s) is longer than a heartbeat (3 s), and both are longer than a round trip.

use std::fmt;

use pehra_core::delivery::{
    CloudImage, EdgeImage, LinkState, Receiver, ReceiverConfig, ReceiverTimer, Sender, SenderConfig, SenderTimer,
};
use pehra_core::protocol::Input;
use pehra_core::types::Ticks;
use stateright::{Model, Property};

use crate::delivery::{CLOUD, Cloud, EDGE, Edge, Parcel, words};
use crate::delivery::{is_beat_down, is_beat_up, pack_down, pack_up, unpack_down, unpack_up};
use crate::kinds::Kinds;
use crate::lasso::Leads;
use crate::net::Net;
use crate::site::{Counter, Said, Site};

/// The system, and the budgets of its environment.
#[derive(Clone, Debug)]
pub struct Link {
    sender: SenderConfig,
    receiver: ReceiverConfig,
    /// Times that a direction is cut or mended.
    pub turns: u8,
    /// Messages lost in each direction.
    pub losses: u8,
}

/// One state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    edge: Edge,
    cloud: Cloud,
    /// On its way to the cloud, and to the edge.
    nets: [Net; 2],
    /// Whether the direction to the cloud works, and that to the edge.
    open: [bool; 2],
    turns: u8,
    losses: [u8; 2],
    /// A heartbeat was sent and will not come.
    beat_missed: bool,
    calm: bool,
}

/// To the cloud.
const UP: usize = 0;
/// To the edge.
const DOWN: usize = 1;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A message to the cloud arrives.
    ToCloud(u32),
    /// A message to the edge arrives.
    ToEdge(u32),
    /// A message is lost in this direction.
    Lose(usize, u32),
    /// A direction is cut, or mended.
    Turn(usize),
    /// The edge's disk finishes.
    EdgeDurable,
    /// The cloud's disk finishes.
    CloudDurable,
    /// A timer of the edge goes off.
    EdgeTimer(SenderTimer),
    /// The cloud has heard nothing for too long.
    Silence,
    /// From here on the link stays as it is.
    Calm,
}

impl Link {
    /// A link that is cut or mended so many times, and loses one message in each direction.
    #[must_use]
    pub fn new(turns: u8) -> Self {
        Self {
            sender: SenderConfig {
                retry: Ticks(1),
                retry_max: Ticks(1),
                ..SenderConfig::deployed(CLOUD)
            },
            receiver: ReceiverConfig {
                credit: 4,
                ..ReceiverConfig::deployed(EDGE)
            },
            turns,
            losses: 1,
        }
    }

    /// The same with a seeded bug.
    #[cfg(seeded_bugs)]
    #[must_use]
    pub fn with_bug(bug: pehra_core::delivery::bugs::Bug) -> Self {
        let mut link = Self::new(2);
        link.sender.bug = Some(bug);
        link.receiver.bug = Some(bug);
        link
    }

    fn feed_edge(&self, state: &mut State, input: Input<Sender<Parcel>>) -> bool {
        let mut said = Vec::new();
        let taken = state.edge.feed(&self.sender, input, &mut nonces(1), &mut said);
        state.hear_edge(said);
        taken
    }

    fn feed_cloud(&self, state: &mut State, input: Input<Receiver<Parcel>>) -> bool {
        let mut said = Vec::new();
        let taken = state.cloud.feed(&self.receiver, input, &mut (), &mut said);
        state.hear_cloud(said);
        taken
    }
}

/// One start, so one nonce.
const fn nonces(drawn: u8) -> Counter {
    Counter { drawn, most: 1 }
}

impl State {
    fn hear_edge(&mut self, said: Vec<Said<Sender<Parcel>>>) {
        for one in said {
            match one {
                Said::Notice(_, notice) => {
                    self.beat_missed |= !self.open[UP];
                    self.send(UP, pack_up(&notice.into()));
                }
                Said::Claim(_, claim) => self.send(UP, pack_up(&claim.into())),
                Said::Event(_) | Said::Report(_) | Said::Armed(..) => {}
            }
        }
    }

    fn hear_cloud(&mut self, said: Vec<Said<Receiver<Parcel>>>) {
        for one in said {
            match one {
                Said::Notice(_, notice) => self.send(DOWN, pack_down(&notice.into())),
                Said::Claim(_, claim) => self.send(DOWN, pack_down(&claim.into())),
                Said::Event(_) | Said::Report(_) | Said::Armed(..) => {}
            }
        }
    }

    fn send(&mut self, direction: usize, word: u32) {
        if self.open[direction] {
            self.nets[direction].send(word);
        }
    }

    /// Nothing is on its way: not on the network, not to a disk.
    fn is_quiet(&self) -> bool {
        let nets = self.nets.iter().all(|net| net.iter().next().is_none());
        nets && self.edge.disk.is_empty() && self.cloud.disk.is_empty()
    }

    fn is_quiet_of_beats(&self) -> bool {
        !self.nets[UP].iter().any(is_beat_up) && !self.nets[DOWN].iter().any(is_beat_down)
    }

    /// Nothing is under way that could still show the edge a sign of life over a dead link.
    fn is_cut_off(&self) -> bool {
        let is_empty = |direction: usize| self.nets[direction].iter().next().is_none();
        is_empty(DOWN) && (!self.open[DOWN] || is_empty(UP) && self.cloud.disk.is_empty())
    }

    fn is_live(&self) -> bool {
        self.open == [true, true]
    }

    fn link(&self) -> LinkState {
        self.edge.node.state().link()
    }

    fn cloud_is_silent(&self) -> bool {
        self.cloud.node.state().is_silent()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |net: &Net, say: fn(u32) -> String| net.iter().map(say).collect::<Vec<_>>().join("; ");
        f.debug_struct(if self.calm { "Calm" } else { "State" })
            .field("link", &self.link())
            .field("cloud_is_silent", &self.cloud_is_silent())
            .field("to_cloud_works", &self.open[UP])
            .field("to_edge_works", &self.open[DOWN])
            .field("to_cloud", &format_args!("[{}]", list(&self.nets[UP], words::up)))
            .field("to_edge", &format_args!("[{}]", list(&self.nets[DOWN], words::down)))
            .finish()
    }
}

impl Model for Link {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut said = Vec::new();
        let edge = Site::start(&self.sender, EdgeImage::default(), &mut nonces(0), &mut said);
        let mut state = State {
            edge,
            cloud: Site::start(&self.receiver, CloudImage::default(), &mut (), &mut Vec::new()),
            nets: [Net::default(), Net::default()],
            open: [true, true],
            turns: self.turns,
            losses: [self.losses; 2],
            beat_missed: false,
            calm: false,
        };
        state.hear_edge(said);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(state.nets[UP].iter().map(Action::ToCloud));
        actions.extend(state.nets[DOWN].iter().map(Action::ToEdge));
        if !state.edge.disk.is_empty() {
            actions.push(Action::EdgeDurable);
        }
        if !state.cloud.disk.is_empty() {
            actions.push(Action::CloudDurable);
        }
        let quiet = !state.calm || state.is_quiet();
        // A heartbeat waits only for the answer to the one before.
        let beats = !state.calm || state.is_quiet_of_beats();
        for (timer, due) in [(SenderTimer::Retry, quiet), (SenderTimer::Heartbeat, beats)] {
            if due && state.edge.is_armed(timer) {
                actions.push(Action::EdgeTimer(timer));
            }
        }
        if state.cloud.is_armed(ReceiverTimer::Silence) && quiet && (!state.calm || state.beat_missed) {
            actions.push(Action::Silence);
        }
        if !state.calm {
            for direction in [UP, DOWN] {
                if state.losses[direction] > 0 {
                    actions.extend(state.nets[direction].iter().map(|word| Action::Lose(direction, word)));
                }
                if state.turns > 0 {
                    actions.push(Action::Turn(direction));
                }
            }
            actions.push(Action::Calm);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let taken = match action {
            Action::ToCloud(word) => {
                state.nets[UP].retain(|other| other != word);
                state.beat_missed = false;
                let message = unpack_up(word);
                self.feed_cloud(&mut state, Input::Received { from: EDGE, message })
            }
            Action::ToEdge(word) => {
                state.nets[DOWN].retain(|other| other != word);
                let message = unpack_down(word);
                self.feed_edge(&mut state, Input::Received { from: CLOUD, message })
            }
            Action::Lose(direction, word) => {
                state.losses[direction] -= 1;
                state.beat_missed |= direction == UP;
                state.nets[direction].retain(|other| other != word);
                true
            }
            Action::Turn(direction) => {
                state.turns -= 1;
                state.open[direction] = !state.open[direction];
                state.beat_missed |= direction == UP && state.nets[UP].iter().next().is_some();
                state.nets[direction] = Net::default();
                true
            }
            Action::EdgeDurable => {
                let mut said = Vec::new();
                let done = state.edge.make_durable() && state.edge.report(&self.sender, &mut nonces(1), &mut said);
                state.hear_edge(said);
                done
            }
            Action::CloudDurable => {
                let mut said = Vec::new();
                let done = state.cloud.make_durable() && state.cloud.report(&self.receiver, &mut (), &mut said);
                state.hear_cloud(said);
                done
            }
            Action::EdgeTimer(timer) => self.feed_edge(&mut state, Input::Fired(timer)),
            Action::Silence => self.feed_cloud(&mut state, Input::Fired(ReceiverTimer::Silence)),
            Action::Calm => {
                state.calm = true;
                true
            }
        };
        (taken && state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("link/check invariants of both nodes", |link: &Self, state: &State| {
                state.edge.node.check(&link.sender).is_ok() && state.cloud.node.check(&link.receiver).is_ok()
            }),
            Property::sometimes("link/half-open", |_, state: &State| {
                state.open == [true, false] && state.link() == LinkState::Up
            }),
            Property::sometimes("link/the edge is reported silent", |_, state: &State| {
                state.cloud_is_silent()
            }),
        ]
    }
}

impl Kinds for Link {
    const KINDS: &'static [&'static str] = &[
        "to cloud",
        "to edge",
        "lose",
        "turn",
        "edge durable",
        "cloud durable",
        "retry",
        "heartbeat",
        "silence",
        "calm",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::ToCloud(_) => "to cloud",
            Action::ToEdge(_) => "to edge",
            Action::Lose(..) => "lose",
            Action::Turn(_) => "turn",
            Action::EdgeDurable => "edge durable",
            Action::CloudDurable => "cloud durable",
            Action::EdgeTimer(SenderTimer::Retry) => "retry",
            Action::EdgeTimer(SenderTimer::Heartbeat) => "heartbeat",
            Action::Silence => "silence",
            Action::Calm => "calm",
        }
    }

    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        let class = Self::KINDS.iter().position(|kind| *kind == Self::kind(action))?;
        let owed = state.calm && !matches!(action, Action::Lose(..) | Action::Turn(_) | Action::Calm);
        owed.then_some(u16::try_from(class).ok()?)
    }

    fn class_name(&self, class: u16) -> String {
        Self::KINDS[usize::from(class)].into()
    }
}

/// An edge whose link does not carry both ways says that it is down, and keeps to it.
#[must_use]
pub fn dead_is_down() -> Leads<Link> {
    Leads {
        name: "delivery/OL3 a dead link is eventually reported down",
        from: |_, state: &State| state.calm && !state.is_live(),
        to: |_, state| {
            let silent = state.open[UP] || state.cloud_is_silent();
            state.link() == LinkState::Down && silent && state.is_cut_off()
        },
    }
}

/// Both ends of a link that carries both ways say so, again and again. (An answer that was lost just before the calm
/// may still make the edge suspect the link for one heartbeat.)
#[must_use]
pub fn live_is_up() -> Leads<Link> {
    Leads {
        name: "delivery/OL3 a live link is eventually reported up",
        from: |_, state: &State| state.calm && state.is_live(),
        to: |_, state| state.link() == LinkState::Up && !state.cloud_is_silent() && !state.beat_missed,
    }
}

//! Edge, cloud and network as one Stateright model.

use std::sync::Arc;

use pehra_core::delivery::{
    Append, CloudImage, Downlink, EdgeImage, Phase, Receiver, ReceiverClaim, Sender, SenderClaim, SenderRecord,
    SenderReport, SenderTimer, Uplink,
};
use pehra_core::protocol::Input;
use pehra_core::types::RequestId;
use stateright::{Model, Path, Property};

use super::bounds::{Bounds, Grain};
use super::messages::{
    Parcel, is_beat_down, is_beat_up, pack_down, pack_up, strip_asks, strip_codes, unpack_down, unpack_up,
};
use super::state::{Action, Cloud, Edge, Ghosts, State, small};
use super::{CLOUD, EDGE, diagram, properties, words};
use crate::net::Net;
use crate::shared::{Memo, Pool, Shared};
use crate::site::{Counter, Said, Site};

/// A system of one edge and one cloud.
#[derive(Clone)]
pub struct World {
    bounds: Bounds,
    parts: Arc<Parts>,
}

#[derive(Default)]
struct Parts {
    edges: Pool<Edge>,
    clouds: Pool<Cloud>,
    nets: Pool<Net>,
    copies: Pool<EdgeImage<Parcel>>,
    edge_steps: Memo<(Shared<Edge>, EdgeInput, Counter), Option<Outcome<Edge>>>,
    cloud_steps: Memo<(Shared<Cloud>, CloudInput), Option<Outcome<Cloud>>>,
}

/// The highest nonce that a packed message can name.
const NONCES_MAX: u8 = 15;

/// What a step makes of a site.
struct Outcome<S: 'static> {
    site: Shared<S>,
    sent: Vec<u32>,
    /// Marks, as bits, to which a rewind was reported.
    rewinds: u8,
    drawn: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum EdgeInput {
    Append(u8),
    Hear(u32),
    Durable,
    Reported,
    Fetched,
    Timer(SenderTimer),
    Crash,
    Start(Option<Shared<EdgeImage<Parcel>>>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum CloudInput {
    Hear(u32),
    Durable,
    Reported,
    Fetched,
    Crash,
    Wipe,
}

impl World {
    /// The world of these bounds.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            parts: Arc::default(),
        }
    }

    /// Its bounds.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// How many different edges, clouds and networks its states are made of so far.
    #[must_use]
    pub fn parts(&self) -> (usize, usize, usize) {
        (self.parts.edges.len(), self.parts.clouds.len(), self.parts.nets.len())
    }

    /// The environment's budget of greetings, and room beyond it once calm: old news that still comes then may raise
    /// doubts, and a budget that ends in the middle of an answer would look like a standstill.
    fn nonces(&self, drawn: u8, calm: bool) -> Counter {
        let bounds = &self.bounds;
        let most = 1 + bounds.edge_crashes + bounds.restores + bounds.renewals + bounds.greetings;
        let most = if calm { NONCES_MAX } else { most };
        Counter { drawn, most }
    }

    fn edge_step(&self, state: &State, input: EdgeInput) -> Option<&'static Outcome<Edge>> {
        let (edge, nonces) = (state.edge, self.nonces(state.drawn, state.calm));
        let step = |_: &_| self.compute_edge_step(edge, input, nonces);
        self.parts.edge_steps.answer((edge, input, nonces), step).as_ref()
    }

    fn compute_edge_step(&self, edge: Shared<Edge>, input: EdgeInput, mut nonces: Counter) -> Option<Outcome<Edge>> {
        let config = &self.bounds.sender;
        let mut site = Edge::clone(&edge);
        let mut said = Vec::new();
        let taken = match input {
            EdgeInput::Append(number) => {
                let command = Input::Commanded(RequestId(0), Append(self.bounds.parcel(number)));
                site.feed(config, command, &mut nonces, &mut said)
            }
            EdgeInput::Hear(word) => {
                let message = unpack_down(word);
                site.feed(config, Input::Received { from: CLOUD, message }, &mut nonces, &mut said)
            }
            EdgeInput::Durable => site.make_durable(),
            EdgeInput::Reported => site.report(config, &mut nonces, &mut said),
            EdgeInput::Fetched => site.answer(config, &mut nonces, &mut said),
            EdgeInput::Timer(timer) => site.feed(config, Input::Fired(timer), &mut nonces, &mut said),
            EdgeInput::Crash => {
                site.crash(config, &mut nonces, &mut said);
                true
            }
            EdgeInput::Start(image) => {
                let image = image.map(|image| EdgeImage::clone(&image)).unwrap_or_default();
                site = Site::start(config, image, &mut nonces, &mut said);
                true
            }
        };
        let grain = self.bounds.grain;
        while (grain == Grain::Joined && site.report(config, &mut nonces, &mut said))
            || (grain != Grain::Fine && site.answer(config, &mut nonces, &mut said))
        {}
        taken.then(|| {
            let mut rewinds = 0;
            let mut sent = Vec::new();
            for one in said {
                match one {
                    Said::Notice(_, notice) => sent.push(pack_up(&notice.into())),
                    Said::Claim(_, claim) => sent.push(pack_up(&claim.into())),
                    Said::Report(SenderReport::Rewound { to, .. }) => rewinds |= 1 << small(to),
                    Said::Event(_) | Said::Report(_) | Said::Armed(..) => {}
                }
            }
            Outcome {
                site: self.parts.edges.share(site),
                sent,
                rewinds,
                drawn: nonces.drawn,
            }
        })
    }

    fn cloud_step(&self, cloud: Shared<Cloud>, input: CloudInput) -> Option<&'static Outcome<Cloud>> {
        let step = |_: &_| self.compute_cloud_step(cloud, input);
        self.parts.cloud_steps.answer((cloud, input), step).as_ref()
    }

    fn compute_cloud_step(&self, cloud: Shared<Cloud>, input: CloudInput) -> Option<Outcome<Cloud>> {
        let config = &self.bounds.receiver;
        let mut site = Cloud::clone(&cloud);
        let mut said: Vec<Said<Receiver<Parcel>>> = Vec::new();
        let taken = match input {
            CloudInput::Hear(word) => {
                let message = unpack_up(word);
                site.feed(config, Input::Received { from: EDGE, message }, &mut (), &mut said)
            }
            CloudInput::Durable => site.make_durable(),
            CloudInput::Reported => site.report(config, &mut (), &mut said),
            CloudInput::Fetched => site.answer(config, &mut (), &mut said),
            CloudInput::Crash => {
                site.crash(config, &mut (), &mut said);
                true
            }
            CloudInput::Wipe => {
                site = Site::start(config, CloudImage::default(), &mut (), &mut said);
                true
            }
        };
        let grain = self.bounds.grain;
        while (grain == Grain::Joined && site.report(config, &mut (), &mut said))
            || (grain != Grain::Fine && site.answer(config, &mut (), &mut said))
        {}
        taken.then(|| Outcome {
            site: self.parts.clouds.share(site),
            sent: said
                .into_iter()
                .filter_map(|one| match one {
                    Said::Notice(_, notice) => Some(pack_down(&notice.into())),
                    Said::Claim(_, claim) => Some(pack_down(&claim.into())),
                    Said::Event(_) | Said::Report(_) | Said::Armed(..) => None,
                })
                .collect(),
            rewinds: 0,
            drawn: 0,
        })
    }

    /// All that could happen now, before asking whether it would change anything.
    fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        if state.ghosts.taken < bounds.parcels && !state.edge.node.is_full() {
            actions.push(Action::Append);
        }
        actions.extend(state.up.iter().map(Action::ToCloud));
        // What is not a welcome can only show a sign of life to an edge that does not stream.
        let deaf = !bounds.heartbeats && !bounds.keeps_dead;
        let deaf = deaf && !state.calm && state.edge.node.state().phase() != Phase::Streaming;
        actions.extend(
            state
                .down
                .iter()
                .filter(|word| !deaf || is_welcome(*word))
                .map(Action::ToEdge),
        );
        for (possible, action) in [
            (!state.edge.disk.is_empty(), Action::EdgeDurable),
            (state.edge.unreported > 0, Action::EdgeReported),
            (!state.edge.fetches.is_empty(), Action::EdgeFetched),
            (!state.cloud.disk.is_empty(), Action::CloudDurable),
            (state.cloud.unreported > 0, Action::CloudReported),
            (!state.cloud.fetches.is_empty(), Action::CloudFetched),
            (
                bounds.heartbeats && state.edge.is_armed(SenderTimer::Heartbeat),
                Action::EdgeHeartbeat,
            ),
            (
                state.edge.is_armed(SenderTimer::Retry) && (!state.calm || is_quiet(state)),
                Action::EdgeRetry,
            ),
            (!state.calm && state.left[0] > 0, Action::EdgeCrash),
            (!state.calm && state.left[1] > 0, Action::CloudCrash),
            (
                // An edge that has nothing to send asks nothing, and so does not learn of a loss: a row must follow.
                !state.calm && state.left[2] > 0 && (!bounds.calms || state.ghosts.taken < bounds.parcels),
                Action::CloudWipe,
            ),
            (
                !state.calm && state.left[3] > 0 && state.copy.is_none(),
                Action::EdgeCopy,
            ),
            (
                !state.calm && state.left[3] > 0 && state.copy.is_some(),
                Action::EdgeRestore,
            ),
            (!state.calm && state.left[4] > 0, Action::EdgeRenew),
            (!state.calm && bounds.calms, Action::Calm),
        ] {
            if possible {
                actions.push(action);
            }
        }
    }

    fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut up = Net::clone(&before.up);
        let mut down = Net::clone(&before.down);
        let edge = |input| self.edge_step(before, input).map(Stepped::Edge);
        let cloud = |input| self.cloud_step(before.cloud, input).map(Stepped::Cloud);
        let stepped = match action {
            Action::Append => {
                state.ghosts.taken += 1;
                edge(EdgeInput::Append(state.ghosts.taken))
            }
            Action::ToCloud(word) => {
                if state.calm {
                    up.arrived(word);
                }
                cloud(CloudInput::Hear(word))
            }
            Action::ToEdge(word) => {
                if state.calm {
                    down.arrived(word);
                }
                edge(EdgeInput::Hear(word))
            }
            Action::EdgeDurable => edge(EdgeInput::Durable),
            Action::EdgeReported => edge(EdgeInput::Reported),
            Action::EdgeFetched => edge(EdgeInput::Fetched),
            Action::EdgeRetry => edge(EdgeInput::Timer(SenderTimer::Retry)),
            Action::EdgeHeartbeat => edge(EdgeInput::Timer(SenderTimer::Heartbeat)),
            Action::CloudDurable => cloud(CloudInput::Durable),
            Action::CloudReported => cloud(CloudInput::Reported),
            Action::CloudFetched => cloud(CloudInput::Fetched),
            Action::EdgeCrash => {
                state.left[0] -= 1;
                edge(EdgeInput::Crash)
            }
            Action::CloudCrash => {
                state.left[1] -= 1;
                cloud(CloudInput::Crash)
            }
            Action::CloudWipe => {
                state.left[2] -= 1;
                state.ghosts.wiped = true;
                cloud(CloudInput::Wipe)
            }
            Action::EdgeCopy => {
                state.copy = Some(self.parts.copies.share(before.edge.image.clone()));
                Some(Stepped::Neither)
            }
            Action::EdgeRestore => {
                let image = state.copy.take()?;
                state.left[3] -= 1;
                state.ghosts.restored = *image != before.edge.image;
                (up, down) = (Net::default(), Net::default());
                edge(EdgeInput::Start(Some(image)))
            }
            Action::EdgeRenew => {
                state.left[4] -= 1;
                edge(EdgeInput::Start(None))
            }
            Action::Calm => {
                state.calm = true;
                up.let_go();
                down.let_go();
                Some(Stepped::Neither)
            }
        };
        match stepped? {
            // A new greeting beyond the budget: the timer has not gone off yet.
            Stepped::Edge(outcome) if outcome.site.node.state().phase() == Phase::Drawing => return None,
            Stepped::Edge(outcome) => {
                state.edge = outcome.site;
                state.drawn = outcome.drawn;
                state.ghosts.rewinds |= outcome.rewinds;
                outcome.sent.iter().for_each(|word| up.send(*word));
            }
            Stepped::Cloud(outcome) => {
                state.cloud = outcome.site;
                outcome.sent.iter().for_each(|word| down.send(*word));
            }
            Stepped::Neither => {}
        }
        if !self.bounds.keeps_dead {
            drop_unheard(&state, &mut down);
        }
        if self.bounds.drops_dead() {
            drop_dead_messages(&state, &mut up, &mut down);
        }
        state.up = self.parts.nets.share(up);
        state.down = self.parts.nets.share(down);
        remember(before, action, &mut state);
        Some(state)
    }

    fn start(&self) -> State {
        let mut nonces = self.nonces(0, false);
        let (mut said_up, mut said_down) = (Vec::new(), Vec::new());
        let edge: Edge = Site::start(&self.bounds.sender, EdgeImage::default(), &mut nonces, &mut said_up);
        let cloud: Cloud = Site::start(&self.bounds.receiver, CloudImage::default(), &mut (), &mut said_down);
        // The first greeting waits for the epoch to be durable, and the cloud never speaks first.
        assert!(
            !said_up
                .iter()
                .any(|one: &Said<Sender<Parcel>>| matches!(one, Said::Claim(..)))
        );
        let bounds = &self.bounds;
        State {
            edge: self.parts.edges.share(edge),
            cloud: self.parts.clouds.share(cloud),
            up: self.parts.nets.share(Net::default()),
            down: self.parts.nets.share(Net::default()),
            copy: None,
            drawn: nonces.drawn,
            left: [
                bounds.edge_crashes,
                bounds.cloud_crashes,
                bounds.wipes,
                bounds.restores,
                bounds.renewals,
            ],
            calm: false,
            ghosts: Ghosts::default(),
        }
    }
}

enum Stepped {
    Edge(&'static Outcome<Edge>),
    Cloud(&'static Outcome<Cloud>),
    Neither,
}

fn is_welcome(word: u32) -> bool {
    matches!(
        unpack_down(word),
        Downlink::Claim(ReceiverClaim::Welcome { .. } | ReceiverClaim::Fenced { .. })
    )
}

/// Once calm, a timeout is longer than any exchange: it fires only when no answer is on its way any more. Heartbeats
/// have a rhythm of their own, and hold back nothing.
fn is_quiet(state: &State) -> bool {
    let (edge, cloud) = (&state.edge, &state.cloud);
    let disks = edge.disk.is_empty() && cloud.disk.is_empty() && edge.unreported == 0 && cloud.unreported == 0;
    disks
        && edge.fetches.is_empty()
        && cloud.fetches.is_empty()
        && !state.up.owes(|word| !is_beat_up(word))
        && !state.down.owes(|word| !is_beat_down(word))
}

/// Drops what the edge would not listen to: a welcome of an older session, and whatever names another epoch.
fn drop_unheard(state: &State, down: &mut Net) {
    let sender = state.edge.node.state();
    let greeting = (sender.phase() == Phase::Greeting).then(|| u64::from(state.drawn));
    down.retain(|word| match unpack_down(word) {
        Downlink::Claim(ReceiverClaim::Welcome { session, epoch, .. }) => {
            greeting == Some(session) && sender.epoch() == Some(epoch)
        }
        Downlink::Claim(ReceiverClaim::Ack { epoch, .. } | ReceiverClaim::Fenced { epoch }) => {
            sender.epoch() == Some(epoch)
        }
        Downlink::Alive(_) => true,
    });
}

/// Drops messages that can change nothing any more, so that states do not differ by them. A greeting of an older
/// session only brings a welcome that nobody hears. A batch that the edge has durably acknowledged can only bring an old mark, and an
/// old mark ends nothing. (That an old mark raises a doubt is left to the fine-grained runs.) Once the edge has the
/// code on disk and no batch in flight waits for it, a question for it or an answer is as good as none.
fn drop_dead_messages(state: &State, up: &mut Net, down: &mut Net) {
    let image = &state.edge.image;
    let acked = image.cursors().acked;
    let sender = state.edge.node.state();
    let greeting = (sender.phase() == Phase::Greeting).then(|| u64::from(state.drawn));
    up.retain(|word| match unpack_up(word) {
        Uplink::Heartbeat(_) => true,
        Uplink::Claim(SenderClaim::Hello { session, .. }) => greeting == Some(session),
        Uplink::Claim(SenderClaim::Batch { rows, .. }) => rows.last() > acked,
    });
    down.retain(|word| match unpack_down(word) {
        Downlink::Claim(ReceiverClaim::Ack { high, .. }) => high > acked,
        Downlink::Alive(_) | Downlink::Claim(ReceiverClaim::Welcome { .. } | ReceiverClaim::Fenced { .. }) => true,
    });
    if !sender.flights().iter().any(|flight| flight.asks) {
        let known: Vec<u8> = image.codes().iter().map(|(household, _)| *household).collect();
        up.map(|word| strip_asks(word, &known));
        down.map(|word| strip_codes(word, &known));
    }
}

/// Writes down what the properties need to know.
fn remember(before: &State, action: Action, state: &mut State) {
    let ghosts = &mut state.ghosts;
    let image = &state.edge.image;
    let cursors = image.cursors();
    if action == Action::EdgeDurable {
        for record in before.edge.disk.front().into_iter().flatten() {
            match record {
                SenderRecord::Row { seq, body } => {
                    ghosts.written[usize::from(small(*seq)) - 1] = body.number;
                    ghosts.stored = ghosts.stored.max(body.number);
                }
                SenderRecord::Rewound { to } if ghosts.rewinds & 1 << small(*to) != 0 => ghosts.acked = small(*to),
                _ => {}
            }
        }
        ghosts.acked = ghosts.acked.max(small(cursors.acked));
        ghosts.sent = ghosts.sent.max(small(cursors.sent));
    }
    if matches!(action, Action::EdgeCrash | Action::EdgeRestore | Action::EdgeRenew) {
        ghosts.taken = ghosts.stored;
    }
    if matches!(action, Action::EdgeRestore | Action::EdgeRenew) {
        ghosts.renewed |= action == Action::EdgeRenew;
        (ghosts.acked, ghosts.sent) = (small(cursors.acked), small(cursors.sent));
        ghosts.written[usize::from(small(cursors.last))..].fill(0);
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.candidates(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(self)
    }

    fn format_action(&self, action: &Action) -> String {
        words::action(action)
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        Some(diagram::svg(&path.into_actions()))
    }
}

//! Edge, cloud and network as one Stateright model.

use pehra_core::delivery::{
    Append, CloudImage, Downlink, EdgeImage, Phase, Receiver, ReceiverClaim, ReceiverConfig, Sender, SenderClaim,
    SenderConfig, SenderReport, SenderTimer, Seq, Uplink,
};
use pehra_core::protocol::Input;
use pehra_core::types::{NodeId, RequestId, Ticks};
use stateright::{Model, Property};

use super::messages::{Parcel, pack_down, pack_up, unpack_down, unpack_up};
use crate::net::Net;
use crate::site::{Counter, Said, Site};

/// The edge's node in the model.
pub const EDGE: NodeId = NodeId(1);
/// The cloud's node in the model.
pub const CLOUD: NodeId = NodeId(0);

/// A system of one edge and one cloud, and the bounds of its environment.
#[derive(Clone, Debug)]
pub struct World {
    /// The sender's configuration.
    pub sender: SenderConfig,
    /// The receiver's configuration.
    pub receiver: ReceiverConfig,
    /// Rows that are produced.
    pub parcels: u8,
    /// Households that they belong to, 1 or 2.
    pub households: u8,
    /// Crashes of the edge.
    pub edge_crashes: u8,
    /// Crashes of the cloud.
    pub cloud_crashes: u8,
    /// New greetings beyond those that starts need.
    pub greetings: u8,
    /// Times that the cloud loses its store.
    pub wipes: u8,
    /// Times that the edge's store is put back to an older copy (taken at any moment).
    pub restores: u8,
    /// Times that the edge's store is made anew.
    pub renewals: u8,
    /// Whether heartbeats run.
    pub heartbeats: bool,
    /// Whether every step of disk and fetch is an action of its own, and dead messages stay in the network. Off, a
    /// commit is durable and reported in one step, a fetch is answered when it leaves, and messages that can change
    /// nothing any more are dropped: what a crash in between would lose is then lost on the network instead.
    pub fine: bool,
    /// Whether the network may calm down, for liveness.
    pub calms: bool,
}

impl World {
    /// The safety bounds of the gate.
    #[must_use]
    pub fn safety(parcels: u8, crashes: u8) -> Self {
        Self {
            sender: SenderConfig {
                batch_rows: 2,
                flights: 2,
                retain_rows: 0,
                backlog_rows: 100,
                retry: Ticks(1),
                retry_max: Ticks(1),
                ..SenderConfig::deployed(CLOUD)
            },
            receiver: ReceiverConfig {
                credit: 4,
                ..ReceiverConfig::deployed(EDGE)
            },
            parcels,
            households: 1,
            edge_crashes: crashes,
            cloud_crashes: crashes,
            greetings: 0,
            wipes: 0,
            restores: 0,
            renewals: 0,
            heartbeats: false,
            fine: false,
            calms: false,
        }
    }

    fn parcel(&self, number: u8) -> Parcel {
        Parcel {
            number,
            household: if self.households > 1 && number.is_multiple_of(2) {
                1
            } else {
                0
            },
        }
    }
}

/// What the model remembers for its properties only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghosts {
    /// Parcels taken from the source since the edge's last start, or before.
    pub taken: u8,
    /// Parcels durable at the edge: where the source starts again after a crash.
    pub stored: u8,
    /// The highest flag-2 cursor ever durable since the last reported rewind.
    pub acked: u8,
    /// The highest flag-1 cursor ever durable since the last reported rewind.
    pub sent: u8,
    /// The edge's store is an older copy of itself.
    pub restored: bool,
    /// The cloud's store was lost at least once.
    pub wiped: bool,
}

/// One state of the system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The edge.
    pub edge: Site<Sender<Parcel>, EdgeImage<Parcel>>,
    /// The cloud.
    pub cloud: Site<Receiver<Parcel>, CloudImage<Parcel>>,
    /// Messages to the cloud.
    pub up: Net,
    /// Messages to the edge.
    pub down: Net,
    /// Nonces drawn.
    pub nonces: Counter,
    /// Crashes left: edge, cloud; then wipes, restores, renewals left.
    pub left: [u8; 5],
    /// An older copy of the edge's store.
    pub copy: Option<(EdgeImage<Parcel>, u8)>,
    /// The network has calmed down: no more crashes, and a retry only when nothing else can happen.
    pub calm: bool,
    /// For the properties.
    pub ghosts: Ghosts,
}

/// One step of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The source has a row.
    Append,
    /// A message reaches the cloud.
    ToCloud(u32),
    /// A message reaches the edge.
    ToEdge(u32),
    /// The edge's oldest commit becomes durable.
    EdgeDurable,
    /// The edge's oldest durable commit is reported.
    EdgeReported,
    /// The edge's oldest fetch is answered.
    EdgeFetched,
    /// The edge's retry timer goes off.
    EdgeRetry,
    /// The edge's heartbeat timer goes off.
    EdgeHeartbeat,
    /// The edge dies and starts again.
    EdgeCrash,
    /// The cloud's oldest commit becomes durable.
    CloudDurable,
    /// The cloud's oldest durable commit is reported.
    CloudReported,
    /// The cloud's oldest fetch is answered.
    CloudFetched,
    /// The cloud dies and starts again.
    CloudCrash,
    /// The cloud dies, and its store with it.
    CloudWipe,
    /// Somebody copies the edge's store.
    EdgeCopy,
    /// The edge dies and starts again from the copy.
    EdgeRestore,
    /// The edge dies and starts again with a new store; the source goes on with the next row.
    EdgeRenew,
    /// From here on nothing crashes, and every message that keeps being sent arrives.
    Calm,
}

impl State {
    fn hear_edge(&mut self, said: Vec<Said<Sender<Parcel>>>) {
        for one in said {
            match one {
                Said::Notice(_, notice) => self.up.send(pack_up(&notice.into())),
                Said::Claim(_, claim) => self.up.send(pack_up(&claim.into())),
                Said::Report(SenderReport::Rewound { to, .. }) => {
                    self.ghosts.acked = small(to);
                }
                Said::Event(_) | Said::Report(_) => {}
            }
        }
    }

    fn hear_cloud(&mut self, said: Vec<Said<Receiver<Parcel>>>) {
        for one in said {
            match one {
                Said::Notice(_, notice) => self.down.send(pack_down(&notice.into())),
                Said::Claim(_, claim) => self.down.send(pack_down(&claim.into())),
                Said::Event(_) | Said::Report(_) => {}
            }
        }
    }

    /// Drops messages that can change nothing any more, so that states do not differ by them. A greeting or a welcome
    /// of an older session has no hearer. A batch that the edge has durably acknowledged can only bring an old mark,
    /// and an old mark ends nothing. (That an old mark raises a doubt is left to the fine-grained runs.)
    fn drop_dead_messages(&mut self) {
        let acked = self.edge.image.cursors().acked;
        let sender = self.edge.node.state();
        let greeting = (sender.phase() == Phase::Greeting).then(|| u64::from(self.nonces.drawn));
        self.up.retain(|word| match unpack_up(*word) {
            Uplink::Heartbeat(_) => true,
            Uplink::Claim(SenderClaim::Hello { session, .. }) => greeting == Some(session),
            Uplink::Claim(SenderClaim::Batch { rows, .. }) => rows.last() > acked,
        });
        self.down.retain(|word| match unpack_down(*word) {
            Downlink::Claim(ReceiverClaim::Welcome { session, .. }) => greeting == Some(session),
            Downlink::Claim(ReceiverClaim::Ack { high, .. }) => high > acked,
            Downlink::Alive(_) | Downlink::Claim(ReceiverClaim::Fenced { .. }) => true,
        });
    }

    /// Whether a parcel has taken effect at the cloud, durably.
    pub fn is_applied(&self, number: u8) -> bool {
        self.cloud
            .image
            .applied()
            .iter()
            .any(|(_, _, parcel)| parcel.number == number)
    }

    /// All parcels are through: applied, acknowledged, and the edge has that on disk.
    pub fn is_done(&self, world: &World) -> bool {
        self.edge.image.cursors().acked == Seq(u64::from(world.parcels))
            && (1..=world.parcels).all(|number| self.is_applied(number))
    }
}

fn small(seq: Seq) -> u8 {
    u8::try_from(seq.0).expect("models have few rows")
}

impl World {
    /// All that could happen now, before asking whether it would change anything.
    fn candidates(&self, state: &State, actions: &mut Vec<Action>) {
        if state.ghosts.taken < self.parcels && !state.edge.node.is_full() {
            actions.push(Action::Append);
        }
        actions.extend(state.up.iter().map(Action::ToCloud));
        actions.extend(state.down.iter().map(Action::ToEdge));
        for (possible, action) in [
            (!state.edge.disk.is_empty(), Action::EdgeDurable),
            (state.edge.unreported > 0, Action::EdgeReported),
            (!state.edge.fetches.is_empty(), Action::EdgeFetched),
            (!state.cloud.disk.is_empty(), Action::CloudDurable),
            (state.cloud.unreported > 0, Action::CloudReported),
            (!state.cloud.fetches.is_empty(), Action::CloudFetched),
            (
                self.heartbeats && state.edge.is_armed(SenderTimer::Heartbeat),
                Action::EdgeHeartbeat,
            ),
        ] {
            if possible {
                actions.push(action);
            }
        }
        if state.edge.is_armed(SenderTimer::Retry) {
            actions.push(Action::EdgeRetry);
        }
        if state.calm {
            return;
        }
        for (possible, action) in [
            (state.left[0] > 0, Action::EdgeCrash),
            (state.left[1] > 0, Action::CloudCrash),
            (state.left[2] > 0, Action::CloudWipe),
            (self.restores > 0 && state.copy.is_none(), Action::EdgeCopy),
            (state.left[3] > 0 && state.copy.is_some(), Action::EdgeRestore),
            (state.left[4] > 0, Action::EdgeRenew),
            (self.calms, Action::Calm),
        ] {
            if possible {
                actions.push(action);
            }
        }
    }

    fn is_retry_due(&self, state: &State) -> bool {
        // Once calm, a timeout is longer than any exchange: it fires only when nothing else is left to happen.
        let mut others = Vec::new();
        self.candidates(state, &mut others);
        !others.iter().any(|action| {
            !matches!(action, Action::EdgeRetry | Action::EdgeHeartbeat | Action::Append)
                && self.apply(state, *action).is_some_and(|next| next != *state)
        })
    }

    fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let mut edge = Vec::new();
        let mut cloud = Vec::new();
        let mut nonces = state.nonces;
        let taken = match action {
            Action::Append => {
                let body = self.parcel(state.ghosts.taken + 1);
                state.ghosts.taken += 1;
                let command = Input::Commanded(RequestId(0), Append(body));
                state.edge.feed(&self.sender, command, &mut nonces, &mut edge)
            }
            Action::ToCloud(word) => {
                let input = Input::Received {
                    from: EDGE,
                    message: unpack_up(word),
                };
                state.cloud.feed(&self.receiver, input, &mut (), &mut cloud)
            }
            Action::ToEdge(word) => {
                let input = Input::Received {
                    from: CLOUD,
                    message: unpack_down(word),
                };
                state.edge.feed(&self.sender, input, &mut nonces, &mut edge)
            }
            Action::EdgeDurable => state.edge.make_durable(),
            Action::EdgeReported => state.edge.report(&self.sender, &mut nonces, &mut edge),
            Action::EdgeFetched => state.edge.answer(&self.sender, &mut nonces, &mut edge),
            Action::EdgeRetry => {
                state
                    .edge
                    .feed(&self.sender, Input::Fired(SenderTimer::Retry), &mut nonces, &mut edge)
            }
            Action::EdgeHeartbeat => state.edge.feed(
                &self.sender,
                Input::Fired(SenderTimer::Heartbeat),
                &mut nonces,
                &mut edge,
            ),
            Action::CloudDurable => state.cloud.make_durable(),
            Action::CloudReported => state.cloud.report(&self.receiver, &mut (), &mut cloud),
            Action::CloudFetched => state.cloud.answer(&self.receiver, &mut (), &mut cloud),
            Action::EdgeCrash => {
                state.left[0] -= 1;
                state.edge.crash(&self.sender, &mut nonces, &mut edge);
                true
            }
            Action::CloudCrash => {
                state.left[1] -= 1;
                state.cloud.crash(&self.receiver, &mut (), &mut cloud);
                true
            }
            Action::CloudWipe => {
                state.left[2] -= 1;
                state.ghosts.wiped = true;
                state.cloud = Site::start(&self.receiver, CloudImage::default(), &mut (), &mut cloud);
                true
            }
            Action::EdgeCopy => {
                state.copy = Some((state.edge.image.clone(), state.ghosts.stored));
                true
            }
            Action::EdgeRestore => {
                let (image, _) = state.copy.take()?;
                state.left[3] -= 1;
                state.ghosts.restored = image != state.edge.image;
                state.edge = Site::start(&self.sender, image, &mut nonces, &mut edge);
                true
            }
            Action::EdgeRenew => {
                state.left[4] -= 1;
                state.edge = Site::start(&self.sender, EdgeImage::default(), &mut nonces, &mut edge);
                state.ghosts.acked = 0;
                state.ghosts.sent = 0;
                true
            }
            Action::Calm => {
                state.calm = true;
                true
            }
        };
        if !taken {
            return None;
        }
        if !self.fine {
            while state.edge.report(&self.sender, &mut nonces, &mut edge)
                || state.edge.answer(&self.sender, &mut nonces, &mut edge)
                || state.cloud.report(&self.receiver, &mut (), &mut cloud)
                || state.cloud.answer(&self.receiver, &mut (), &mut cloud)
            {}
        }
        state.nonces = nonces;
        state.hear_edge(edge);
        state.hear_cloud(cloud);
        if !self.fine && self.wipes == 0 && self.restores == 0 && self.renewals == 0 {
            state.drop_dead_messages();
        }
        let ghosts = &mut state.ghosts;
        if action == Action::EdgeDurable {
            let cursors = state.edge.image.cursors();
            let newest = state.edge.image.rows().last().map_or(0, |parcel| parcel.number);
            ghosts.stored = ghosts.stored.max(newest);
            ghosts.acked = ghosts.acked.max(small(cursors.acked));
            ghosts.sent = ghosts.sent.max(small(cursors.sent));
        }
        if matches!(action, Action::EdgeCrash | Action::EdgeRestore | Action::EdgeRenew) {
            ghosts.taken = ghosts.stored;
        }
        Some(state)
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let starts = 1 + self.edge_crashes + self.restores + self.renewals + self.greetings;
        let mut nonces = Counter { drawn: 0, most: starts };
        let (mut edge, mut cloud) = (Vec::new(), Vec::new());
        let mut state = State {
            edge: Site::start(&self.sender, EdgeImage::default(), &mut nonces, &mut edge),
            cloud: Site::start(&self.receiver, CloudImage::default(), &mut (), &mut cloud),
            up: Net::default(),
            down: Net::default(),
            nonces,
            left: [
                self.edge_crashes,
                self.cloud_crashes,
                self.wipes,
                self.restores,
                self.renewals,
            ],
            copy: None,
            calm: false,
            ghosts: Ghosts::default(),
        };
        state.hear_edge(edge);
        state.hear_cloud(cloud);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.candidates(state, actions);
        if state.calm && !self.is_retry_due(state) {
            actions.retain(|action| *action != Action::EdgeRetry);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.apply(state, action).filter(|next| next != state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "delivery/OS1 acknowledged is durable at the cloud",
                |_, state: &State| {
                    let acked = small(state.edge.image.cursors().acked);
                    state.ghosts.wiped || state.nonces.drawn > 100 || (1..=acked).all(|number| state.is_applied(number))
                },
            ),
            Property::always("delivery/OS2 applied at most once", |_, state: &State| {
                let mut seen = 0u32;
                state.cloud.image.applied().iter().all(|(_, _, parcel)| {
                    let bit = 1 << parcel.number;
                    let new = seen & bit == 0;
                    seen |= bit;
                    new
                })
            }),
            Property::always(
                "delivery/OS3 nothing applied that was not stored at the edge",
                |_, state: &State| {
                    state
                        .cloud
                        .image
                        .applied()
                        .iter()
                        .all(|(_, _, parcel)| parcel.number <= state.ghosts.stored)
                },
            ),
            Property::always("delivery/OS4 flags only rise", |_, state: &State| {
                let cursors = state.edge.image.cursors();
                state.ghosts.restored
                    || small(cursors.acked) >= state.ghosts.acked && small(cursors.sent) >= state.ghosts.sent
            }),
            Property::always(
                "delivery/OS5 a row leaves only after both ends have it",
                |_, state: &State| {
                    let cursors = state.edge.image.cursors();
                    cursors.oldest.previous() <= cursors.acked
                },
            ),
            Property::always("delivery/OS6 in order and without holes", |_, state: &State| {
                let applied = state.cloud.image.applied();
                applied
                    .windows(2)
                    .all(|pair| pair[0].0 != pair[1].0 || pair[1].1 == pair[0].1.next())
            }),
            Property::always(
                "delivery/OS7 flag 2 comes with the code",
                |world: &World, state: &State| {
                    let acked = small(state.edge.image.cursors().acked);
                    let knows = |h: u8| state.edge.image.codes().iter().any(|(known, _)| *known == h);
                    (1..=acked).all(|number| knows(world.parcel(number).household))
                },
            ),
            Property::always(
                "delivery/check invariants of both nodes",
                |world: &World, state: &State| {
                    state.edge.node.check(&world.sender).is_ok() && state.cloud.node.check(&world.receiver).is_ok()
                },
            ),
            Property::always("delivery/fenced only if there is a reason", |_, state: &State| {
                state.ghosts.restored || state.edge.node.state().phase() != Phase::Fenced
            }),
            Property::sometimes("everything arrives", |world: &World, state: &State| {
                state.is_done(world)
            }),
        ]
    }
}

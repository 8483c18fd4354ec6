//! What a state of the world holds, and what can happen to it.

use pehra_core::delivery::{CloudImage, EdgeImage, Receiver, Sender, Seq};

use super::messages::Parcel;
use crate::net::Net;
use crate::shared::Shared;
use crate::site::Site;

/// The edge: the deployed sender and its disk.
pub type Edge = Site<Sender<Parcel>, EdgeImage<Parcel>>;
/// The cloud: the deployed receiver and its disk.
pub type Cloud = Site<Receiver<Parcel>, CloudImage<Parcel>>;

/// The most rows of a world.
pub const PARCELS_MAX: usize = 6;

/// What the model remembers for its properties only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ghosts {
    /// Parcels taken from the source since the edge's last start, or before.
    pub taken: u8,
    /// Parcels durable at the edge: where the source starts again after a crash.
    pub stored: u8,
    /// Which parcel is durable at the edge under each sequence of its epoch.
    pub written: [u8; PARCELS_MAX],
    /// The highest flag-2 cursor ever durable since the last reported rewind.
    pub acked: u8,
    /// The highest flag-1 cursor ever durable.
    pub sent: u8,
    /// The marks, as bits, to which rewinds were reported.
    pub rewinds: u8,
    /// The edge's store is an older copy of itself.
    pub restored: bool,
    /// The edge's store was made anew at least once.
    pub renewed: bool,
    /// The cloud's store was lost at least once.
    pub wiped: bool,
}

/// One state of the system. Printed in words; see [`super::words`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The edge.
    pub edge: Shared<Edge>,
    /// The cloud.
    pub cloud: Shared<Cloud>,
    /// Messages to the cloud.
    pub up: Shared<Net>,
    /// Messages to the edge.
    pub down: Shared<Net>,
    /// An older copy of the edge's store.
    pub copy: Option<Shared<EdgeImage<Parcel>>>,
    /// Nonces drawn.
    pub drawn: u8,
    /// Crashes left: edge, cloud; then wipes, restores, renewals left.
    pub left: [u8; 5],
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
    /// The edge dies and starts again from the copy, when all that its last life had sent has come or is lost.
    EdgeRestore,
    /// The edge dies and starts again with a new store; the source goes on with the next row.
    EdgeRenew,
    /// From here on nothing crashes, and what is sent arrives. What is under way may arrive or not.
    Calm,
}

impl State {
    /// Whether this row, with this content, has taken effect at the cloud, durably.
    #[must_use]
    pub fn is_applied(&self, epoch: u64, seq: Seq, number: u8) -> bool {
        let applied = self.cloud.image.applied();
        applied
            .iter()
            .any(|(e, s, parcel)| (*e, *s, parcel.number) == (epoch, seq, number))
    }

    /// All parcels are through: applied, acknowledged, and the edge has that on disk.
    #[must_use]
    pub fn is_done(&self, parcels: u8) -> bool {
        let cursors = self.edge.image.cursors();
        let all = self.ghosts.stored == parcels && cursors.acked == cursors.last;
        all && (1..=parcels).all(|number| {
            let applied = self.cloud.image.applied();
            applied.iter().any(|(_, _, parcel)| parcel.number == number)
        })
    }
}

/// A sequence as a small number.
///
/// # Panics
/// If a model has more rows than it may.
#[must_use]
pub fn small(seq: Seq) -> u8 {
    u8::try_from(seq.0).expect("models have few rows")
}

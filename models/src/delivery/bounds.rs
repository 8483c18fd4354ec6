//! How large a world of delivery is.

use pehra_core::delivery::{ReceiverConfig, SenderConfig};
use pehra_core::types::Ticks;

use super::messages::Parcel;
use super::{CLOUD, EDGE};

/// One edge, one cloud, and the budgets of what happens around them.
#[derive(Clone, Debug)]
pub struct Bounds {
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
    /// Times that the cloud loses its store; where the network calms down, while a row is still to come.
    pub wipes: u8,
    /// Times that the edge's store is put back to an older copy (taken at any moment), 0 or 1.
    pub restores: u8,
    /// Times that the edge's store is made anew.
    pub renewals: u8,
    /// Whether heartbeats run.
    pub heartbeats: bool,
    /// How finely steps are cut.
    pub grain: Grain,
    /// Whether messages that can change nothing any more stay in the network. They multiply the states; that dropping
    /// them hides nothing is what the worlds that keep them are for.
    pub keeps_dead: bool,
    /// Whether the network may calm down, for liveness.
    pub calms: bool,
}

/// Where other things may happen in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// A commit is handed over, then becomes durable and is reported in one step, and a fetch is answered when it
    /// leaves. What a crash in between would keep from being sent is lost on the network instead.
    Joined,
    /// Handed over, durable, reported are three steps.
    Split,
    /// A fetch and its answer are two steps as well: every output is a step of its own.
    Fine,
}

impl Bounds {
    /// Rows of one household, batches of one row, two in flight, crashes on both sides.
    #[must_use]
    pub fn new(parcels: u8, crashes: u8) -> Self {
        Self {
            sender: SenderConfig {
                batch_rows: 1,
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
            grain: Grain::Joined,
            keeps_dead: false,
            calms: false,
        }
    }

    /// The same with batches of up to so many rows.
    #[must_use]
    pub fn batches(mut self, rows: u32) -> Self {
        self.sender.batch_rows = rows;
        self
    }

    /// The bounds as words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![
            format!("{} rows", self.parcels),
            format!("batches of up to {}", self.sender.batch_rows),
            format!("{} in flight", self.sender.flights),
            format!("{} + {} crashes", self.edge_crashes, self.cloud_crashes),
        ];
        for (count, what) in [
            (self.households.saturating_sub(1), "second household"),
            (self.wipes, "cloud store lost"),
            (self.restores, "edge store put back"),
            (self.renewals, "edge store made anew"),
            (self.greetings, "more greetings"),
        ] {
            if count > 0 {
                words.push(format!("{count} {what}"));
            }
        }
        if self.heartbeats {
            words.push("heartbeats".into());
        }
        if self.keeps_dead {
            words.push("no message is ever dropped for being without effect".into());
        }
        if self.calms {
            words.push("the network calms down".into());
        }
        words.push(
            match self.grain {
                Grain::Joined => "durable and reported in one step",
                Grain::Split => "handed over, durable, reported in three steps",
                Grain::Fine => "every output a step",
            }
            .into(),
        );
        words.push("loss, repetition and reordering unlimited".into());
        words.join(", ")
    }

    pub(super) fn parcel(&self, number: u8) -> Parcel {
        Parcel {
            number,
            household: u8::from(self.households > 1 && number.is_multiple_of(2)),
        }
    }

    /// Whether messages without effect are dropped. Only where both stores only ever move forward can they be known.
    pub(super) const fn drops_dead(&self) -> bool {
        !self.keeps_dead && self.wipes == 0 && self.restores == 0 && self.renewals == 0
    }
}

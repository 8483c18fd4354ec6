//! What the checker must know about the actions of the world.

use super::bounds::Grain;
use super::messages::{is_beat_down, is_beat_up};
use super::state::{Action, State};
use super::world::World;
use crate::kinds::Kinds;
use crate::net::STALE;

/// The promises once the network is calm. Each is weak: what stays possible without a break happens.
const PROMISES: [&str; 11] = [
    "the source hands over the next row",
    "a heartbeat reaches the cloud",
    "a message reaches the cloud",
    "a heartbeat reaches the edge",
    "a message reaches the edge",
    "the edge's disk finishes",
    "the edge's disk reports or answers",
    "the cloud's disk finishes",
    "the cloud's disk reports or answers",
    "the retry timer goes off",
    "the heartbeat timer goes off",
];

impl Kinds for World {
    const KINDS: &'static [&'static str] = &[
        "append",
        "to cloud",
        "to edge",
        "edge durable",
        "edge reported",
        "edge fetched",
        "retry",
        "heartbeat",
        "edge crash",
        "cloud durable",
        "cloud reported",
        "cloud fetched",
        "cloud crash",
        "cloud wipe",
        "copy",
        "restore",
        "renew",
        "calm",
    ];

    fn kind(action: &Action) -> &'static str {
        match action {
            Action::Append => "append",
            Action::ToCloud(_) => "to cloud",
            Action::ToEdge(_) => "to edge",
            Action::EdgeDurable => "edge durable",
            Action::EdgeReported => "edge reported",
            Action::EdgeFetched => "edge fetched",
            Action::EdgeRetry => "retry",
            Action::EdgeHeartbeat => "heartbeat",
            Action::EdgeCrash => "edge crash",
            Action::CloudDurable => "cloud durable",
            Action::CloudReported => "cloud reported",
            Action::CloudFetched => "cloud fetched",
            Action::CloudCrash => "cloud crash",
            Action::CloudWipe => "cloud wipe",
            Action::EdgeCopy => "copy",
            Action::EdgeRestore => "restore",
            Action::EdgeRenew => "renew",
            Action::Calm => "calm",
        }
    }

    fn has_kind(&self, kind: &str) -> bool {
        let bounds = self.bounds();
        match kind {
            "edge reported" | "cloud reported" => bounds.grain != Grain::Joined,
            "edge fetched" | "cloud fetched" => bounds.grain == Grain::Fine,
            "heartbeat" => bounds.heartbeats,
            "edge crash" => bounds.edge_crashes > 0,
            "cloud crash" => bounds.cloud_crashes > 0,
            "cloud wipe" => bounds.wipes > 0,
            "copy" | "restore" => bounds.restores > 0,
            "renew" => bounds.renewals > 0,
            "calm" => bounds.calms,
            _ => true,
        }
    }

    fn fairness(&self, state: &State, action: &Action) -> Option<u16> {
        let class = match action {
            Action::Append => 0,
            Action::ToCloud(word) if word & STALE != 0 => return None,
            Action::ToCloud(word) => 2 - u16::from(is_beat_up(*word)),
            Action::ToEdge(word) if word & STALE != 0 => return None,
            Action::ToEdge(word) => 4 - u16::from(is_beat_down(*word)),
            Action::EdgeDurable => 5,
            Action::EdgeReported | Action::EdgeFetched => 6,
            Action::CloudDurable => 7,
            Action::CloudReported | Action::CloudFetched => 8,
            Action::EdgeRetry => 9,
            Action::EdgeHeartbeat => 10,
            _ => return None,
        };
        state.calm.then_some(class)
    }

    fn class_name(&self, class: u16) -> String {
        PROMISES[usize::from(class)].into()
    }
}

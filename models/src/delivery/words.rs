//! The model in words, for traces and for the browser.

use std::fmt;

use pehra_core::delivery::{Downlink, ReceiverClaim, SenderClaim, Uplink};

use super::messages::{unpack_down, unpack_up};
use super::state::{Action, State};
use crate::net::{Net, STALE};

/// A message to the cloud.
#[must_use]
pub fn up(word: u32) -> String {
    let text = match unpack_up(word) {
        Uplink::Heartbeat(_) => "heartbeat".into(),
        Uplink::Claim(SenderClaim::Hello { epoch, session, oldest }) => {
            format!("hello of epoch {epoch}, session {session}, rows from {oldest}")
        }
        Uplink::Claim(SenderClaim::Batch { epoch, rows }) => {
            let asks = if rows.asks.is_empty() {
                String::new()
            } else {
                format!(", asks for the codes of {:?}", rows.asks)
            };
            format!("batch {}..{} of epoch {epoch}{asks}", rows.first, rows.last())
        }
    };
    marked(word, text)
}

/// A message to the edge.
#[must_use]
pub fn down(word: u32) -> String {
    let text = match unpack_down(word) {
        Downlink::Alive(_) => "alive".into(),
        Downlink::Claim(ReceiverClaim::Welcome {
            epoch, session, high, ..
        }) => format!("welcome to epoch {epoch}, session {session}, durable to {high}"),
        Downlink::Claim(ReceiverClaim::Ack { high, codes, .. }) => match codes {
            Some(codes) => format!(
                "acknowledgement to {high} with the codes that batch {} asked for",
                codes.first
            ),
            None => format!("acknowledgement to {high}"),
        },
        Downlink::Claim(ReceiverClaim::Fenced { epoch }) => format!("refusal of epoch {epoch}"),
    };
    marked(word, text)
}

fn marked(word: u32, text: String) -> String {
    if word & STALE == 0 {
        text
    } else {
        format!("{text} (from before the calm, or again)")
    }
}

/// An action as a sentence.
#[must_use]
pub fn action(action: &Action) -> String {
    match action {
        Action::Append => "the source hands the edge a row".into(),
        Action::ToCloud(word) => format!("cloud <- {}", up(*word)),
        Action::ToEdge(word) => format!("edge <- {}", down(*word)),
        Action::EdgeDurable => "the edge's oldest commit is durable".into(),
        Action::EdgeReported => "the edge's oldest durable commit is reported".into(),
        Action::EdgeFetched => "the edge's disk answers".into(),
        Action::EdgeRetry => "the edge's retry timer goes off".into(),
        Action::EdgeHeartbeat => "the edge's heartbeat timer goes off".into(),
        Action::EdgeCrash => "the edge dies and starts again".into(),
        Action::CloudDurable => "the cloud's oldest commit is durable".into(),
        Action::CloudReported => "the cloud's oldest durable commit is reported".into(),
        Action::CloudFetched => "the cloud's disk answers".into(),
        Action::CloudCrash => "the cloud dies and starts again".into(),
        Action::CloudWipe => "the cloud dies and loses its store".into(),
        Action::EdgeCopy => "somebody copies the edge's store".into(),
        Action::EdgeRestore => "the edge dies and starts again from the copy".into(),
        Action::EdgeRenew => "the edge dies and starts again with a new store".into(),
        Action::Calm => "the network calms down".into(),
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (edge, cloud) = (&self.edge, &self.cloud);
        let (sender, stored) = (edge.node.state(), edge.image.cursors());
        let flights: Vec<String> = sender
            .flights()
            .iter()
            .map(|flight| format!("{}..{}", flight.first, flight.last))
            .collect();
        let applied: Vec<String> = cloud
            .image
            .applied()
            .iter()
            .map(|(epoch, seq, parcel)| format!("{epoch}/{seq} is row {}", parcel.number))
            .collect();
        let list = |net: &Net, say: fn(u32) -> String| net.iter().map(say).collect::<Vec<_>>().join("; ");
        f.debug_struct(if self.calm { "Calm" } else { "State" })
            .field(
                "edge",
                &format_args!(
                    "{:?}, acked {}, sent {}, last {}, in flight {flights:?}",
                    sender.phase(),
                    sender.acked(),
                    sender.sent(),
                    sender.last()
                ),
            )
            .field(
                "edge_disk",
                &format_args!(
                    "acked {}, sent {}, last {}, oldest {}, codes of {}, {} commits under way",
                    stored.acked,
                    stored.sent,
                    stored.last,
                    stored.oldest,
                    edge.image.codes().len(),
                    edge.disk.len()
                ),
            )
            .field(
                "cloud",
                &format_args!(
                    "epoch {:?}, to {}",
                    cloud.node.state().epoch(),
                    cloud.node.state().high()
                ),
            )
            .field(
                "cloud_disk",
                &format_args!("{applied:?}, {} commits under way", cloud.disk.len()),
            )
            .field("to_cloud", &format_args!("[{}]", list(&self.up, up)))
            .field("to_edge", &format_args!("[{}]", list(&self.down, down)))
            .finish()
    }
}

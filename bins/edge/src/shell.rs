//! Where the edge's words go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pehra_core::delivery::{FenceReason, Heartbeat, LinkState, SenderClaim, SenderReport, Uplink};
use pehra_core::node::GateBound;
use pehra_core::pipeline::{Pipeline, PipelineConfig, PipelineDurable, PipelineEvent, PipelineReport};
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{Broken, EdgeName, NodeId};
use pehra_core::window::{Span, Tuple};
use pehra_core::wire;
use pehra_driver::{Mail, Mailbox, Recorder, Seen, Shell, StoreError};
use pehra_kafka::{AVERAGES, Producer, RequestTag, Steer};
use pehra_nng::Requester;
use tokio::sync::{mpsc, watch};

use crate::CLOUD;
use crate::counters::Counters;

/// How long a request may stay open. The protocol's own timers decide when to send again.
const DEADLINE: Duration = Duration::from_secs(10);

/// The edge's shell.
pub struct EdgeShell {
    name: EdgeName,
    heartbeats: Requester,
    data: Requester,
    letters: Mailbox<Pipeline>,
    steer: mpsc::Sender<Steer>,
    stand: watch::Sender<Vec<(u16, u64)>>,
    counters: Arc<Counters>,
    publisher: Option<Producer>,
    recorder: Option<Recorder>,
    buffer: Vec<u8>,
}

impl EdgeShell {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        name: EdgeName,
        heartbeats: Requester,
        data: Requester,
        letters: Mailbox<Pipeline>,
        steer: mpsc::Sender<Steer>,
        stand: watch::Sender<Vec<(u16, u64)>>,
        counters: Arc<Counters>,
        publisher: Option<Producer>,
        recorder: Option<Recorder>,
    ) -> Self {
        Self {
            name,
            heartbeats,
            data,
            letters,
            steer,
            stand,
            counters,
            publisher,
            recorder,
            buffer: Vec::new(),
        }
    }

    /// Sends a request; its reply, if there is one, comes back as a letter.
    fn request(&mut self, over: Requester, message: &Uplink<Tuple>) {
        wire::encode_up(&self.name, message, &mut self.buffer);
        let (frame, letters) = (Bytes::copy_from_slice(&self.buffer), self.letters.clone());
        let counters = Arc::clone(&self.counters);
        counters.requests.add(1);
        tokio::spawn(async move {
            let reply = match over.request(frame, DEADLINE).await {
                Ok(reply) => reply,
                Err(error) => {
                    counters.request_failures.add(1);
                    tracing::debug!(%error, "a request was not answered");
                    return;
                }
            };
            // An empty reply says only that the cloud had nothing to say in time.
            if reply.is_empty() {
                return;
            }
            match wire::decode_down(&reply) {
                Ok(message) => {
                    // If the node is gone, so is the need for its letters.
                    let _ = letters.send(Mail::Message { from: CLOUD, message }).await;
                }
                Err(error) => tracing::warn!(%error, "a reply of the cloud is not understood"),
            }
        });
    }

    fn record(&mut self, seen: &Seen<'_, Pipeline>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.see(seen);
        }
    }

    fn steer(&self, steer: Steer) {
        // Full means that the source has plenty of reasons to start again already.
        let _ = self.steer.try_send(steer);
    }

    fn on_sender(&self, report: SenderReport) {
        match report {
            SenderReport::Refused(..) => self.counters.refused.add(1),
            SenderReport::Link(state) => {
                self.counters.link_up.set(u64::from(state == LinkState::Up));
                tracing::info!(?state, "link to the cloud");
            }
            SenderReport::Resending { from, to } => {
                self.counters.resent.add(to.since(from));
                tracing::info!(after = from.0, to = to.0, "sending again");
            }
            SenderReport::Rewound { from, to } => {
                tracing::warn!(
                    from = from.0,
                    to = to.0,
                    "the cloud lost data; sending again what it lost"
                );
            }
            SenderReport::Missing { from, to } => {
                tracing::error!(
                    from = from.0,
                    to = to.0,
                    "rows are lost: the cloud lost them after they left this store"
                );
            }
            SenderReport::Fenced(why) => {
                self.counters.fenced.set(1);
                let what = match why {
                    FenceReason::RolledBack => "this database is an older copy of the one that the cloud has seen",
                    FenceReason::Replaced => "another database holds this edge's name now",
                };
                tracing::error!(
                    ?why,
                    "fenced: {what}. Rows pile up and nothing is sent; give this edge a name or a database of its own"
                );
            }
            SenderReport::Misbehaved(what) => tracing::warn!(what, "the peer misbehaves"),
            SenderReport::StoreLost => tracing::error!("the database was lost; beginning anew"),
        }
    }
}

impl Shell<Pipeline> for EdgeShell {
    fn started(&mut self, state: &Pipeline) {
        self.stand.send_replace(state.positions().to_vec());
        self.steer(Steer::Start);
    }

    fn notice(&mut self, _to: NodeId, notice: Heartbeat) {
        self.request(self.heartbeats.clone(), &notice.into());
    }

    fn claim(&mut self, _to: NodeId, claim: SenderClaim<Tuple>) {
        self.request(self.data.clone(), &claim.into());
    }

    fn event(&mut self, event: PipelineEvent) {
        let PipelineEvent::Closed(tuple) = event else { return };
        let (
            Some(producer),
            Span::Window {
                sum_mw, n, revision, ..
            },
        ) = (self.publisher.clone(), tuple.span)
        else {
            return;
        };
        tokio::spawn(async move {
            let record = format!(
                r#"{{"node_id":"{}","start":{},"average":{},"n":{n},"revision":{revision}}}"#,
                tuple.household,
                tuple.start_ms,
                sum_mw / i64::from(n.max(1))
            );
            let sent = producer
                .send(AVERAGES, tuple.household.as_str(), record.as_bytes(), tuple.start_ms)
                .await;
            let outcome = match sent {
                Ok(delivery) => delivery.wait().await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "a closed window was not published");
            }
        });
    }

    fn report(&mut self, report: PipelineReport) {
        match report {
            PipelineReport::Position { request, .. } => self.steer(Steer::Seek(RequestTag(request.0))),
            PipelineReport::Refused(request, why) => {
                self.counters.refused.add(1);
                tracing::debug!(?why, "a record was not taken");
                self.steer(Steer::Wait(RequestTag(request.0)));
            }
            PipelineReport::SetAside(_) => self.counters.set_aside.add(1),
            PipelineReport::Sender(report) => self.on_sender(report),
        }
    }

    fn look(&mut self, state: &Pipeline) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
        self.stand.send_if_modified(|stand| {
            let moved = stand.as_slice() != state.positions();
            if moved {
                stand.clear();
                stand.extend_from_slice(state.positions());
            }
            moved
        });
        self.counters.rows.set(state.sender().last().0);
        self.counters.acked.set(state.sender().acked().0);
        self.counters
            .households
            .set(u64::try_from(state.windows().households()).unwrap_or(u64::MAX));
    }

    fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    fn record_recovered(&mut self, config: &PipelineConfig, gate: GateBound, recovered: &Recovered<PipelineDurable>) {
        self.record(&Seen::Recovered {
            config,
            gate,
            recovered,
        });
    }

    fn record_input(&mut self, input: &Input<Pipeline>) {
        self.record(&Seen::Input(input));
    }

    fn record_persisted(&mut self) {
        self.record(&Seen::Persisted);
    }

    fn record_outputs(&mut self, digest: u64) {
        self.record(&Seen::Outputs(digest));
    }

    fn store_failed(&mut self, _error: &StoreError) {
        self.counters.store_failures.add(1);
    }

    fn fault(&mut self, broken: Broken) {
        tracing::error!(%broken, "FAULT: the node has stopped");
    }
}

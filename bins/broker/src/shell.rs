//! Where the node's words go: to its peers, to waiting clients, onto the board, into the log. One line for each change,
//! none for a heartbeat.

use std::sync::Arc;

use bytes::Bytes;
use pehra_cluster::{Cluster, RoleNow};
use pehra_core::election::{Claim, Config, Election, Event, Message, Notice, Report, Role};
use pehra_core::members::Order;
use pehra_core::node::GateBound;
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{Broken, NodeId, Term};
use pehra_core::wire::encode_ballot;
use pehra_driver::{Recorder, Seen, Shell, StoreError};
use pehra_nng::mesh::Mesh;

use crate::board::Board;
use crate::desk::Desk;
use crate::order::order;

/// The node's shell.
pub struct VoterShell {
    pub config: Config,
    pub cluster: Arc<Cluster>,
    pub mesh: Arc<Mesh>,
    pub desk: Arc<Desk>,
    pub board: Arc<Board>,
    pub recorder: Option<Recorder>,
    pub buffer: Vec<u8>,
    /// The latest term whose leadership is known to be over: a gain that is told later and is no newer is void.
    pub over: Option<Term>,
}

impl VoterShell {
    fn send(&mut self, to: NodeId, message: &Message<()>) {
        encode_ballot(message, &mut self.buffer);
        // What cannot leave is lost, as on any network; the mesh counts it.
        let _ = self.mesh.send(to, Bytes::copy_from_slice(&self.buffer));
    }

    fn is_void(&self, term: Term) -> bool {
        self.over.is_some_and(|over| term <= over)
    }

    fn record(&mut self, seen: &Seen<'_, Election<()>>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.see(seen);
        }
    }
}

impl Shell<Election<()>> for VoterShell {
    fn started(&mut self, state: &Election<()>) {
        self.desk.forgotten();
        let mut board = self.board.lock();
        board.store_failure = None;
        board.see(&self.config, state);
    }

    fn notice(&mut self, to: NodeId, notice: Notice<()>) {
        self.send(to, &notice.into());
    }

    fn claim(&mut self, to: NodeId, claim: Claim<()>) {
        self.send(to, &claim.into());
    }

    fn event(&mut self, event: Event<()>) {
        match event {
            Event::Leading { term } if self.is_void(term) => {}
            Event::Leading { term } => tracing::info!(term = term.0, "LEADS"),
            Event::Following { leader, term } => tracing::info!(leader = leader.0, term = term.0, "follows"),
            Event::Confirmed { upto, term } => {
                if self.is_void(term) {
                    self.desk.unconfirmed(upto);
                } else {
                    self.desk.confirmed(upto, term);
                }
            }
            Event::Leased { term, round } => tracing::info!(term = term.0, round, "has a lease"),
            Event::NeedsLog { .. } => {}
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::StoppedLeading { term, why } => {
                self.over = self.over.max(Some(term));
                tracing::info!(term = term.0, %why, "leads no longer");
                self.desk.stopped(why);
            }
            Report::LeaseLost { term, round } => tracing::info!(term = term.0, round, "lost its lease"),
            Report::LeaderLost { leader, term } => {
                tracing::info!(leader = leader.0, term = term.0, "has lost its leader");
            }
            Report::Refused { request, refusal } => self.desk.refused(request, refusal),
            Report::Unconfirmed { upto } => self.desk.unconfirmed(upto),
            Report::TransferFailed { to } => {
                tracing::warn!(to = to.map(|node| node.0), "a hand-over came to nothing; leads on");
                self.desk.not_handed_over(to);
            }
            Report::WriteLate => tracing::warn!("the disk is late: a write takes longer than half an election timeout"),
            Report::WriteBack => tracing::info!("the disk is back"),
            Report::StoreLost => tracing::error!("the store was lost: follows, and does not vote"),
            Report::Misbehaved { from, what } => {
                self.board.refused("misbehaved");
                tracing::warn!(from = from.0, what, "a peer misbehaves");
            }
        }
    }

    fn order(&mut self, term: Term) -> Order {
        order(&self.cluster, term)
    }

    fn look(&mut self, state: &Election<()>) {
        self.board.lock().see(&self.config, state);
        self.desk
            .drained(state.is_drained(), matches!(state.role(), Role::Leader(_)));
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }

    fn store_failed(&mut self, error: &StoreError) {
        let mut board = self.board.lock();
        board.store_failure = Some(error.to_string());
        // The node is dropped, whatever it was.
        board.role = RoleNow::Follower;
        board.leader = None;
    }

    fn record_recovered(
        &mut self,
        config: &Config,
        gate: GateBound,
        recovered: &Recovered<pehra_core::election::HardState>,
    ) {
        self.record(&Seen::Recovered {
            config,
            gate,
            recovered,
        });
    }

    fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    fn record_input(&mut self, input: &Input<Election<()>>) {
        self.record(&Seen::Input(input));
    }

    fn record_persisted(&mut self) {
        self.record(&Seen::Persisted);
    }

    fn record_outputs(&mut self, digest: u64) {
        self.record(&Seen::Outputs(digest));
    }

    fn fault(&mut self, broken: Broken) {
        tracing::error!(%broken, "FAULT: the node has stopped");
        self.board.lock().fault = Some(format!("an invariant is broken, and the node has stopped: {broken}"));
    }
}

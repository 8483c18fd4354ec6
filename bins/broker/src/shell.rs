//! Where the node's words go: to its peers, to waiting clients, onto the board, into the log. One line for each change,
//! none for a heartbeat.

use std::sync::Arc;

use bytes::Bytes;
use pehra_cluster::{Cluster, RoleNow};
use pehra_core::election::{Event, Report, Role};
use pehra_core::members::Order;
use pehra_core::node::GateBound;
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{Broken, NodeId, Term};
use pehra_driver::{Recorder, Seen, Shell, StoreError};
use pehra_nng::mesh::Mesh;

use crate::board::Board;
use crate::desk::Desk;
use crate::hosted::{Host, Hosted, Of};
use crate::order::order;

/// The node's shell.
pub struct NodeShell<P: Hosted> {
    pub config: P::Config,
    pub host: Arc<P::Host>,
    pub cluster: Arc<Cluster>,
    pub mesh: Arc<Mesh>,
    pub desk: Arc<Desk>,
    pub board: Arc<Board>,
    pub recorder: Option<Recorder>,
    pub buffer: Vec<u8>,
    /// The latest term whose leadership is known to be over: a gain that is told later and is no newer is void.
    pub over: Option<Term>,
}

impl<P: Hosted> NodeShell<P> {
    fn send(&mut self, to: NodeId, message: &P::Heard) {
        P::encode(message, &mut self.buffer);
        // What cannot leave is lost, as on any network; the mesh counts it.
        let _ = self.mesh.send(to, Bytes::copy_from_slice(&self.buffer));
    }

    fn is_void(&self, term: Term) -> bool {
        self.over.is_some_and(|over| term <= over)
    }

    fn record(&mut self, seen: &Seen<'_, P>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.see(seen);
        }
    }

    fn on_event(&mut self, event: &Event<P::Position>) {
        match *event {
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

    fn on_report(&mut self, report: Report) {
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
}

impl<P: Hosted> Shell<P> for NodeShell<P> {
    fn started(&mut self, state: &P) {
        self.desk.forgotten();
        self.host.started(state);
        let mut board = self.board.lock();
        board.store_failure = None;
        board.see(P::election_config(&self.config), state.election());
    }

    fn notice(&mut self, to: NodeId, notice: P::Notice) {
        self.send(to, &notice.into());
    }

    fn claim(&mut self, to: NodeId, claim: P::Claim) {
        self.send(to, &claim.into());
    }

    fn event(&mut self, event: P::Event) {
        match P::of_event(event) {
            Of::Election(event) => self.on_event(&event),
            Of::Own(event) => self.host.event(event),
        }
    }

    fn report(&mut self, report: P::Report) {
        match P::of_report(report) {
            Of::Election(report) => self.on_report(report),
            Of::Own(report) => self.host.report(report),
        }
    }

    fn order(&mut self, term: Term) -> Order {
        order(&self.cluster, term)
    }

    fn look(&mut self, state: &P) {
        let election = state.election();
        self.board.lock().see(P::election_config(&self.config), election);
        self.desk
            .drained(election.is_drained(), matches!(election.role(), Role::Leader(_)));
        self.host.look(state);
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

    fn record_recovered(&mut self, config: &P::Config, gate: GateBound, recovered: &Recovered<P::Durable>) {
        self.record(&Seen::Recovered {
            config,
            gate,
            recovered,
        });
    }

    fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    fn record_input(&mut self, input: &Input<P>) {
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

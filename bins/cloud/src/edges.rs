//! One node for each edge, fed by both sockets and every connection.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pehra_core::delivery::{Alive, Downlink, Receiver, ReceiverClaim, ReceiverConfig, ReceiverDurable};
use pehra_core::delivery::{ReceiverEvent, ReceiverReport};
use pehra_core::node::GateBound;
use pehra_core::protocol::{Input, Recovered};
use pehra_core::types::{Broken, EdgeName, NodeId};
use pehra_core::window::Tuple;
use pehra_core::wire;
use pehra_driver::{End, FILE_MAX_BYTES, Mail, Mailbox, Options, Recorder, Seen, Shell, StoreError, mailbox, run};
use pehra_nng::{Answer, Incoming};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::store::Backend;

/// An edge, as core names it: each node knows one.
const EDGE: NodeId = NodeId(1);

/// Letters that may wait for a node.
const MAILBOX: usize = 256;

/// Edges that one cloud serves.
const EDGES_MAX: usize = 10_000;

/// How long a request may stay open before it gets an empty reply. Shorter than the edge's own deadline.
const OPEN_MAX: Duration = Duration::from_secs(8);

/// Open requests of one edge and socket at the most; more make the oldest get an empty reply.
const OPEN_COUNT_MAX: usize = 256;

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    Heartbeat,
    Data,
}

/// Requests that wait for an answer, oldest first.
#[derive(Debug, Default)]
struct Open {
    heartbeats: VecDeque<(Instant, Answer)>,
    data: VecDeque<(Instant, Answer)>,
}

type SharedOpen = Arc<Mutex<Open>>;

fn lock(open: &SharedOpen) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Edge {
    letters: Mailbox<Receiver<Tuple>>,
    open: SharedOpen,
    node: JoinHandle<()>,
}

/// All edges.
pub struct Edges {
    backend: Backend,
    board: Arc<Board>,
    recordings: Option<PathBuf>,
    stopping: watch::Receiver<bool>,
    edges: HashMap<EdgeName, Edge>,
}

impl Edges {
    /// With `recordings`, each edge's node keeps a flight recorder in that folder.
    pub fn new(
        backend: Backend,
        board: Arc<Board>,
        recordings: Option<PathBuf>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            backend,
            board,
            recordings,
            stopping,
            edges: HashMap::new(),
        }
    }

    /// Starts a node for each edge that delivered before.
    pub async fn wake_known(&mut self) -> Result<(), String> {
        let backend = self.backend.clone();
        let names = tokio::task::spawn_blocking(move || backend.names_of_edges()).await;
        match names {
            Ok(Ok(names)) => {
                for name in names.iter().filter_map(|name| EdgeName::new(name)) {
                    self.edge(name);
                }
                Ok(())
            }
            Ok(Err(error)) => {
                // Not an end: the store may come up later, and edges wait.
                tracing::error!(%error, "the store does not answer yet");
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn edge(&mut self, name: EdgeName) -> Option<&Edge> {
        if !self.edges.contains_key(&name) && self.edges.len() >= EDGES_MAX {
            return None;
        }
        let (backend, board, stopping) = (&self.backend, &self.board, &self.stopping);
        Some(self.edges.entry(name).or_insert_with(|| {
            tracing::info!(edge = %name, "serving an edge");
            let recorder = self.recordings.as_deref().and_then(|folder| recorder(folder, name));
            start(name, backend.clone(), Arc::clone(board), recorder, stopping.clone())
        }))
    }

    /// Takes a request to its edge's node.
    pub fn take(&mut self, socket: Socket, incoming: Incoming) {
        let Incoming { peer, body, answer } = incoming;
        let (name, message) = match wire::decode_up(&body) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.board.refused_frame();
                let head = body.get(..body.len().min(32)).unwrap_or_default();
                tracing::warn!(from = %peer.address, %error, bytes = body.len(), head = ?head, "a frame was refused");
                return;
            }
        };
        if let Some(identity) = &peer.identity
            && identity != name.as_str()
        {
            tracing::warn!(edge = %name, certificate = identity, "an edge speaks under a name that its certificate does not carry");
            self.board.refused_frame();
            return;
        }
        self.board.heard(name);
        let Some(edge) = self.edge(name) else {
            tracing::error!(edge = %name, most = EDGES_MAX, "too many edges");
            return;
        };
        let mut open = lock(&edge.open);
        let queue = match socket {
            Socket::Heartbeat => &mut open.heartbeats,
            Socket::Data => &mut open.data,
        };
        if queue.len() >= OPEN_COUNT_MAX {
            queue.pop_front();
        }
        queue.push_back((Instant::now(), answer));
        drop(open);
        // A full mailbox means a slow store. Waiting here would hold up other edges; a lost message will come again.
        if edge.letters.try_send(Mail::Message { from: EDGE, message }).is_err() {
            tracing::debug!(edge = %name, "a message was not taken");
        }
    }

    /// Gives requests that were open for too long their empty reply.
    pub fn expire(&mut self) {
        for edge in self.edges.values() {
            let mut open = lock(&edge.open);
            let Open { heartbeats, data } = &mut *open;
            for queue in [heartbeats, data] {
                while queue.front().is_some_and(|(since, _)| since.elapsed() > OPEN_MAX) {
                    queue.pop_front();
                }
            }
        }
    }

    /// Waits until what was handed to the stores is durable.
    pub async fn finish(self) {
        for (name, edge) in self.edges {
            drop(edge.letters);
            if tokio::time::timeout(Duration::from_secs(10), edge.node).await.is_err() {
                tracing::warn!(edge = %name, "its store did not finish in time; what was not acknowledged will come again");
            }
        }
    }
}

fn recorder(folder: &Path, name: EdgeName) -> Option<Recorder> {
    Recorder::new(folder, &format!("cloud-{name}"), FILE_MAX_BYTES)
        .inspect_err(|error| tracing::warn!(folder = %folder.display(), %error, "no flight recorder"))
        .ok()
}

fn start(
    name: EdgeName,
    backend: Backend,
    board: Arc<Board>,
    recorder: Option<Recorder>,
    stopping: watch::Receiver<bool>,
) -> Edge {
    let (letters, inbox) = mailbox::<Receiver<Tuple>>(MAILBOX);
    let open = SharedOpen::default();
    let mut shell = EdgeShell {
        name,
        open: Arc::clone(&open),
        board: Arc::clone(&board),
        recorder,
        buffer: Vec::new(),
    };
    let node = tokio::spawn(async move {
        let config = ReceiverConfig::deployed(EDGE);
        let options = Options::deployed(format!("cloud/{name}"));
        let end = run(
            &config,
            options,
            || backend.open(name, &board),
            &mut shell,
            inbox,
            stopping,
        )
        .await;
        if let End::Fault(broken) = end {
            tracing::error!(edge = %name, %broken, "FAULT: this edge is no longer served; its rows stay at the edge");
        }
    });
    Edge { letters, open, node }
}

/// Where one edge's node puts its words.
struct EdgeShell {
    name: EdgeName,
    open: SharedOpen,
    board: Arc<Board>,
    recorder: Option<Recorder>,
    buffer: Vec<u8>,
}

impl EdgeShell {
    fn record(&mut self, seen: &Seen<'_, Receiver<Tuple>>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.see(seen);
        }
    }

    fn reply(&mut self, answer: Option<(Instant, Answer)>, message: &Downlink<Tuple>) {
        // Without an open request there is nobody to tell: the edge will ask again.
        let Some((_, answer)) = answer else { return };
        wire::encode_down(message, &mut self.buffer);
        answer.send(Bytes::copy_from_slice(&self.buffer));
    }
}

impl Shell<Receiver<Tuple>> for EdgeShell {
    fn notice(&mut self, _to: NodeId, notice: Alive) {
        let answer = {
            let mut open = lock(&self.open);
            open.heartbeats.pop_front().or_else(|| open.data.pop_front())
        };
        self.reply(answer, &notice.into());
    }

    fn claim(&mut self, _to: NodeId, claim: ReceiverClaim<Tuple>) {
        let answer = lock(&self.open).data.pop_front();
        self.reply(answer, &claim.into());
    }

    fn event(&mut self, event: ReceiverEvent) {
        let ReceiverEvent::Applied(high) = event;
        self.board.edge(self.name, |edge| {
            edge.applied += high.0.saturating_sub(edge.high.min(high.0));
            edge.high = high.0;
        });
    }

    fn report(&mut self, report: ReceiverReport) {
        let edge = self.name;
        match report {
            ReceiverReport::Silent => {
                tracing::warn!(%edge, "the edge is silent");
                self.board.edge(edge, |edge| edge.silent = true);
            }
            ReceiverReport::Returned => {
                tracing::info!(%edge, "the edge is back");
                self.board.edge(edge, |edge| edge.silent = false);
            }
            ReceiverReport::Backlog(rows) => self.board.edge(edge, |edge| edge.backlog = rows),
            ReceiverReport::Gap { high, first } => {
                tracing::debug!(%edge, high = high.0, first = first.0, "a batch did not join on");
                self.board.edge(edge, |edge| edge.gaps += 1);
            }
            ReceiverReport::Repeated { rows } => self.board.edge(edge, |edge| edge.repeated += rows),
            ReceiverReport::Missing { from, to } => {
                tracing::error!(%edge, from = from.0, to = to.0, "rows are lost: this store lost them, and the edge no longer has them");
            }
            ReceiverReport::Fenced(epoch) => {
                tracing::error!(%edge, epoch, "an edge with a replaced database was refused");
            }
            ReceiverReport::EpochsFull(epoch) => {
                tracing::error!(%edge, epoch, "a new database was refused: this edge has had too many; are two machines using its name?");
            }
            ReceiverReport::Adopted(epoch) => tracing::warn!(%edge, epoch, "the edge has a new database"),
            ReceiverReport::Misbehaved(what) => tracing::warn!(%edge, what, "the edge misbehaves"),
            ReceiverReport::StoreLost => {
                tracing::error!(%edge, "this cloud's store was emptied; the edge will send again");
            }
        }
    }

    fn look(&mut self, state: &Receiver<Tuple>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
        let epoch = state.epoch().unwrap_or(0);
        self.board.edge(self.name, |edge| edge.epoch = epoch);
    }

    fn started(&mut self, state: &Receiver<Tuple>) {
        let high = state.high().0;
        self.board.edge(self.name, |edge| edge.high = high);
    }

    fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    fn record_recovered(&mut self, config: &ReceiverConfig, gate: GateBound, recovered: &Recovered<ReceiverDurable>) {
        self.record(&Seen::Recovered {
            config,
            gate,
            recovered,
        });
    }

    fn record_input(&mut self, input: &Input<Receiver<Tuple>>) {
        self.record(&Seen::Input(input));
    }

    fn record_persisted(&mut self) {
        self.record(&Seen::Persisted);
    }

    fn record_outputs(&mut self, digest: u64) {
        self.record(&Seen::Outputs(digest));
    }

    fn store_failed(&mut self, _error: &StoreError) {
        // Whatever was asked of the node that is gone stays unanswered; the edge asks again.
        *lock(&self.open) = Open::default();
        self.board.edge(self.name, |edge| edge.store_failures += 1);
    }

    fn fault(&mut self, broken: Broken) {
        tracing::error!(edge = %self.name, %broken, "FAULT: the node has stopped");
    }
}

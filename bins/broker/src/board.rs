//! What is known of this node and its peers at the moment, for status requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pehra_cluster::{Cluster, Disk, PeerStatus, RoleNow, Status};
use pehra_core::election::{Config, Election, Position};
use pehra_nng::mesh::Mesh;

/// A board that the node's loop, the mesh's events and clients share.
#[derive(Debug, Default)]
pub struct Board(Mutex<Content>);

/// What stands on it.
#[derive(Debug, Default)]
pub struct Content {
    pub role: RoleNow,
    pub term: u64,
    pub leader: Option<u16>,
    pub draining: bool,
    pub lost: Option<String>,
    pub fault: Option<String>,
    pub store_failure: Option<String>,
    /// The store lives on its reserve.
    pub full: bool,
    pub peers: BTreeMap<u16, Peer>,
    pub pending: u32,
    pub pending_since: Option<Instant>,
    pub commits: u64,
    pub longest_ms: u64,
    /// What the node refused, beside what the mesh counts.
    pub refusals: BTreeMap<&'static str, u64>,
}

/// One peer.
#[derive(Debug, Default)]
pub struct Peer {
    pub linked: bool,
    pub heard: Option<Instant>,
    pub incarnation: Option<u64>,
}

impl Board {
    /// The content, for a moment: nothing waits while it is held.
    pub fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal.
    pub fn refused(&self, what: &'static str) {
        *self.lock().refusals.entry(what).or_default() += 1;
    }
}

impl Content {
    /// Takes over the node's state.
    pub fn see<L: Position>(&mut self, config: &Config, state: &Election<L>) {
        self.role = RoleNow::of(state.role());
        self.term = state.term().0;
        self.leader = state.leader(config).map(|node| node.0);
        self.draining = state.is_drained();
        self.full = state.health().full;
        self.pending = state.health().writes.into();
        if self.pending == 0 {
            self.pending_since = None;
        } else {
            self.pending_since.get_or_insert_with(Instant::now);
        }
    }
}

/// Who this node is, for status replies.
#[derive(Debug)]
pub struct Identity {
    pub cluster: Arc<Cluster>,
    pub id: u16,
    pub store: u64,
    pub incarnation: u64,
    pub started: Instant,
}

/// What a node says whose store lives on its reserve.
const FULL: &str =
    "the disk is nearly full: this node votes as long as its reserve lasts, and does not lead; free some space";

/// Everything together.
pub fn status(identity: &Identity, board: &Board, mesh: &Mesh) -> Status {
    let now = Instant::now();
    let since = |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
    let cluster = &identity.cluster;
    let content = board.lock();
    let others = cluster.members.iter().filter(|member| member.id != identity.id);
    let peers: Vec<PeerStatus> = others
        .map(|member| {
            let peer = content.peers.get(&member.id);
            PeerStatus {
                node: member.id,
                address: member.address.to_string(),
                role: member.role.name().into(),
                linked: peer.is_some_and(|peer| peer.linked),
                heard_ms: peer.and_then(|peer| peer.heard).map(since),
                incarnation: peer.and_then(|peer| peer.incarnation),
                dropped: mesh.overflows(pehra_core::types::NodeId(member.id)),
            }
        })
        .collect();
    let linked = peers.iter().filter(|peer| peer.linked && peer.node < 64);
    let full = content.full.then(|| FULL.to_owned());
    let trouble = [&content.fault, &content.store_failure, &content.lost, &full];
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        cluster: cluster.name.clone(),
        number: cluster.number,
        node: identity.id,
        pid: std::process::id(),
        incarnation: mesh.me().incarnation,
        store: format!("{:016x}", identity.store),
        up_ms: since(identity.started),
        role: content.role,
        term: content.term,
        leader: content.leader,
        draining: content.draining,
        trouble: trouble.into_iter().flatten().next().cloned(),
        heartbeat_ms: cluster.timing.heartbeat.0,
        election_ms: cluster.timing.election.0,
        disk: Disk {
            pending: content.pending,
            oldest_ms: content.pending_since.map_or(0, since),
            commits: content.commits,
            longest_ms: content.longest_ms,
        },
        log: None,
        sleep: None,
        links: linked.fold(0, |bits, peer| bits | 1 << peer.node),
        peers,
        refusals: refusals(&content, mesh),
    }
}

fn refusals(content: &Content, mesh: &Mesh) -> BTreeMap<String, u64> {
    use std::sync::atomic::Ordering::Relaxed;
    let counters = mesh.counters();
    let counted = [
        ("hellos", &counters.refused_hellos),
        ("wrong-peers", &counters.wrong_peers),
        ("frames", &counters.refused_frames),
        ("client-frames", &counters.clients.refused_frames),
        ("client-greetings", &counters.clients.wrong_peers),
        ("connections", &counters.refused_connections),
        ("overflows", &counters.overflows),
        ("slow-writes", &counters.slow_writes),
        ("silences", &counters.silences),
    ];
    let counted = counted.map(|(what, counter)| (what, counter.load(Relaxed)));
    let own = content.refusals.iter().map(|(what, count)| (*what, *count));
    let all = counted.into_iter().chain(own);
    all.filter(|(_, count)| *count > 0)
        .map(|(what, count)| (what.to_owned(), count))
        .collect()
}

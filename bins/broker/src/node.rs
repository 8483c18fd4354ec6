//! Wires one node: store, mesh, driver, clients, and the way it stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pehra_cluster::ask::{Ask, Refused, Reply, Unknown};
use pehra_cluster::{Cluster, Member, RoleNow};
use pehra_core::election::Command;
use pehra_core::identity::{ClusterName, Hello, PROTOCOL_VERSION};
use pehra_core::types::NodeId;
use pehra_driver::{End, FILE_MAX_BYTES, Mail, Mailbox, Options, Recorder, mailbox};
use pehra_nng::mesh::{self, Event, Mesh, MeshOptions};
use pehra_nng::{Endpoint, Incoming, Tls};
use pehra_sqlite::Owner;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;

use crate::board::{Board, Identity, status};
use crate::config::Settings;
use crate::desk::Desk;
use crate::hosted::{Host, Hosted, Kept, OWN, Place, election_command};
use crate::orders::{self, Orders};
use crate::shell::NodeShell;
use crate::store::Watched;

/// Letters that wait for the node at the most.
const LETTERS: usize = 1024;

/// Runs a node until it is asked to stop.
pub async fn run<P: Hosted>(settings: Settings) -> Result<(), String> {
    let (cluster, id) = (Arc::clone(&settings.cluster), settings.id);
    let election = cluster.election(id).ok_or("this node is not in the file")?;
    election.check().map_err(|invalid| invalid.to_string())?;
    let config = P::config(&cluster, election);
    let owner = Owner {
        cluster: cluster.name.clone(),
        number: cluster.number.into(),
        node: NodeId(id),
    };
    let board = Arc::new(Board::default());
    let desk = Arc::new(Desk::new(Arc::clone(&cluster), id, Arc::clone(&board)));
    let (letters, inbox) = mailbox::<P>(LETTERS);
    let place = Place {
        cluster: Arc::clone(&cluster),
        me: id,
        folder: settings.folder.clone(),
        desk: Arc::clone(&desk),
        board: Arc::clone(&board),
    };
    let host = Arc::new(P::host(place, letters.clone()));
    // Opened before anything is said: it raises the incarnation that the greeting names.
    let store = P::open(&settings.folder, &owner, &host).map_err(|error| error.to_string())?;
    board.lock().lost = tell_loss::<P>(&store);
    let identity = Identity {
        cluster: Arc::clone(&cluster),
        id,
        store: store.store(),
        incarnation: store.incarnation(),
        started: Instant::now(),
    };
    let (mesh, events, clients) = start_mesh::<P>(&cluster, &identity, &store).await?;
    let mesh = Arc::new(mesh);
    tracing::info!(id, address = %mesh.local_addr(), cluster = cluster.name, number = cluster.number,
        profile = cluster.profile, incarnation = identity.incarnation, folder = %settings.folder.display(),
        "the node starts");
    orders::warn(&cluster);

    let recorder = match &settings.flight_recorder {
        Some(folder) => Some(
            Recorder::new(folder, &format!("node{id}"), FILE_MAX_BYTES)
                .map_err(|error| format!("--flight-recorder {}: {error}", folder.display()))?,
        ),
        None => None,
    };
    let mut shell = NodeShell::<P> {
        config: config.clone(),
        host: Arc::clone(&host),
        cluster: Arc::clone(&cluster),
        mesh: Arc::clone(&mesh),
        desk: Arc::clone(&desk),
        board: Arc::clone(&board),
        recorder,
        buffer: Vec::new(),
        over: None,
    };
    let (stop, stopping) = watch::channel(false);
    let mut options = Options::deployed(format!("node{id}"));
    options.pause = Duration::from_millis(u64::from(cluster.timing.election.half().0));
    // Opening costs little, and a voter that is missed is missed by all.
    options.reopen_max = Duration::from_secs(1);
    let (folder, lookout) = (settings.folder.clone(), Arc::clone(&board));
    let mut first = Some(store);
    let (greeter, applier) = (Arc::clone(&mesh), Arc::clone(&host));
    let open = move || {
        let store = match first.take() {
            Some(store) => store,
            None => {
                let again = P::open(&folder, &owner, &applier)?;
                greeter.renew(again.incarnation());
                again
            }
        };
        lookout.lock().lost = tell_loss::<P>(&store);
        let board = Arc::clone(&lookout);
        Ok(Watched { store, board })
    };
    let mut running =
        tokio::spawn(async move { pehra_driver::run(&config, options, open, &mut shell, inbox, stopping).await });
    let listening = tokio::spawn(hear::<P>(events, letters.clone(), Arc::clone(&board)));
    let mut acting = tokio::spawn(Arc::clone(&host).serve());
    let office = Office::<P> {
        host: Arc::clone(&host),
        orders: Orders::new(&cluster, id, mesh.local_addr()),
        identity,
        board: Arc::clone(&board),
        desk,
        mesh: Arc::clone(&mesh),
        letters: letters.clone(),
    };
    let serving = tokio::spawn(office.serve(clients));

    let ended = tokio::select! {
        ended = &mut running => Ended::Node(ended),
        ended = &mut acting => Ended::Host(ended.unwrap_or_else(|error| Err(format!("what stands over the node ended: {error}")))),
        () = stop_signal() => Ended::Asked,
    };
    let outcome = match ended {
        // A fault: it stays up to say so, and neither votes nor leads.
        Ended::Node(Ok(End::Fault(broken))) => {
            tracing::error!(%broken, "the node answers status requests and does nothing else until it is stopped");
            stop_signal().await;
            Err(format!("an invariant was broken: {broken}"))
        }
        Ended::Node(Ok(End::Stopped)) => Ok(()),
        Ended::Node(Err(error)) => Err(format!("the node's loop ended: {error}")),
        Ended::Asked | Ended::Host(_) => {
            if let Ended::Host(Err(why)) = &ended {
                tracing::error!(why, "the node stops");
            } else {
                tracing::info!("asked to stop");
                host.leave().await;
            }
            resign::<P>(&letters, &board, cluster.timing.election.0).await;
            let _ = stop.send(true);
            let _ = running.await;
            match ended {
                Ended::Host(outcome) => outcome,
                Ended::Asked | Ended::Node(_) => Ok(()),
            }
        }
    };
    acting.abort();
    // What is queued, the resignation above all, leaves before the connections are closed.
    mesh.close().await;
    serving.abort();
    listening.abort();
    tracing::info!("the node has stopped");
    outcome
}

/// What ended first.
enum Ended {
    Node(Result<End, JoinError>),
    Host(Result<(), String>),
    Asked,
}

fn tell_loss<P: Hosted>(store: &impl Kept<P>) -> Option<String> {
    let lost = store.lost();
    if let Some(lost) = &lost {
        tracing::error!("{lost}");
    }
    lost
}

async fn start_mesh<P: Hosted>(
    cluster: &Arc<Cluster>,
    identity: &Identity,
    store: &P::Store,
) -> Result<(Mesh, mesh::Events, mpsc::Receiver<Incoming>), String> {
    let scheme = if cluster.tls.is_some() { "tls+tcp" } else { "tcp" };
    let endpoint = |member: &Member| -> Result<Endpoint, String> {
        let text = format!("{scheme}://{}", member.address);
        text.parse().map_err(|error| format!("node {}: {error}", member.id))
    };
    let mut members = Vec::new();
    for member in &cluster.members {
        members.push((NodeId(member.id), endpoint(member)?));
    }
    let me = cluster.member(identity.id).ok_or("this node is not in the file")?;
    let book = store.peers();
    let known = book.known().map_err(|error| error.to_string())?;
    let election = Duration::from_millis(cluster.timing.election.0.into());
    let tls = cluster.tls.as_ref().map(|files| {
        let own = files.of(identity.id);
        Tls {
            ca: Some(own.ca),
            cert: Some(own.cert),
            key: Some(own.key),
        }
    });
    let defaults = MeshOptions::default();
    let config = mesh::Config {
        me: Hello {
            protocol_version: PROTOCOL_VERSION,
            cluster: ClusterName::new(&cluster.name).ok_or("the cluster's name is too long")?,
            config_number: cluster.number.into(),
            node: NodeId(identity.id),
            store: identity.store,
            incarnation: identity.incarnation,
        },
        listen: endpoint(me)?,
        members,
        known,
        remember: Arc::new(move |node, known| book.remember(node, known).map_err(|error| error.to_string())),
        options: MeshOptions {
            frame_max: P::LIMITS.frame,
            queue_frames: P::LIMITS.queue_frames,
            queue_bytes: P::LIMITS.queue_bytes,
            write_deadline: defaults.write_deadline.max(election),
            silence_max: defaults.silence_max.map(|silence| silence.max(election * 4)),
            tls,
            ..defaults
        },
    };
    Mesh::start(config).await.map_err(|error| error.to_string())
}

/// Carries what the mesh says to the node.
async fn hear<P: Hosted>(mut events: mesh::Events, letters: Mailbox<P>, board: Arc<Board>) {
    while let Some(event) = events.next().await {
        let letter = match event {
            Event::Message { from, bytes } => {
                board.lock().peers.entry(from.0).or_default().heard = Some(Instant::now());
                match P::decode(&bytes) {
                    Ok(message) => Mail::Message { from, message },
                    Err(error) => {
                        board.refused("ballots");
                        tracing::warn!(from = from.0, %error, "a message was not understood");
                        continue;
                    }
                }
            }
            Event::Up { node, hello } => {
                let mut board = board.lock();
                let peer = board.peers.entry(node.0).or_default();
                peer.linked = true;
                peer.heard = Some(Instant::now());
                peer.incarnation = Some(hello.incarnation);
                Mail::Link { peer: node, up: true }
            }
            // The mesh logs both.
            Event::Down { node, .. } => {
                board.lock().peers.entry(node.0).or_default().linked = false;
                Mail::Link { peer: node, up: false }
            }
            // Counted and logged by the mesh.
            Event::Refused { .. } => continue,
        };
        if letters.send(letter).await.is_err() {
            // The node has stopped. What others say is of no use any more, but must be taken in.
            continue;
        }
    }
}

/// Serves clients.
struct Office<P: Hosted> {
    host: Arc<P::Host>,
    orders: Orders,
    identity: Identity,
    board: Arc<Board>,
    desk: Arc<Desk>,
    mesh: Arc<Mesh>,
    letters: Mailbox<P>,
}

impl<P: Hosted> Office<P> {
    async fn serve(mut self, mut clients: mpsc::Receiver<Incoming>) {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                incoming = clients.recv() => match incoming {
                    Some(incoming) => self.take(incoming),
                    None => return,
                },
                _ = look.tick() => self.desk.expire(),
            }
        }
    }

    fn take(&mut self, incoming: Incoming) {
        let ask = match Ask::read(&incoming.body) {
            Ok(ask) => ask,
            Err(trouble) => {
                self.board.refused("questions");
                incoming.answer.send(Reply::Error(trouble).write().into());
                return;
            }
        };
        if ask == Ask::Status {
            let mut status = status(&self.identity, &self.board, &self.mesh);
            self.host.tell(&mut status);
            incoming.answer.send(Reply::Status(Box::new(status)).write().into());
            return;
        }
        if let Some(reason) = self.orders.refusal(&incoming.peer, &ask, &incoming.body, &self.board) {
            incoming.answer.send(not_carried_out(&ask, reason).write().into());
            return;
        }
        if let Some(reply) = self.host.answer(&ask) {
            incoming.answer.send(reply.write().into());
            return;
        }
        let Some(command) = election_command(&ask)
            .map(P::elects)
            .or_else(|| P::command(&self.host, &ask))
        else {
            let reason = if ask.is_of_sleep() {
                "no broker of this cluster sleeps: add [sleep] to its file, raise its number, and restart all nodes"
            } else {
                "this cluster keeps no journal: add [log] to its file, raise its number, and restart all nodes"
            };
            incoming
                .answer
                .send(not_carried_out(&ask, reason.into()).write().into());
            return;
        };
        if let Some(request) = self.desk.take(ask, incoming.answer)
            && self.letters.try_send(Mail::Command(request, command)).is_err()
        {
            self.desk.turned_away(request);
        }
    }
}

fn not_carried_out(ask: &Ask, reason: String) -> Reply {
    let why = Unknown {
        reason,
        ..Unknown::default()
    };
    Reply::Refused(Refused {
        ask: ask.name().into(),
        why,
    })
}

/// A leader that goes says so, and the others need not wait until they miss it.
async fn resign<P: Hosted>(letters: &Mailbox<P>, board: &Board, election_ms: u32) {
    let patience = Instant::now() + Duration::from_millis(election_ms.into());
    let leads = || board.lock().role == RoleNow::Leader;
    if !leads()
        || letters
            .try_send(Mail::Command(OWN, P::elects(Command::Resign)))
            .is_err()
    {
        return;
    }
    while leads() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn stop_signal() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

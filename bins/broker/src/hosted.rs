//! What a node can run: an election alone, or a protocol that hosts one. The node's wiring, its clients' desk and its shell are
//! the same for all of them; what differs is told here.
//!
//! | a protocol gives | for |
//! | --- | --- |
//! | [`Hosted::config`], [`Hosted::open`], [`Hosted::LIMITS`] | its start: settings, store, sizes of frames |
//! | [`Hosted::encode`], [`Hosted::decode`] | the mesh |
//! | [`Hosted::election`], [`Hosted::elects`], [`Hosted::of_event`], [`Hosted::of_report`] | the election inside, which the shell and the desk look after |
//! | [`Hosted::command`] | clients' questions of its own |
//! | [`Host`] | what stands over it in this process: takes its other events, answers, keeps what was applied, acts on the world |

use std::future::{self, Future};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pehra_cluster::ask::{Ask, Reply};
use pehra_cluster::{Cluster, Status};
use pehra_core::election::{self, Election, Position};
use pehra_core::protocol::Protocol;
use pehra_core::types::{NodeId, RequestId};
use pehra_core::wire::{Replayable, WireError};
use pehra_driver::{Mailbox, Store, StoreError};
use pehra_sqlite::{Owner, PeerBook};

use crate::board::Board;
use crate::desk::Desk;

/// Sizes of what members send to each other.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a frame.
    pub frame: usize,
    /// Frames that wait for one member.
    pub queue_frames: usize,
    /// Bytes that wait for one member.
    pub queue_bytes: usize,
}

/// Something that a protocol says: the election's inside it, or its own.
pub enum Of<E, O> {
    Election(E),
    Own(O),
}

/// Where a host stands.
pub struct Place {
    pub cluster: Arc<Cluster>,
    pub me: u16,
    /// The node's own folder.
    pub folder: PathBuf,
    pub desk: Arc<Desk>,
    pub board: Arc<Board>,
}

/// A protocol that a node can run.
pub trait Hosted:
    Replayable
    + Protocol<
        Config: Clone + Send + Sync,
        Command: Send,
        Event: Send,
        Timer: Send,
        Heard: Send,
        Notice: Into<Self::Heard> + Send,
        Claim: Into<Self::Heard> + Send,
        Note: Send,
        Record: Send,
        Durable: Send,
        Query: Send,
        Rows: Send,
        Report: Send,
        Parts: Send,
    > + Send
    + 'static
{
    /// How far a log of the election inside goes.
    type Position: Position;
    /// Its store.
    type Store: Kept<Self>;
    /// What stands over it.
    type Host: Host<Self>;
    /// Sizes of what is sent.
    const LIMITS: Limits;

    /// Its settings on this node.
    fn config(cluster: &Cluster, election: election::Config) -> Self::Config;

    /// Those of the election inside.
    fn election_config(config: &Self::Config) -> &election::Config;

    /// Makes what stands over it.
    fn host(place: Place, letters: Mailbox<Self>) -> Self::Host;

    /// Opens or makes its store.
    ///
    /// # Errors
    /// As the store's own opening.
    fn open(folder: &Path, owner: &Owner, host: &Arc<Self::Host>) -> Result<Self::Store, StoreError>;

    /// The election inside.
    fn election(&self) -> &Election<Self::Position>;

    /// A command for the election inside.
    fn elects(command: election::Command) -> Self::Command;

    /// What a client's question of its own makes the node do; `None` if it has no answer to such.
    fn command(host: &Self::Host, ask: &Ask) -> Option<Self::Command>;

    /// Takes an event apart.
    fn of_event(event: Self::Event) -> Of<election::Event<Self::Position>, Self::Event>;

    /// Takes a report apart.
    fn of_report(report: Self::Report) -> Of<election::Report, Self::Report>;

    /// Writes a message into `buffer`, which is emptied first.
    fn encode(message: &Self::Heard, buffer: &mut Vec<u8>);

    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode(bytes: &[u8]) -> Result<Self::Heard, WireError>;
}

/// A store that members are known by.
pub trait Kept<P: Protocol>: Store<P> + 'static {
    /// What it is known by.
    fn store(&self) -> u64;
    /// How often it was opened.
    fn incarnation(&self) -> u64;
    /// Why its content is lost, if it is, and what to do.
    fn lost(&self) -> Option<String>;
    /// A book of the peers' identities.
    fn peers(&self) -> PeerBook;
}

/// What stands over a protocol in this process. Called from the node's loop, but for [`Host::answer`] and [`Host::tell`]: nothing
/// may block.
pub trait Host<P: Protocol>: Send + Sync + 'static {
    /// The node begins a life, and knows of no question.
    fn started(&self, _state: &P) {}
    /// This holds.
    fn event(&self, event: P::Event);
    /// News.
    fn report(&self, report: P::Report);
    /// The state after a round of inputs.
    fn look(&self, _state: &P) {}
    /// The answer to a question that needs nothing of the node.
    fn answer(&self, _ask: &Ask) -> Option<Reply> {
        None
    }
    /// What a status says of it.
    fn tell(&self, _status: &mut Status) {}
    /// What it does beside the node. The node ends if this does, with the reason that it gives.
    fn serve(self: Arc<Self>) -> impl Future<Output = Result<(), String>> + Send {
        future::pending()
    }
    /// What it has to do before the node ends.
    fn leave(&self) -> impl Future<Output = ()> + Send {
        future::ready(())
    }
}

/// Where this node's own commands come from: no client has this id.
pub const OWN: RequestId = RequestId(0);

/// What a question about the leadership makes the election do.
pub fn election_command(ask: &Ask) -> Option<election::Command> {
    match ask {
        Ask::Leader => Some(election::Command::Confirm),
        Ask::Transfer { to } => Some(election::Command::Transfer(to.map(NodeId))),
        Ask::Resign => Some(election::Command::Resign),
        Ask::Drain { on } => Some(election::Command::Drain(*on)),
        Ask::Status
        | Ask::Append { .. }
        | Ask::Entries { .. }
        | Ask::Enable { .. }
        | Ask::Disable
        | Ask::Wake { .. }
        | Ask::Maintain { .. }
        | Ask::Maintained
        | Ask::StayAwake { .. }
        | Ask::SelfCheck => None,
    }
}

//! What a mesh tells its host.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pehra_core::identity::{Hello, Refused};
use pehra_core::types::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

/// News from the other members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The link to a member stands: both have believed each other's hello.
    Up {
        /// Who.
        node: NodeId,
        /// What it said of itself.
        hello: Hello,
    },
    /// The link to a member is gone. Comes at once when its process dies, since its system closes the connection then.
    Down {
        /// Who.
        node: NodeId,
        /// Why.
        why: Lost,
    },
    /// A member said something.
    Message {
        /// Who.
        from: NodeId,
        /// What.
        bytes: Bytes,
    },
    /// A peer was not believed, and its connection closed. It may try again: the same refusal is told once in a while
    /// and counted each time.
    Refused {
        /// Who it said it was, if it came so far.
        node: Option<NodeId>,
        /// Where it is.
        address: SocketAddr,
        /// Why.
        why: Refusal,
    },
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The other side closed it, or its process died, or the network said that it is gone.
    Gone(String),
    /// Nothing was heard for longer than `silence_max`.
    Silent,
    /// It took in no more: a write ran into its deadline.
    Slow,
    /// It sent a frame that is too large or malformed.
    Broke(String),
    /// Its member came again, and this one gave no sign of life.
    Replaced,
    /// This member's store was opened again, and it says hello anew.
    Renewed,
    /// This mesh was closed.
    Closed,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(why) | Self::Broke(why) => f.write_str(why),
            Self::Silent => f.write_str("nothing was heard for too long"),
            Self::Slow => f.write_str("it took in nothing within the deadline of a write"),
            Self::Replaced => f.write_str("its member connected anew, and the old connection gave no sign of life"),
            Self::Renewed => f.write_str("this side opened its store again, and says hello anew"),
            Self::Closed => f.write_str("this side was closed"),
        }
    }
}

/// Why a peer was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// By the rules of who may talk.
    Identity(Refused),
    /// Its certificate is another member's, or nobody's.
    Certificate {
        /// The common name that it should have.
        expected: String,
        /// The one that it has.
        shown: Option<String>,
    },
    /// Another member than the one that was dialled.
    Unexpected {
        /// Who should be at that address.
        expected: NodeId,
    },
    /// It has a smaller id, and must wait to be dialled.
    Uncalled,
    /// What it said is no hello.
    Malformed(String),
    /// What it said could not be remembered durably.
    NotRemembered(String),
    /// It did not believe this member, in its own words.
    ByPeer(String),
    /// It speaks something else, or TLS did not let it in.
    WrongPeer(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(refused) => refused.fmt(f),
            Self::Certificate { expected, shown } => write!(
                f,
                "its certificate is for {}, not for {expected}: give each member the certificate of its own id",
                shown.as_deref().unwrap_or("nobody")
            ),
            Self::Unexpected { expected } => write!(
                f,
                "{expected} was expected at that address: check the addresses in the configuration"
            ),
            Self::Uncalled => f.write_str(
                "the member with the larger id dials the one with the smaller, and this came the other way round: check \
                 the ids in both configurations",
            ),
            Self::Malformed(why) => write!(f, "what it said first is no hello: {why}"),
            Self::NotRemembered(why) => write!(f, "who it is could not be kept, so it is not heard yet: {why}"),
            Self::ByPeer(why) => write!(f, "it refused this member: {why}"),
            Self::WrongPeer(why) => f.write_str(why),
        }
    }
}

/// The events of one mesh, in order.
#[derive(Debug)]
pub struct Events(mpsc::UnboundedReceiver<Posted>);

impl Events {
    /// The next event; `None` when the mesh has ended.
    pub async fn next(&mut self) -> Option<Event> {
        Some(self.0.recv().await?.event)
    }
}

/// An event and the room that it takes up until the host has it: that bounds the channel, and yet no member can keep the
/// news of another waiting.
#[derive(Debug)]
struct Posted {
    event: Event,
    _room: Option<OwnedSemaphorePermit>,
}

/// Refusals that wait for the host at the most.
const REFUSALS_MAX: usize = 64;

/// How long the same refusal of the same peer is only counted.
const REPEATED: Duration = Duration::from_secs(10);

/// A refusal that the host has heard of, and when.
type Told = (Instant, IpAddr, Option<NodeId>, Refusal);

/// Where events are put.
pub(super) struct Post {
    posted: mpsc::UnboundedSender<Posted>,
    refusals: Arc<Semaphore>,
    told: Mutex<VecDeque<Told>>,
}

impl Post {
    pub(super) fn new() -> (Self, Events) {
        let (posted, events) = mpsc::unbounded_channel();
        let post = Self {
            posted,
            refusals: Arc::new(Semaphore::new(REFUSALS_MAX)),
            told: Mutex::default(),
        };
        (post, Events(events))
    }

    pub(super) fn up(&self, node: NodeId, hello: Hello, room: OwnedSemaphorePermit) {
        self.put(Event::Up { node, hello }, Some(room));
    }

    /// Needs no room: each follows its Up.
    pub(super) fn down(&self, node: NodeId, why: Lost) {
        self.put(Event::Down { node, why }, None);
    }

    pub(super) fn message(&self, from: NodeId, bytes: Bytes, room: OwnedSemaphorePermit) {
        self.put(Event::Message { from, bytes }, Some(room));
    }

    pub(super) fn refused(&self, node: Option<NodeId>, address: SocketAddr, why: Refusal) {
        if self.is_repeated(node, address.ip(), &why) {
            return;
        }
        tracing::warn!(?node, %address, %why, "a peer was refused");
        if let Ok(room) = Arc::clone(&self.refusals).try_acquire_owned() {
            self.put(Event::Refused { node, address, why }, Some(room));
        }
    }

    fn is_repeated(&self, node: Option<NodeId>, ip: IpAddr, why: &Refusal) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|(when, ..)| now.duration_since(*when) < REPEATED);
        if told
            .iter()
            .any(|(_, seen_ip, seen, said)| (*seen_ip, *seen, said) == (ip, node, why))
        {
            return true;
        }
        if told.len() == REFUSALS_MAX {
            told.pop_front();
        }
        told.push_back((now, ip, node, why.clone()));
        false
    }

    fn put(&self, event: Event, room: Option<OwnedSemaphorePermit>) {
        // A host that does not listen has no use for it.
        let _ = self.posted.send(Posted { event, _room: room });
    }
}

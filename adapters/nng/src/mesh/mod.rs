//! The members of a cluster, each linked with each.
//!
//! There is one connection for each pair of members: the one with the larger id dials, both listen at one address each,
//! and the same port serves clients that are no members. The wire is NNG's Pair0 (`0x10`) between members and Req0
//! (`0x30`) from clients, who find a Rep0 here; what members say within it is this module's own.
//!
//! | first byte | frame | says |
//! | --- | --- | --- |
//! | – | hello | who I am ([`Hello`]); the first frame in each direction |
//! | 3, 4 | welcome, refused | your hello is believed, or why not |
//! | 0 | message | for the host |
//! | 1, 2 | ping, pong | are you there? I am |
//!
//! What holds:
//!
//! * Nobody waits for anybody: [`Mesh::send`] queues or drops, each member has its own bounded queue, its own connection
//!   and its own room for what it said, and a write that takes too long ends that connection only.
//! * A message arrives once or not at all, and in order while the link stands. What was queued when a link ended is lost:
//!   the protocol above says it again if it still matters.
//! * A member whose process dies is down at once, since its system closes the connection. A member that is stopped, or
//!   whose machine lost its power, closes nothing; its link ends after [`MeshOptions::silence_max`], when a write runs
//!   into its deadline, or when the member comes back, whichever is first.
//! * Who talks has been compared with what is known of it (`pehra_core::identity`), and what is new was made durable
//!   before. Of two living processes with one id the second is refused and reported. With TLS the certificate's common
//!   name has to be the member's, [`certificate_name`]; without it, anybody on the network can say that he is a member.

mod config;
mod counters;
mod dial;
mod door;
mod events;
mod greeting;
mod inner;
mod link;
mod member;
mod speech;

pub use config::{Config, MeshOptions, Remember, StartError, certificate_name};
pub use counters::MeshCounters;
pub use events::{Event, Events, Lost, Refusal};

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pehra_core::identity::{Hello, Roster};
use pehra_core::types::NodeId;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::port::ListenError;
use crate::sp::{Replier, tls};
use crate::{Counters, Incoming, Options, Tls};
use door::Door;
use events::Post;
use inner::Inner;
use member::Member;

/// This member's links to the others. Dropped, it hangs up on everybody at once; [`Mesh::close`] lets what is queued
/// leave first.
pub struct Mesh {
    inner: Arc<Inner>,
    address: SocketAddr,
    tasks: Mutex<JoinSet<()>>,
}

impl Mesh {
    /// Listens and begins to dial. Events come on the second of what it returns, requests of clients on the third; a
    /// host that takes no requests drops that one, and clients are hung up on. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the port is taken, or the configuration or the certificates cannot be used.
    pub async fn start(config: Config) -> Result<(Self, Events, mpsc::Receiver<Incoming>), StartError> {
        let Config {
            me,
            listen,
            mut members,
            known,
            remember,
            options,
        } = config;
        members.retain(|(node, _)| *node != me.node);
        members.sort_by_key(|(node, _)| *node);
        if let Some(twice) = members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(StartError(format!(
                "member {} stands twice in the configuration",
                twice[0].0
            )));
        }
        if let Some((node, endpoint)) = members.iter().find(|(_, endpoint)| endpoint.tls != listen.tls) {
            return Err(StartError(format!(
                "this member listens at {listen} and {node} at {endpoint}: write tls+tcp:// for all members or for none"
            )));
        }
        let mut dialled = Vec::new();
        for (node, endpoint) in members.iter().filter(|(node, _)| *node < me.node) {
            let client = if endpoint.tls {
                let made = tls::client(endpoint, options.tls.as_ref());
                Some(made.map_err(|error| StartError(error.to_string()))?)
            } else {
                None
            };
            dialled.push((*node, client));
        }
        let server = if listen.tls {
            check_certificate(me.node, options.tls.as_ref())?;
            Some(tls::server(&listen, options.tls.as_ref()).map_err(|error| StartError(error.to_string()))?)
        } else {
            None
        };
        let refused = |error: &std::io::Error| StartError(ListenError::bind(&listen, error).to_string());
        let socket = TcpListener::bind(listen.address())
            .await
            .map_err(|error| refused(&error))?;
        let address = socket.local_addr().map_err(|error| refused(&error))?;

        let (post, events) = Post::new();
        let (mailbox, incoming) = mpsc::channel(options.in_flight_max.max(1));
        let counters = MeshCounters::default();
        let replier = Replier::new(
            &Options {
                frame_max: options.frame_max,
                in_flight_max: options.in_flight_max,
                ..Options::default()
            },
            mailbox,
            Arc::clone(&counters.clients),
        );
        let inner = Arc::new(Inner {
            first_me: me,
            incarnation: AtomicU64::new(me.incarnation),
            roster: Mutex::new(Roster::new(me, members.iter().map(|(node, _)| *node), known)),
            remember,
            members: members
                .into_iter()
                .map(|(node, endpoint)| Member::new(node, endpoint, options.inbox_frames))
                .collect(),
            mutual_tls: listen.tls,
            options,
            post,
            counters,
            proofs: AtomicU64::new(0),
            closed: watch::Sender::new(false),
        });
        let mut tasks = JoinSet::new();
        for (node, client) in dialled {
            let inner = Arc::clone(&inner);
            tasks.spawn(async move { inner.keep_dialling(node, client).await });
        }
        let door = Door {
            inner: Arc::clone(&inner),
            socket,
            tls: server,
            replier,
        };
        tasks.spawn(door.keep_open());
        let mesh = Self {
            inner,
            address,
            tasks: Mutex::new(tasks),
        };
        Ok((mesh, events, incoming))
    }

    /// Queues a message, or drops it at once; it never waits. Dropped ones are counted.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn send(&self, to: NodeId, message: Bytes) -> Result<(), NotSent> {
        let options = &self.inner.options;
        let member = self.inner.member(to).ok_or(NotSent::NotAMember)?;
        if message.len() > options.frame_max {
            return Err(NotSent::TooLarge {
                bytes: message.len(),
                limit: options.frame_max,
            });
        }
        let sent = member.send(message, options.queue_bytes);
        match sent {
            Err(NotSent::Full) => {
                Counters::add(&self.inner.counters.overflows);
                Counters::add(&member.overflows);
            }
            Err(NotSent::NoLink) => Counters::add(&self.inner.counters.unlinked),
            Ok(()) | Err(NotSent::NotAMember | NotSent::TooLarge { .. }) => {}
        }
        sent
    }

    /// What this member says of itself.
    #[must_use]
    pub fn me(&self) -> Hello {
        self.inner.me()
    }

    /// This member's store was opened again, in the same process: it says so from now on, and to those that it is linked to
    /// by linking to them again. They could not tell an older copy of the store from it later if they had not heard of it.
    pub fn renew(&self, incarnation: u64) {
        self.inner.incarnation.store(incarnation, Ordering::Relaxed);
        for member in &self.inner.members {
            if let Some(sight) = member.sight() {
                sight.pulse.renewed.store(true, Ordering::Relaxed);
                sight.pulse.end.notify_one();
            }
        }
    }

    /// Where it listens, with the port that was chosen if it was 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &MeshCounters {
        &self.inner.counters
    }

    /// Messages to this member that its full queue did not take.
    #[must_use]
    pub fn overflows(&self, node: NodeId) -> u64 {
        self.inner
            .member(node)
            .map_or(0, |member| member.overflows.load(Ordering::Relaxed))
    }

    /// Lets what is queued leave, as far as each member takes it in within the deadline of a write, and hangs up. Clients
    /// are hung up on at once.
    pub async fn close(&self) {
        self.inner.closed.send_replace(true);
        for member in &self.inner.members {
            member.close();
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // A queue may take as many deadlines as it has frames: that is too long.
        let patience = self.inner.options.write_deadline.saturating_mul(4);
        let _ = timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mesh")
            .field("me", &self.inner.me())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A member is known by its certificate: better to say at once that it has another's than to be refused by all.
fn check_certificate(me: NodeId, tls: Option<&Tls>) -> Result<(), StartError> {
    let needed = || StartError("members over TLS need a CA, a certificate and its key".into());
    let tls = tls.ok_or_else(needed)?;
    let (Some(_), Some(cert), Some(_)) = (&tls.ca, &tls.cert, &tls.key) else {
        return Err(needed());
    };
    let expected = certificate_name(me);
    match tls::name_in(cert).map_err(StartError)? {
        Some(name) if name == expected => Ok(()),
        other => Err(StartError(format!(
            "{}: this certificate is for {}, and member {me} needs one whose common name is {expected}",
            cert.display(),
            other.as_deref().unwrap_or("nobody"),
        ))),
    }
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is no such member.
    NotAMember,
    /// There is no link to it.
    NoLink,
    /// Its queue is full: it takes in less than it is sent.
    Full,
    /// The message is larger than `frame_max`.
    TooLarge {
        /// Its size, bytes.
        bytes: usize,
        /// The limit, bytes.
        limit: usize,
    },
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMember => f.write_str("the configuration has no such member"),
            Self::NoLink => f.write_str("there is no link to that member; it is being made again"),
            Self::Full => f.write_str("too much waits for that member already"),
            Self::TooLarge { bytes, limit } => write!(f, "the message has {bytes} bytes, the limit is {limit}"),
        }
    }
}

impl std::error::Error for NotSent {}

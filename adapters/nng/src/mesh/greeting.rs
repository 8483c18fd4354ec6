//! From a connection to a link: hellos in both directions, each compared and answered.
//!
//! ```text
//! each side:  hello  ──►            (at once)
//!             ◄──  hello            compare; ask the link that stands, if any, for a sign of life; remember
//!             welcome | refused ──►
//!             ◄── welcome | refused the link stands when both said welcome
//! ```

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use pehra_core::identity::{Hello, Known, Refused};
use pehra_core::types::NodeId;
use pehra_core::wire::{HELLO_MAX, decode_hello, encode_hello};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::MutexGuard;
use tokio::time::{sleep, timeout};

use super::config::certificate_name;
use super::events::{Lost, Refusal};
use super::inner::Inner;
use super::link::{Link, write_speech};
use super::member::{Member, Sight};
use super::speech::Speech;
use crate::Counters;
use crate::sp::Stream;
use crate::sp::frame::{Ended, read_frame, write_frame};

/// A connection that has greeted as the protocol of members.
pub(super) struct Greeted {
    pub(super) stream: Box<dyn Stream>,
    pub(super) address: SocketAddr,
    /// The common name of its certificate.
    pub(super) identity: Option<String>,
    /// Who was dialled; `None` if it dialled.
    pub(super) dialled: Option<NodeId>,
}

/// Why there is no link.
pub(super) enum Failed {
    /// The peer went away.
    Gone(String),
    /// One did not believe the other.
    Refused(Option<NodeId>, Refusal),
}

impl From<Ended> for Failed {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Gone(why) => Self::Gone(why),
            Ended::WrongPeer(why) => Self::Refused(None, Refusal::WrongPeer(why)),
            Ended::Refused(why) => Self::Refused(None, Refusal::Malformed(why)),
        }
    }
}

/// How long a refused peer is given to read why.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How often the sign of life is looked for.
const LOOK: Duration = Duration::from_millis(2);

impl Inner {
    /// Exchanges hellos, and makes a link if both are believed.
    pub(super) async fn introduce(&self, mut greeted: Greeted) -> Result<Link, Failed> {
        let mut buffer = BytesMut::new();
        let me = self.me();
        let hello = exchange_hellos(&me, &mut greeted, &mut buffer).await?;
        let believed = match self.believe(greeted.identity.as_deref(), greeted.dialled, &hello).await {
            Ok(believed) => believed,
            Err(why) => {
                last_words(greeted.stream, &why).await;
                return Err(Failed::Refused(Some(hello.node), why));
            }
        };
        let stream = &mut greeted.stream;
        write_speech(stream, &Speech::Welcome).await.map_err(Ended::from)?;
        stream.flush().await.map_err(Ended::from)?;
        let frame = read_frame(stream, &mut buffer, HELLO_MAX * 8).await?;
        match Speech::read(frame, 0) {
            Ok(Speech::Welcome) => {}
            Ok(Speech::Refused(why)) => return Err(Failed::Refused(Some(hello.node), Refusal::ByPeer(why))),
            Ok(Speech::Message(_) | Speech::Ping(_) | Speech::Pong(_)) => {
                let why = "it went on before it was answered".into();
                return Err(Failed::Refused(Some(hello.node), Refusal::Malformed(why)));
            }
            Err(why) => return Err(Failed::Refused(Some(hello.node), Refusal::Malformed(why))),
        }
        self.stand(greeted, buffer, (me, hello), believed).await
    }

    /// Compares a hello with what is known. While the guard is held, no other of the same id is compared.
    async fn believe(
        &self,
        identity: Option<&str>,
        dialled: Option<NodeId>,
        hello: &Hello,
    ) -> Result<Believed<'_>, Refusal> {
        let node = hello.node;
        if self.mutual_tls {
            let expected = certificate_name(node);
            if identity != Some(expected.as_str()) {
                let shown = identity.map(str::to_owned);
                return Err(Refusal::Certificate { expected, shown });
            }
        }
        self.roster().examine(hello, false).map_err(Refusal::Identity)?;
        match dialled {
            Some(expected) if expected != node => return Err(Refusal::Unexpected { expected }),
            None if node < self.first_me.node => return Err(Refusal::Uncalled),
            Some(_) | None => {}
        }
        let member = self
            .member(node)
            .ok_or(Refusal::Identity(Refused::NotAMember { node }))?;
        let admission = member.admission.lock().await;
        let still_alive = match member.sight() {
            Some(sight) => self.replace_unless_alive(&sight).await,
            None => false,
        };
        let remember = self.roster().admit(hello, still_alive).map_err(Refusal::Identity)?;
        if let Some(known) = remember {
            self.remember(node, known).await.map_err(Refusal::NotRemembered)?;
        }
        Ok(Believed {
            member,
            _admission: admission,
        })
    }

    /// Asks a link for a sign of life. If there is none, the link is ended: its process is gone, or as good as that. So it
    /// is, too, if this host keeps its answer waiting: a second process that is let in by mistake is found out as soon as
    /// the first comes again, while one that is kept out by mistake would be called a copy of itself.
    async fn replace_unless_alive(&self, sight: &Sight) -> bool {
        let number = self.proofs.fetch_add(1, Ordering::Relaxed) + 1;
        let _ = sight.pulse.controls.try_send(Speech::Ping(number));
        let proved = async {
            while sight.pulse.ponged.load(Ordering::Relaxed) < number {
                sleep(LOOK).await;
            }
        };
        let alive = tokio::select! {
            () = sight.gone() => false,
            proved = timeout(self.options.proof_timeout, proved) => proved.is_ok(),
        };
        if !alive {
            sight.pulse.end.notify_one();
            sight.gone().await;
        }
        alive
    }

    async fn remember(&self, node: NodeId, known: Known) -> Result<(), String> {
        let keep = Arc::clone(&self.remember);
        let kept = tokio::task::spawn_blocking(move || keep(node, known)).await;
        kept.map_err(|panicked| panicked.to_string())??;
        self.roster().remembered(node, known);
        Ok(())
    }

    async fn stand(
        &self,
        greeted: Greeted,
        buffer: BytesMut,
        (me, hello): (Hello, Hello),
        believed: Believed<'_>,
    ) -> Result<Link, Failed> {
        let member = believed.member;
        let Ok(room) = Arc::clone(&member.inbox).acquire_owned().await else {
            return Err(Failed::Gone("closed".into()));
        };
        let outbox = member.open(self.options.queue_frames);
        if self.is_closing() {
            member.close();
            return Err(Failed::Gone("this side was closed".into()));
        }
        if me != self.me() {
            // Looked at after the line was made: before that, nobody would have ended this link.
            member.close();
            return Err(Failed::Gone(Lost::Renewed.to_string()));
        }
        Counters::add(&self.counters.links);
        tracing::info!(node = %hello.node, address = %greeted.address, incarnation = hello.incarnation, "a member is linked");
        self.post.up(hello.node, hello, room);
        Ok(Link {
            node: hello.node,
            stream: greeted.stream,
            buffer,
            outbox,
        })
    }

    fn roster(&self) -> std::sync::MutexGuard<'_, pehra_core::identity::Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn exchange_hellos(me: &Hello, greeted: &mut Greeted, buffer: &mut BytesMut) -> Result<Hello, Failed> {
    let mut ours = Vec::with_capacity(HELLO_MAX);
    encode_hello(me, &mut ours);
    let stream = &mut greeted.stream;
    write_frame(stream, &[], &ours).await.map_err(Ended::from)?;
    stream.flush().await.map_err(Ended::from)?;
    let theirs = read_frame(stream, buffer, HELLO_MAX).await?;
    decode_hello(&theirs).map_err(|error| Failed::Refused(None, Refusal::Malformed(error.to_string())))
}

/// A hello that was believed, and the right to make a link of its connection.
struct Believed<'a> {
    member: &'a Member,
    _admission: MutexGuard<'a, ()>,
}

/// Says why, and waits a moment for the peer to hang up: a connection closed with something unread is reset, and the
/// reason would be lost with it.
async fn last_words(mut stream: Box<dyn Stream>, why: &Refusal) {
    let say = async {
        write_speech(&mut stream, &Speech::Refused(why.to_string())).await?;
        stream.shutdown().await?;
        let mut rest = [0; 64];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(LAST_WORDS, say).await;
}

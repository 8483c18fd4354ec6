//! The other members: what waits for each, and the one connection to it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pehra_core::types::NodeId;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::NotSent;
use super::speech::Speech;
use crate::Endpoint;

/// Another member.
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) endpoint: Endpoint,
    /// Room for its messages until the host takes them.
    pub(super) inbox: Arc<Semaphore>,
    /// Held by whoever compares a hello under this id, until its link stands: two that come at once are taken in turn.
    pub(super) admission: tokio::sync::Mutex<()>,
    /// Messages to it that its full queue did not take.
    pub(super) overflows: AtomicU64,
    line: Mutex<Option<Line>>,
}

/// The sending end of a link: while there is one, its messages wait here.
struct Line {
    messages: mpsc::Sender<Bytes>,
    sight: Sight,
}

/// A look at a link that stands.
#[derive(Clone)]
pub(super) struct Sight {
    pub(super) pulse: Arc<Pulse>,
    /// Tells when the link has ended and its Down is out.
    gone: watch::Receiver<()>,
}

/// What a link and those who watch it share.
pub(super) struct Pulse {
    /// Bytes that wait to be written.
    pub(super) queued: AtomicUsize,
    /// Bumped by each thing heard.
    pub(super) heard: AtomicU64,
    /// The highest number of a pong.
    pub(super) ponged: AtomicU64,
    /// The host has to take messages before more are read.
    pub(super) paused: AtomicBool,
    /// For the link's own frames, which go before messages.
    pub(super) controls: mpsc::Sender<Speech>,
    /// It is ended to say hello anew.
    pub(super) renewed: AtomicBool,
    /// Ends the link at once.
    pub(super) end: Notify,
}

/// The receiving end of a line, for its link.
pub(super) struct Outbox {
    pub(super) messages: mpsc::Receiver<Bytes>,
    pub(super) controls: mpsc::Receiver<Speech>,
    pub(super) pulse: Arc<Pulse>,
    /// Dropped last.
    _standing: watch::Sender<()>,
}

/// The link's own frames that wait: signs of life, of which one in time is as good as many.
const CONTROLS_MAX: usize = 4;

impl Member {
    pub(super) fn new(node: NodeId, endpoint: Endpoint, inbox_frames: usize) -> Self {
        Self {
            node,
            endpoint,
            inbox: Arc::new(Semaphore::new(inbox_frames.clamp(1, Semaphore::MAX_PERMITS))),
            admission: tokio::sync::Mutex::default(),
            overflows: AtomicU64::new(0),
            line: Mutex::default(),
        }
    }

    /// Makes the line of a new link; only whoever holds `admission` may, when there is none.
    pub(super) fn open(&self, queue_frames: usize) -> Outbox {
        let (messages, waiting) = mpsc::channel(queue_frames.max(1));
        let (controls, own) = mpsc::channel(CONTROLS_MAX);
        let (standing, gone) = watch::channel(());
        let pulse = Arc::new(Pulse {
            queued: AtomicUsize::new(0),
            heard: AtomicU64::new(0),
            ponged: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            controls,
            renewed: AtomicBool::new(false),
            end: Notify::new(),
        });
        *self.lock() = Some(Line {
            messages,
            sight: Sight {
                pulse: Arc::clone(&pulse),
                gone,
            },
        });
        Outbox {
            messages: waiting,
            controls: own,
            pulse,
            _standing: standing,
        }
    }

    /// Takes the line away: what is queued is still written, more is not taken.
    pub(super) fn close(&self) {
        self.lock().take();
    }

    pub(super) fn sight(&self) -> Option<Sight> {
        self.lock().as_ref().map(|line| line.sight.clone())
    }

    /// Queues a message, or says at once why not.
    pub(super) fn send(&self, message: Bytes, queue_bytes: usize) -> Result<(), NotSent> {
        let line = self.lock();
        let line = line.as_ref().ok_or(NotSent::NoLink)?;
        let (bytes, queued) = (message.len(), &line.sight.pulse.queued);
        if queued.load(Ordering::Relaxed).saturating_add(bytes) > queue_bytes {
            return Err(NotSent::Full);
        }
        queued.fetch_add(bytes, Ordering::Relaxed);
        line.messages.try_send(message).map_err(|refused| {
            queued.fetch_sub(bytes, Ordering::Relaxed);
            match refused {
                mpsc::error::TrySendError::Full(_) => NotSent::Full,
                mpsc::error::TrySendError::Closed(_) => NotSent::NoLink,
            }
        })
    }

    // Held for as long as it takes to queue a message and no longer.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sight {
    /// Waits until the link has ended.
    pub(super) async fn gone(&self) {
        // It only ends by being dropped.
        let _ = self.gone.clone().changed().await;
    }
}

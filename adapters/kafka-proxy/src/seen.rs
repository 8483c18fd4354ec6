//! What a proxy saw.

use tokio::sync::watch;

use crate::sockets::Stretch;

/// What a proxy saw so far, or whoever looks at the broker's sockets. The numbers only grow, from 0; that they stand still is no promise
/// of anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many requests passed or were held, of whatever kind. Idle ones are counted without waking who watches.
    pub requests: u64,
    /// How many requests and answers were traffic.
    pub traffic: u64,
    /// How many connections found the broker down and came with traffic: each is a reason to wake it.
    pub wanted: u64,
    /// How many connections found the broker down and were closed, so that the client asks another broker: they asked for
    /// nothing that needs this one, or everybody is refused.
    pub refused: u64,
    /// How many connections were closed because the broker did not come in time, or too many were held already.
    pub given_up: u64,
    /// How many connections were closed because what they sent was not Kafka's protocol.
    pub misframed: u64,
    /// How many connections were opened, and how many of them have ended. Counted without waking who watches.
    pub opened: u64,
    /// See there.
    pub ended: u64,
    /// How many bytes came from clients that nobody read: in TLS that passed as it was, or past us at the broker's own port. Counted without
    /// waking who watches.
    pub sealed_from_clients: u64,
    /// How many such bytes came from the broker.
    pub sealed_from_broker: u64,
}

/// Tells what is seen; who watches misses no change, but may see several as one.
#[derive(Clone, Debug)]
pub(crate) struct Teller(watch::Sender<Seen>);

impl Teller {
    pub fn new() -> (Self, watch::Receiver<Seen>) {
        let (sender, receiver) = watch::channel(Seen::default());
        (Self(sender), receiver)
    }

    pub fn request(&self, is_traffic: bool) {
        self.0.send_if_modified(|seen| {
            seen.requests = seen.requests.saturating_add(1);
            seen.traffic = seen.traffic.saturating_add(is_traffic.into());
            is_traffic
        });
    }

    pub fn traffic(&self, count: u32) {
        if count > 0 {
            self.0
                .send_modify(|seen| seen.traffic = seen.traffic.saturating_add(count.into()));
        }
    }

    pub fn wanted(&self) {
        self.0.send_modify(|seen| seen.wanted = seen.wanted.saturating_add(1));
    }

    /// A connection is there until what this returns is dropped.
    pub fn opened(&self) -> Opened {
        self.0.send_if_modified(|seen| {
            seen.opened = seen.opened.saturating_add(1);
            false
        });
        Opened(self.clone())
    }

    pub fn refused(&self) {
        self.0.send_modify(|seen| seen.refused = seen.refused.saturating_add(1));
    }

    pub fn sealed(&self, from_client: Option<usize>, from_broker: Option<usize>) {
        let count = |bytes: Option<usize>| u64::try_from(bytes.unwrap_or(0)).unwrap_or(u64::MAX);
        self.0.send_if_modified(|seen| {
            seen.sealed_from_clients = seen.sealed_from_clients.saturating_add(count(from_client));
            seen.sealed_from_broker = seen.sealed_from_broker.saturating_add(count(from_broker));
            false
        });
    }

    /// What the kernel counted, and how often that was traffic.
    pub fn counted(&self, passed: &Stretch, traffic: u32) {
        self.0.send_if_modified(|seen| {
            seen.traffic = seen.traffic.saturating_add(traffic.into());
            for grown in &passed.connections {
                seen.opened = seen.opened.saturating_add(grown.is_new.into());
                seen.ended = seen.ended.saturating_add(grown.has_ended.into());
                seen.sealed_from_clients = seen.sealed_from_clients.saturating_add(grown.received);
                seen.sealed_from_broker = seen.sealed_from_broker.saturating_add(grown.sent);
            }
            traffic > 0
        });
    }

    pub fn given_up(&self) {
        self.0
            .send_modify(|seen| seen.given_up = seen.given_up.saturating_add(1));
    }

    pub fn misframed(&self) {
        self.0
            .send_modify(|seen| seen.misframed = seen.misframed.saturating_add(1));
    }
}

/// A connection that is there.
#[derive(Debug)]
pub(crate) struct Opened(Teller);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|seen| {
            seen.ended = seen.ended.saturating_add(1);
            false
        });
    }
}

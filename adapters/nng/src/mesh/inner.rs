//! What the tasks of one mesh share.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use pehra_core::identity::{Hello, Roster};
use pehra_core::types::NodeId;
use tokio::sync::watch;

use super::config::{MeshOptions, Remember};
use super::counters::MeshCounters;
use super::events::{Post, Refusal};
use super::greeting::Failed;
use super::member::Member;
use crate::Counters;

pub(super) struct Inner {
    /// As it was at the start; see [`Inner::me`].
    pub(super) first_me: Hello,
    /// How often this member's store was opened.
    pub(super) incarnation: AtomicU64,
    pub(super) roster: Mutex<Roster>,
    pub(super) remember: Remember,
    /// By id.
    pub(super) members: Vec<Member>,
    pub(super) options: MeshOptions,
    /// Whether members show certificates.
    pub(super) mutual_tls: bool,
    pub(super) post: Post,
    pub(super) counters: MeshCounters,
    /// Numbers the signs of life that were asked for.
    pub(super) proofs: AtomicU64,
    pub(super) closed: watch::Sender<bool>,
}

impl Inner {
    /// What this member says of itself.
    pub(super) fn me(&self) -> Hello {
        Hello {
            incarnation: self.incarnation.load(Ordering::Relaxed),
            ..self.first_me
        }
    }

    pub(super) fn member(&self, node: NodeId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&node, |member| member.node).ok()?;
        self.members.get(at)
    }

    pub(super) fn is_closing(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until the mesh is closed.
    pub(super) async fn closing(&self) {
        // The sender is here, so it cannot fail.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Counts and tells why a connection became no link; returns it in words.
    pub(super) fn refuse(&self, address: SocketAddr, failed: Failed) -> String {
        match failed {
            Failed::Gone(why) => why,
            Failed::Refused(node, why) => {
                Counters::add(match why {
                    Refusal::WrongPeer(_) => &self.counters.wrong_peers,
                    Refusal::Malformed(_) => &self.counters.refused_frames,
                    Refusal::Identity(_)
                    | Refusal::Certificate { .. }
                    | Refusal::Unexpected { .. }
                    | Refusal::Uncalled
                    | Refusal::NotRemembered(_)
                    | Refusal::ByPeer(_) => &self.counters.refused_hellos,
                });
                let words = why.to_string();
                self.post.refused(node, address, why);
                words
            }
        }
    }
}

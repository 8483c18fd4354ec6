//! Whether a command is carried out: who gives it ([`Trust`]), and whether an admin has signed it, where the cluster's file wants that.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pehra_cluster::Cluster;
use pehra_cluster::ask::Ask;
use pehra_cluster::signed::{Scope, Verifier};
use pehra_nng::Peer;

use crate::board::Board;
use crate::trust::Trust;

/// Commands that are refused are logged so often at the most: all are counted, and a stranger must not fill the log.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Lets commands through.
#[derive(Debug)]
pub struct Orders {
    trust: Trust,
    /// None if no signature is wanted.
    verifier: Option<Verifier>,
    /// When a command that was refused was last logged.
    told: Option<Instant>,
}

impl Orders {
    pub fn new(cluster: &Cluster, node: u16, here: SocketAddr) -> Self {
        let scope = || Scope {
            cluster: cluster.name.clone(),
            number: cluster.number,
            node,
        };
        Self {
            trust: Trust::new(cluster, here),
            verifier: cluster.admin.map(|key| Verifier::new(key, scope())),
            told: None,
        }
    }

    /// Why a request is not carried out; none if it is. Questions always are.
    pub fn refusal(&mut self, peer: &Peer, ask: &Ask, body: &[u8], board: &Board) -> Option<String> {
        if ask.is_question() {
            return None;
        }
        let Err((what, reason)) = self.check(peer, ask, body) else {
            // What is appended may come by the thousand.
            if !matches!(ask, Ask::Append { .. }) {
                tracing::info!(?peer, ?ask, "was asked");
            }
            return None;
        };
        board.refused(what);
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(?peer, ?ask, what, reason, "was commanded by somebody who may not");
        }
        Some(reason)
    }

    fn check(&mut self, peer: &Peer, ask: &Ask, body: &[u8]) -> Result<(), (&'static str, String)> {
        if let Some(reason) = self.trust.refusal(peer) {
            return Err(("commands", reason));
        }
        match &mut self.verifier {
            Some(verifier) if ask.needs_signature() => {
                let taken = verifier.take(body, unix_ms());
                taken.map_err(|untaken| (untaken.name(), untaken.to_string()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The one place where a node looks at wall-clock time: nothing but the age of an order rests on it. A clock before 1970 takes none.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What anybody on the network could do, said once at the start.
pub fn warn(cluster: &Cluster) {
    if cluster.tls.is_none() {
        tracing::warn!(
            "PLAIN CONNECTIONS: without [tls] whoever reaches this port can read all that is said, and can pass for a member: vote, \
             lead, decide, and let brokers sleep. Signed orders do not help against that. Add [tls], or keep the port to a network of trust"
        );
    }
    if cluster.admin.is_none() && cluster.tls.is_none() {
        tracing::warn!(
            "no order needs a signature: whoever may command (`commands-from`) can hand the leadership over and enable sleep. \
             `pehra admin-key` makes a key for [admin]"
        );
    }
}

//! Keeps the connection to a member with a smaller id.

use std::time::Duration;

use pehra_core::types::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::greeting::{Failed, Greeted};
use super::inner::Inner;
use super::link::Link;
use super::member::Member;
use crate::sp::frame::{Ended, PAIR, shake_hands};
use crate::sp::{Stream, outgoing, tls};

impl Inner {
    /// Dials until the mesh is closed.
    pub(super) async fn keep_dialling(&self, node: NodeId, tls: Option<tls::Client>) {
        let Some(member) = self.member(node) else { return };
        let mut jitter = match self.options.seed {
            Some(seed) => StdRng::seed_from_u64(seed.wrapping_add(node.0.into())),
            None => StdRng::from_rng(&mut rand::rng()),
        };
        let mut bound = self.options.redial_min;
        while !self.is_closing() {
            let dialled = tokio::select! {
                dialled = timeout(self.options.connect_timeout, self.dial(member, tls.as_ref())) => dialled,
                () = self.closing() => return,
            };
            match dialled {
                Ok(Ok(link)) => {
                    let began = Instant::now();
                    self.serve(link).await;
                    // A link that stood is worth a quick try; one that ended at once is not, however often it comes up.
                    if began.elapsed() > self.options.redial_max {
                        bound = self.options.redial_min;
                    }
                }
                Ok(Err(failed)) => tracing::debug!(%node, endpoint = %member.endpoint, why = failed, "dialled in vain"),
                Err(_) => tracing::debug!(%node, endpoint = %member.endpoint, "dialled in vain: it took too long"),
            }
            tokio::select! {
                () = sleep(pause(&mut jitter, bound)) => {}
                () = self.closing() => return,
            }
            bound = bound.saturating_mul(2).min(self.options.redial_max);
        }
    }

    /// One attempt. A refusal is told, and told to the caller in words.
    async fn dial(&self, member: &Member, tls: Option<&tls::Client>) -> Result<Link, String> {
        let tcp = outgoing::connect(&member.endpoint.address())
            .await
            .map_err(|error| error.to_string())?;
        let address = tcp.peer_addr().map_err(|error| error.to_string())?;
        let link = async {
            let greeted = connect(tcp, tls, member.node).await?;
            self.introduce(greeted).await
        };
        link.await.map_err(|failed| self.refuse(address, failed))
    }
}

async fn connect(tcp: TcpStream, tls: Option<&tls::Client>, dialled: NodeId) -> Result<Greeted, Failed> {
    let address = tcp.peer_addr().map_err(Ended::from)?;
    tcp.set_nodelay(true).map_err(Ended::from)?;
    let (mut stream, identity): (Box<dyn Stream>, _) = match tls {
        Some(tls) => {
            let stream = tls.wrap(tcp).await.map_err(tls::refused)?;
            let identity = tls::identity(stream.get_ref().1)?;
            (Box::new(stream), identity)
        }
        None => (Box::new(tcp), None),
    };
    shake_hands(&mut stream, PAIR, PAIR).await?;
    Ok(Greeted {
        stream,
        address,
        identity,
        dialled: Some(dialled),
    })
}

/// Between half the bound and the bound: never at once, never in step with others.
fn pause(jitter: &mut StdRng, bound: Duration) -> Duration {
    jitter.random_range(bound / 2..=bound)
}

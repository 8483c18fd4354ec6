//! Waking other nodes: climbs the [ladder](crate::ladder), one node after the other.
//!
//! Before this comes a message to the node's agent, which is the caller's: whose host is up hears that. What counts as the
//! node's answer is the caller's as well, such as its first message.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::PowerError;
use crate::config::NodeConfig;
use crate::ladder::{Ladder, Rungs, Step, Times};
use crate::redfish::Redfish;
use crate::wol::{EVERYWHERE, WakeOnLan};

/// By what a node can be woken.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// By magic packets.
    pub wake_on_lan: Option<WakeOnLan>,
    /// By its BMC.
    pub bmc: Option<Redfish>,
}

impl Means {
    /// What the configuration says. Reads the password and the certificate.
    ///
    /// # Errors
    /// If a file cannot be read, or the configuration was not checked and is wrong.
    pub fn of(node: &NodeConfig) -> Result<Self, PowerError> {
        let wrong = |why: &'static str| {
            let next = "check the configuration before it is used";
            PowerError::new("wake a node", format!("power.node {}", node.id), why, next)
        };
        let wake_on_lan = match &node.mac {
            None => None,
            Some(mac) => Some(WakeOnLan {
                mac: mac.parse().map_err(wrong)?,
                to: match &node.broadcast {
                    None => EVERYWHERE,
                    Some(to) => to.parse().map_err(|_| wrong("broadcast is no address"))?,
                },
                secure_on: node
                    .secure_on
                    .as_ref()
                    .map(|it| it.parse())
                    .transpose()
                    .map_err(wrong)?,
            }),
        };
        Ok(Self {
            wake_on_lan,
            bmc: Redfish::of(node)?,
        })
    }

    const fn rungs(&self) -> Rungs {
        Rungs {
            magic_packet: self.wake_on_lan.is_some(),
            power_on: self.bmc.is_some(),
        }
    }
}

/// What was done for a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How many magic packets left this host.
    pub packets: u32,
    /// How many power-ons its BMC took.
    pub power_ons: u32,
    /// The last thing that went wrong by each of the two means.
    pub failed: [Option<PowerError>; 2],
}

/// A node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Woken {
    /// So long after its turn came; zero if it had answered before.
    pub after: Duration,
    /// What was done for it until then.
    pub tried: Tried,
}

/// A node did not answer: a person has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeedsAPerson {
    /// The node.
    pub node: String,
    /// So long it was tried.
    pub after: Duration,
    /// What was tried.
    pub tried: Tried,
}

impl fmt::Display for NeedsAPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tried {
            packets,
            power_ons,
            failed,
        } = &self.tried;
        write!(
            f,
            "cannot wake node {}: it did not answer within {:.0?}, {packets} magic packets and {power_ons} power-ons",
            self.node, self.after
        )?;
        for error in failed.iter().flatten() {
            write!(f, "; {error}")?;
        }
        write!(
            f,
            "; a person has to look: does it have power, is its network cable in, what does its console show?"
        )
    }
}

impl std::error::Error for NeedsAPerson {}

/// Wakes one node: climbs the ladder until `answered` is. Nothing is sent to a node that has answered already.
///
/// # Errors
/// If it does not answer. What cannot be sent does not end the climb, and is told with its end.
pub async fn wake(
    node: impl fmt::Display,
    means: &Means,
    times: &Times,
    answered: impl Future<Output = ()>,
) -> Result<Woken, NeedsAPerson> {
    let (mut answered, began) = (pin!(answered), Instant::now());
    let mut ladder = Ladder::new(times, means.rungs(), Duration::ZERO);
    let mut tried = Tried::default();
    while let Some(at) = ladder.next_at() {
        let step = async {
            sleep_until(began + at).await;
            let step = ladder.step(began.elapsed());
            take(step, means).await
        };
        let taken = tokio::select! {
            // What is ready wins, in this order: an answer counts more than a step.
            biased;
            () = &mut answered => break,
            taken = step => taken,
        };
        match taken {
            Taken::Nothing => {}
            Taken::Packet(Ok(())) => tried.packets += 1,
            Taken::PowerOn(Ok(())) => tried.power_ons += 1,
            Taken::Packet(Err(error)) => tried.failed[0] = Some(error),
            Taken::PowerOn(Err(error)) => tried.failed[1] = Some(error),
            Taken::Page => {
                return Err(NeedsAPerson {
                    node: node.to_string(),
                    after: began.elapsed(),
                    tried,
                });
            }
        }
    }
    Ok(Woken {
        after: began.elapsed(),
        tried,
    })
}

/// Wakes nodes in the order given, the first at once, each `stagger` after the one before: many that start together may trip a
/// breaker. A node that answers before its turn is left alone. The outcomes come as they are known; nothing happens unless
/// the stream is polled.
pub fn wake_all<'m, N, A>(
    nodes: impl IntoIterator<Item = (N, &'m Means, A)>,
    times: &'m Times,
    stagger: Duration,
) -> impl Stream<Item = (N, Result<Woken, NeedsAPerson>)>
where
    N: fmt::Display,
    A: Future<Output = ()>,
{
    let turns = nodes.into_iter().zip(0_u32..);
    let climbs = turns.map(|((node, means, answered), turn)| async move {
        let mut answered = pin!(answered);
        let its_turn = sleep(stagger.saturating_mul(turn));
        let outcome = tokio::select! {
            biased;
            () = &mut answered => Ok(Woken { after: Duration::ZERO, tried: Tried::default() }),
            () = its_turn => wake(&node, means, times, answered).await,
        };
        (node, outcome)
    });
    climbs.collect::<FuturesUnordered<_>>()
}

/// A step that was taken, and what came of it.
enum Taken {
    Nothing,
    Packet(Result<(), PowerError>),
    PowerOn(Result<(), PowerError>),
    Page,
}

async fn take(step: Option<Step>, means: &Means) -> Taken {
    match (step, &means.wake_on_lan, &means.bmc) {
        (Some(Step::MagicPacket), Some(wake_on_lan), _) => Taken::Packet(wake_on_lan.send().await),
        (Some(Step::PowerOn), _, Some(bmc)) => Taken::PowerOn(bmc.power_on().await),
        (Some(Step::Page), ..) => Taken::Page,
        (Some(Step::MagicPacket | Step::PowerOn) | None, ..) => Taken::Nothing,
    }
}

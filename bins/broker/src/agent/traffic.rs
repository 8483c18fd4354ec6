//! Stands in front of the broker, or looks at its sockets where nothing can stand there, and tells the member what clients want.

use std::sync::Arc;
use std::time::Duration;

use pehra_cluster::{Proxy as Place, Sockets as Ports};
use pehra_core::sleep::coverage::Gear;
use pehra_core::sleep::guard::Order;
use pehra_kafka_proxy::{Limits, Options, Proxy, Seen, Sight, SocketOptions, Sockets};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Agent, span};

/// Traffic that goes on is told again a few times in the idle time, which it keeps from running out, and not more often: each word of
/// it makes the Pehredar read the cluster anew, and a reading that is overtaken by the next word is thrown away.
const TELL_AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Begins to see, if the file says where.
pub(super) async fn start(agent: &Arc<Agent>, tasks: &mut JoinSet<()>) -> Result<(), String> {
    let own = agent.own().cloned();
    let seen = match own.map(|broker| (broker.proxy, broker.sockets)) {
        Some((Some(place), _)) => stand_in_front(agent, place).await?,
        Some((None, Some(ports))) => look_at_sockets(agent, ports, tasks),
        Some((None, None)) | None => {
            tracing::warn!(
                "nothing stands in front of this broker, and nobody looks at its sockets: its traffic is not seen, so it never sleeps"
            );
            return Ok(());
        }
    };
    tasks.spawn(tell(Arc::clone(agent), seen));
    Ok(())
}

async fn stand_in_front(agent: &Agent, place: Place) -> Result<watch::Receiver<Seen>, String> {
    let mut options = Options::plain(place.listen, place.upstream);
    options.while_down = agent.while_down();
    options.limits = Limits {
        hold_max: agent.hold_max(),
        ..options.limits
    };
    let proxy = Proxy::start(options).await.map_err(|error| error.to_string())?;
    tracing::info!(listen = %proxy.address(), upstream = %place.upstream, "sees traffic: stands in front of the broker");
    let seen = proxy.seen();
    agent.has_proxy(proxy);
    Ok(seen)
}

fn look_at_sockets(agent: &Arc<Agent>, place: Ports, tasks: &mut JoinSet<()>) -> watch::Receiver<Seen> {
    tracing::info!(
        ports = ?place.ports,
        idle_bytes_per_second = place.idle.bytes_per_second,
        "sees traffic by the bytes at the broker's sockets, as nothing stands in front of it: less than that of a connection is not seen"
    );
    let sockets = Sockets::start(SocketOptions {
        ports: place.ports,
        allowance: place.idle,
        sample: agent.sample(),
    });
    let seen = sockets.seen();
    tasks.spawn(tell_of_sight(sockets.sight()));
    agent.has_sockets(sockets);
    seen
}

/// Says whether it sees each time that changes. That a broker is not let sleep while it does not is for `fit`.
async fn tell_of_sight(mut sight: watch::Receiver<Sight>) {
    while sight.changed().await.is_ok() {
        let now = sight.borrow_and_update().clone();
        match now {
            Sight::Waits => tracing::info!("nobody listens at the broker's ports for clients"),
            Sight::Sees { connections, .. } => tracing::info!(connections, "sees the broker's ports for clients"),
            Sight::Blind(why) => tracing::error!(why, "SEES NO TRAFFIC: this broker never sleeps until it does"),
        }
    }
}

/// Tells of traffic, until whoever sees it is gone.
async fn tell(agent: Arc<Agent>, mut seen: watch::Receiver<Seen>) {
    let idle = span(agent.config().guard.timing.idle);
    let again = (idle / 4).clamp(TELL_AGAIN.0, TELL_AGAIN.1);
    let (load_max, sample) = match agent.config().guard.gear {
        Gear::Lean => (agent.load_max(), agent.sample()),
        Gear::Full | Gear::Watch => (0, agent.sample()),
    };
    let (mut last, mut since, mut quiet_until) = (*seen.borrow(), Instant::now(), Instant::now());
    while seen.changed().await.is_ok() {
        let until = if load_max > 0 {
            quiet_until.max(since + sample)
        } else {
            quiet_until
        };
        tokio::select! {
            // A client is held: that is told at once.
            () = is_wanted(&mut seen, last.wanted) => {}
            () = sleep_until(until) => {}
        }
        let now = *seen.borrow_and_update();
        let wanted = now.wanted > last.wanted;
        let grown = now.traffic.saturating_sub(last.traffic);
        let unread_bytes = unread(&now).saturating_sub(unread(&last));
        let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let a_second = grown.saturating_mul(1000) / ms;
        let is_load = grown > 0 && (load_max == 0 || a_second > u64::from(load_max));
        (last, since) = (now, Instant::now());
        if wanted || is_load {
            tracing::debug!(grown, wanted, unread_bytes, "traffic");
            agent.has_traffic();
            agent.order(Order::Traffic).await;
            quiet_until = Instant::now() + again;
        }
    }
}

const fn unread(seen: &Seen) -> u64 {
    seen.sealed_from_clients.saturating_add(seen.sealed_from_broker)
}

/// Waits for a client that comes for more than is up.
async fn is_wanted(seen: &mut watch::Receiver<Seen>, before: u64) {
    if seen.wait_for(|seen| seen.wanted > before).await.is_err() {
        // The proxy is gone, which is noticed elsewhere.
        std::future::pending::<()>().await;
    }
}

//! Asks each node over and over, each by itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pehra_cluster::Cluster;
use pehra_web::ClusterPanel;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::{Asking, Panels, View};

/// The newest that is known of each node, in the order of their ids. Each is asked once in `every`, by a task of its own: one that is
/// silent delays nobody. Ends when the last receiver is gone. Must be called within a tokio runtime.
#[must_use]
pub fn follow(asking: &Asking, every: Duration) -> watch::Receiver<Arc<Vec<View>>> {
    let lines = asking.lines();
    let unknown = lines.iter().map(|line| View {
        member: line.member.clone(),
        status: Err("it has not been asked yet".into()),
    });
    let (tell, views) = watch::channel(Arc::new(unknown.collect::<Vec<_>>()));
    let tell = Arc::new(tell);
    for (nth, line) in lines.into_iter().enumerate() {
        let tell = Arc::clone(&tell);
        tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !tell.is_closed() {
                ticks.tick().await;
                let view = line.view().await;
                tell.send_modify(|views| {
                    if let Some(place) = Arc::make_mut(views).get_mut(nth) {
                        *place = view;
                    }
                });
            }
        });
    }
    views
}

/// What a page shows of a cluster, new once in `every`; empty until the nodes have had that long to answer. Ends when the last receiver
/// is gone. Must be called within a tokio runtime.
///
/// # Errors
/// An address that nothing can listen at, or certificates that cannot be read.
pub fn follow_panel(cluster: &Cluster, every: Duration) -> Result<watch::Receiver<Arc<ClusterPanel>>, String> {
    let views = follow(&Asking::new(cluster)?, every);
    let mut panels = Panels::of(cluster);
    let (tell, receiver) = watch::channel(Arc::new(ClusterPanel {
        name: cluster.name.clone(),
        ..ClusterPanel::default()
    }));
    tokio::spawn(async move {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !tell.is_closed() {
            ticks.tick().await;
            let newest = Arc::clone(&views.borrow());
            tell.send_replace(Arc::new(panels.panel(&newest, now_ms())));
        }
    });
    Ok(receiver)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

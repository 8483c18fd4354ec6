//! Serves the page with invented figures: `cargo run -p pehra-web --example page [port] [empty] [cluster]`. With `cluster` it shows
//! a cluster, too.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use pehra_web::{
    ClusterKind, ClusterPanel, EdgeFigures, HouseholdFigures, LinkState, NodePanel, Shown, Snapshot, Totals, Watts,
    bind, by_state, plz_for, serve_on, state_of,
};
use tokio::sync::watch;

const PRICE: f64 = 0.372;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(0);
    let empty = args.iter().any(|arg| arg == "empty");
    let (tx, rx) = watch::channel(Arc::new(snapshot(0, empty)));
    let (panels, cluster) = watch::channel(Arc::new(panel(0)));
    let shown = Shown {
        households: Some(rx),
        cluster: args.iter().any(|arg| arg == "cluster").then_some(cluster),
    };
    tokio::spawn(async move {
        for tick in 1.. {
            tokio::time::sleep(Duration::from_millis(300)).await;
            tx.send_replace(Arc::new(snapshot(tick, empty)));
            panels.send_replace(Arc::new(panel(tick)));
        }
    });
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    println!("http://{}/", listener.local_addr()?);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(serve_on(listener, shown, interrupted).await?)
}

fn snapshot(tick: u64, empty: bool) -> Snapshot {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = since_epoch.as_millis() as i64;
    let count = if empty { 0 } else { 50 };
    let (states, unknown) = by_state((0..count).map(|index| household(index, tick)), PRICE);
    let edges = [
        ("edge-hamburg", LinkState::Up, 0, 400),
        ("edge-leipzig", LinkState::Suspect, 37, 6_200),
        ("edge-muenchen", LinkState::Down, 12_804, 94_000),
        ("edge-spare", LinkState::Silent, 0, now_ms),
    ];
    let edges = edges.into_iter().map(|(name, link, lag_rows, heard)| EdgeFigures {
        name: name.to_owned(),
        link,
        epoch: "0000000000000003".into(),
        last_seq: if heard == now_ms { 0 } else { 184_220 + tick * 3 },
        lag_rows,
        last_heard_ms: now_ms - heard,
        tuples_per_s: if link == LinkState::Up { 9.8 } else { 0.0 },
    });
    let edges = if empty { Vec::new() } else { edges.collect() };
    let tuples = states.iter().map(|state| state.windows).sum::<u64>() + unknown.windows;
    let totals = Totals {
        tuples,
        households: count,
        kwh: tuples as f64 * 0.000_73,
        since_ms: if empty { 0 } else { now_ms - 6 * 3_600_000 },
    };
    Snapshot {
        price_eur_per_kwh: PRICE,
        updated_ms: now_ms,
        states,
        unknown,
        edges,
        totals,
    }
}

fn household(index: u64, tick: u64) -> HouseholdFigures {
    let plz = plz_for(&format!("household_{index:064x}"));
    let state = if index == 17 {
        None
    } else {
        core::str::from_utf8(&plz).ok().and_then(state_of)
    };
    let swing = ((tick + index * 13) as f64 / 9.0).sin() * 18_000.0;
    let mean_mw = 180_000.0 + (index * index * 7_919 % 900_000) as f64 + swing;
    let windows = 4_300 + tick;
    HouseholdFigures {
        state,
        mean_mw,
        covered_ms: windows * 5_000,
        windows,
    }
}

/// Five nodes, of which one after the other goes round the flow chart.
fn panel(tick: u64) -> ClusterPanel {
    const ROUND: [(&str, Option<&str>); 7] = [
        ("active", None),
        ("draining", Some("looking")),
        ("draining", Some("stopping")),
        ("draining", Some("settling")),
        ("asleep", None),
        ("ringing", None),
        ("waking", None),
    ];
    let step = tick / 10;
    let walks = 1 + step / 7 % 4;
    let nodes = (1..=5).map(|id| {
        let (doing, stage) = if u64::from(id) == walks {
            ROUND[(step % 7) as usize]
        } else {
            ROUND[0]
        };
        NodePanel {
            id,
            broker: Some(100 + i32::from(id)),
            reached: true,
            role: if id == 5 { "pehredar" } else { "-" }.into(),
            on_duty: u64::from(id) != walks,
            doing: doing.into(),
            stage: stage.map(str::to_owned),
            doing_ms: tick % 10 * 300,
            awake_because: (id == 5).then(|| "it watches".into()),
            sleeps: step / 7,
            wakes: step / 7,
            ..NodePanel::default()
        }
    });
    let nodes: Vec<NodePanel> = nodes.collect();
    let asleep = nodes.iter().filter(|node| node.doing == "asleep").count() as f64;
    ClusterPanel {
        name: "barn".into(),
        updated_ms: snapshot(tick, true).updated_ms,
        kind: ClusterKind::Simulated,
        on: true,
        epoch: 1,
        gear: "lean".into(),
        pehredar: Some(5),
        plan: Some((step + 1, 1)),
        traffic_ms: Some(tick * 300),
        watts: Some(Watts {
            now: 500.0 - 94.0 * asleep,
            all_up: 500.0,
            measured: false,
        }),
        nodes,
        ..ClusterPanel::default()
    }
}

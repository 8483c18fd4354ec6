//! The routes, and serving them.

use core::{convert::Infallible, fmt, time::Duration};
use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::{ClusterPanel, Snapshot, assets, panel::Drawn};

/// The shortest time between two snapshots on one stream.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a stream stays quiet before it says that it is alive.
const ALIVE: Duration = Duration::from_secs(10);

/// How long requests may take to end once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What a page shows: households, a cluster, or both. Each is the newest value of a channel.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Households, states and edges.
    pub households: Option<watch::Receiver<Arc<Snapshot>>>,
    /// A cluster whose brokers sleep.
    pub cluster: Option<watch::Receiver<Arc<ClusterPanel>>>,
}

impl From<watch::Receiver<Arc<Snapshot>>> for Shown {
    fn from(snapshots: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self {
            households: Some(snapshots),
            cluster: None,
        }
    }
}

impl From<watch::Receiver<Arc<ClusterPanel>>> for Shown {
    fn from(panels: watch::Receiver<Arc<ClusterPanel>>) -> Self {
        Self {
            households: None,
            cluster: Some(panels),
        }
    }
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    shown: Shown,
    /// Closes when the server stops; none: it never does.
    stopping: Option<watch::Receiver<()>>,
}

/// The page, its files, and the two ways to read each thing that it shows.
pub fn router(shown: impl Into<Shown>) -> Router {
    routes(Shared {
        shown: shown.into(),
        stopping: None,
    })
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{*name}", get(assets::asset))
        .route("/api/shown", get(shown))
        .route("/api/state", get(state))
        .route("/api/live", get(live))
        .route("/api/cluster", get(cluster))
        .route("/api/cluster/live", get(cluster_live))
        .route("/healthz", get("ok\n"))
        .with_state(shared)
}

/// What this page has to show.
#[derive(Debug, Serialize)]
struct Has {
    households: bool,
    cluster: bool,
}

async fn shown(State(shared): State<Shared>) -> Response {
    newest(&Has {
        households: shared.shown.households.is_some(),
        cluster: shared.shown.cluster.is_some(),
    })
}

async fn state(State(shared): State<Shared>) -> Response {
    match &shared.shown.households {
        Some(snapshots) => newest(Arc::clone(&snapshots.borrow()).as_ref()),
        None => not_shown("households; the cluster is at /api/cluster"),
    }
}

async fn cluster(State(shared): State<Shared>) -> Response {
    match &shared.shown.cluster {
        Some(panels) => newest(&Drawn::of(&Arc::clone(&panels.borrow()))),
        None => not_shown("a cluster; pehra-cloud shows one with --cluster"),
    }
}

async fn live(State(shared): State<Shared>) -> Response {
    match shared.shown.households {
        Some(snapshots) => stream(snapshots, shared.stopping, |snapshot| {
            Event::default().json_data(snapshot)
        }),
        None => not_shown("households; the cluster is at /api/cluster/live"),
    }
}

async fn cluster_live(State(shared): State<Shared>) -> Response {
    match shared.shown.cluster {
        Some(panels) => stream(panels, shared.stopping, |panel| {
            Event::default().json_data(Drawn::of(panel))
        }),
        None => not_shown("a cluster; pehra-cloud shows one with --cluster"),
    }
}

fn newest(value: &impl Serialize) -> Response {
    ([("cache-control", "no-store")], Json(value)).into_response()
}

fn not_shown(what: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("this page does not show {what}\n")).into_response()
}

/// The value there is, then every newer one.
fn stream<T: Send + Sync + 'static>(
    values: watch::Receiver<Arc<T>>,
    stopping: Option<watch::Receiver<()>>,
    event: fn(&T) -> Result<Event, axum::Error>,
) -> Response {
    // A comment would keep proxies content but is invisible to the page; an event tells it that the line is up.
    let alive = KeepAlive::new()
        .interval(ALIVE)
        .event(Event::default().event("alive").data("1"));
    Sse::new(events(values, stopping, event))
        .keep_alive(alive)
        .into_response()
}

/// None sooner than [`PAUSE`] after the one before; skipped ones are not made up for. Ends when the server stops or the values
/// do.
fn events<T: Send + Sync + 'static>(
    mut values: watch::Receiver<Arc<T>>,
    stopping: Option<watch::Receiver<()>>,
    event: fn(&T) -> Result<Event, axum::Error>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    values.mark_changed();
    let start = (values, stopping, Instant::now());
    stream::unfold(start, move |(mut values, mut stopping, not_before)| async move {
        sleep_until(not_before).await;
        tokio::select! {
            changed = values.changed() => changed.ok()?,
            () = stopped(&mut stopping) => return None,
        }
        let value = Arc::clone(&values.borrow_and_update());
        let event = event(&value).unwrap_or_default();
        Some((Ok(event), (values, stopping, Instant::now() + PAUSE)))
    })
}

async fn stopped(stopping: &mut Option<watch::Receiver<()>>) {
    match stopping {
        Some(stopping) => while stopping.changed().await.is_ok() {},
        None => core::future::pending().await,
    }
}

/// Why the page is not served.
#[derive(Debug)]
pub enum ServeError {
    /// Something else listens there.
    InUse {
        /// Where.
        addr: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    Bind {
        /// Where.
        addr: SocketAddr,
        /// The reason.
        error: io::Error,
    },
    /// The server failed while it ran.
    Io(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { addr } => write!(
                f,
                "port {} on {} is in use; stop what listens there or choose another port for the page (0 takes a free one)",
                addr.port(),
                addr.ip()
            ),
            Self::Bind { addr, error } => write!(f, "cannot listen on {addr} for the page: {error}"),
            Self::Io(error) => write!(f, "the page's server failed: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InUse { .. } => None,
            Self::Bind { error, .. } | Self::Io(error) => Some(error),
        }
    }
}

/// Listens on an address; port 0 takes a free one, which the listener tells.
///
/// # Errors
///
/// The address is in use or not to be had.
pub async fn bind(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(addr).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::InUse { addr },
        _ => ServeError::Bind { addr, error },
    })
}

/// Serves the page on an address until `shutdown` is done.
///
/// # Errors
///
/// The address is in use or not to be had, or the server fails.
pub async fn serve(
    addr: SocketAddr,
    shown: impl Into<Shown>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    serve_on(bind(addr).await?, shown, shutdown).await
}

/// Serves the page on a listener until `shutdown` is done. Open streams end at once, other requests may finish; a
/// client that does not read is not waited for.
///
/// # Errors
///
/// The server fails.
pub async fn serve_on(
    listener: TcpListener,
    shown: impl Into<Shown>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (running, stopping) = watch::channel(());
    let (tell, told) = oneshot::channel();
    let stop = async move {
        shutdown.await;
        drop(running);
        let _ = tell.send(());
    };
    let app = routes(Shared {
        shown: shown.into(),
        stopping: Some(stopping),
    });
    let overdue = async move {
        match told.await {
            Ok(()) => sleep(GRACE).await,
            Err(_) => core::future::pending().await,
        }
    };
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop).into_future() => {
            served.map_err(ServeError::Io)
        }
        () = overdue => Ok(()),
    }
}

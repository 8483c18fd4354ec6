//! The routes, and serving them.

use core::{convert::Infallible, fmt, time::Duration};
use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::stream::{self, Stream};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::{Snapshot, assets};

/// The shortest time between two snapshots on one stream.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a stream stays quiet before it says that it is alive.
const ALIVE: Duration = Duration::from_secs(10);

/// How long requests may take to end once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Closes when the server stops; none: it never does.
    stopping: Option<watch::Receiver<()>>,
}

/// The page, its files and the two ways to read the snapshot.
pub fn router(state: watch::Receiver<Arc<Snapshot>>) -> Router {
    routes(Shared {
        snapshots: state,
        stopping: None,
    })
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{*name}", get(assets::asset))
        .route("/api/state", get(state))
        .route("/api/live", get(live))
        .route("/healthz", get("ok\n"))
        .with_state(shared)
}

async fn state(State(shared): State<Shared>) -> impl IntoResponse {
    let snapshot = Arc::clone(&shared.snapshots.borrow());
    ([("cache-control", "no-store")], Json(snapshot.as_ref())).into_response()
}

async fn live(State(shared): State<Shared>) -> impl IntoResponse {
    // A comment would keep proxies content but is invisible to the page; an event tells it that the line is up.
    let alive = KeepAlive::new()
        .interval(ALIVE)
        .event(Event::default().event("alive").data("1"));
    Sse::new(snapshots(shared)).keep_alive(alive)
}

/// The snapshot there is, then every newer one, none sooner than [`PAUSE`] after the one before; skipped ones are
/// not made up for. Ends when the server stops or the snapshots do.
fn snapshots(mut shared: Shared) -> impl Stream<Item = Result<Event, Infallible>> {
    shared.snapshots.mark_changed();
    stream::unfold((shared, Instant::now()), |(mut shared, not_before)| async move {
        sleep_until(not_before).await;
        tokio::select! {
            changed = shared.snapshots.changed() => changed.ok()?,
            () = stopped(&mut shared.stopping) => return None,
        }
        let snapshot = Arc::clone(&shared.snapshots.borrow_and_update());
        let event = Event::default().json_data(&*snapshot).unwrap_or_default();
        Some((Ok(event), (shared, Instant::now() + PAUSE)))
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
    rx: watch::Receiver<Arc<Snapshot>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    serve_on(bind(addr).await?, rx, shutdown).await
}

/// Serves the page on a listener until `shutdown` is done. Open streams end at once, other requests may finish; a
/// client that does not read is not waited for.
///
/// # Errors
///
/// The server fails.
pub async fn serve_on(
    listener: TcpListener,
    rx: watch::Receiver<Arc<Snapshot>>,
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
        snapshots: rx,
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

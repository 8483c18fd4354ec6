//! The cloud: takes rows from edges, keeps them durably, acknowledges, and shows them on a page.

mod board;
mod config;
mod edges;
mod store;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use pehra_asking::follow_panel;
use pehra_driver::stops;
use pehra_nng::Listener;
use pehra_web::Shown;
use tokio::sync::watch;

use crate::board::Board;
use crate::config::{Args, Settings};
use crate::edges::{Edges, Socket};
use crate::store::Backend;

/// How often each node of a cluster is asked how it stands.
const LOOK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let settings = match Settings::resolve(Args::parse()) {
        Ok(settings) => settings,
        Err(problem) => {
            eprintln!("pehra-cloud: {problem}");
            return ExitCode::from(2);
        }
    };
    if settings.check_config {
        println!("{settings:#?}\nconfiguration is sound");
        return ExitCode::SUCCESS;
    }
    config::start_logging(settings.log_text);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pehra-cloud: cannot start its threads: {error}");
            return ExitCode::from(1);
        }
    };
    let outcome = runtime.block_on(work(settings));
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!(problem, "the cloud ends");
            eprintln!("pehra-cloud: {problem}");
            ExitCode::from(1)
        }
    }
}

async fn work(settings: Settings) -> Result<(), String> {
    if settings.control {
        stops::listen();
    }
    let backend = Backend::prepare(&settings)?;
    let board = Arc::new(Board::new(settings.price, settings.window_ms));
    let (stop, stopping) = watch::channel(false);
    let mut heartbeats = Listener::bind(&settings.heartbeat, settings.transport())
        .await
        .map_err(|error| error.to_string())?;
    let mut data = Listener::bind(&settings.data, settings.transport())
        .await
        .map_err(|error| error.to_string())?;
    let page = pehra_web::bind(settings.page)
        .await
        .map_err(|error| error.to_string())?;
    if let Some(address) = settings.metrics {
        let listener = pehra_web::bind(address).await.map_err(|error| error.to_string())?;
        let board = Arc::clone(&board);
        tokio::spawn(pehra_web::serve_metrics(listener, move || board.render_metrics()));
    }
    tracing::info!(heartbeat = %heartbeats.local_addr(), data = %data.local_addr(), page = %settings.page,
        store = %backend, "the cloud starts");

    let shown = Shown {
        households: Some(board.watch()),
        cluster: match &settings.cluster {
            Some(cluster) => Some(follow_panel(cluster, LOOK)?),
            None => None,
        },
    };
    let mut page_stop = stopping.clone();
    let pages = tokio::spawn(pehra_web::serve_on(page, shown, async move {
        let _ = page_stop.changed().await;
    }));
    let mut edges = Edges::new(backend, Arc::clone(&board), settings.flight_recorder, stopping.clone());
    // Edges that delivered before: their figures show at once.
    edges.wake_known().await?;
    let mut refresh = tokio::time::interval(Duration::from_millis(500));
    let signal = stop_signal();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            incoming = data.next() => match incoming {
                Some(incoming) => edges.take(Socket::Data, incoming),
                None => break,
            },
            incoming = heartbeats.next() => match incoming {
                Some(incoming) => edges.take(Socket::Heartbeat, incoming),
                None => break,
            },
            _ = refresh.tick() => {
                edges.expire();
                board.refresh();
            }
            () = &mut signal => break,
        }
    }
    tracing::info!("asked to stop");
    let _ = stop.send(true);
    edges.finish().await;
    let _ = pages.await;
    Ok(())
}

async fn stop_signal() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

//! Metrics for Prometheus, on a port of their own.

use axum::{Router, http::header, response::IntoResponse, routing::get};
use tokio::net::TcpListener;

/// Serves `GET /metrics` with what `render` says, and `GET /healthz`, until the process ends.
///
/// # Errors
/// If the listener fails.
pub async fn serve_metrics(
    listener: TcpListener,
    render: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> std::io::Result<()> {
    let metrics = move || {
        let text = render();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response() }
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }));
    axum::serve(listener, router).await
}

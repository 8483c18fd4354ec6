//! The page: what arrived in the cloud, by state, and how the edges are doing, live.
//!
//! The cloud puts a [`Snapshot`] into a watch channel as often as it likes, and a [`ClusterPanel`] into another one where a cluster's
//! brokers sleep. [`router`], [`serve`] and [`serve_on`] take either channel, or both in a [`Shown`], and show the newest values as a
//! page; what is not given is not on the page. [`states`] tells the state a postal code lies in.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use pehra_web::{ClusterPanel, Snapshot, bind, serve_on};
//! # async fn demo() -> Result<(), pehra_web::ServeError> {
//! let (tell, panels) = tokio::sync::watch::channel(Arc::new(ClusterPanel::default()));
//! let page = bind(([127, 0, 0, 1], 5006).into()).await?;
//! tokio::spawn(serve_on(page, panels, core::future::pending())); // only the cluster
//! tell.send_replace(Arc::new(ClusterPanel { name: "barn".into(), ..ClusterPanel::default() }));
//! # Ok(())
//! # }
//! ```
//!
//! | path | what |
//! |---|---|
//! | `/` | the page; with `?still` it is drawn once, from the figures of the moment |
//! | `/api/shown` | what it shows: `{"households":true,"cluster":false}` |
//! | `/api/state`, `/api/live` | the newest [`Snapshot`] as JSON; each, none sooner than half a second after the last, as server-sent events |
//! | `/api/cluster`, `/api/cluster/live` | likewise the [`ClusterPanel`], and in `boxes`, by node, the ids of its boxes ([`NodePanel::boxes`]) in `/assets/sleep-flow.svg` |
//! | `/healthz` | `ok` |
//!
//! What is not shown is answered with 404 and a line that says so.

mod assets;
mod codes;
mod metrics;
mod panel;
mod ranges;
mod serve;
mod snapshot;
pub mod states;

pub use codes::plz_for;
pub use metrics::serve_metrics;
pub use panel::{ClusterKind, ClusterPanel, NodePanel, Watts};
pub use serve::{ServeError, Shown, bind, router, serve, serve_on};
pub use snapshot::{EdgeFigures, HouseholdFigures, LinkState, Snapshot, StateFigures, Totals, Unknown, by_state};
pub use states::{State, state_of};

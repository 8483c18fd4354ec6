//! The page: what arrived in the cloud, by state, and how the edges are doing, live.
//!
//! The cloud puts a [`Snapshot`] into a watch channel as often as it likes; [`router`] shows the newest one as a page,
//! as JSON and as a stream of server-sent events. [`states`] tells the state a postal code lies in.

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
pub use serve::{ServeError, bind, router, serve, serve_on};
pub use snapshot::{EdgeFigures, HouseholdFigures, LinkState, Snapshot, StateFigures, Totals, Unknown, by_state};
pub use states::{State, state_of};

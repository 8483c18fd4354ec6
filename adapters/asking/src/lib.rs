//! Asks the nodes of a cluster, all of them at once, and puts what they say together for people.
//!
//! * [`Asking`] holds a connection to each node, and makes lost ones again. It asks one or all of them; [`View`] is what a node said
//!   of itself, or why it said nothing.
//! * [`follow`] asks each node by itself, over and over, so that one that is silent delays nobody.
//! * [`Panels`] makes of their answers what a page shows of a cluster whose brokers sleep; [`follow_panel`] does so over and over.
//!
//! This is where a cluster's questions ([`pehra_cluster`]), the transport ([`pehra_nng`]) and the page ([`pehra_web`]) meet; it is for
//! binaries, and no adapter may depend on it.

mod asking;
mod follow;
mod panel;
mod view;

pub use asking::Asking;
pub use follow::{follow, follow_panel};
pub use panel::Panels;
pub use view::{View, duties, pehredar};

//! Delivery: the deployed sender and receiver, their disks, and a network that loses, repeats and reorders.

mod bounds;
mod browser;
pub mod diagram;
mod kinds;
mod messages;
pub mod properties;
pub mod queries;
mod state;
pub mod words;
mod world;

pub use bounds::{Bounds, Grain};
pub use browser::explorer;
pub use messages::{Parcel, is_beat_down, is_beat_up, pack_down, pack_up, unpack_down, unpack_up};
pub use state::{Action, Cloud, Edge, Ghosts, PARCELS_MAX, State};
pub use world::World;

use pehra_core::types::NodeId;

/// The edge's node in the model.
pub const EDGE: NodeId = NodeId(1);
/// The cloud's node in the model.
pub const CLOUD: NodeId = NodeId(0);

//! Delivery: the deployed sender and receiver, their disks, and a network that loses, repeats and reorders.

mod messages;
mod world;
pub use messages::Parcel;
pub use world::{Action, Ghosts, State, World};

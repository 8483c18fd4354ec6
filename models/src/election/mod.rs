//! The model of election: voters, their disks, and a network that may lose, repeat and reorder.
//!
//! * [`Bounds`] - how many voters, terms and crashes, and which mechanisms are on.
//! * [`World`] - the model.
//! * [`properties`] - what must hold; [`queries`] - what must happen once things calm down.

mod bounds;
mod browser;
mod dead;
mod diagram;
mod kinds;
pub(crate) mod messages;
pub mod properties;
pub mod queries;
mod renaming;
mod state;
pub(crate) mod steps;
pub(crate) mod words;
mod world;

pub use bounds::{Bounds, Shape};
pub use browser::explorer;
pub use state::{Action, Ghosts, Member, State};
pub use world::World;

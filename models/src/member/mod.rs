//! A whole member of PEHRA, walked at small bounds: the deployed `Sleep`, which is guard duty beside the very log and election that it
//! rests on.
//!
//! `crate::sleep` walks guard duty over a log that is as its claims say. Here nothing is assumed of the log: the decrees that members act
//! on are those that their own logs have decided, over one network that may lose, repeat and reorder all that is said. What that costs
//! is states, so that this world is small: it begins with a leader, a plan that is decided, and all idle; commits are durable at once.

mod letters;
mod properties;
mod state;
mod words;
mod world;

pub use state::{Action, State};
pub use world::{Bounds, World};

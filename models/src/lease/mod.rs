//! The model of leases: the same members as in [`crate::election`], and time that passes.
//!
//! Time is discrete and real: one step of it moves all clocks. A clock whose rate stays within 1 ± r shows a wait of D
//! after a real time between D / (1 + r) and D / (1 − r), whatever it does in between. So a voter's promise (T) ends here at
//! T / (1 + r) or at any later moment, and a lease (L) counts as valid until L / (1 − r), unless its holder gives it up. That
//! lets each timer have a clock of its own, which is more than any member can do. All other timers may go off at any
//! moment: nothing may rest on them.
//!
//! Nothing must go off in time, and messages may come before what is due: a process that stands still, for however long, is
//! a run in which it does nothing. So what holds here holds for it too, with the one limit that no clock can take away: a
//! lease that has run out on its holder's own clock is no lease any more, also while the holder has not noticed.
//!
//! * [`Bounds`] - how long, how often, how many.
//! * [`World`] - the model.
//! * [`properties`] - what must hold.

mod bounds;
mod dead;
mod kinds;
pub mod properties;
mod state;
mod words;
mod world;

pub use bounds::Bounds;
pub use state::{Action, Clock, Member, State};
pub use world::World;

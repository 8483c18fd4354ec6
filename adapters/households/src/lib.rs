//! Household readings, from the meter to the ledger they are held against.
//!
//! * [`record`] is the JSON record a household puts on the topic, and the only parser of it.
//! * [`generate`] invents households: seeded, so that the same seed gives the same bytes, and with faults on demand.
//! * [`ledger`] is told every record that was sent and says what must have arrived: per window, hour and household.
//! * [`gem`] replays files of the GEM House data set; [`prepare`] cuts the raw files into that form.
//!
//! Nothing here reads a clock or talks to a network; times are Unix milliseconds throughout, power is milliwatts and
//! the import register counts units of 10⁻¹⁰ kWh.

pub mod clock;
mod error;
pub mod faults;
pub mod gem;
pub mod generate;
pub mod ledger;
pub mod meter;
pub mod prepare;
pub mod record;
pub mod rng;
mod sent;
mod timeset;

pub use error::{FileError, Trouble};
pub use sent::{Label, Sent};
pub use timeset::TimeSet;

/// The topic that carries the records.
pub const TOPIC: &str = "power_topic";

/// Milliseconds between two readings of one meter.
pub const STEP_MS: i64 = 2_000;

/// One reading of one household's meter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reading {
    /// The household's name, as in `node_id`.
    pub household: String,
    /// Event time, Unix milliseconds.
    pub time_ms: i64,
    /// Power over all three phases in milliwatts; negative while the household feeds in.
    pub power_mw: i64,
    /// The import register in units of 10⁻¹⁰ kWh, if the record carried it.
    pub register: Option<u64>,
}

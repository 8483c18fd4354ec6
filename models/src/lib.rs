//! w
pub mod delivery;
pub mod net;
pub mod site;

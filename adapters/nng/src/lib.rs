//! Request and reply as NNG speaks them, between an edge and its cloud.
//!
//! The wire is NNG's SP protocol (Req0 and Rep0 over `tcp://` and `tls+tcp://`), so any NNG peer can take either side.
//! Unlike NNG's own Req0, a [`Requester`] never sends again by itself: the protocol above decides that. Unlike its Rep0,
//! a [`Listener`] lets many requests of one connection be open and be answered in any order.
//!
//! Two back ends speak it, chosen at run time by [`Options::backend`]: our own codec on tokio with rustls, and, with the
//! cargo feature `libnng`, NNG's C library. One suite of tests holds both to the same behaviour, against each other too.
//!
//! [`mesh`] connects the members of a cluster with each other, over the same wire.

mod counters;
mod endpoint;
#[cfg(feature = "libnng")]
mod libnng;
mod listener;
pub mod mesh;
mod port;
mod requester;
mod sp;

pub use counters::Counters;
pub use endpoint::{Endpoint, EndpointError};
pub use listener::Listener;
pub use port::{Answer, Backend, ConnectError, Incoming, LinkEvent, ListenError, Options, Peer, RequestError, Tls};
pub use requester::Requester;

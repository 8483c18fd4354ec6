//! Request and reply as NNG speaks them, between an edge and its cloud.
//!
//! The wire is NNG's SP protocol (Req0 and Rep0 over `tcp://` and `tls+tcp://`), so any NNG peer can take either side.
//! Unlike NNG's own Req0, a [`Requester`] never sends again by itself: the protocol above decides that. Unlike its Rep0,
//! a [`Listener`] lets many requests of one connection be open and be answered in any order.

mod counters;
mod endpoint;
mod port;
mod sp;

pub use counters::Counters;
pub use endpoint::{Endpoint, EndpointError};
pub use port::{Answer, ConnectError, Incoming, LinkEvent, ListenError, Options, Peer, RequestError, Tls};
pub use sp::{Listener, Requester};

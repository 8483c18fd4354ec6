//! Stands at a Kafka broker's advertised address, in front of the broker.
//!
//! Clients connect to it and it to the broker, which listens on loopback. It passes bytes on as they came, in both
//! directions, and says what it saw: how often there was [`traffic`](pehra_core::sleep::traffic), and how often somebody came
//! with traffic while the broker was down.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`Proxy`] | one listener in front of one broker |
//! | [`Options`] | where, and with what TLS on which side |
//! | [`WhileDown`] | whether clients are asked what they want of a broker that is down |
//! | [`Seen`] | what it saw so far: numbers that only grow |
//! | [`Limits`] | its bounds in room and time |
//! | [`Sockets`] | sees traffic where no proxy can stand, by bytes at the broker's port, as the kernel counts them |
//!
//! # While the broker is down
//! A client that only polls must not wake a broker that sleeps, and need not wait for it: its partitions are led by others by
//! now, and so are its groups. What it lacks is news, which it asks of another broker as soon as it is refused here. Clients
//! say what they want only after a greeting (ApiVersions), so that is answered here, as the broker last answered it.
//! (With [`WhileDown::Ask`]; with [`WhileDown::Refuse`] everybody is refused at once.)
//!
//! | it asks for | then |
//! | --- | --- |
//! | the versions that the broker takes, and the answer is known | it is answered |
//! | traffic: a Produce, a change of topics … | it is [`wanted`](Seen::wanted), and held for [`Limits::hold_max`] |
//! | a fetch, or what idle clients ask for | it is [`refused`](Seen::refused) after [`Limits::refuse_after`], if no traffic follows |
//! | versions, and the answer is not known; or to log in (SASL) | it cannot be asked further: as traffic |
//!
//! # What passes changed
//! One thing: of the versions of Fetch and Produce the broker offers no more than can be read
//! ([`READABLE`](pehra_core::sleep::traffic::READABLE)).
//!
//! # What holds
//! Nothing that comes in makes it say that a broker is idle: numbers only grow, and that they did not grow for long is for
//! whoever reads them to judge. What cannot be Kafka's protocol ends its own connection and no other. No frame is collected: a
//! connection has two buffers of [`Limits::buffer_bytes`], however long a frame is.
//!
//! # What it cannot do
//! * Without the keys of a TLS listener it reads nothing ([`Clients::Sealed`]): it counts bytes, and whoever comes while the
//!   broker is down is a reason to wake it.
//! * The oldest form of SASL (`SaslHandshake` version 0) leaves the framing: such connections are ended.
//! * Where it ends TLS, the broker sees its certificate and not the client's, so a broker that tells its clients apart by
//!   certificate needs [`Clients::Sealed`].
//! * A client that begins with the address of one broker, which sleeps, gets no metadata, and a producer that begins so wakes
//!   nobody: it asks for metadata before all else. It needs another broker's address too, as Kafka's documentation asks of it.
//! * Metadata may create a topic, and is not traffic: Kafka's own consumers allow that in every one of their requests, and
//!   whether the topic is there only the broker knows. What is written to it is traffic.

mod connection;
mod greeting;
mod hold;
mod options;
mod proxy;
mod relay;
mod seen;
mod sockets;
mod stream;
mod tls;

pub use options::{BrokerTls, ClientTls, Clients, Limits, Options, WhileDown};
pub use proxy::{Proxy, StartError};
pub use seen::Seen;
pub use sockets::{Grown, Judge, Sight, SocketCounter, SocketOptions, Sockets, Stretch};

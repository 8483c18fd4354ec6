//! Apache Kafka on this machine: the real one, from Maven's artefacts, without an installation.
//!
//! * [`Jars`] are Kafka itself. They (54 MB) are fetched once, by Maven, and kept in `$XDG_CACHE_HOME/pehra/kafka-<version>`
//!   (`~/.cache` if unset). They make the commands that start a node or one of Kafka's own tools.
//! * [`Layout`] is a folder with the files of a whole cluster, controllers and brokers in KRaft mode, each with its port and its
//!   data. It makes the commands too, and reads in a node's log whether it serves.
//!
//! * [`Archive`] is what Java has read of the jars once, so that it starts with half the work; making it is part of fetching.
//!
//! Nothing here starts a node of a cluster, ends one or waits for one: that is for whoever owns the processes.
//!
//! A node has a small heap (192 MiB) and is up in two to three seconds, a cluster of three and three in ten to thirteen.

mod archive;
mod error;
mod jars;
mod layout;

pub use archive::Archive;
pub use error::Error;
pub use jars::{INSTALL, Jars, Lacking};
pub use layout::{FIRST_CONTROLLER, Host, Layout, Options, SERVES, is_controller, random_id};

//! The protocols of Pehra, and the one shape that they all have.
//!
//! Nothing in this crate can reach a clock, a random number, a disk or a socket: it is `no_std` and has no
//! dependencies. A protocol is a total function from (state, input) to (state, effects); see [`protocol`]. It runs
//! inside a [`node::Node`], which holds back whatever rests on a write until that write is durable. The model checker,
//! the simulator and the deployed binaries all drive the same `Node`.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`protocol`] | the traits and types that every protocol is written in |
//! | [`node`] | a protocol behind its durability gate |
//! | [`members`] | sets and orders of a cluster's members |
//! | [`election`] | at most one leader a term, elected by any majority |
//! | [`replication`] | one log, the same on all members: what a majority has durably is decided |
//! | [`delivery`] | rows from an edge to the cloud, each applied exactly once |
//! | [`window`] | readings to tumbling windows, by event time |
//! | [`pipeline`] | the edge: hosts `window` and the sender of `delivery` |
//! | [`sleep`] | idle brokers sleep, and are woken before anyone is hurt |
//! | [`identity`] | who may talk: the greeting between members, and the rules by which it is refused |
//! | [`wire`] | messages and durable records as bytes |
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod delivery;
pub mod election;
pub mod identity;
pub mod members;
pub mod node;
pub mod pipeline;
pub mod protocol;
pub mod replication;
pub mod sleep;
pub mod types;
pub mod window;
pub mod wire;

//! NNG's SP wire protocol on tokio.

mod client;
pub(crate) mod frame;
pub(crate) mod outgoing;
mod server;
pub(crate) mod tls;

pub(crate) use client::connect;
pub(crate) use server::{Acceptor, Replier, bind};

use tokio::io::{AsyncRead, AsyncWrite};

/// A TCP connection, plain or encrypted.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

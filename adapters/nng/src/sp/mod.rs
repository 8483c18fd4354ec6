//! NNG's SP wire protocol on tokio.

mod client;
mod frame;
mod server;
mod tls;

pub(crate) use client::connect;
pub(crate) use server::{Acceptor, bind};

use tokio::io::{AsyncRead, AsyncWrite};

/// A TCP connection, plain or encrypted.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

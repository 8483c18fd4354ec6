//! NNG's SP wire protocol on tokio.

mod client;
mod frame;
mod server;
mod tls;

pub use client::Requester;
pub use server::Listener;

use tokio::io::{AsyncRead, AsyncWrite};

/// A TCP connection, plain or encrypted.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

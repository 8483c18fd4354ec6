//! Outgoing TCP connections.

use std::io;

use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// Connects to whichever of the addresses behind a name accepts first, in order.
///
/// On one machine, a peer's port can be among those that the system gives to outgoing connections. While the peer is down, one
/// may be given that very port, and if it is on its way there, TCP connects it with itself: see [`apart`]. When it has ended,
/// the system would keep the port for a minute and the peer could not come back; so the port may be used anew.
pub(crate) async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(address).await? {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        match socket.connect(address).await.and_then(apart) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Refuses a connection with itself: nobody listens there.
fn apart(stream: TcpStream) -> io::Result<TcpStream> {
    if stream.local_addr()? != stream.peer_addr()? {
        return Ok(stream);
    }
    Err(io::Error::from(io::ErrorKind::ConnectionRefused))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn free() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    }

    #[tokio::test]
    async fn a_connection_with_itself_is_refused_and_leaves_the_port_free() {
        let address = free().await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(address).expect("the port is free");
        let stream = socket.connect(address).await.expect("TCP connects it with itself");
        let refused = apart(stream).expect_err("it is no peer");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        TcpListener::bind(address)
            .await
            .expect("a peer can listen there at once");
    }

    #[tokio::test]
    async fn the_port_of_a_connection_that_has_ended_can_be_listened_on_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let there = listener.local_addr().expect("an address").to_string();
        let ours = connect(&there).await.expect("it listens");
        let own = ours.local_addr().expect("an address");
        let (mut theirs, _) = listener.accept().await.expect("ours");
        // Ours ends first, so that it is our side that keeps the port for a while.
        drop(ours);
        assert_eq!(theirs.read(&mut [0]).await.expect("the end"), 0);
        drop(theirs);
        TcpListener::bind(own).await.expect("a peer can listen there at once");
    }

    #[tokio::test]
    async fn a_name_with_several_addresses_leads_to_the_one_that_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let stream = connect(&format!("localhost:{port}")).await.expect("it listens");
        assert_eq!(stream.peer_addr().expect("an address").port(), port);
    }
}

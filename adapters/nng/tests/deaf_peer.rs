//! Requesters whose peer takes the connection but reads nothing, or is not there at all.

#![allow(clippy::unwrap_used)] // in helpers of tests

use std::time::Duration;

use bytes::Bytes;
use pehra_nng::{Backend, LinkEvent, Options, RequestError, Requester};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(20);

/// So many of that size are more than what the buffers of two sockets take.
const REQUESTS: usize = 16;
const BYTES: usize = 2_000_000;

macro_rules! backend {
    ($name:ident, $backend:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_request_that_could_not_leave_does_not_leave_on_the_next_connection() {
                timeout(LONG, not_sent_later($backend)).await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_requester_can_be_dropped_while_its_requests_cannot_leave() {
                timeout(LONG, dropped_while_stuck($backend)).await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_requester_can_be_dropped_while_it_connects() {
                timeout(LONG, dropped_while_connecting($backend)).await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_peer_that_is_not_there_is_reported_once() {
                timeout(LONG, nobody_there($backend)).await.unwrap();
            }
        }
    };
}

backend!(sp, Backend::Sp);
#[cfg(feature = "libnng")]
backend!(libnng, Backend::LibNng);

async fn not_sent_later(backend: Backend) {
    let (listener, requester, mut links) = connecting(backend).await;
    for _ in 0..5 {
        let peer = greeted(&listener).await;
        assert!(matches!(links.recv().await, Some(LinkEvent::Up { .. })));
        let stuck: Vec<_> = (0..REQUESTS)
            .map(|_| requester.request(vec![b's'; BYTES].into(), LONG))
            .collect();
        sleep(Duration::from_millis(30)).await;
        drop(peer);
        for request in stuck {
            assert_eq!(request.await, Err(RequestError::LinkDown));
        }
        assert!(matches!(links.recv().await, Some(LinkEvent::Down { .. })));

        let mut peer = greeted(&listener).await;
        assert!(matches!(links.recv().await, Some(LinkEvent::Up { .. })));
        let quiet = timeout(Duration::from_millis(50), peer.read_u8()).await;
        assert!(quiet.is_err(), "something came: {quiet:?}");
        let asked = requester.request(Bytes::from_static(b"new"), LONG);
        assert_eq!(peer.read_u64().await.unwrap(), 4 + 3, "bytes of the first frame");
        drop(peer);
        assert_eq!(asked.await, Err(RequestError::LinkDown));
        assert!(matches!(links.recv().await, Some(LinkEvent::Down { .. })));
    }
}

async fn dropped_while_stuck(backend: Backend) {
    for round in 0..10_u64 {
        let (listener, requester, mut links) = connecting(backend).await;
        let peer = greeted(&listener).await;
        assert!(matches!(links.recv().await, Some(LinkEvent::Up { .. })));
        let stuck: Vec<_> = (0..REQUESTS)
            .map(|_| requester.request(vec![b's'; BYTES].into(), LONG))
            .collect();
        sleep(Duration::from_millis(3 * round)).await;
        drop(requester);
        for request in stuck {
            assert_eq!(request.await, Err(RequestError::LinkDown));
        }
        drop(peer);
    }
}

async fn dropped_while_connecting(backend: Backend) {
    for round in 0..100_u64 {
        let (listener, requester, _links) = connecting(backend).await;
        sleep(Duration::from_micros(20 * round)).await;
        drop(requester);
        drop(listener);
    }
}

async fn nobody_there(backend: Backend) {
    let (listener, requester, mut links) = connecting(backend).await;
    // Not accepted, but the system took the connection; with the listener it ends.
    drop(listener);
    assert!(matches!(links.recv().await, Some(LinkEvent::Down { .. })));
    let refused = requester.request(Bytes::new(), LONG).await;
    assert_eq!(refused, Err(RequestError::LinkDown));
    let again = timeout(Duration::from_millis(700), links.recv()).await;
    assert!(again.is_err(), "told more than once: {again:?}");
}

/// A requester and a peer on plain TCP for it to connect to.
async fn connecting(backend: Backend) -> (TcpListener, Requester, mpsc::Receiver<LinkEvent>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let options = Options {
        backend,
        frame_max: BYTES,
        in_flight_max: REQUESTS,
        connect_timeout: Duration::from_millis(300),
        reconnect_min: Duration::from_millis(5),
        reconnect_max: Duration::from_millis(20),
        ..Options::default()
    };
    let (requester, links) = Requester::connect(&endpoint, options).unwrap();
    (listener, requester, links)
}

/// Takes a connection and says what a replier says first.
async fn greeted(listener: &TcpListener) -> TcpStream {
    let (mut peer, _) = listener.accept().await.unwrap();
    peer.write_all(&[0, b'S', b'P', 0, 0, 0x31, 0, 0]).await.unwrap();
    let mut theirs = [0; 8];
    peer.read_exact(&mut theirs).await.unwrap();
    assert_eq!(theirs, [0, b'S', b'P', 0, 0, 0x30, 0, 0]);
    peer
}

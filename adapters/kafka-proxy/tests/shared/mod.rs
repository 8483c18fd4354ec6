//! A peer that stands for a broker: it only listens, so that bytes can be compared.
#![allow(dead_code, reason = "each test uses some of it")]

use std::net::SocketAddr;
use std::time::Duration;

use pehra_kafka_proxy::{Limits, Options, Proxy, Seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

pub const SOON: Duration = Duration::from_secs(10);

/// Short times and little room, so that bounds are met.
pub fn limits() -> Limits {
    Limits {
        buffer_bytes: 1000,
        held_bytes_max: 2500,
        request_bytes_max: 5000,
        hold_max: Duration::from_millis(600),
        refuse_after: Duration::from_millis(100),
        retry_every: Duration::from_millis(20),
        close_max: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], pehra_testbed::process::free_port()))
}

pub async fn proxy(upstream: SocketAddr) -> Proxy {
    let options = Options {
        limits: limits(),
        ..Options::plain(anywhere(), upstream)
    };
    Proxy::start(options).await.expect("a free port")
}

/// A peer that stands for a broker, and a proxy in front of it that knows how it greets.
pub async fn upstream() -> (TcpListener, Proxy) {
    let listener = TcpListener::bind(anywhere()).await.expect("a free port");
    let proxy = proxy(listener.local_addr().expect("it is bound")).await;
    let _first = client(&proxy).await;
    let _of_first = listener.accept().await.expect("the proxy comes");
    be_asked(&listener).await;
    (listener, proxy)
}

/// What the peer answers to whoever asks for its versions in this one.
pub fn offers(version: i16, highest_fetch: i16) -> Vec<u8> {
    let tags: &[u8] = if version >= 3 { &[0] } else { &[] };
    let fetch = [&[0, 1, 0, 4][..], &highest_fetch.to_be_bytes(), tags].concat();
    let ours = [&[0, 18, 0, 0, 0, 4][..], tags].concat();
    let count: &[u8] = if version >= 3 { &[3] } else { &[0, 0, 0, 2] };
    let throttle: &[u8] = if version >= 1 { &[0; 4] } else { &[] };
    [&[0, 0][..], count, &ours, &fetch, throttle, tags].concat()
}

/// The proxy asks the peer how it greets, in every version; it takes up to version 40 of Fetch.
pub async fn be_asked(listener: &TcpListener) {
    let (mut broker, _) = timeout(SOON, listener.accept())
        .await
        .expect("in time")
        .expect("the proxy comes");
    for version in 0..=4 {
        let length = take(&mut broker, 4).await;
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        let asked = take(&mut broker, usize::try_from(length).expect("a short one")).await;
        assert_eq!(asked[..4], [0, 18, 0, version], "it asks for the versions");
        let correlation = i32::from_be_bytes(asked[4..8].try_into().expect("four bytes"));
        let content = offers(version.into(), 40);
        broker
            .write_all(&answer(correlation, &content))
            .await
            .expect("it is taken");
    }
    assert_eq!(ended(&mut broker).await, b"", "it has heard all");
    // It is kept before anybody else can come.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

pub async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("the proxy listens")
}

/// A request of this kind with this number and so much after its head.
pub fn request(key: i16, correlation: i32, more: usize) -> Vec<u8> {
    let length = i32::try_from(8 + more).expect("a short one");
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&12_i16.to_be_bytes());
    bytes.extend_from_slice(&correlation.to_be_bytes());
    bytes.extend((0..more).map(|at| u8::try_from(at % 251).expect("a byte")));
    bytes
}

/// A member's heartbeat to its group, in this epoch; with 0 it joins.
pub fn heartbeat(correlation: i32, epoch: i32) -> Vec<u8> {
    let head = [&[0, 68, 0, 1][..], &correlation.to_be_bytes()].concat();
    // A client without a name, no tags; a group, a member.
    let body = [b"\xff\xff\0\x02g\x03me", &epoch.to_be_bytes()[..]].concat();
    let content = [head, body].concat();
    let length = i32::try_from(content.len()).expect("a short one");
    [&length.to_be_bytes()[..], &content].concat()
}

pub fn answer(correlation: i32, content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(4 + content.len()).expect("a short one");
    [&length.to_be_bytes()[..], &correlation.to_be_bytes(), content].concat()
}

pub async fn until(proxy: &Proxy, what: &str, is_so: impl FnMut(&Seen) -> bool) -> Seen {
    let mut seen = proxy.seen();
    let waited = timeout(SOON, seen.wait_for(is_so)).await;
    match waited {
        Ok(Ok(seen)) => *seen,
        _ => panic!("waited in vain: {what}; at last {:?}", *proxy.seen().borrow()),
    }
}

/// Reads exactly so much.
pub async fn take(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = timeout(SOON, stream.read_exact(&mut bytes)).await;
    read.expect("it comes in time").expect("it comes whole");
    bytes
}

/// Whether the other side ends the connection, and what came before that.
pub async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = end.expect("it ends in time");
    bytes
}

//! What passes, what is refused and what is held, in front of a peer that only listens: byte for byte.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pehra_kafka_proxy::{Limits, Proxy, Seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

/// Short times and little room, so that bounds are met.
fn limits() -> Limits {
    Limits {
        buffer_bytes: 1000,
        held_bytes_max: 2500,
        request_bytes_max: 5000,
        hold_max: Duration::from_millis(600),
        retry_every: Duration::from_millis(20),
        close_max: Duration::from_millis(200),
        ..Limits::default()
    }
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], pehra_testbed::process::free_port()))
}

async fn upstream() -> (TcpListener, Proxy) {
    let listener = TcpListener::bind(anywhere()).await.expect("a free port");
    let at = listener.local_addr().expect("it is bound");
    (
        listener,
        Proxy::start(anywhere(), at, limits()).await.expect("a free port"),
    )
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.expect("the proxy listens")
}

/// A request of this kind with this number and so much after its head.
fn request(key: i16, correlation: i32, more: usize) -> Vec<u8> {
    let length = i32::try_from(8 + more).expect("a short one");
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&12_i16.to_be_bytes());
    bytes.extend_from_slice(&correlation.to_be_bytes());
    bytes.extend((0..more).map(|at| u8::try_from(at % 251).expect("a byte")));
    bytes
}

fn answer(correlation: i32, content: &[u8]) -> Vec<u8> {
    let length = i32::try_from(4 + content.len()).expect("a short one");
    [&length.to_be_bytes()[..], &correlation.to_be_bytes(), content].concat()
}

async fn until(proxy: &Proxy, what: &str, is_so: impl FnMut(&Seen) -> bool) -> Seen {
    let mut seen = proxy.seen();
    let waited = timeout(SOON, seen.wait_for(is_so)).await;
    match waited {
        Ok(Ok(seen)) => *seen,
        _ => panic!("waited in vain: {what}; at last {:?}", *proxy.seen().borrow()),
    }
}

/// Reads exactly so much.
async fn take(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = timeout(SOON, stream.read_exact(&mut bytes)).await;
    read.expect("it comes in time").expect("it comes whole");
    bytes
}

/// Whether the other side ends the connection, and what came before that.
async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = timeout(SOON, stream.read_to_end(&mut bytes)).await;
    // A reset is an end too.
    let _ = end.expect("it ends in time");
    bytes
}

#[tokio::test]
async fn bytes_pass_untouched_in_both_directions_wherever_they_are_cut() {
    let (listener, proxy) = upstream().await;
    let up = [request(3, 1, 90), request(0, 2, 4000), request(18, 3, 0)].concat();
    let down = [answer(1, b"one"), answer(2, &[7; 9000]), answer(3, b"")].concat();
    for cut in [1, 3, 4, 5, 11, 12, 13, 100, 1100, up.len() - 1] {
        let mut client = client(&proxy).await;
        let (mut broker, _) = listener.accept().await.expect("the proxy comes");
        client.write_all(&up[..cut]).await.expect("it is taken");
        assert_eq!(take(&mut broker, cut).await, up[..cut], "cut at {cut}");
        client.write_all(&up[cut..]).await.expect("it is taken");
        assert_eq!(take(&mut broker, up.len() - cut).await, up[cut..], "cut at {cut}");
        broker.write_all(&down[..cut]).await.expect("it is taken");
        assert_eq!(take(&mut client, cut).await, down[..cut]);
        broker.write_all(&down[cut..]).await.expect("it is taken");
        assert_eq!(take(&mut client, down.len() - cut).await, down[cut..]);
    }
    let seen = *proxy.seen().borrow();
    // One Produce each.
    assert_eq!((seen.traffic, seen.wanted, seen.misframed), (10, 0, 0));
}

#[tokio::test]
async fn a_client_that_goes_after_any_byte_ends_only_its_own_connection() {
    let (listener, proxy) = upstream().await;
    let mut other = client(&proxy).await;
    let (mut other_broker, _) = listener.accept().await.expect("the proxy comes");
    let whole = request(0, 1, 30);
    for cut in 0..whole.len() {
        let mut client = client(&proxy).await;
        let (mut broker, _) = listener.accept().await.expect("the proxy comes");
        client.write_all(&whole[..cut]).await.expect("it is taken");
        drop(client);
        assert_eq!(ended(&mut broker).await, whole[..cut], "after {cut} bytes");
    }
    other.write_all(&whole).await.expect("it is taken");
    assert_eq!(take(&mut other_broker, whole.len()).await, whole);
}

#[tokio::test]
async fn what_is_not_kafkas_protocol_ends_only_its_own_connection() {
    let (listener, proxy) = upstream().await;
    let mut other = client(&proxy).await;
    let (mut other_broker, _) = listener.accept().await.expect("the proxy comes");
    let hostile: [&[u8]; 6] = [
        &[0xff; 4],
        &[0; 4],
        &[0, 0, 0, 7],
        &[0x7f, 0xff, 0xff, 0xff],
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for bytes in hostile {
        let mut client = client(&proxy).await;
        let (mut broker, _) = listener.accept().await.expect("the proxy comes");
        client.write_all(bytes).await.expect("it is taken");
        assert_eq!(ended(&mut client).await, b"", "{bytes:?}");
        assert_eq!(ended(&mut broker).await, b"", "{bytes:?}");
    }
    // A broker that is none.
    let mut client = client(&proxy).await;
    let (mut broker, _) = listener.accept().await.expect("the proxy comes");
    broker.write_all(&[0xff; 4]).await.expect("it is taken");
    assert_eq!(ended(&mut client).await, b"");
    let seen = until(&proxy, "all are counted", |seen| seen.misframed == 7).await;
    assert_eq!((seen.traffic, seen.wanted), (0, 0));
    let whole = request(3, 1, 30);
    other.write_all(&whole).await.expect("it is taken");
    assert_eq!(take(&mut other_broker, whole.len()).await, whole);
}

#[tokio::test]
async fn an_answer_out_of_order_passes_and_is_traffic() {
    let (listener, proxy) = upstream().await;
    let mut client = client(&proxy).await;
    let (mut broker, _) = listener.accept().await.expect("the proxy comes");
    client.write_all(&request(3, 1, 0)).await.expect("it is taken");
    take(&mut broker, 12).await;
    broker.write_all(&answer(2, b"")).await.expect("it is taken");
    assert_eq!(take(&mut client, 8).await, answer(2, b""));
    assert_eq!(until(&proxy, "it is traffic", |seen| seen.traffic > 0).await.traffic, 1);
}

#[tokio::test]
async fn when_either_side_ends_the_other_one_does_too() {
    let (listener, proxy) = upstream().await;
    // The broker goes.
    let mut first = client(&proxy).await;
    let (broker, _) = listener.accept().await.expect("the proxy comes");
    drop(broker);
    assert_eq!(ended(&mut first).await, b"");
    // The client has said all, and the broker answers still.
    let mut second = client(&proxy).await;
    let (mut broker, _) = listener.accept().await.expect("the proxy comes");
    second.write_all(&request(3, 1, 0)).await.expect("it is taken");
    second.shutdown().await.expect("it can end");
    assert_eq!(ended(&mut broker).await, request(3, 1, 0));
    broker.write_all(&answer(1, b"late")).await.expect("it is taken");
    drop(broker);
    assert_eq!(ended(&mut second).await, answer(1, b"late"));
    // The client goes, and the broker is frozen.
    let third = client(&proxy).await;
    let (mut broker, _) = listener.accept().await.expect("the proxy comes");
    drop(third);
    ended(&mut broker).await;
    let began = Instant::now();
    while broker.write_all(&answer(1, &[0; 100])).await.is_ok() {
        assert!(began.elapsed() < SOON, "the proxy keeps a dead connection");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_comes_while_the_broker_is_down_is_held_and_then_passes_whole() {
    let at = nobody();
    let proxy = Proxy::start(anywhere(), at, limits()).await.expect("a free port");
    let mut client = client(&proxy).await;
    let whole = [request(18, 1, 5), request(0, 2, 3000)].concat();
    client.write_all(&whole[..9]).await.expect("it is taken");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(proxy.seen().borrow().wanted, 0, "half a head is no request");
    client.write_all(&whole[9..]).await.expect("it is taken");
    until(&proxy, "it is wanted", |seen| seen.wanted == 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let listener = TcpListener::bind(at).await.expect("still free");
    let (mut broker, _) = timeout(SOON, listener.accept())
        .await
        .expect("in time")
        .expect("it comes");
    assert_eq!(take(&mut broker, whole.len()).await, whole);
    broker.write_all(&answer(1, b"x")).await.expect("it is taken");
    assert_eq!(take(&mut client, 9).await, answer(1, b"x"));
    let seen = *proxy.seen().borrow();
    assert_eq!((seen.traffic, seen.given_up), (1, 0));
}

#[tokio::test]
async fn who_is_held_too_long_is_closed_and_who_finds_no_room_at_once() {
    let proxy = Proxy::start(anywhere(), nobody(), limits()).await.expect("a free port");
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = client(&proxy).await;
        client.write_all(&request(3, 1, 0)).await.expect("it is taken");
        held.push(client);
    }
    until(&proxy, "two are held", |seen| seen.wanted == 2).await;
    let mut third = client(&proxy).await;
    third.write_all(&request(3, 1, 0)).await.expect("it is taken");
    assert_eq!(ended(&mut third).await, b"");
    let seen = until(&proxy, "the third is closed", |seen| seen.given_up == 1).await;
    assert!(
        seen.wanted == 3 && began.elapsed() < Duration::from_millis(500),
        "it wakes all the same"
    );
    for client in &mut held {
        assert_eq!(ended(client).await, b"");
    }
    assert!(began.elapsed() >= limits().hold_max);
    let seen = until(&proxy, "all are counted", |seen| seen.given_up == 3).await;
    assert_eq!(seen.traffic, 0);
    // The room is free again.
    let mut fourth = client(&proxy).await;
    fourth.write_all(&request(3, 1, 0)).await.expect("it is taken");
    until(&proxy, "it is held", |seen| seen.wanted == 4).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(proxy.seen().borrow().given_up, 3);
    drop(fourth);
}

#[tokio::test]
async fn a_stranger_does_not_wake_the_broker() {
    let proxy = Proxy::start(anywhere(), nobody(), limits()).await.expect("a free port");
    drop(client(&proxy).await);
    let mut stranger = client(&proxy).await;
    stranger
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("it is taken");
    ended(&mut stranger).await;
    let seen = until(&proxy, "it is counted", |seen| seen.misframed == 1).await;
    assert_eq!((seen.wanted, seen.traffic), (0, 0));
}

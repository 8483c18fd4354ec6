//! What passes and what is refused, in front of a peer that only listens: byte for byte.

mod shared;

use std::time::{Duration, Instant};

use shared::{SOON, answer, client, ended, request, take, until, upstream};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn bytes_pass_untouched_in_both_directions_wherever_they_are_cut() {
    let (listener, proxy) = upstream().await;
    let up = [request(3, 1, 90), request(0, 2, 4000), request(32, 3, 0)].concat();
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

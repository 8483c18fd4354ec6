//! A broker that is down: who is held, who is refused, and who is greeted in its place.

mod shared;

use std::time::{Duration, Instant};

use pehra_kafka_proxy::{Proxy, WhileDown};
use shared::{
    SOON, answer, be_asked, client, ended, heartbeat, limits, nobody, offers, proxy, request, take, until, upstream,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

#[tokio::test]
async fn what_comes_while_the_broker_is_down_is_held_and_then_passes_whole() {
    let at = nobody();
    let proxy = proxy(at).await;
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
    broker.write_all(&answer(1, b"xyz")).await.expect("it is taken");
    assert_eq!(take(&mut client, 11).await, answer(1, b"xyz"));
    let seen = *proxy.seen().borrow();
    assert_eq!((seen.traffic, seen.given_up), (1, 0));
}

#[tokio::test]
async fn who_is_held_too_long_is_closed_and_who_finds_no_room_at_once() {
    let proxy = proxy(nobody()).await;
    let began = Instant::now();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = client(&proxy).await;
        client.write_all(&request(0, 1, 90)).await.expect("it is taken");
        held.push(client);
    }
    until(&proxy, "two are held", |seen| seen.wanted == 2).await;
    let mut third = client(&proxy).await;
    third.write_all(&request(0, 1, 90)).await.expect("it is taken");
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
    assert_eq!((seen.traffic, seen.refused), (3, 0));
    // The room is free again.
    let mut fourth = client(&proxy).await;
    fourth.write_all(&request(0, 1, 90)).await.expect("it is taken");
    until(&proxy, "it is held", |seen| seen.wanted == 4).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(proxy.seen().borrow().given_up, 3);
    drop(fourth);
}

#[tokio::test]
async fn a_stranger_does_not_wake_the_broker() {
    let proxy = proxy(nobody()).await;
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

/// A question for versions, in this one.
fn question(version: i16, correlation: i32) -> Vec<u8> {
    let mut whole = request(18, correlation, 7);
    whole[6..8].copy_from_slice(&version.to_be_bytes());
    whole
}

/// Where a broker was until now, and how it greets is known.
async fn asleep() -> (std::net::SocketAddr, Proxy) {
    let (listener, proxy) = upstream().await;
    let at = listener.local_addr().expect("it is bound");
    drop(listener);
    (at, proxy)
}

/// Whether it is closed soon, and before a broker that is held for would be given up.
async fn is_refused(mut client: TcpStream) {
    let began = Instant::now();
    assert_eq!(ended(&mut client).await, b"");
    let took = began.elapsed();
    assert!(took < limits().hold_max, "it took {took:?}");
}

#[tokio::test]
async fn what_idle_clients_ask_for_is_refused_and_wakes_nobody() {
    let (_, proxy) = asleep().await;
    // Fetch, ListOffsets, Metadata, OffsetCommit, FindCoordinator, Heartbeat, SyncGroup; ConsumerGroupHeartbeat of who has joined.
    let asked = [1, 2, 3, 8, 10, 12, 14].map(|kind| request(kind, 1, 40));
    for (count, request) in (1..).zip(asked.into_iter().chain([heartbeat(1, 7)])) {
        let mut client = client(&proxy).await;
        client.write_all(&request).await.expect("it is taken");
        is_refused(client).await;
        let seen = until(&proxy, "it is counted", |seen| seen.refused == count).await;
        assert_eq!((seen.wanted, seen.traffic, seen.given_up), (0, 0, 0), "{request:?}");
    }
    // Longer than there is room for.
    let mut client = client(&proxy).await;
    client.write_all(&request(3, 1, 4000)).await.expect("it is taken");
    is_refused(client).await;
    assert_eq!(proxy.seen().borrow().wanted, 0);
}

#[tokio::test]
async fn whoever_asks_for_versions_is_answered_as_the_broker_would() {
    let (at, proxy) = asleep().await;
    for version in 0..=4 {
        let mut client = client(&proxy).await;
        // In two pieces, and with another request right behind it.
        let asked = question(version, 99);
        client.write_all(&asked[..13]).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
        client.write_all(&asked[13..]).await.expect("it is taken");
        let wanted = answer(99, &offers(version, 18));
        assert_eq!(take(&mut client, wanted.len()).await, wanted, "version {version}");
        client.write_all(&request(3, 100, 10)).await.expect("it is taken");
        is_refused(client).await;
    }
    let seen = *proxy.seen().borrow();
    assert_eq!((seen.wanted, seen.refused, seen.traffic), (0, 5, 0));

    // What it asks for next makes the difference; the greeting is not passed on, and the rest is, in its order.
    let mut producer = client(&proxy).await;
    producer.write_all(&question(4, 1)).await.expect("it is taken");
    let greeted = answer(1, &offers(4, 18));
    assert_eq!(take(&mut producer, greeted.len()).await, greeted);
    let rest = [request(3, 2, 10), request(0, 3, 200)].concat();
    producer.write_all(&rest).await.expect("it is taken");
    until(&proxy, "it is wanted", |seen| seen.wanted == 1).await;
    let listener = TcpListener::bind(at).await.expect("still free");
    let (mut broker, _) = timeout(SOON, listener.accept())
        .await
        .expect("in time")
        .expect("it comes");
    assert_eq!(take(&mut broker, rest.len()).await, rest);
    let answers = [answer(2, b"metadata"), answer(3, b"offsets")].concat();
    broker.write_all(&answers).await.expect("it is taken");
    assert_eq!(take(&mut producer, answers.len()).await, answers);
    let seen = *proxy.seen().borrow();
    // Answers in order, so the Produce alone was traffic.
    assert_eq!((seen.traffic, seen.given_up, seen.refused), (1, 0, 5));
    // A broker that has come may be another version of itself.
    be_asked(&listener).await;
}

#[tokio::test]
async fn whoever_was_greeted_meets_the_broker_when_it_is_up_again() {
    let (at, proxy) = asleep().await;
    let mut client = client(&proxy).await;
    client.write_all(&question(3, 1)).await.expect("it is taken");
    let greeted = answer(1, &offers(3, 18));
    assert_eq!(take(&mut client, greeted.len()).await, greeted);
    let listener = TcpListener::bind(at).await.expect("still free");
    client.write_all(&request(3, 2, 10)).await.expect("it is taken");
    let (mut broker, _) = timeout(SOON, listener.accept())
        .await
        .expect("in time")
        .expect("it comes");
    assert_eq!(take(&mut broker, 22).await, request(3, 2, 10));
    assert_eq!(proxy.seen().borrow().refused, 0);
}

#[tokio::test]
async fn whoever_cannot_be_asked_further_counts_as_traffic() {
    let (_, known) = asleep().await;
    let unknown = proxy(nobody()).await;
    let log_in = [question(4, 1), request(17, 2, 10)].concat();
    for (count, proxy, bytes) in [
        (1, &unknown, question(4, 1)),
        // A version that nobody knows.
        (1, &known, question(5, 1)),
        (2, &known, log_in),
        // A Produce whose head does not end.
        (3, &known, request(0, 1, 4000)),
        // A member that joins its group, and one in a version that nobody knows.
        (4, &known, heartbeat(1, 0)),
        (5, &known, request(68, 1, 40)),
    ] {
        let mut client = client(proxy).await;
        client.write_all(&bytes).await.expect("it is taken");
        until(proxy, "it is wanted", |seen| seen.wanted == count).await;
        assert_eq!(proxy.seen().borrow().refused, 0);
    }
}

#[tokio::test]
async fn where_everybody_is_refused_nobody_is_asked() {
    let (at, proxy) = asleep().await;
    proxy.while_down(WhileDown::Refuse);
    // It is told by the closed connection alone, and whatever it sends.
    assert_eq!(ended(&mut client(&proxy).await).await, b"");
    let mut producer = client(&proxy).await;
    let _ = producer.write_all(&request(0, 1, 200)).await;
    is_refused(producer).await;
    let seen = until(&proxy, "both are counted", |seen| seen.refused == 2).await;
    assert_eq!((seen.wanted, seen.requests, seen.given_up), (0, 0, 0));
    // Not when the broker is up, nor when it is on its way up.
    let listener = TcpListener::bind(at).await.expect("still free");
    let mut other = client(&proxy).await;
    let (mut broker, _) = listener.accept().await.expect("the proxy comes");
    other.write_all(&request(3, 2, 10)).await.expect("it is taken");
    assert_eq!(take(&mut broker, 22).await, request(3, 2, 10));
    drop((broker, listener));
    proxy.while_down(WhileDown::Ask);
    let mut producer = client(&proxy).await;
    producer.write_all(&request(0, 3, 200)).await.expect("it is taken");
    until(&proxy, "it is wanted", |seen| seen.wanted == 1).await;
}

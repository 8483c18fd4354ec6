//! Peers that break the protocol, against the codec on tokio: each is refused and counted, costs only its own connection,
//! and takes nothing from a good neighbour.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod house;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use house::{
    FRAME_MAX, House, LONG, REPLY, REQUEST, accept, answers_one, assert_closed_after, count, data_kib, frame, next,
    options, reaches, read_frame, requester, says,
};
use pehra_nng::{LinkEvent, Options, RequestError, Requester};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn whoever_does_not_greet_as_a_requester_is_refused() {
    let house = House::new(options()).await;
    let greetings: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        // Publisher, subscriber, and another replier.
        b"\0SP\0\0\x20\0\0",
        b"\0SP\0\0\x21\0\0",
        &REPLY,
        // Another version, and something in the reserved bytes.
        b"\0SP\x01\0\x30\0\0",
        b"\0SP\0\0\x30\0\x01",
        // Another client's TLS, noise, and silence in all bytes.
        b"\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03",
        b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8",
        b"\0\0\0\0\0\0\0\0",
    ];
    for (at, greeting) in greetings.iter().enumerate() {
        let mut peer = house.stranger().await;
        peer.write_all(greeting).await.unwrap();
        assert_closed_after(&mut peer, &REPLY).await;
        house.reaches(|counted| counted.wrong_peers, at as u64 + 1).await;
        house.serves_the_neighbour().await;
    }
    let counted = house.counters().await;
    assert_eq!(counted.refused_frames, 0);
    assert_eq!(counted.connections, 1, "only the neighbour's");
}

#[tokio::test]
async fn a_greeting_that_breaks_off_is_counted_and_one_that_never_began_is_not() {
    let house = House::new(options()).await;
    for (at, length) in (1..8).enumerate() {
        let mut peer = house.stranger().await;
        peer.write_all(&REQUEST[..length]).await.unwrap();
        peer.shutdown().await.unwrap();
        assert_closed_after(&mut peer, &REPLY).await;
        house.reaches(|counted| counted.wrong_peers, at as u64 + 1).await;
    }
    // As load balancers look whether a port is alive.
    let mut peer = house.stranger().await;
    peer.shutdown().await.unwrap();
    assert_closed_after(&mut peer, &REPLY).await;
    house.serves_the_neighbour().await;
    assert_eq!(house.counters().await.wrong_peers, 7);
}

#[tokio::test]
async fn a_slow_greeting_ends_at_the_time_limit_however_many_bytes_trickle_in() {
    let limit = Duration::from_millis(300);
    let house = House::new(Options {
        connect_timeout: limit,
        ..options()
    })
    .await;
    let began = Instant::now();
    let mut silent = house.stranger().await;
    let (mut reader, mut writer) = house.stranger().await.into_split();
    let trickle = tokio::spawn(async move {
        for byte in REQUEST {
            sleep(Duration::from_millis(100)).await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    house.serves_the_neighbour().await;
    assert_closed_after(&mut silent, &REPLY).await;
    let mut seen = Vec::new();
    // A reset is as good an end.
    let _ = timeout(LONG, reader.read_to_end(&mut seen)).await.expect("an end");
    let took = began.elapsed();
    assert!((limit..Duration::from_millis(750)).contains(&took), "{took:?}");
    house.reaches(|counted| counted.wrong_peers, 2).await;
    house.serves_the_neighbour().await;
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_frame_that_breaks_a_limit_or_the_format_ends_its_connection_alone() {
    let house = House::new(options()).await;
    let mut hops = vec![0; 16 * 4];
    hops.extend_from_slice(&[0x80, 0, 0, 1]);
    let frames = [
        ("2^63 bytes announced", (1_u64 << 63).to_be_bytes().to_vec()),
        ("2^64 - 1 bytes announced", u64::MAX.to_be_bytes().to_vec()),
        (
            "more than the limit announced",
            (FRAME_MAX as u64 + 65).to_be_bytes().to_vec(),
        ),
        (
            "one byte above the limit",
            frame(&[&[0x80, 0, 0, 1], vec![1; FRAME_MAX + 1].as_slice()].concat()),
        ),
        ("nothing", frame(&[])),
        ("half an id", frame(&[0x80, 0])),
        ("an id without its top bit", frame(&[0, 0, 0, 1])),
        ("a body whose words all lack it", frame(&[1; 400])),
        ("seventeen words", frame(&hops)),
    ];
    for (at, (what, bytes)) in frames.iter().enumerate() {
        let mut peer = house.greeted().await;
        peer.write_all(bytes).await.unwrap();
        assert_closed_after(&mut peer, &[]).await;
        house.reaches(|counted| counted.refused_frames, at as u64 + 1).await;
        house.serves_the_neighbour().await;
        assert_eq!(house.counters().await.wrong_peers, 0, "{what}");
    }
}

#[tokio::test]
async fn the_longest_allowed_stack_and_body_come_back_unchanged() {
    let house = House::new(options()).await;
    let mut message = vec![0x7f; 15 * 4];
    message.extend_from_slice(&[0xff; 4]);
    message.extend_from_slice(&[0x80; FRAME_MAX]);
    let mut peer = house.greeted().await;
    peer.write_all(&frame(&message)).await.unwrap();
    assert_eq!(read_frame(&mut peer).await, message);
    assert_eq!(house.counters().await.refused_frames, 0);
}

#[tokio::test]
async fn a_valid_frame_is_heard_before_the_garbage_behind_it_ends_the_connection() {
    let house = House::new(options()).await;
    let heard = house.heard.load(Ordering::Relaxed);
    let mut peer = house.greeted().await;
    let mut bytes = frame(b"\x80\0\0\x01hello");
    bytes.extend_from_slice(b"garbage, and much of it");
    peer.write_all(&bytes).await.unwrap();
    house.reaches(|counted| counted.refused_frames, 1).await;
    assert_eq!(house.heard.load(Ordering::Relaxed), heard + 1);
    let mut rest = Vec::new();
    // Its answer may or may not have left before; then comes the end.
    let _ = timeout(LONG, peer.read_to_end(&mut rest)).await.expect("an end");
    assert!(rest.is_empty() || rest == frame(b"\x80\0\0\x01hello"), "{rest:?}");
    house.serves_the_neighbour().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once_and_room_is_given_again() {
    let house = House::new(Options {
        connections_max: 3,
        ..options()
    })
    .await;
    // The neighbour holds one of the three.
    let first = house.greeted().await;
    let mut second = house.greeted().await;
    for at in 1..=20 {
        let mut peer = house.stranger().await;
        assert_closed_after(&mut peer, &[]).await;
        house.reaches(|counted| counted.refused_connections, at).await;
    }
    house.serves_the_neighbour().await;
    drop(first);
    second.write_all(&frame(b"\x80\0\0\x01x")).await.unwrap();
    assert_eq!(read_frame(&mut second).await, b"\x80\0\0\x01x");
    let began = Instant::now();
    // The room is free once the listener has seen the end of the first.
    while house.try_greeted().await.is_none() {
        assert!(began.elapsed() < LONG);
        sleep(Duration::from_millis(5)).await;
    }
    let counted = house.counters().await;
    assert_eq!((counted.connections, counted.wrong_peers), (4, 0));
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_replies_keeps_no_more_than_its_share() {
    let house = House::new(Options {
        in_flight_max: 8,
        ..options()
    })
    .await;
    let peer = house.greeted().await;
    let (_unread, mut writer) = peer.into_split();
    let request = frame(&[b"\x80\0\0\x01".as_slice(), &[7; FRAME_MAX]].concat());
    let before = house.heard.load(Ordering::Relaxed);
    // Writing stalls once the listener stops reading from a peer whose replies pile up.
    let mut written = 0;
    while let Ok(sent) = timeout(Duration::from_millis(300), writer.write_all(&request)).await {
        sent.unwrap();
        written += 1;
        assert!(written < 20_000, "the listener reads on");
    }
    house.serves_the_neighbour().await;
    let stalled = house.heard.load(Ordering::Relaxed) - before;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(
        house.heard.load(Ordering::Relaxed) - before,
        stalled,
        "heard {stalled}, {written} were sent"
    );
}

#[tokio::test]
async fn an_announced_length_costs_no_memory() {
    const PEERS: usize = 200;
    let frame_max = 64 * 1024 * 1024;
    let house = House::new(Options { frame_max, ..options() }).await;
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        peers.push(house.greeted().await);
    }
    let before = data_kib();
    for peer in &mut peers {
        peer.write_all(&(frame_max as u64).to_be_bytes()).await.unwrap();
        peer.write_all(&[0x80, 0, 0, 1]).await.unwrap();
    }
    house.serves_the_neighbour().await;
    sleep(Duration::from_millis(200)).await;
    let grown = data_kib().saturating_sub(before);
    // 12.5 GiB are announced. The bound leaves room for the tests beside this one.
    assert!(grown < 32 * 1024, "{grown} KiB for {PEERS} announcements");
    drop(peers);
    house.serves_the_neighbour().await;
    assert_eq!(
        house.counters().await.refused_frames,
        0,
        "whoever leaves in the middle of a frame broke nothing"
    );
}

#[tokio::test]
async fn a_requester_tells_of_a_web_server_and_goes_on_trying() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (requester, mut links) = requester(&port);
    for at in 1..=3 {
        let mut peer = port.accept().await.unwrap().0;
        peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        reaches(&requester.counters().wrong_peers, at).await;
    }
    says(&mut links, &["no NNG socket", "HTTP/1.1", "right port"]).await;
    assert_eq!(requester.request(Bytes::new(), LONG).await, Err(RequestError::LinkDown));
    // Down is said once; the next event is that the right peer came.
    let mut peer = accept(&port).await;
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
    answers_one(&requester, &mut peer).await;
}

#[tokio::test]
async fn a_requester_tells_what_a_wrong_peer_speaks() {
    let cases: [(&[u8], &[&str]); 5] = [
        (&REQUEST, &["SP protocol 0x30", "expected 0x31", "right port"]),
        (b"\0SP\0\0\x20\0\0", &["SP protocol 0x20", "expected 0x31"]),
        (b"\0SP\x01\0\x31\0\0", &["SP version 1", "expected 0"]),
        (b"\x15\x03\x03\0\x02\x02\x32", &["speaks TLS", "tls+tcp://"]),
        (b"\0SP\0", &["within its greeting"]),
    ];
    for (greeting, words) in cases {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (requester, mut links) = requester(&port);
        let mut peer = port.accept().await.unwrap().0;
        peer.write_all(greeting).await.unwrap();
        peer.shutdown().await.unwrap();
        says(&mut links, words).await;
        assert_eq!(count(&requester.counters().wrong_peers), 1);
        let mut peer = accept(&port).await;
        assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
        answers_one(&requester, &mut peer).await;
    }
}

#[tokio::test]
async fn replies_with_unknown_ids_are_counted_and_change_nothing() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (requester, mut links) = requester(&port);
    let mut peer = accept(&port).await;
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
    let asked = requester.request(Bytes::from_static(b"?"), LONG);
    let asked = tokio::spawn(asked);
    let request = read_frame(&mut peer).await;
    let id: [u8; 4] = request[..4].try_into().unwrap();
    let other = (u32::from_be_bytes(id) ^ 0x0100_0000).to_be_bytes();
    for stray in [
        [other.as_slice(), b"stray"].concat(),
        // A stack that no request of ours ever had, around the right id.
        [&[0, 0, 0, 9], id.as_slice(), b"stray"].concat(),
        [id.as_slice(), b"right"].concat(),
        [id.as_slice(), b"right, but again"].concat(),
    ] {
        peer.write_all(&frame(&stray)).await.unwrap();
    }
    assert_eq!(asked.await.unwrap(), Ok(Bytes::from_static(b"right")));
    reaches(&requester.counters().late_replies, 3).await;
    answers_one(&requester, &mut peer).await;
    assert!(links.try_recv().is_err(), "the link stayed up");
}

#[tokio::test]
async fn a_bad_frame_from_the_listener_ends_open_requests_and_the_requester_connects_again() {
    let cases: [(&str, Vec<u8>, u64, &[&str]); 5] = [
        (
            "2^63 bytes",
            (1_u64 << 63).to_be_bytes().to_vec(),
            1,
            &["announced", "9223372036854775808", "limit is 10000"],
        ),
        (
            "above the limit",
            frame(&[&[0x80, 0, 0, 0], vec![1; FRAME_MAX + 1].as_slice()].concat()),
            1,
            &["10001 bytes", "limit is 10000"],
        ),
        ("no id", frame(b"\0\0\0\x01"), 1, &["without an id"]),
        (
            "half a frame",
            frame(&[0x80; 1000])[..500].to_vec(),
            0,
            &["in the middle of a frame"],
        ),
        ("half a length", vec![0, 0, 0], 0, &["in the middle of a frame"]),
    ];
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (requester, mut links) = requester(&port);
    let mut refused = 0;
    for (what, bytes, counts, words) in cases {
        let mut peer = accept(&port).await;
        assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }), "{what}");
        answers_one(&requester, &mut peer).await;
        let asked = tokio::spawn(requester.request(Bytes::from_static(b"open"), LONG));
        read_frame(&mut peer).await;
        peer.write_all(&bytes).await.unwrap();
        peer.shutdown().await.unwrap();
        assert_eq!(asked.await.unwrap(), Err(RequestError::LinkDown), "{what}");
        says(&mut links, words).await;
        refused += counts;
        assert_eq!(count(&requester.counters().refused_frames), refused, "{what}");
    }
    let mut peer = accept(&port).await;
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
    answers_one(&requester, &mut peer).await;
    assert_eq!(count(&requester.counters().connections), 6);
}

#[tokio::test]
async fn a_listener_that_accepts_and_says_nothing_is_given_up_at_the_time_limit() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", port.local_addr().unwrap()).parse().unwrap();
    let limited = Options {
        connect_timeout: Duration::from_millis(200),
        ..options()
    };
    let (_requester, mut links) = Requester::connect(&endpoint, limited).unwrap();
    let silent = port.accept().await.unwrap();
    let began = Instant::now();
    says(&mut links, &["no connection within 200ms"]).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(silent);
    let _peer = accept(&port).await;
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
}

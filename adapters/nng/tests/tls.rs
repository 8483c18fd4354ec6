//! TLS with certificates of a CA of our own: who is let in, what the others are told, and that they cost nobody else
//! anything.

#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod ca;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ca::{Ca, Shows};
use pehra_nng::{Endpoint, LinkEvent, Listener, Options, Peer, RequestError, Requester, Tls};
use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn both_sides_know_each_other_by_their_certificates() {
    let ca = Ca::new("our CA");
    let mut listener = listener(&ca).await;
    for name in ["edge-7", "Kraftwerk Süd", &"x".repeat(64)] {
        let (requester, mut links) = connect(
            &listener,
            "localhost",
            ca.shows(&ca.certificate(name, &["edge.invalid"])),
        );
        assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
        let (peer, reply) = exchange(&mut listener, &requester, Bytes::from(vec![5; 1_000_000])).await;
        assert_eq!(peer.identity.as_deref(), Some(name));
        assert_eq!(reply.unwrap(), vec![5; 1_000_000]);
    }
    assert_eq!(count(&listener.counters().wrong_peers), 0);
}

#[tokio::test]
async fn the_name_is_the_subjects_wherever_else_in_the_certificate_a_name_stands() {
    let ca = Ca::new("our CA");
    let mut listener = listener(&ca).await;
    let mut params = ca.params("edge-7", &["edge.invalid"]);
    // An extension with a distinguished name, as some tools add the issuer's.
    let another = b"\x30\x11\x31\x0f\x30\x0d\x06\x03\x55\x04\x03\x0c\x06edge-1".to_vec();
    params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(
        &[1, 3, 6, 1, 4, 1, 99999, 1],
        another,
    ));
    let (requester, mut links) = connect(&listener, "localhost", ca.shows(&ca.sign(params)));
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
    let (peer, _) = exchange(&mut listener, &requester, Bytes::new()).await;
    assert_eq!(peer.identity.as_deref(), Some("edge-7"));
}

#[tokio::test]
async fn without_a_ca_a_listener_takes_anybody_and_knows_nobody() {
    let ca = Ca::new("our CA");
    let tls = Tls {
        ca: None,
        ..ca.shows(&ca.certificate("cloud", &["localhost"]))
    };
    let mut listener = Listener::bind(&"tls+tcp://127.0.0.1:0".parse().unwrap(), options(Some(tls)))
        .await
        .unwrap();
    let (requester, mut links) = connect(&listener, "localhost", ca.trusts());
    assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
    let (peer, reply) = exchange(&mut listener, &requester, Bytes::from_static(b"?")).await;
    assert_eq!((peer.identity, reply), (None, Ok(Bytes::from_static(b"?"))));
}

#[tokio::test]
async fn clients_that_the_listener_must_not_trust_are_refused_and_told_why() {
    let ca = Ca::new("our CA");
    let other = Ca::new("another CA");
    let nameless = {
        let mut params = ca.params("", &["edge.invalid"]);
        params.distinguished_name = rcgen::DistinguishedName::new();
        ca.sign(params)
    };
    let early = {
        let mut params = ca.params("edge-7", &["edge.invalid"]);
        params.not_before = date_time_ymd(2999, 1, 1);
        params.not_after = date_time_ymd(3000, 1, 1);
        ca.sign(params)
    };
    let from_another_ca = Tls {
        ca: ca.trusts().ca,
        ..other.shows(&other.certificate("edge-7", &["edge.invalid"]))
    };
    // The same name as our CA's, but not its key.
    let forger = Ca::new("our CA");
    let forged = Tls {
        ca: ca.trusts().ca,
        ..forger.shows(&forger.certificate("edge-7", &["edge.invalid"]))
    };
    let cases: [(&str, Tls, &[&str]); 6] = [
        ("no certificate", ca.trusts(), &["TLS", "certificate", "key"]),
        ("another CA", from_another_ca, &["TLS", "CA"]),
        ("a forged CA", forged, &["TLS", "certificate"]),
        (
            "expired",
            ca.shows(&ca.expired("edge-7", &["edge.invalid"])),
            &["TLS", "xpired", "renew"],
        ),
        ("not yet valid", ca.shows(&early), &["TLS", "ertificate"]),
        ("no name", ca.shows(&nameless), &["closed"]),
    ];
    for (what, tls, words) in cases {
        let mut listener = listener(&ca).await;
        let (good, mut good_links) = connect(
            &listener,
            "localhost",
            ca.shows(&ca.certificate("edge-1", &["a.invalid"])),
        );
        assert!(matches!(next(&mut good_links).await, LinkEvent::Up { .. }));
        let (bad, mut links) = connect(&listener, "localhost", tls);
        says(&mut links, words, what).await;
        reaches(&listener.counters().wrong_peers, 1, what).await;
        assert_eq!(
            bad.request(Bytes::new(), LONG).await,
            Err(RequestError::LinkDown),
            "{what}"
        );
        let (peer, _) = exchange(&mut listener, &good, Bytes::new()).await;
        assert_eq!(peer.identity.as_deref(), Some("edge-1"), "{what}");
        assert_eq!(count(&listener.counters().connections), 1, "{what}");
        assert!(
            good_links.try_recv().is_err(),
            "{what}: the good client's link stayed up"
        );
    }
}

#[tokio::test]
async fn a_requester_refuses_a_listener_that_it_must_not_trust() {
    let ca = Ca::new("our CA");
    let other = Ca::new("another CA");
    let client = ca.certificate("edge-7", &["edge.invalid"]);
    let from_another_ca = Tls {
        ca: ca.trusts().ca,
        ..other.shows(&other.certificate("cloud", &["localhost"]))
    };
    let cases: [(&str, Tls, &[&str]); 3] = [
        (
            "another CA",
            from_another_ca,
            &["TLS", "UnknownIssuer", "not signed by the CA"],
        ),
        (
            "another name",
            ca.shows(&ca.certificate("cloud", &["cloud.invalid"])),
            &["TLS", "localhost", "cloud.invalid"],
        ),
        (
            "expired",
            ca.shows(&ca.expired("cloud", &["localhost"])),
            &["TLS", "expired"],
        ),
    ];
    for (what, tls, words) in cases {
        let listener = Listener::bind(&"tls+tcp://127.0.0.1:0".parse().unwrap(), options(Some(tls)))
            .await
            .unwrap();
        let (requester, mut links) = connect(&listener, "localhost", ca.shows(&client));
        says(&mut links, words, what).await;
        reaches(&requester.counters().wrong_peers, 1, what).await;
        reaches(&listener.counters().wrong_peers, 1, what).await;
        assert_eq!(count(&listener.counters().connections), 0, "{what}");
    }
}

#[tokio::test]
async fn plain_and_encrypted_sides_tell_each_other_apart() {
    let ca = Ca::new("our CA");
    let tls = ca.shows(&ca.certificate("edge-7", &["edge.invalid"]));

    let mut encrypted = listener(&ca).await;
    let plain: Endpoint = format!("tcp://localhost:{}", encrypted.local_addr().port())
        .parse()
        .unwrap();
    let (_lost, mut links) = Requester::connect(&plain, options(None)).unwrap();
    says(&mut links, &["speaks TLS", "tls+tcp://"], "a plain requester").await;
    reaches(&encrypted.counters().wrong_peers, 1, "a plain requester").await;
    for stranger in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0xff; 100], &[0x16, 3, 1, 0x40]] {
        let before = count(&encrypted.counters().wrong_peers);
        let mut peer = TcpStream::connect(encrypted.local_addr()).await.unwrap();
        peer.write_all(stranger).await.unwrap();
        peer.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // A reset is as good an end.
        let _ = timeout(LONG, peer.read_to_end(&mut rest)).await.expect("an end");
        reaches(&encrypted.counters().wrong_peers, before + 1, "a stranger").await;
    }
    let (good, mut good_links) = connect(&encrypted, "localhost", tls.clone());
    assert!(matches!(next(&mut good_links).await, LinkEvent::Up { .. }));
    assert_eq!(exchange(&mut encrypted, &good, Bytes::new()).await.1, Ok(Bytes::new()));

    let mut open = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap(), options(None))
        .await
        .unwrap();
    let (_lost, mut links) = connect(&open, "localhost", tls);
    says(&mut links, &["TLS", "tls+tcp://"], "an encrypted requester").await;
    reaches(&open.counters().wrong_peers, 1, "an encrypted requester").await;
    let (good, mut good_links) =
        Requester::connect(&format!("tcp://{}", open.local_addr()).parse().unwrap(), options(None)).unwrap();
    assert!(matches!(next(&mut good_links).await, LinkEvent::Up { .. }));
    assert_eq!(exchange(&mut open, &good, Bytes::new()).await.1, Ok(Bytes::new()));
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named_before_anything_starts() {
    let ca = Ca::new("our CA");
    let endpoint: Endpoint = "tls+tcp://localhost:1".parse().unwrap();
    let missing = Tls {
        cert: Some("nowhere/cert.pem".into()),
        ..ca.shows(&ca.certificate("edge-7", &["edge.invalid"]))
    };
    let mixed = Tls {
        key: Some(ca.certificate("edge-8", &["edge.invalid"]).1),
        ..ca.shows(&ca.certificate("edge-7", &["edge.invalid"]))
    };
    let cases: [(Option<Tls>, &str); 4] = [
        (None, "no certificates were given"),
        (Some(Tls::default()), "a CA is needed"),
        (Some(missing), "nowhere/cert.pem"),
        (Some(mixed), "eys"),
    ];
    for (tls, words) in cases {
        let problem = Requester::connect(&endpoint, options(tls)).unwrap_err().to_string();
        assert!(
            problem.contains(words) && problem.contains("tls+tcp://localhost:1"),
            "{problem}"
        );
    }
    let problem = Listener::bind(&endpoint, options(Some(ca.trusts())))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("a listener needs a certificate and its key"),
        "{problem}"
    );
}

/// Demands certificates of this CA.
async fn listener(ca: &Ca) -> Listener {
    let tls = ca.shows(&ca.certificate("cloud", &["localhost"]));
    Listener::bind(&"tls+tcp://127.0.0.1:0".parse().unwrap(), options(Some(tls)))
        .await
        .unwrap()
}

fn options(tls: Option<Tls>) -> Options {
    Options {
        // Drawn between nothing and this: one attempt within a test, so that counts are exact.
        reconnect_min: Duration::from_secs(10_000_000),
        reconnect_max: Duration::from_secs(10_000_000),
        tls,
        ..Options::default()
    }
}

fn connect(listener: &Listener, host: &str, tls: Tls) -> (Requester, mpsc::Receiver<LinkEvent>) {
    let endpoint = format!("tls+tcp://{host}:{}", listener.local_addr().port());
    Requester::connect(&endpoint.parse().unwrap(), options(Some(tls))).unwrap()
}

async fn exchange(listener: &mut Listener, requester: &Requester, body: Bytes) -> (Peer, Result<Bytes, RequestError>) {
    let asked = tokio::spawn(requester.request(body, LONG));
    let incoming = timeout(LONG, listener.next()).await.expect("a request").unwrap();
    incoming.answer.send(incoming.body);
    (incoming.peer, asked.await.unwrap())
}

async fn says(links: &mut mpsc::Receiver<LinkEvent>, words: &[&str], what: &str) {
    let why = match next(links).await {
        LinkEvent::Down { why } => why,
        up @ LinkEvent::Up { .. } => panic!("{what}: {up:?}"),
    };
    for word in words {
        assert!(why.contains(word), "{what}: {why:?} does not say {word:?}");
    }
}

async fn next(links: &mut mpsc::Receiver<LinkEvent>) -> LinkEvent {
    timeout(LONG, links.recv())
        .await
        .expect("a link event")
        .expect("a living requester")
}

async fn reaches(counter: &AtomicU64, wanted: u64, what: &str) {
    let began = Instant::now();
    while count(counter) != wanted {
        assert!(
            count(counter) < wanted && began.elapsed() < LONG,
            "{what}: {} of {wanted}",
            count(counter)
        );
        sleep(Duration::from_millis(2)).await;
    }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

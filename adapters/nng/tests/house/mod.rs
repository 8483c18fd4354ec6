//! A listener among strangers, and strangers for a requester: raw sockets that speak just as much SP as they are told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pehra_nng::{Endpoint, LinkEvent, Listener, Options, Requester};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

pub const LONG: Duration = Duration::from_secs(20);
pub const FRAME_MAX: usize = 10_000;
pub const REQUEST: [u8; 8] = [0, b'S', b'P', 0, 0, 0x30, 0, 0];
pub const REPLY: [u8; 8] = [0, b'S', b'P', 0, 0, 0x31, 0, 0];

/// An echoing listener with a good neighbour that is connected throughout.
pub struct House {
    endpoint: Endpoint,
    pub heard: Arc<AtomicU64>,
    neighbour: Requester,
    links: Mutex<mpsc::Receiver<LinkEvent>>,
    count: mpsc::Sender<oneshot::Sender<Counted>>,
}

#[derive(Debug)]
pub struct Counted {
    pub refused_frames: u64,
    pub wrong_peers: u64,
    pub refused_connections: u64,
    pub connections: u64,
}

impl House {
    pub async fn new(options: Options) -> Self {
        let mut listener = Listener::bind(&"tcp://127.0.0.1:0".parse().unwrap(), options.clone())
            .await
            .unwrap();
        let endpoint: Endpoint = format!("tcp://{}", listener.local_addr()).parse().unwrap();
        let heard = Arc::new(AtomicU64::new(0));
        let (count_here, mut asked) = mpsc::channel::<oneshot::Sender<Counted>>(1);
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(incoming) = listener.next() => {
                        hears.fetch_add(1, Ordering::Relaxed);
                        incoming.answer.send(incoming.body);
                    }
                    Some(tell) = asked.recv() => {
                        let counters = listener.counters();
                        tell.send(Counted {
                            refused_frames: count(&counters.refused_frames),
                            wrong_peers: count(&counters.wrong_peers),
                            refused_connections: count(&counters.refused_connections),
                            connections: count(&counters.connections),
                        }).unwrap();
                    }
                    else => return,
                }
            }
        });
        let (neighbour, mut links) = Requester::connect(&endpoint, options).unwrap();
        assert!(matches!(next(&mut links).await, LinkEvent::Up { .. }));
        Self {
            endpoint,
            heard,
            neighbour,
            links: Mutex::new(links),
            count: count_here,
        }
    }

    pub async fn stranger(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.endpoint.port)).await.unwrap()
    }

    /// A connection with its handshake done, or `None` if it is refused.
    pub async fn try_greeted(&self) -> Option<TcpStream> {
        let mut peer = self.stranger().await;
        peer.write_all(&REQUEST).await.ok()?;
        let mut seen = [0; 8];
        timeout(LONG, peer.read_exact(&mut seen))
            .await
            .expect("an answer")
            .ok()?;
        assert_eq!(seen, REPLY);
        Some(peer)
    }

    pub async fn greeted(&self) -> TcpStream {
        self.try_greeted().await.expect("a connection")
    }

    /// Its first connection still stands, and answers.
    pub async fn serves_the_neighbour(&self) {
        let body = Bytes::from_static(b"neighbour");
        assert_eq!(self.neighbour.request(body.clone(), LONG).await, Ok(body));
        assert!(
            self.links.lock().unwrap().try_recv().is_err(),
            "the neighbour's link stayed up"
        );
    }

    pub async fn counters(&self) -> Counted {
        let (tell, told) = oneshot::channel();
        self.count.send(tell).await.unwrap();
        told.await.unwrap()
    }

    pub async fn reaches(&self, which: impl Fn(&Counted) -> u64, wanted: u64) {
        let began = Instant::now();
        loop {
            let counted = self.counters().await;
            if which(&counted) == wanted {
                return;
            }
            assert!(
                which(&counted) < wanted && began.elapsed() < LONG,
                "{counted:?}, not {wanted}"
            );
            sleep(Duration::from_millis(2)).await;
        }
    }
}

pub fn options() -> Options {
    Options {
        frame_max: FRAME_MAX,
        reconnect_min: Duration::from_millis(5),
        reconnect_max: Duration::from_millis(20),
        ..Options::default()
    }
}

pub fn requester(port: &TcpListener) -> (Requester, mpsc::Receiver<LinkEvent>) {
    let endpoint = format!("tcp://{}", port.local_addr().unwrap()).parse().unwrap();
    Requester::connect(&endpoint, options()).unwrap()
}

/// Takes a requester's next connection as a replier should.
pub async fn accept(port: &TcpListener) -> TcpStream {
    let (mut peer, _) = timeout(LONG, port.accept()).await.expect("another attempt").unwrap();
    peer.write_all(&REPLY).await.unwrap();
    let mut seen = [0; 8];
    peer.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, REQUEST);
    peer
}

pub async fn answers_one(requester: &Requester, peer: &mut TcpStream) {
    let asked = tokio::spawn(requester.request(Bytes::from_static(b"good"), LONG));
    let request = read_frame(peer).await;
    assert_eq!(&request[4..], b"good");
    peer.write_all(&frame(&request)).await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok(Bytes::from_static(b"good")));
}

pub fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u64).to_be_bytes(), message].concat()
}

pub async fn read_frame(peer: &mut TcpStream) -> Vec<u8> {
    let length = timeout(LONG, peer.read_u64()).await.expect("a frame").unwrap();
    let mut message = vec![0; length as usize];
    timeout(LONG, peer.read_exact(&mut message))
        .await
        .expect("a whole frame")
        .unwrap();
    message
}

/// The peer hears what was expected, or less if a reset overtook it, and then the end.
pub async fn assert_closed_after(peer: &mut TcpStream, expected: &[u8]) {
    let mut seen = Vec::new();
    let ended = timeout(LONG, peer.read_to_end(&mut seen)).await.expect("an end");
    assert!(expected.starts_with(&seen), "{seen:?}");
    assert!(ended.is_err() || seen == expected, "{seen:?}");
}

pub async fn says(links: &mut mpsc::Receiver<LinkEvent>, words: &[&str]) {
    let LinkEvent::Down { why } = next(links).await else {
        panic!("expected Down")
    };
    for word in words {
        assert!(why.contains(word), "{why:?} does not say {word:?}");
    }
}

pub async fn next(links: &mut mpsc::Receiver<LinkEvent>) -> LinkEvent {
    timeout(LONG, links.recv())
        .await
        .expect("a link event")
        .expect("a living requester")
}

pub async fn reaches(counter: &AtomicU64, wanted: u64) {
    let began = Instant::now();
    while count(counter) < wanted {
        assert!(began.elapsed() < LONG, "{} of {wanted}", count(counter));
        sleep(Duration::from_millis(2)).await;
    }
}

pub fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// What this process has allocated, whether it touched it or not, KiB.
pub fn data_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmData:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

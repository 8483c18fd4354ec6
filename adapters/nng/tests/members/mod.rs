//! Members of a cluster on loopback, and strangers that speak just as much of their language as they are told to.
#![allow(dead_code)] // each test binary uses its part

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pehra_core::identity::{ClusterName, Hello, PROTOCOL_VERSION};
use pehra_core::types::NodeId;
use pehra_core::wire::{decode_hello, encode_hello};
use pehra_nng::mesh::{Config, Event, Events, Lost, Mesh, MeshOptions, Refusal};
use pehra_nng::{Endpoint, Incoming};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

pub const LONG: Duration = Duration::from_secs(20);
pub const FRAME_MAX: usize = 100_000;

/// Where the members of one cluster are: an address of their own on loopback, so that a port is free again as soon as its
/// process is gone, whatever else this machine does.
#[derive(Clone, Debug)]
pub struct Town {
    pub host: String,
    pub members: u16,
}

impl Town {
    pub fn new(members: u16) -> Self {
        static TOWNS: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        let town = TOWNS.fetch_add(1, Ordering::Relaxed);
        Self {
            host: format!("127.{high}.{low}.{town}"),
            members,
        }
    }

    pub fn address(&self, node: u16) -> String {
        format!("{}:{}", self.host, 60001 + node)
    }

    pub fn endpoint(&self, node: u16) -> Endpoint {
        format!("tcp://{}", self.address(node)).parse().unwrap()
    }

    pub fn config(&self, node: u16) -> Config {
        Config {
            me: hello(node),
            listen: self.endpoint(node),
            members: (0..self.members)
                .map(|node| (NodeId(node), self.endpoint(node)))
                .collect(),
            known: Vec::new(),
            remember: Arc::new(|_, _| Ok(())),
            options: options(),
        }
    }

    pub async fn start(&self, node: u16) -> Member {
        Member::start(self.config(node)).await
    }
}

pub fn options() -> MeshOptions {
    MeshOptions {
        frame_max: FRAME_MAX,
        redial_max: Duration::from_millis(100),
        ..MeshOptions::default()
    }
}

pub fn hello(node: u16) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        cluster: ClusterName::new("plant").unwrap(),
        config_number: 4,
        node: NodeId(node),
        store: 100 + u64::from(node),
        incarnation: 7,
    }
}

/// One that runs in this process.
pub struct Member {
    pub mesh: Mesh,
    pub events: Events,
    pub clients: mpsc::Receiver<Incoming>,
}

impl Member {
    pub async fn start(config: Config) -> Self {
        let began = Instant::now();
        loop {
            match Mesh::start(config.clone()).await {
                Ok((mesh, events, clients)) => {
                    return Self { mesh, events, clients };
                }
                // One that was just dropped may still be about to let go of its port.
                Err(error) if error.to_string().contains("another program has this port") && began.elapsed() < LONG => {
                    sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub async fn next(&mut self) -> Event {
        timeout(LONG, self.events.next())
            .await
            .expect("an event")
            .expect("a living mesh")
    }

    pub async fn up(&mut self, node: u16) -> Hello {
        match self.next().await {
            Event::Up { node: who, hello } if who == NodeId(node) => hello,
            other => panic!("expected n{node} up, not {other:?}"),
        }
    }

    pub async fn down(&mut self, node: u16) -> Lost {
        match self.next().await {
            Event::Down { node: who, why } if who == NodeId(node) => why,
            other => panic!("expected n{node} down, not {other:?}"),
        }
    }

    pub async fn message(&mut self, from: u16) -> Bytes {
        match self.next().await {
            Event::Message { from: who, bytes } if who == NodeId(from) => bytes,
            other => panic!("expected a message of n{from}, not {other:?}"),
        }
    }

    pub async fn refused(&mut self) -> (Option<NodeId>, Refusal) {
        match self.next().await {
            Event::Refused { node, why, .. } => (node, why),
            other => panic!("expected a refusal, not {other:?}"),
        }
    }

    /// A refusal, after the end of this member's link.
    pub async fn refused_after_down(&mut self, node: u16) -> (Option<NodeId>, Refusal) {
        self.down(node).await;
        self.refused().await
    }

    /// Until all of them are up, in whatever order.
    pub async fn all_up(&mut self, mut nodes: Vec<u16>) {
        while !nodes.is_empty() {
            match self.next().await {
                Event::Up { node, .. } if nodes.contains(&node.0) => nodes.retain(|other| *other != node.0),
                other => panic!("expected {nodes:?} up, not {other:?}"),
            }
        }
    }

    pub fn send(&self, to: u16, bytes: impl Into<Bytes>) {
        self.mesh.send(NodeId(to), bytes.into()).unwrap();
    }

    /// Nothing else has happened until now.
    pub async fn is_quiet(&mut self) {
        let event = timeout(Duration::from_millis(50), self.events.next()).await;
        assert!(event.is_err(), "{event:?}");
    }
}

/// Both hear each other.
pub async fn assert_linked(one: &mut Member, other: &mut Member) {
    let (first, second) = (one.mesh.me().node.0, other.mesh.me().node.0);
    one.send(second, "ping");
    assert_eq!(other.message(first).await, "ping");
    other.send(first, "pong");
    assert_eq!(one.message(second).await, "pong");
}

/// A raw connection.
pub struct Stranger(pub TcpStream);

pub const PAIR: [u8; 8] = [0, b'S', b'P', 0, 0, 0x10, 0, 0];

impl Stranger {
    pub async fn connect(town: &Town, node: u16) -> Self {
        Self(TcpStream::connect(town.address(node)).await.unwrap())
    }

    /// Speaks the protocol of members.
    pub async fn greeted(town: &Town, node: u16) -> Self {
        let mut stranger = Self::connect(town, node).await;
        stranger.0.write_all(&PAIR).await.unwrap();
        let mut seen = [0; 8];
        stranger.0.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, PAIR);
        stranger
    }

    /// Introduces itself; the hello that it hears.
    pub async fn introduced(town: &Town, node: u16, hello: &Hello) -> (Self, Hello) {
        let mut stranger = Self::greeted(town, node).await;
        let mut bytes = Vec::new();
        encode_hello(hello, &mut bytes);
        stranger.say(&bytes).await;
        let theirs = decode_hello(&stranger.hear().await.expect("a hello")).unwrap();
        (stranger, theirs)
    }

    /// Has a link, if it is believed.
    pub async fn linked(town: &Town, node: u16, hello: &Hello) -> Self {
        let (mut stranger, _) = Self::introduced(town, node, hello).await;
        assert_eq!(stranger.hear().await.expect("an answer"), [3]);
        stranger.say(&[3]).await;
        stranger
    }

    pub async fn say(&mut self, frame: &[u8]) {
        let bytes = [&(frame.len() as u64).to_be_bytes(), frame].concat();
        self.0.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` at the end.
    pub async fn hear(&mut self) -> Option<Vec<u8>> {
        let length = timeout(LONG, self.0.read_u64())
            .await
            .expect("a frame or an end")
            .ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        timeout(LONG, self.0.read_exact(&mut frame))
            .await
            .expect("a whole frame")
            .ok()?;
        Some(frame)
    }

    pub async fn is_hung_up_on(&mut self) {
        while self.hear().await.is_some() {}
    }
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

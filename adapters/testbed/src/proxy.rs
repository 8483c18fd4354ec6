//! A TCP proxy that faults on command: it cuts, refuses, stalls, delays, stops after so many bytes, flips bits.
//!
//! It listens on a free port of loopback and forwards to one target. Commands act at once, on standing connections too:
//!
//! ```no_run
//! use pehra_testbed::proxy::{Direction, Proxy};
//!
//! let proxy = Proxy::start("127.0.0.1:63271".parse().unwrap());
//! // ... the edge connects to proxy.address() ...
//! proxy.stall(Direction::Both); // half-open: no byte, no end
//! proxy.resume();
//! proxy.cut();
//! ```
//!
//! A stalled direction reads nothing, so its sender's socket fills up as on a dead link; nothing that was sent is lost
//! when it is resumed. An end of stream that comes while stalled is held back as well.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a thread may be blind to commands.
const GLANCE: Duration = Duration::from_millis(5);
/// How long a connection to the target may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the one who connected to the target.
    ToTarget,
    /// From the target to the one who connected.
    FromTarget,
    /// Both ways.
    Both,
}

impl Direction {
    const fn lanes(self) -> &'static [usize] {
        match self {
            Self::ToTarget => &[0],
            Self::FromTarget => &[1],
            Self::Both => &[0, 1],
        }
    }
}

/// What passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Connections closed at once because new ones were refused.
    pub refused: u64,
    /// Bytes forwarded to the target.
    pub bytes_to_target: u64,
    /// Bytes forwarded from the target.
    pub bytes_from_target: u64,
}

/// A running proxy; dropped, it closes its port and its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    refuse: AtomicBool,
    closed: AtomicBool,
    connections: AtomicU64,
    refused: AtomicU64,
    lanes: [Lane; 2],
    standing: Mutex<Vec<Connection>>,
}

/// One direction, of all connections.
#[derive(Debug)]
struct Lane {
    stalled: AtomicBool,
    delay_ms: AtomicU64,
    /// Bytes until the connection that carries the last of them is cut; `u64::MAX` for never.
    bytes_left: AtomicU64,
    /// Bytes to be flipped, from the next on.
    flips: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Connection {
    ends: [TcpStream; 2],
    over: Arc<AtomicBool>,
    pumps: [JoinHandle<()>; 2],
}

impl Proxy {
    /// Listens on a free port of loopback and forwards to `target`.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), target).expect("a free port on loopback")
    }

    /// Listens on `address` and forwards to `target`. The target need not be there yet: connections that it does not
    /// take are closed.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start_on(address: SocketAddr, target: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address)?;
        let address = socket.local_addr()?;
        let lane = || Lane {
            stalled: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            bytes_left: AtomicU64::new(u64::MAX),
            flips: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        let shared = Arc::new(Shared {
            target,
            refuse: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            lanes: [lane(), lane()],
            standing: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new()
            .name("proxy-accept".into())
            .spawn(move || serving.accept(&socket))?;
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Where to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all standing connections. New ones are taken.
    pub fn cut(&self) {
        for connection in self.shared.lock().iter() {
            connection.cut();
        }
    }

    /// Closes new connections as soon as they come. Standing ones go on.
    pub fn refuse(&self) {
        self.shared.refuse.store(true, Ordering::SeqCst);
    }

    /// Forwards nothing any more, and ends nothing: the link is half-open, as after a pulled cable.
    pub fn stall(&self, direction: Direction) {
        self.each(direction, |lane| lane.stalled.store(true, Ordering::SeqCst));
    }

    /// Holds every piece of data for `delay` before it goes on; a piece is what one read yields, up to 64 KiB.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.each(direction, |lane| lane.delay_ms.store(delay_ms, Ordering::SeqCst));
    }

    /// Lets `bytes` more through and then cuts the connection in the middle of what it is saying, once.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.each(direction, |lane| lane.bytes_left.store(bytes, Ordering::SeqCst));
    }

    /// Inverts all bits of the next byte.
    pub fn flip_next_byte(&self, direction: Direction) {
        self.each(direction, |lane| {
            lane.flips.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// Ends refusal, stalls, delays and what was still to come of cuts and flips.
    pub fn resume(&self) {
        self.shared.refuse.store(false, Ordering::SeqCst);
        self.each(Direction::Both, |lane| {
            lane.delay_ms.store(0, Ordering::SeqCst);
            lane.bytes_left.store(u64::MAX, Ordering::SeqCst);
            lane.flips.store(0, Ordering::SeqCst);
            lane.stalled.store(false, Ordering::SeqCst);
        });
    }

    /// What passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let [to, from] = &self.shared.lanes;
        Counts {
            connections: self.shared.connections.load(Ordering::SeqCst),
            refused: self.shared.refused.load(Ordering::SeqCst),
            bytes_to_target: to.bytes.load(Ordering::SeqCst),
            bytes_from_target: from.bytes.load(Ordering::SeqCst),
        }
    }

    fn each(&self, direction: Direction, act: impl Fn(&Lane)) {
        for lane in direction.lanes() {
            act(&self.shared.lanes[*lane]);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which waits for a connection.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let connections = std::mem::take(&mut *self.shared.lock());
        for connection in connections {
            connection.cut();
            for pump in connection.pumps {
                let _ = pump.join();
            }
        }
    }
}

impl Connection {
    fn cut(&self) {
        self.over.store(true, Ordering::SeqCst);
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, socket: &TcpListener) {
        for stream in socket.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if self.refuse.load(Ordering::SeqCst) {
                self.refused.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            self.connections.fetch_add(1, Ordering::SeqCst);
            // Locked before its first byte passes, so that a cut cannot miss it.
            let mut standing = self.lock();
            // A target that is not there closes this connection, by dropping it.
            if let Ok(connection) = self.open(stream) {
                standing.retain(|connection| !connection.pumps.iter().all(JoinHandle::is_finished));
                standing.push(connection);
            }
        }
    }

    fn open(self: &Arc<Self>, near: TcpStream) -> io::Result<Connection> {
        let far = TcpStream::connect_timeout(&self.target, PATIENCE)?;
        for end in [&near, &far] {
            end.set_nodelay(true)?;
            end.set_read_timeout(Some(GLANCE))?;
        }
        let over = Arc::new(AtomicBool::new(false));
        let pump = |lane: usize, from: &TcpStream, to: &TcpStream| -> io::Result<JoinHandle<()>> {
            let (from, to) = (from.try_clone()?, to.try_clone()?);
            let (shared, over) = (Arc::clone(self), Arc::clone(&over));
            std::thread::Builder::new().name("proxy-pump".into()).spawn(move || {
                if shared.lanes[lane].pump(&from, &to, &over).is_err() {
                    over.store(true, Ordering::SeqCst);
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = to.shutdown(Shutdown::Both);
                }
            })
        };
        Ok(Connection {
            pumps: [pump(0, &near, &far)?, pump(1, &far, &near)?],
            ends: [near, far],
            over,
        })
    }
}

impl Lane {
    /// Forwards until the sender's end of stream, which it passes on. An error cuts both ways.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, over: &AtomicBool) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.wait_while_stalled(over)?;
            let count = match from.read(&mut buffer) {
                Ok(0) => {
                    self.wait_while_stalled(over)?;
                    return to.shutdown(Shutdown::Write);
                }
                Ok(count) => count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
                Err(error) => return Err(error),
            };
            self.wait(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)), over)?;
            self.wait_while_stalled(over)?;
            let allowed = self.take(count as u64);
            let piece = &mut buffer[..usize::try_from(allowed).unwrap_or(count)];
            for byte in piece.iter_mut() {
                let left = |flips: u64| flips.checked_sub(1);
                if self
                    .flips
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
                    .is_err()
                {
                    break;
                }
                *byte = !*byte;
            }
            // Counted first, so that whoever has the bytes also finds them counted.
            self.bytes.fetch_add(allowed, Ordering::SeqCst);
            to.write_all(piece)?;
            if allowed < count as u64 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// How many of `count` bytes may pass. The one that meets the end of the allowance lifts it.
    fn take(&self, count: u64) -> u64 {
        let mut allowed = count;
        let spend = |left: u64| {
            allowed = count.min(left);
            match left {
                u64::MAX => None,
                _ if left < count => Some(u64::MAX),
                _ => Some(left - count),
            }
        };
        let _ = self.bytes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend);
        allowed
    }

    fn wait_while_stalled(&self, over: &AtomicBool) -> io::Result<()> {
        while self.stalled.load(Ordering::SeqCst) {
            self.wait(GLANCE, over)?;
        }
        Ok(())
    }

    /// Sleeps in short pieces, so that a cut ends it.
    fn wait(&self, whole: Duration, over: &AtomicBool) -> io::Result<()> {
        let mut left = whole;
        loop {
            if over.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let piece = left.min(GLANCE);
            if piece.is_zero() {
                return Ok(());
            }
            std::thread::sleep(piece);
            left -= piece;
        }
    }
}

//! Sees traffic where nothing can stand in front of the broker: by the kernel's counts of what passes at its clients' port.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`Sockets`] | looks again and again, and tells what it [`Seen`] and whether it [`Sight`] |
//! | [`SocketCounter`] | what passed of each connection between two looks |
//! | [`Judge`] | whether that is more than chatter |
//!
//! # What it does not see
//! * What somebody wants. A connection that passes less than the [`Allowance`] is taken for idle: a producer of few small records, one that
//!   comes, writes a little and goes, a consumer that reads little.
//! * Anything while the broker is down: nobody stands at its address, so a client is refused by TCP, and wakes nobody.
//! * Connections in another network namespace. A broker whose port nobody listens at here is not seen at all ([`Sight::Waits`]).
//!
//! Nothing is missed by the time it takes: the kernel keeps what a connection passed until it has told how it ended.

mod judge;
mod kernel;
mod ledger;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use pehra_core::sleep::traffic::Allowance;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

pub use judge::Judge;
pub use ledger::{Grown, Stretch};

use crate::seen::{Seen, Teller};
use kernel::Kernel;
use ledger::Ledger;

/// From one attempt to reach the kernel to the next.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// What it is told.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Where clients come to the broker, and nobody else: not other brokers, and nobody who asks how the cluster stands.
    pub ports: BTreeSet<u16>,
    /// What of a connection is chatter.
    pub allowance: Allowance,
    /// How often it looks.
    pub sample: Duration,
}

/// Whether it sees what passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nobody listens at one of the ports: the broker is down, or elsewhere.
    Waits,
    /// It sees what passes.
    Sees {
        /// How many connections are there.
        connections: usize,
        /// Bytes a second of the busiest, lately.
        busiest: u64,
    },
    /// The kernel does not say. Why, and what to do next.
    Blind(String),
}

/// Looks again and again, until it is dropped.
#[derive(Debug)]
pub struct Sockets {
    seen: watch::Receiver<Seen>,
    sight: watch::Receiver<Sight>,
    task: JoinHandle<()>,
}

impl Sockets {
    /// Begins to look. Whether it can see is told by [`Self::sight`].
    #[must_use]
    pub fn start(options: SocketOptions) -> Self {
        let (teller, seen) = Teller::new();
        let (tell_sight, sight) = watch::channel(Sight::Waits);
        let task = tokio::spawn(run(options, teller, tell_sight));
        Self { seen, sight, task }
    }

    /// What it saw so far.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }

    /// Whether it sees.
    #[must_use]
    pub fn sight(&self) -> watch::Receiver<Sight> {
        self.sight.clone()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(options: SocketOptions, teller: Teller, sight: watch::Sender<Sight>) {
    let mut was_blind = false;
    loop {
        let ports = options.ports.clone();
        let error = match blocking(move || SocketCounter::new(ports)).await {
            Ok(counter) => {
                // What passed meanwhile is unknown.
                teller.traffic(was_blind.into());
                watch_over(counter, &options, &teller, &sight).await
            }
            Err(error) => error,
        };
        let why = format!(
            "the kernel does not say what passes at the broker's port (netlink, sock_diag): {error}; it takes Linux 5.4 or newer with \
             CONFIG_INET_DIAG, and AF_NETLINK must be allowed (RestrictAddressFamilies= of a unit, seccomp of a container)"
        );
        tell(&sight, Sight::Blind(why));
        was_blind = true;
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Looks until the kernel does not answer.
async fn watch_over(
    mut counter: SocketCounter,
    options: &SocketOptions,
    teller: &Teller,
    sight: &watch::Sender<Sight>,
) -> io::Error {
    let mut judge = Judge::new(options.allowance);
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(options.sample).await;
        let looked = blocking(move || {
            let passed = counter.passed()?;
            Ok((counter, passed))
        });
        let passed = match looked.await {
            Ok((back, passed)) => {
                counter = back;
                passed
            }
            Err(error) => return error,
        };
        let ms = u32::try_from(last.elapsed().as_millis()).unwrap_or(u32::MAX);
        last = Instant::now();
        teller.counted(&passed, judge.traffic(&passed, ms));
        let now = if passed.is_listening {
            Sight::Sees {
                connections: passed.open(),
                busiest: judge.busiest(),
            }
        } else {
            Sight::Waits
        };
        tell(sight, now);
    }
}

/// Who watches is not woken because there is one connection more.
fn tell(sight: &watch::Sender<Sight>, now: Sight) {
    sight.send_if_modified(|before| {
        let is_other = std::mem::discriminant(before) != std::mem::discriminant(&now);
        *before = now;
        is_other
    });
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Counts what passes at ports by asking the kernel, without touching a byte. It needs no rights.
///
/// A look blocks for as long as the kernel takes: it goes through all TCP connections of the network namespace, and tells of those at the
/// ports.
#[derive(Debug)]
pub struct SocketCounter {
    ports: BTreeSet<u16>,
    kernel: Kernel,
    ledger: Ledger,
}

impl SocketCounter {
    /// Begins with what is there now.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn new(ports: BTreeSet<u16>) -> io::Result<Self> {
        let mut kernel = Kernel::open(ports.clone())?;
        let ledger = Ledger::begin(&kernel.look()?);
        Ok(Self { ports, kernel, ledger })
    }

    /// What passed since the last look: of connections that are there, and of those that have ended.
    ///
    /// # Errors
    /// If the kernel does not say. What passed is not counted then: begin anew.
    pub fn passed(&mut self) -> io::Result<Stretch> {
        let look = self.kernel.look()?;
        Ok(Stretch {
            connections: self.ledger.take(&look),
            is_listening: self.ports.is_subset(&look.listening),
            is_overrun: look.is_overrun,
        })
    }
}

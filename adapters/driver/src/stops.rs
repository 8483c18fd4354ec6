//! Named stops: places where a test can make a process stand still, so that it can be killed exactly there.
//!
//! A stop costs one relaxed load when it is not armed. Armed, the first thread to reach it announces so on standard
//! output and never goes on; whoever armed it then kills the process. Arming comes in over standard input
//! ([`listen`]), and only if the binary was started with the flag for it.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// The places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stop {
    /// A commit has been handed over and is not durable.
    BeforePersist = 1,
    /// A commit is durable; nothing that rests on it has been sent.
    BetweenPersistAndSend = 2,
}

impl Stop {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::BeforePersist, Self::BetweenPersistAndSend];

    /// Its name on the control line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforePersist => "before-persist",
            Self::BetweenPersistAndSend => "between-persist-and-send",
        }
    }
}

static ARMED: AtomicU8 = AtomicU8::new(0);

/// Stands still here for ever if this stop is armed.
pub fn pass(stop: Stop) {
    if ARMED.load(Ordering::Relaxed) == stop as u8 {
        let mut out = std::io::stdout().lock();
        // Whoever armed the stop may be gone; then nobody needs the line.
        let _ = writeln!(out, "stopped {}", stop.name()).and_then(|()| out.flush());
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

/// Arms a stop for this process.
pub fn arm(stop: Stop) {
    ARMED.store(stop as u8, Ordering::Relaxed);
}

/// Listens on standard input for lines `stop NAME`, on a thread of its own.
pub fn listen() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let name = line.strip_prefix("stop ").unwrap_or("");
            match Stop::ALL.into_iter().find(|stop| stop.name() == name) {
                Some(stop) => arm(stop),
                None => tracing::warn!(line, "control line not understood; expected: stop NAME"),
            }
        }
    });
}

//! Ending early: by a signal, or because something does not work. Either way every owner of a process is dropped on the
//! way out, and that ends the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why the measurement ends before its end.
#[derive(Debug)]
pub enum Stop {
    /// Ctrl-C, or the signal that asks to end.
    Interrupted,
    /// What does not work, and what helps.
    Failed(String),
}

impl Stop {
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on a signal to end is remembered instead of ending this program on the spot, which would leave its children.
pub fn watch_for_signals() {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for signals");
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()).expect("Ctrl-C can be watched"),
            signal(SignalKind::terminate()).expect("SIGTERM can be watched"),
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
}

/// Goes on unless a signal came.
pub fn go_on() -> Result<(), Stop> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        return Err(Stop::Interrupted);
    }
    Ok(())
}

/// Sleeps, but not through a signal.
pub fn pause(time: Duration) -> Result<(), Stop> {
    let until = Instant::now() + time;
    loop {
        go_on()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(10)));
    }
}

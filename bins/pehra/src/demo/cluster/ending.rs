//! Whoever wants an end: Ctrl-C, SIGTERM, a terminal that is closed. Each wish is heard once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub struct Ending(watch::Receiver<u32>);

impl Ending {
    /// Signals end no process from now on.
    pub fn listen() -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("cannot listen for signals: {error}");
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(fail)?;
        let (tell, wishes) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hang_up.recv() => {}
                }
                tell.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(wishes))
    }

    /// Until somebody wants an end.
    pub async fn wanted(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

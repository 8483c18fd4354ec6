//! The terminal while something is drawn on all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How often the keyboard's thread looks whether it is still wanted.
const KEYS_EVERY: Duration = Duration::from_millis(100);

/// The terminal, which is given back as it was: at the end, on a panic (the library's hook), and on a signal.
pub(crate) struct Screen {
    pub(crate) terminal: DefaultTerminal,
    over: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal. Keys come from a thread of their own.
    pub(crate) fn open() -> Result<(Self, UnboundedReceiver<KeyEvent>), String> {
        let terminal =
            ratatui::try_init().map_err(|error| format!("this terminal cannot be drawn on: {error}; use --once"))?;
        let (tell, keys) = unbounded_channel();
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match event::poll(KEYS_EVERY) {
                    Ok(false) => {}
                    Ok(true) => {
                        if let Ok(Event::Key(key)) = event::read()
                            && key.kind == KeyEventKind::Press
                            && tell.send(key).is_err()
                        {
                            return;
                        }
                    }
                    // The terminal is gone, and its end is told by a signal.
                    Err(_) => return,
                }
            }
        });
        Ok((Self { terminal, over }, keys))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        ratatui::restore();
    }
}

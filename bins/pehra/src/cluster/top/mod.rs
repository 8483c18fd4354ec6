//! `pehra top`: guard duty, live on the terminal.

pub(crate) mod page;
mod screen;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use pehra_asking::{Asking, View};
use pehra_cluster::Cluster;
use pehra_cluster::ask::{Ask, Reply};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::table::render;
use super::{From, in_runtime, nobody};
use page::Page;
pub(crate) use screen::Screen;

/// Watch who watches and who sleeps, live: gear, plan, traffic, wakes, refusals, alerts
///
/// Keys: q ends it, w wakes all, space pauses. Where standard output is no terminal, or with --once or --json, it shows how
/// things stand now and ends.
///
/// Examples:
///   pehra top --config cluster.toml
///   pehra top --config cluster.toml --once
///   watch -n 5 pehra top --config cluster.toml --once
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    from: From,
    /// Plain text, once
    #[arg(long)]
    once: bool,
    /// Milliseconds between two looks
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    every: u64,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let views = asking.views().await;
        if args.once || args.from.json || !std::io::stdout().is_terminal() {
            let nodes: Vec<_> = views.iter().map(View::json).collect();
            let text = format!("{}{}", render(&cluster, &views), page::words(&views));
            let whole = json!({ "cluster": cluster.name, "number": cluster.number, "nodes": nodes });
            args.from.say(&whole, text.trim_end());
            if views.iter().all(|view| view.status.is_err()) {
                return Err(nobody(&cluster, &views));
            }
        } else {
            watch(&cluster, &asking, views, Duration::from_millis(args.every)).await?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Until a person or a signal ends it.
async fn watch(cluster: &Cluster, asking: &Asking, views: Vec<View>, every: Duration) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("cannot listen for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(fail)?;
    let (mut screen, mut keys) = Screen::open()?;
    let mut page = Page::new(cluster, views);
    let mut look = tokio::time::interval(every);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let drawn = screen.terminal.draw(|frame| page::draw(frame, &page)).map(drop);
        drawn.map_err(|error| format!("the terminal cannot be drawn on: {error}"))?;
        let key = tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            key = keys.recv() => match key {
                Some(key) => Some(key),
                None => return Ok(()),
            },
            _ = look.tick() => None,
        };
        match key {
            None if page.paused => {}
            None => page.views = asking.views().await,
            // In this mode the terminal makes no signal of it.
            Some(key) if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(());
            }
            Some(key) => match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char(' ') => page.paused = !page.paused,
                KeyCode::Char('w') => page.news = Some(wake_all(asking).await),
                _ => {}
            },
        }
    }
}

/// Has every node wake all brokers, and says what came of it.
pub(crate) async fn wake_all(asking: &Asking) -> String {
    let answers = asking.everybody(&Ask::Wake { all: true }).await;
    let done = answers
        .iter()
        .filter(|(_, reply)| matches!(reply, Ok(Reply::Done(_))))
        .count();
    if done > 0 {
        return format!("{done} of {} nodes wake all", answers.len());
    }
    let why = answers
        .into_iter()
        .find_map(|(_, reply)| reply.and_then(super::carried_out).err());
    format!("nobody was woken: {}", why.unwrap_or_default())
}

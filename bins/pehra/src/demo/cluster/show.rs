//! Shows it: on all of a terminal with keys, or else line by line with a script; and on the page.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pehra_asking::{Panels, View, duties, pehredar};
use pehra_web::{ClusterPanel, Shown};
use ratatui::crossterm::event::{KeyCode, KeyModifiers};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::script::Script;
use super::{Ending, Options, Stage};
use crate::cluster::top::Screen;
use crate::cluster::top::page::{self, Page};
use crate::demo::parts::page_port;

/// How often all is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// On a terminal.
const KEYS: &str = "t traffic on and off   w wake all   q quit";

pub async fn show(options: &Options, stage: &mut Stage, ending: &mut Ending) -> Result<(), String> {
    let port = page_port(options.page_port)?;
    let page = Web::open(stage, port).await?;
    let address = format!("http://127.0.0.1:{port}");
    options.say(&format!("page     {address}"));
    let end = options
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let by_hand = end.is_none() && !options.json && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if by_hand {
        on_screen(stage, ending, page, &address).await
    } else {
        in_lines(options, stage, ending, page, end).await
    }
}

/// Until a person ends it.
async fn on_screen(stage: &mut Stage, ending: &mut Ending, mut web: Web, address: &str) -> Result<(), String> {
    let (mut screen, mut keys) = Screen::open()?;
    let views = stage.views()?;
    let mut page = Page::new(stage.cluster(), views);
    page.help = KEYS;
    page.news = Some("press t, and clients begin to write".into());
    let mut look = ticks();
    let mut on = false;
    loop {
        page.views = stage.views()?;
        web.tell(stage, &page.views);
        page.above = vec![
            stage.head(),
            format!("the same as a page: {address}"),
            stage.traffic_line(),
        ];
        let drawn = screen.terminal.draw(|frame| page::draw(frame, &page)).map(drop);
        drawn.map_err(|error| format!("the terminal cannot be drawn on: {error}"))?;
        let key = tokio::select! {
            () = ending.wanted() => return Ok(()),
            key = keys.recv() => match key {
                Some(key) => key,
                None => return Ok(()),
            },
            _ = look.tick() => continue,
        };
        match key.code {
            // In this mode the terminal makes no signal of it.
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
            KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
            KeyCode::Char('t' | ' ') => {
                on = !on;
                stage.set_traffic(on);
                page.news = Some(
                    if on {
                        "clients write and read: those who are needed wake up"
                    } else {
                        "clients have stopped writing: soon somebody may sleep"
                    }
                    .into(),
                );
            }
            KeyCode::Char('w') => page.news = Some(stage.wake_all().await),
            _ => {}
        }
    }
}

/// Until the time is up, or somebody wants an end.
async fn in_lines(
    options: &Options,
    stage: &mut Stage,
    ending: &mut Ending,
    mut web: Web,
    end: Option<Instant>,
) -> Result<(), String> {
    let began = Instant::now();
    let mut script = Script::begin(began, options.gear);
    let mut told = Told::default();
    let say = |what: &str| options.say(&format!("{:7.1} s  {what}", began.elapsed().as_secs_f64()));
    stage.set_traffic(script.is_on());
    say("traffic begins");
    let mut look = ticks();
    while end.is_none_or(|end| Instant::now() < end) {
        tokio::select! {
            () = ending.wanted() => break,
            _ = look.tick() => {}
        }
        let views = stage.views()?;
        web.tell(stage, &views);
        told.changes(&views).iter().for_each(|line| say(line));
        if script.look(Instant::now(), &views) {
            stage.set_traffic(script.is_on());
            say(if script.is_on() {
                "traffic begins"
            } else {
                "traffic ends"
            });
            say(&stage.traffic_line());
        }
    }
    Ok(())
}

fn ticks() -> tokio::time::Interval {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

/// What was last told of each node.
#[derive(Default)]
struct Told {
    doing: BTreeMap<u16, &'static str>,
    watching: Option<u16>,
}

impl Told {
    /// What has changed, a line each.
    fn changes(&mut self, views: &[View]) -> Vec<String> {
        let mut lines = Vec::new();
        let watching = pehredar(views).map(|(id, _)| id);
        if watching != self.watching {
            lines.push(watching.map_or_else(
                || "nobody watches".to_owned(),
                |id| format!("node {id} watches: it is the Pehredar"),
            ));
            self.watching = watching;
        }
        for (id, duty) in duties(views).filter(|(_, duty)| duty.broker.is_some()) {
            let doing = duty.doing.name();
            match self.doing.insert(id, doing) {
                Some(before) if before != doing => lines.push(format!("node {id}'s broker: {before} → {doing}")),
                Some(_) => {}
                None => lines.push(format!("node {id}'s broker is {doing}")),
            }
        }
        lines
    }
}

/// The page.
struct Web {
    panels: Panels,
    panel: watch::Sender<Arc<ClusterPanel>>,
}

impl Web {
    async fn open(stage: &Stage, port: u16) -> Result<Self, String> {
        let listener = pehra_web::bind((std::net::Ipv4Addr::LOCALHOST, port).into())
            .await
            .map_err(|error| error.to_string())?;
        let (panel, shown) = watch::channel(Arc::new(ClusterPanel {
            name: stage.cluster().name.clone(),
            kind: stage.kind(),
            ..ClusterPanel::default()
        }));
        let shown = Shown {
            households: None,
            cluster: Some(shown),
        };
        tokio::spawn(pehra_web::serve_on(listener, shown, core::future::pending()));
        Ok(Self {
            panels: Panels::of(stage.cluster()),
            panel,
        })
    }

    fn tell(&mut self, stage: &Stage, views: &[View]) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let panel = self.panels.panel(views, now_ms);
        self.panel.send_replace(Arc::new(ClusterPanel {
            kind: stage.kind(),
            ..panel
        }));
    }
}

//! What `pehra top` shows.

use std::collections::{BTreeMap, BTreeSet};

use pehra_asking::{View, duties};
use pehra_cluster::{Cluster, DoingNow, SleepStatus, Status, WatchRole};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, Wrap};

use crate::cluster::table::{because, ids, span, summary};

/// What is shown.
pub struct Page {
    title: String,
    pub views: Vec<View>,
    pub paused: bool,
    /// What came of the last key.
    pub news: Option<String>,
    /// Lines of whoever shows more than the cluster itself; they stand above it.
    pub above: Vec<String>,
    /// The keys, in words.
    pub help: &'static str,
}

impl Page {
    pub fn new(cluster: &Cluster, views: Vec<View>) -> Self {
        Self {
            title: format!("{} (configuration {})", cluster.name, cluster.number),
            views,
            paused: false,
            news: None,
            above: Vec::new(),
            help: "q quit   w wake all   space pause",
        }
    }
}

/// Draws it.
pub fn draw(frame: &mut Frame<'_>, page: &Page) {
    let rows = u16::try_from(page.views.len()).unwrap_or(u16::MAX).saturating_add(1);
    let above = u16::try_from(page.above.len()).unwrap_or(u16::MAX);
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(above),
        Constraint::Length(3),
        Constraint::Length(rows),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [title, more, head, table, below, keys] = areas.areas(frame.area());
    let mut first = vec![Span::styled(page.title.as_str(), Modifier::BOLD)];
    if page.paused {
        first.push(Span::styled("  PAUSED", Style::new().fg(Color::Yellow)));
    }
    frame.render_widget(Line::from(first), title);
    let lines: Vec<Line<'_>> = page.above.iter().map(|line| Line::raw(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines), more);
    let summary = match duties(&page.views).next() {
        Some(_) => summary(&page.views),
        None if page.views.iter().all(|view| view.status.is_err()) => "no node answers".into(),
        None => "no broker of this cluster sleeps: its file has no [sleep]".into(),
    };
    frame.render_widget(Paragraph::new(summary).wrap(Wrap { trim: true }), head);
    frame.render_widget(nodes(&page.views), table);
    let lines: Vec<Line<'_>> = words(&page.views).lines().map(|line| colour(line.to_owned())).collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), below);
    let last = page
        .news
        .as_ref()
        .map_or(page.help.to_owned(), |news| format!("{}   {news}", page.help));
    frame.render_widget(Line::styled(last, Style::new().fg(Color::DarkGray)), keys);
}

fn colour(line: String) -> Line<'static> {
    let style = if line.starts_with("ALERT") {
        Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
    } else {
        Style::new()
    };
    Line::styled(line, style)
}

fn nodes(views: &[View]) -> Table<'static> {
    let head = [
        "node",
        "broker",
        "role",
        "watch",
        "doing",
        "since",
        "traffic",
        "sleeps",
        "wakes",
        "asleep",
        "awake because",
    ];
    let widths = [4, 6, 9, 9, 11, 8, 8, 6, 5, 6].map(Constraint::Length);
    let widths = widths.into_iter().chain([Constraint::Fill(1)]);
    let rows = views.iter().map(|view| match &view.status {
        // Why stands below.
        Err(_) => {
            Row::new([view.member.id.to_string(), String::new(), "down".into()]).style(Style::new().fg(Color::Red))
        }
        Ok(status) => row(status),
    });
    Table::new(rows, widths).header(Row::new(head).style(Style::new().add_modifier(Modifier::UNDERLINED)))
}

fn row(status: &Status) -> Row<'static> {
    let none = SleepStatus::default();
    let duty = status.sleep.as_ref().unwrap_or(&none);
    let asleep = duty.asleep_ms.saturating_mul(100).checked_div(status.up_ms);
    let cells = [
        status.node.to_string(),
        duty.broker.map_or("-".into(), |broker| broker.to_string()),
        status.role.name().into(),
        duty.role.name().into(),
        duty.doing.name().into(),
        if status.sleep.is_some() {
            span(duty.doing_ms)
        } else {
            "-".into()
        },
        duty.traffic_ms.map_or("-".into(), span),
        duty.sleeps.to_string(),
        duty.wakes.to_string(),
        asleep
            .filter(|_| duty.broker.is_some())
            .map_or("-".into(), |percent| format!("{percent} %")),
        because(duty).into(),
    ];
    let colour = match (duty.role, duty.doing) {
        (WatchRole::Pehredar | WatchRole::Temporary, _) => Color::Yellow,
        (_, DoingNow::Asleep | DoingNow::Ringing) => Color::Blue,
        (_, DoingNow::Draining | DoingNow::Waking) => Color::Cyan,
        (_, DoingNow::Maintenance) => Color::Magenta,
        (WatchRole::None | WatchRole::Unknown, DoingNow::Active | DoingNow::Unknown) => Color::Reset,
    };
    Row::new(cells).style(Style::new().fg(colour))
}

/// Alerts, and what was refused by whom: a line each.
pub fn words(views: &[View]) -> String {
    let mut text = String::new();
    let alerts: BTreeSet<u16> = duties(views)
        .flat_map(|(_, duty)| duty.alerts.iter().copied())
        .collect();
    if !alerts.is_empty() {
        let alerts: Vec<u16> = alerts.into_iter().collect();
        text += &format!(
            "ALERT: silent, or does not wake up: node {}; look at it\n",
            ids(&alerts)
        );
    }
    for view in views {
        let id = view.member.id;
        match &view.status {
            Err(why) => text += &format!("ALERT: node {id} at {} does not answer: {why}\n", view.member.address),
            Ok(status) => {
                if let Some(trouble) = &status.trouble {
                    text += &format!("ALERT: node {id}: {trouble}\n");
                }
                let granted = status.sleep.as_ref().map_or(0, |duty| duty.grants);
                if granted > 0 {
                    text += &format!("node {id} gave {granted} grants\n");
                }
            }
        }
    }
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    let mut declined: BTreeMap<&str, u64> = BTreeMap::new();
    for status in views.iter().filter_map(|view| view.status.as_ref().ok()) {
        for (what, count) in &status.refusals {
            *refused.entry(what).or_default() += count;
        }
        for (why, count) in status.sleep.iter().flat_map(|duty| &duty.declined) {
            *declined.entry(why).or_default() += count;
        }
    }
    for (name, counts) in [("refused", refused), ("grants not taken", declined)] {
        if !counts.is_empty() {
            let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
            text += &format!("{name}: {}\n", counts.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pehra_cluster::Cluster;
    use pehra_cluster::ask::Reply;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// Replies of real nodes, as they came.
    fn page(recorded: &str) -> Page {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/top");
        let cluster = Cluster::read(&folder.join("cluster.toml")).expect("a cluster");
        let text = std::fs::read_to_string(folder.join(format!("{recorded}.jsonl"))).expect("a recording");
        let views = cluster.members.iter().zip(text.lines()).map(|(member, line)| View {
            member: member.clone(),
            status: match Reply::read(line.as_bytes()) {
                Ok(Reply::Status(status)) => Ok(*status),
                Ok(_) | Err(_) => Err(line.to_owned()),
            },
        });
        let views = views.collect();
        Page::new(&cluster, views)
    }

    fn shown(page: &Page, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, page)).expect("it is drawn");
        terminal.backend().to_string()
    }

    fn golden(name: &str, shown: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/top/{name}.txt"));
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
            std::fs::write(&path, shown).expect("it is written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            expected,
            shown,
            "{}: is this as it should be? UPDATE_GOLDENFILES=1 writes it",
            path.display()
        );
    }

    #[test]
    fn what_is_shown_is_as_it_was() {
        for recorded in ["asleep", "worked-on"] {
            golden(recorded, &shown(&page(recorded), (132, 20)));
        }
        let mut paused = page("asleep");
        paused.paused = true;
        paused.news = Some("3 of 3 nodes wake all".into());
        golden("paused", &shown(&paused, (100, 16)));
    }

    #[test]
    fn no_size_of_a_terminal_makes_it_fail() {
        let page = page("asleep");
        for size in [(1, 1), (20, 3), (80, 24), (400, 100), (3, 60)] {
            assert!(!shown(&page, size).is_empty());
        }
    }
}

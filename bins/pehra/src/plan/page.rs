//! The plan as a page for people, and as one object for programs.

use std::fmt::Write as _;

use pehra_core::sleep::coverage::{Advice, Gear, Most, Presence, Reason};
use serde_json::{Value, json};

use super::words::{list, percent};
use super::{IDLE_PERMILLE, Plan};

pub fn text(plan: &Plan) -> String {
    // Writing to a text cannot fail.
    let mut page = String::new();
    let partitions: usize = plan.view.topics.iter().map(|topic| topic.partitions.len()).sum();
    let _ = writeln!(
        page,
        "cluster {}: {} brokers, {} topics, {partitions} partitions; controller {} leads {}",
        plan.view.cluster,
        plan.view.brokers.len(),
        plan.view.topics.len(),
        plan.view.quorum.leader,
        list(&plan.view.quorum.voters.iter().map(|voter| voter.id).collect::<Vec<_>>()),
    );
    let obstacles = plan.obstacles();
    if !obstacles.is_empty() {
        let _ = writeln!(page, "\nnobody may sleep until this is over:");
        obstacles.iter().for_each(|it| {
            let _ = writeln!(page, "  {it}");
        });
    }
    let _ = writeln!(
        page,
        "\n{:>7}  {:8}  {:6}  {:>5}  {:>6}  may sleep",
        "broker", "rack", "state", "leads", "copies"
    );
    for row in rows(plan) {
        let _ = writeln!(
            page,
            "{:>7}  {:8}  {:6}  {:>5}  {:>6}  {}",
            row.id,
            row.rack.unwrap_or("-"),
            row.state,
            row.leads,
            row.copies,
            row.verdict(obstacles.is_empty())
        );
    }
    let total = plan.view.brokers.len();
    let _ = writeln!(page, "\nasleep at once, in {} gear", gear(plan));
    let _ = writeln!(page, "  now               {}", at_once(plan, &plan.coverage.now, total));
    let _ = writeln!(
        page,
        "  with this layout  {}",
        at_once(plan, &plan.coverage.layout, total)
    );
    let _ = write!(page, "{}", savings(plan));
    let advice: Vec<String> = plan.coverage.advice.iter().map(|it| plan.advice(it)).collect();
    if !advice.is_empty() || watch_yields(plan) {
        let _ = writeln!(page, "\nmore could sleep");
    }
    for it in &advice {
        let _ = writeln!(page, "  {it}");
    }
    if watch_yields(plan) {
        let _ = writeln!(
            page,
            "  in watch gear {} of {total} could, and writes with acks=all would wait for a wake (--gear watch)",
            plan.watch
        );
    }
    page
}

pub fn json(plan: &Plan) -> Value {
    let coverage = &plan.coverage;
    let brokers = rows(plan).into_iter().map(|row| {
        let reasons = row
            .reasons
            .iter()
            .map(|(reason, text)| json!({ "kind": kind(reason), "text": text }));
        json!({
            "id": row.id,
            "address": row.address,
            "rack": row.rack,
            "state": row.state,
            "leads": row.leads,
            "copies": row.copies,
            "may_sleep": row.may_sleep,
            "reasons": reasons.collect::<Vec<_>>(),
        })
    });
    let savings = IDLE_PERMILLE.iter().zip(plan.savings(coverage.layout.count()));
    let savings = savings.map(|(idle, most)| json!({ "idle_permille": idle, "saving_permille_max": most }));
    let advice = coverage.advice.iter().map(|it| {
        let sleepers = match it {
            Advice::MoreCopies { .. } => None,
            Advice::SeparateControllers { sleepers } => Some(*sleepers),
            Advice::Align(aligned) => Some(aligned.sleepers),
        };
        json!({ "text": plan.advice(it), "k_max": sleepers })
    });
    json!({
        "cluster": plan.view.cluster,
        "gear": gear(plan),
        "lean_spare": plan.rules.lean_spare,
        "controller_spare": plan.rules.controller_spare,
        "controllers": plan.view.quorum.voters.iter()
            .map(|voter| json!({ "id": voter.id, "awake": voter.is_awake() }))
            .collect::<Vec<_>>(),
        "obstacles": plan.obstacles(),
        "brokers": brokers.collect::<Vec<_>>(),
        "now": most(plan, &coverage.now),
        "k_max": most(plan, &coverage.layout),
        "k_max_in_watch_gear": plan.watch,
        "savings": savings.collect::<Vec<_>>(),
        "watts": {
            "idle_mw": plan.watts.idle_mw,
            "active_mw": plan.watts.active_mw,
            "asleep_mw": plan.watts.asleep_mw,
            "origin": "modelled",
        },
        "advice": advice.collect::<Vec<_>>(),
    })
}

/// One broker's line.
struct Row<'a> {
    id: i32,
    address: &'a str,
    rack: Option<&'a str>,
    state: &'static str,
    leads: usize,
    copies: usize,
    may_sleep: bool,
    reasons: Vec<(Reason, String)>,
}

impl Row<'_> {
    fn verdict(&self, is_clear: bool) -> String {
        match self.reasons.as_slice() {
            [] if is_clear => "yes".into(),
            [] => "not now".into(),
            reasons => {
                let texts: Vec<&str> = reasons.iter().map(|(_, text)| text.as_str()).collect();
                format!("no: {}", texts.join("; "))
            }
        }
    }
}

fn rows(plan: &Plan) -> Vec<Row<'_>> {
    let verdicts = plan.coverage.verdicts.iter().zip(&plan.view.brokers);
    let rows = verdicts.map(|(verdict, broker)| {
        let partitions = || plan.view.topics.iter().flat_map(|topic| &topic.partitions);
        Row {
            id: broker.id,
            address: &broker.address,
            rack: broker.rack.as_deref(),
            state: match plan.presence(verdict.broker) {
                Some(Presence::Awake) => "awake",
                Some(Presence::Asleep) => "asleep",
                Some(Presence::Down) | None => "down",
            },
            leads: partitions().filter(|it| it.leader == Some(broker.id)).count(),
            copies: partitions().filter(|it| it.replicas.contains(&broker.id)).count(),
            may_sleep: plan.coverage.may_sleep(verdict.broker),
            reasons: verdict.reasons.iter().map(|it| (*it, plan.reason(it))).collect(),
        }
    });
    rows.collect()
}

const fn gear(plan: &Plan) -> &'static str {
    match plan.rules.gear {
        Gear::Full => "full",
        Gear::Lean => "lean",
        Gear::Watch => "watch",
    }
}

const fn kind(reason: &Reason) -> &'static str {
    match reason {
        Reason::Asleep => "asleep",
        Reason::Down => "down",
        Reason::Uncovered { .. } => "uncovered",
        Reason::Controller { .. } => "controller",
        Reason::LastAwake => "last awake",
    }
}

fn watch_yields(plan: &Plan) -> bool {
    plan.rules.gear == Gear::Lean && plan.watch > plan.coverage.layout.count()
}

fn at_once(plan: &Plan, most: &Most, total: usize) -> String {
    let mut said = format!("{} of {total}", most.count());
    if !most.sleepers.is_empty() {
        let _ = write!(said, ", such as {}", list(&plan.ids(&most.sleepers)));
    }
    if !most.is_proven() {
        let _ = write!(said, " (perhaps more, at most {})", most.bound);
    }
    said
}

fn most(plan: &Plan, most: &Most) -> Value {
    json!({ "count": most.count(), "such_as": plan.ids(&most.sleepers), "at_most": most.bound, "proven": most.is_proven() })
}

/// What all that can save at the most, and what would be the most with the best advice.
fn savings(plan: &Plan) -> String {
    let mut said = String::from("\nenergy saved at the most (modelled, nothing was measured)\n");
    let idle = IDLE_PERMILLE.map(|idle| format!("{:>8}", format!("{} %", idle / 10)));
    let _ = writeln!(said, "  idle for so much of the time {}", idle.concat());
    let layout = plan.coverage.layout.count();
    let best = plan.coverage.advice.iter().map(|it| match it {
        Advice::MoreCopies { .. } => 0,
        Advice::SeparateControllers { sleepers } => *sleepers,
        Advice::Align(aligned) => aligned.sleepers,
    });
    for (sleepers, what) in [(layout, "this layout"), (best.max().unwrap_or(0), "best layout")] {
        if what == "this layout" || sleepers > layout {
            let row = plan.savings(sleepers).map(|most| format!("{:>8}", percent(most)));
            let _ = writeln!(said, "  {:28} {}", format!("{what}, {sleepers} asleep"), row.concat());
        }
    }
    let watts = [plan.watts.idle_mw, plan.watts.active_mw, plan.watts.asleep_mw].map(|mw| f64::from(mw) / 1000.0);
    let _ = writeln!(
        said,
        "  for {} W idle, {} W active, {} W asleep a machine",
        watts[0], watts[1], watts[2]
    );
    said
}

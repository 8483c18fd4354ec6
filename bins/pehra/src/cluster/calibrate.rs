//! `pehra calibrate`: how long brokers take to stop and to start, against the timers.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pehra_asking::{Asking, View, duties, pehredar};
use pehra_cluster::ask::Ask;
use pehra_cluster::{Cluster, DoingNow};
use serde_json::json;

use super::ordering::brokers;
use super::{From, in_runtime, nobody};

/// How often nodes are asked. What they say is exact to the millisecond; only a phase shorter than this may be missed.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A timer is this much longer than the longest that was measured.
const MARGIN: u64 = 3;
/// A sleep that is cut short at once costs a stop and a start; that shall be a tenth of the wait before it.
const IDLE_TIMES: u64 = 10;

/// Measure how long brokers take to fall asleep and to wake up, and say what timers that calls for
///
/// It watches real sleep: sleep must be enabled and the cluster idle. Each broker that falls asleep is woken once (an order that is safe
/// at any time), and its way down and up are timed, Kafka's catching up included. It ends when every broker was measured that may sleep,
/// or after --seconds. What power that saves is not measured: see `pehra plan`.
///
/// Examples:
///   pehra calibrate --config cluster.toml
///   pehra calibrate --config cluster.toml --seconds 3600 --json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    from: From,
    /// So long at the most
    #[arg(long, default_value_t = 900)]
    seconds: u64,
}

/// What is known of one broker.
#[derive(Default)]
struct Broker {
    /// What it does, and since when.
    phase: Option<(DoingNow, Instant)>,
    stop: Option<Duration>,
    start: Option<Duration>,
    woken: bool,
}

pub fn run(args: &Args) -> Result<ExitCode, String> {
    let cluster = args.from.cluster()?;
    in_runtime(async {
        let asking = Asking::new(&cluster)?;
        let views = asking.views().await;
        if views.iter().all(|view| view.status.is_err()) {
            return Err(nobody(&cluster, &views));
        }
        let nodes = brokers(&cluster)?;
        let mut seen: BTreeMap<u16, Broker> = BTreeMap::new();
        let until = Instant::now() + Duration::from_secs(args.seconds);
        eprintln!(
            "pehra: watching for up to {} s; Ctrl-C ends it with what was measured until then",
            args.seconds
        );
        let mut told = String::new();
        loop {
            let views = asking.views().await;
            if !pehredar(&views).is_none_or(|(_, duty)| duty.on) {
                return Err("nothing can be measured: sleep is switched off; pehra enable switches it on".into());
            }
            look(&views, &mut seen);
            for (id, broker) in &mut seen {
                if broker.stop.is_some() && !broker.woken {
                    broker.woken = asking.ask(*id, &Ask::Wake { all: false }).await.is_ok();
                }
            }
            let all = seen.len() == nodes.len() && seen.values().all(|broker| broker.start.is_some());
            if all || Instant::now() > until {
                break;
            }
            let now = state(&views, &seen);
            if now != told {
                eprintln!("pehra: {now}");
                told = now;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = tokio::signal::ctrl_c() => break,
            }
        }
        report(args, &cluster, &seen)
    })
}

/// Takes in what nodes say now. When a phase began is their own word, so that asking rarely costs no precision.
fn look(views: &[View], seen: &mut BTreeMap<u16, Broker>) {
    let now = Instant::now();
    for (id, duty) in duties(views).filter(|(_, duty)| duty.broker.is_some()) {
        let broker = seen.entry(id).or_default();
        let began = now.checked_sub(Duration::from_millis(duty.doing_ms)).unwrap_or(now);
        if let Some((before, since)) = broker.phase
            && before != duty.doing
        {
            let took = began.saturating_duration_since(since);
            match (before, duty.doing) {
                (DoingNow::Draining, DoingNow::Asleep) => broker.stop = broker.stop.max(Some(took)),
                (DoingNow::Waking, DoingNow::Active) => broker.start = broker.start.max(Some(took)),
                _ => {}
            }
        }
        if broker.phase.is_none_or(|(before, _)| before != duty.doing) {
            broker.phase = Some((duty.doing, began));
        }
    }
}

fn state(views: &[View], seen: &BTreeMap<u16, Broker>) -> String {
    let measured = seen.values().filter(|broker| broker.start.is_some()).count();
    let waiting: Vec<String> = duties(views)
        .filter(|(id, _)| seen.get(id).is_some_and(|broker| broker.start.is_none()))
        .map(|(id, duty)| {
            format!(
                "node {id} is {} ({})",
                duty.doing.name(),
                duty.awake_because.as_deref().unwrap_or("may sleep")
            )
        })
        .collect();
    format!("{measured} of {} measured; {}", seen.len(), waiting.join(", "))
}

fn report(args: &Args, cluster: &Cluster, seen: &BTreeMap<u16, Broker>) -> Result<ExitCode, String> {
    let ms = |span: Option<Duration>| span.and_then(|span| u64::try_from(span.as_millis()).ok());
    let stop = seen.values().filter_map(|broker| ms(broker.stop)).max();
    let start = seen.values().filter_map(|broker| ms(broker.start)).max();
    let (Some(stop), Some(start)) = (stop, start) else {
        return Err(format!(
            "no broker fell asleep and woke up within {} s, so nothing is known; pehra selfcheck says why they stay awake",
            args.seconds
        ));
    };
    let seconds = |ms: u64| ms.div_ceil(1000) * 1000;
    let drain = seconds(stop * MARGIN);
    let wake = seconds(start * MARGIN);
    let idle = seconds((stop + start) * IDLE_TIMES);
    let nodes: Vec<_> = seen
        .iter()
        .map(|(id, broker)| json!({ "node": id, "stop_ms": ms(broker.stop), "start_ms": ms(broker.start) }))
        .collect();
    let timing = cluster.sleep.as_ref().map(|sleep| sleep.timing);
    let now = timing.map_or([0; 3], |timing| {
        [timing.idle.0, timing.drain.0, timing.wake.0].map(u64::from)
    });
    let rules = [
        (
            "idle-ms",
            idle,
            format!("{IDLE_TIMES} times a stop and a start: a rule of thumb, not a measurement"),
        ),
        ("drain-ms", drain, format!("{MARGIN} times the longest stop")),
        ("wake-ms", wake, format!("{MARGIN} times the longest start")),
    ];
    let mut text = "node      stop     start   (measured, Kafka's catching up included)\n".to_owned();
    for (id, broker) in seen {
        let shown = |span| ms(span).map_or("-".into(), |ms| format!("{ms} ms"));
        text += &format!("{id:>4}  {:>8}  {:>8}\n", shown(broker.stop), shown(broker.start));
    }
    text += "\nAt least this in the cluster's file, whose number you then raise:\n\n[sleep]\n";
    let mut advice = serde_json::Map::new();
    for ((key, least, why), now) in rules.into_iter().zip(now) {
        let verdict = if now < least { "TOO SHORT" } else { "long enough" };
        text += &format!("{key} = {least:<7} # {why}; in the file: {now}, {verdict}\n");
        advice.insert(
            key.into(),
            json!({ "least": least, "file": now, "long_enough": now >= least }),
        );
    }
    args.from
        .say(&json!({ "nodes": nodes, "sleep": advice }), text.trim_end());
    Ok(ExitCode::SUCCESS)
}

//! Everything in one terminal: Kafka, edge, cloud, page; and, at the end, an account.

mod chaos;
mod child;
mod cluster;
mod parts;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pehra_households::Sent;
use pehra_households::ledger::Ledger;
use pehra_kafka::Producer;
use tokio::sync::watch;

use crate::stream::{Origin, Pace};
use chaos::Chaos;
use parts::Parts;
use verdict::Verdict;

/// Readings that may be in Kafka and not yet taken by the edge. The embedded Kafka keeps 5 MiB a partition and forgets
/// what is older; this is a tenth of that at the most.
const LEAD_MAX: u64 = 8000;

/// How long the end may take until everything has arrived.
const DRAIN_MAX: Duration = Duration::from_secs(90);

/// What is of no use with `--cluster`.
const PIPELINE: [&str; 9] = [
    "chaos",
    "seed",
    "speed",
    "count",
    "households",
    "kafka",
    "redis",
    "no_redis",
    "transport",
];

/// Run everything in one terminal: Kafka, edge, cloud, page; or, with --cluster, brokers that fall asleep and wake
///
/// --cluster shows three brokers of Apache Kafka behind Pehra's agents, on this machine, with clients that write and read; keys switch
/// them on and off. Where there is no Java, or no Kafka and no Maven to fetch it with, it shows the same nodes with simulated brokers, and
/// says so. Where standard output is no terminal, and with --seconds or --json, traffic comes and goes by itself.
///
/// Examples:
///   pehra demo
///   pehra demo --seconds 30 --json
///   pehra demo --seconds 30 --chaos --seed 7
///   pehra demo --kafka localhost:9092 --redis redis://localhost:6379 --households data
///   pehra demo --cluster
///   pehra demo --cluster --simulated --gear watch
///   pehra demo --cluster --seconds 60 --json
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Show a cluster whose brokers sleep, instead of the pipeline
    #[arg(long, conflicts_with_all = PIPELINE)]
    cluster: bool,
    /// With --cluster: end with an error where real brokers cannot run, instead of showing simulated ones
    #[arg(long, requires = "cluster")]
    real: bool,
    /// With --cluster: simulated brokers, also where real ones can run
    #[arg(long, requires = "cluster", conflicts_with = "real")]
    simulated: bool,
    /// With --cluster: how deep brokers may sleep
    #[arg(long, requires = "cluster", value_enum, default_value = "lean")]
    gear: cluster::Gear,
    /// End after so many seconds, wait until everything has arrived, and give an account
    #[arg(long)]
    seconds: Option<u64>,
    /// The account as one JSON object, the last line of standard output
    #[arg(long)]
    json: bool,
    /// Kill edge and cloud (kill -9) at random moments, at least every second
    #[arg(long)]
    chaos: bool,
    /// Seed of households and kills [default: drawn, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds of simulated time in one second
    #[arg(long, default_value_t = 60.0)]
    speed: f64,
    /// Households that the generator makes up
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Folder of prepared GEM House CSV files, instead of the generator
    #[arg(long)]
    households: Option<PathBuf>,
    /// A real Kafka, host:port, instead of the embedded one
    #[arg(long)]
    kafka: Option<String>,
    /// A real Redis, redis://host:port, instead of one of our own
    #[arg(long)]
    redis: Option<String>,
    /// Keep everything in SQLite, also if there is a redis-server
    #[arg(long, conflicts_with = "redis")]
    no_redis: bool,
    /// Port of the page
    #[arg(long, default_value_t = 5006)]
    page_port: u16,
    /// Keep databases and logs in this folder
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Who speaks NNG's wire protocol in edge and cloud: sp or libnng
    #[arg(long, hide = true)]
    transport: Option<String>,
    /// Ports that the cloud listens on for heartbeats and rows, instead of free ones
    #[arg(long, hide = true, value_delimiter = ',', num_args = 1)]
    ports: Option<Vec<u16>>,
    /// Ports that the edge connects to, if something stands between the two
    #[arg(long, hide = true, value_delimiter = ',', num_args = 1)]
    via: Option<Vec<u16>>,
}

pub fn run(args: Args) -> Result<ExitCode, String> {
    if args.cluster {
        return cluster::run(&cluster::Options {
            seconds: args.seconds,
            json: args.json,
            real: args.real,
            simulated: args.simulated,
            gear: args.gear,
            page_port: args.page_port,
            keep: args.keep,
        });
    }
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(format!("--speed {}: expected a number above 0", args.speed));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(demo(args))
}

/// Counts that several tasks share.
#[derive(Debug, Default)]
struct Shared {
    sent: AtomicU64,
    undelivered: AtomicU64,
}

async fn demo(args: Args) -> Result<ExitCode, String> {
    let seed = args.seed.unwrap_or_else(|| rand::random::<u32>().into());
    say(args.json, &format!("seed {seed}"));
    let parts = Arc::new(Parts::start(&args).await?);
    for line in parts.describe() {
        say(args.json, &line);
    }
    let origin = Origin::new(args.households.as_deref(), seed, args.count)?;
    let shared = Arc::new(Shared::default());
    let (stop, stopping) = watch::channel(false);
    let chaos = args
        .chaos
        .then(|| tokio::spawn(chaos::run(Arc::clone(&parts), seed, stopping.clone())));
    let producing = tokio::spawn(produce(
        args.clone(),
        Arc::clone(&parts),
        origin,
        Arc::clone(&shared),
        stopping.clone(),
    ));

    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let end = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    while end.is_none_or(|end| Instant::now() < end) && !producing.is_finished() {
        tokio::select! {
            _ = tick.tick() => progress(&bar, &args, &parts, &shared),
            _ = &mut interrupt => break,
        }
        if !args.chaos {
            parts.check_children().await?;
        }
    }
    let _ = stop.send(true);
    let chaos = match chaos {
        Some(chaos) => chaos.await.map_err(|error| error.to_string())??,
        None => Chaos::default(),
    };
    let ledger = producing.await.map_err(|error| error.to_string())??;

    say(
        args.json,
        "draining: waiting until everything sent is at the cloud (Ctrl-C again: do not wait)",
    );
    let began = Instant::now();
    let again = tokio::signal::ctrl_c();
    tokio::pin!(again);
    let verdict = loop {
        let verdict = Verdict::take(&parts, &ledger, &chaos, &shared)?;
        if verdict.is_complete() || began.elapsed() > DRAIN_MAX {
            break verdict;
        }
        tokio::select! {
            _ = tick.tick() => progress(&bar, &args, &parts, &shared),
            _ = &mut again => break verdict,
        }
        parts.check_children().await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    bar.finish_and_clear();
    // Once everything is still: what came twice would show only now.
    let verdict = if verdict.is_complete() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        Verdict::take(&parts, &ledger, &chaos, &shared)?
    } else {
        verdict
    };
    parts.stop().await;
    let trouble = verdict.trouble(args.chaos, args.seconds);
    if args.json {
        println!("{}", verdict.json(args.chaos));
    } else {
        println!("{}", verdict.text(args.chaos));
    }
    for line in &trouble {
        eprintln!("pehra demo: {line}");
    }
    if !trouble.is_empty() {
        eprintln!(
            "pehra demo: databases and logs are in {}; the seed was {seed}",
            parts.keep().display()
        );
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn say(json: bool, line: &str) {
    if json {
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
}

fn progress(bar: &ProgressBar, args: &Args, parts: &Parts, shared: &Shared) {
    let backlog = parts.backlog().unwrap_or_default();
    let kills = if args.chaos {
        format!(" · killed edge {}×, cloud {}×", parts.edge.kills(), parts.cloud.kills())
    } else {
        String::new()
    };
    bar.set_message(format!(
        "{} readings sent · {} windows closed · {} acknowledged · {} waiting{kills}",
        shared.sent.load(Ordering::Relaxed),
        backlog.last,
        backlog.acked,
        backlog.last - backlog.acked
    ));
    bar.tick();
}

/// Streams readings into Kafka, never too far ahead of the edge, and keeps the ledger.
async fn produce(
    args: Args,
    parts: Arc<Parts>,
    mut origin: Origin,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) -> Result<Ledger, String> {
    let producer = Producer::new(&parts.cluster).map_err(|error| error.to_string())?;
    let mut pace = Pace::new(args.speed);
    let mut ledger = Ledger::default();
    let mut deliveries = tokio::task::JoinSet::new();
    let mut taken = 0;
    'stream: while let Some(next) = origin.next()? {
        let wait = pace.wait(next.now_ms);
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopping.changed() => break,
            }
        }
        let sent = shared.sent.load(Ordering::Relaxed);
        while sent.saturating_sub(taken) >= LEAD_MAX {
            taken = parts.taken()?;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
                _ = stopping.changed() => break 'stream,
            }
        }
        if *stopping.borrow() {
            break;
        }
        let Sent {
            household,
            payload,
            now_ms,
            ..
        } = &next;
        let delivery = producer
            .send(&parts.topic, household, payload, *now_ms)
            .await
            .map_err(|error| error.to_string())?;
        deliveries.spawn(delivery.wait());
        ledger.record(&next);
        shared.sent.fetch_add(1, Ordering::Relaxed);
        while let Some(done) = deliveries.try_join_next() {
            shared
                .undelivered
                .fetch_add(u64::from(!matches!(done, Ok(Ok(())))), Ordering::Relaxed);
        }
    }
    while let Some(done) = deliveries.join_next().await {
        shared
            .undelivered
            .fetch_add(u64::from(!matches!(done, Ok(Ok(())))), Ordering::Relaxed);
    }
    Ok(ledger)
}

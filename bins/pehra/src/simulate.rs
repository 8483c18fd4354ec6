//! Streams households to Kafka, alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use pehra_kafka::{Cluster, Producer, READINGS, ensure_topic};

use crate::stream::{Origin, Pace};

/// Stream household readings to Kafka.
///
/// Example: pehra simulate --kafka localhost:9092 --speed 60
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kafka brokers, host:port with commas
    #[arg(long, default_value = "localhost:9092", env = "PEHRA_KAFKA")]
    kafka: String,
    /// Topic; made if it is not there
    #[arg(long, default_value = READINGS)]
    topic: String,
    /// Partitions of a topic that has to be made
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// Folder of prepared GEM House CSV files, instead of the generator
    #[arg(long)]
    households: Option<PathBuf>,
    /// Households that the generator makes up
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Seed of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of simulated time in one second
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// End after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

pub fn run(args: Args) -> Result<ExitCode, String> {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(format!("--speed {}: expected a number above 0", args.speed));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let cluster = Cluster::at(&args.kafka);
    ensure_topic(&cluster, &args.topic, args.partitions, Duration::from_secs(10)).map_err(|error| error.to_string())?;
    runtime.block_on(stream(args, cluster))
}

async fn stream(args: Args, cluster: Cluster) -> Result<ExitCode, String> {
    let producer = Producer::new(&cluster).map_err(|error| error.to_string())?;
    let mut origin = Origin::new(args.households.as_deref(), args.seed, args.count)?;
    let mut pace = Pace::new(args.speed);
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let end = args
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut deliveries = tokio::task::JoinSet::new();
    let (mut sent, mut failed) = (0_u64, 0_u64);
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    while end.is_none_or(|end| Instant::now() < end) {
        let Some(next) = origin.next()? else { break };
        tokio::select! {
            () = tokio::time::sleep(pace.wait(next.now_ms)) => {}
            _ = &mut interrupt => break,
        }
        let delivery = producer
            .send(&args.topic, &next.household, &next.payload, next.now_ms)
            .await
            .map_err(|error| error.to_string())?;
        deliveries.spawn(delivery.wait());
        sent += 1;
        while let Some(done) = deliveries.try_join_next() {
            failed += u64::from(!matches!(done, Ok(Ok(()))));
        }
        if sent.is_multiple_of(256) {
            bar.set_message(format!("{sent} readings to {} at {}", args.topic, args.kafka));
        }
    }
    bar.set_message("waiting for the last readings to arrive");
    while let Some(done) = deliveries.join_next().await {
        failed += u64::from(!matches!(done, Ok(Ok(()))));
    }
    bar.finish_and_clear();
    println!("{sent} readings sent, {failed} failed");
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

//! Durable tuples a second from an edge's outbox to the cloud's store, and the latency of a single window, with the
//! deployed binaries on this machine: `./run bench-end-to-end [ROWS]`.
//!
//! Drain: an outbox is filled with rows while nothing runs; then edge and cloud start, and the clock runs from the first
//! acknowledgement on the edge's disk to the last. Latency: single readings, each of which closes a window, from the
//! moment it is handed to Kafka until the edge has the acknowledgement of that window on its disk.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pehra_core::delivery::{SenderRecord, Seq};
use pehra_core::pipeline::PipelineRecord;
use pehra_core::types::Household;
use pehra_core::window::{Span, Tuple};
use pehra_driver::Store;
use pehra_kafka::{Cluster, EmbeddedKafka, Producer, READINGS};
use pehra_sqlite::{Backlog, EdgeStore, backlog};
use pehra_testbed::process::{Process, free_port, wait_until};
use pehra_testbed::redis::{Redis, RedisOptions};

/// Runs of each kind; the median and the worst are printed.
const RUNS: usize = 3;

/// Windows whose latency is measured in each run.
const SINGLES: usize = 200;

/// Households of the outbox.
const HOUSEHOLDS: u64 = 1000;

fn main() {
    let rows: u64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000_000);
    println!(
        "{rows} rows waiting, {HOUSEHOLDS} households, {RUNS} runs each; both ends, their disks and the load on this machine"
    );
    println!(
        "an edge's resident memory: {:.1} MiB with one row waiting, {:.1} MiB with {rows}",
        resident(1),
        resident(rows)
    );
    println!(
        "{:<10} {:>22} {:>22} {:>34}",
        "cloud in", "durable tuples/s", "drained in s", "a single window, ms: p50 p99 worst"
    );
    for store in ["sqlite", "redis"] {
        let mut speeds = Vec::new();
        let mut seconds = Vec::new();
        let mut singles = Vec::new();
        for _ in 0..RUNS {
            let run = measure(store, rows);
            #[allow(clippy::cast_precision_loss)] // a rate
            speeds.push(rows as f64 / run.drained.as_secs_f64());
            seconds.push(run.drained.as_secs_f64());
            singles.extend(run.singles);
        }
        for numbers in [&mut speeds, &mut seconds, &mut singles] {
            numbers.sort_by(f64::total_cmp);
        }
        println!(
            "{store:<10} {:>22} {:>22} {:>34}",
            format!("{:.0} (worst {:.0})", speeds[RUNS / 2], speeds[0]),
            format!("{:.2} (worst {:.2})", seconds[RUNS / 2], seconds[RUNS - 1]),
            format!(
                "{:.1} {:.1} {:.1}",
                singles[singles.len() / 2],
                singles[singles.len() * 99 / 100],
                singles[singles.len() - 1]
            ),
        );
    }
}

/// Resident memory of an edge that cannot reach its cloud, MiB: with these rows waiting.
fn resident(rows: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("edge.db");
    fill(&database, rows);
    let kafka = EmbeddedKafka::start(&[(READINGS, 1)]).expect("the embedded Kafka");
    let [heartbeat, data] = [0; 2].map(|_| free_port().to_string());
    let mut edge = Command::new(binary("pehra-edge"));
    edge.args([
        "--heartbeat-port",
        &heartbeat,
        "--data-port",
        &data,
        "--kafka",
        kafka.brokers(),
        "--database",
    ])
    .arg(&database);
    let edge = Process::start(edge.stdin(Stdio::null()).stderr(Stdio::null()), BUILD);
    std::thread::sleep(Duration::from_secs(5));
    let status = std::fs::read_to_string(format!("/proc/{}/status", edge.pid())).expect("a running edge");
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<f64>().ok())
        .expect("its resident memory")
        / 1024.0
}

struct Run {
    drained: Duration,
    /// ms.
    singles: Vec<f64>,
}

fn measure(store: &str, rows: u64) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("edge.db");
    fill(&database, rows);
    let kafka = EmbeddedKafka::start(&[(READINGS, 1)]).expect("the embedded Kafka");
    let redis = (store == "redis").then(|| Redis::start(RedisOptions::default()));
    let [heartbeat, data, page] = [0; 3].map(|_| free_port().to_string());
    let ports = ["--heartbeat-port", &heartbeat, "--data-port", &data];
    let log = |name: &str| Stdio::from(std::fs::File::create(folder.path().join(name)).expect("a log"));
    let mut cloud = Command::new(binary("pehra-cloud"));
    cloud
        .args(ports)
        .args(["--page", &format!("127.0.0.1:{page}"), "--state-dir"])
        .arg(folder.path());
    match &redis {
        Some(redis) => cloud.args(["--redis", &redis.url()]),
        None => cloud.arg("--sqlite").arg(folder.path().join("cloud.db")),
    };
    let _cloud = Process::start(cloud.stdin(Stdio::null()).stderr(log("cloud.log")), BUILD);
    let mut edge = Command::new(binary("pehra-edge"));
    edge.args(ports)
        .args(["--kafka", kafka.brokers(), "--database"])
        .arg(&database);
    let _edge = Process::start(edge.stdin(Stdio::null()).stderr(log("edge.log")), BUILD);

    wait_until("the first acknowledgement", Duration::from_secs(30), || {
        at(&database).acked > 0
    });
    let began = Instant::now();
    wait_until("everything is acknowledged", Duration::from_secs(600), || {
        at(&database).acked == rows
    });
    let drained = began.elapsed();
    Run {
        drained,
        singles: singles(&Cluster::at(kafka.brokers()), &database),
    }
}

const BUILD: &str = "cargo build --release --bins";

fn at(database: &Path) -> Backlog {
    backlog(database).unwrap_or_default()
}

/// One reading every six seconds of event time: each closes the window before it.
fn singles(cluster: &Cluster, database: &Path) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let producer = Producer::new(cluster).expect("a producer");
    let mut taken = Vec::with_capacity(SINGLES);
    for number in 0..SINGLES + 3 {
        let acked = at(database).acked;
        let time_ms = 1_700_000_000_000 + i64::try_from(number).expect("few") * 10_000;
        let record = format!(r#"{{"node_id":"single","power_value":250000,"timestamp":{time_ms}}}"#);
        let began = Instant::now();
        runtime.block_on(async {
            let sent = producer
                .send(READINGS, "single", record.as_bytes(), time_ms)
                .await
                .expect("sent");
            sent.wait().await.expect("written");
        });
        // The first ones meet a window that is still empty, and a source that has just begun.
        if number < 3 {
            std::thread::sleep(Duration::from_millis(1500));
            continue;
        }
        while at(database).acked == acked {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "a window was never acknowledged"
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
        wait_until("nothing waits", Duration::from_secs(30), || {
            at(database).acked == at(database).last
        });
    }
    taken
}

/// Fills an outbox as the edge itself would have.
fn fill(database: &Path, rows: u64) {
    let mut store = EdgeStore::open(database).expect("a new database");
    let mut next = 1;
    store
        .commit(&[PipelineRecord::Sender(SenderRecord::Epoch(7))])
        .expect("committed");
    while next <= rows {
        let until = (next + 5000).min(rows + 1);
        let records: Vec<PipelineRecord> = (next..until).map(row).collect();
        store.commit(&records).expect("committed");
        next = until;
    }
}

fn row(seq: u64) -> PipelineRecord {
    let number = i64::try_from(seq).expect("few");
    let household = Household::new(&format!("house-{:04}", seq % HOUSEHOLDS)).expect("a short name");
    let body = Tuple {
        household,
        start_ms: 1_600_000_000_000 + number / 1000 * 5000,
        span: Span::Window {
            sum_mw: 750_000 + number % 1000,
            n: 3,
            min_mw: 200_000,
            max_mw: 300_000,
            first_register: Some(seq * 100),
            last_register: Some(seq * 100 + 40),
            revision: 0,
        },
    };
    PipelineRecord::Sender(SenderRecord::Row { seq: Seq(seq), body })
}

/// A program of the same build as this one.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program's path");
    let folder = own.parent().and_then(Path::parent).expect("the target folder");
    let path = folder.join(name);
    assert!(path.exists(), "{} is not there; build it with: {BUILD}", path.display());
    path
}

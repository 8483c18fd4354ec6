//! What standing in front of a broker costs: a produce and a fetch through `pehra-kafka-proxy` and past it, to one real Apache
//! Kafka on this machine: `./run bench-proxy`.
//!
//! One connection for each way, one request under way at a time. The ways take turns call by call, and who begins changes
//! each time, so both meet the same moods of the machine and of the broker. The proxy has a runtime of its own, as in an agent;
//! the client's requests are the same bytes on both ways.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, FetchRequest, ProduceRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use pehra_kafka_proxy::{Options as ProxyOptions, Proxy};
use pehra_testbed::kafka::Kafka;
use pehra_testbed::process::free_port;

const TOPIC: &str = "bench";

/// Versions that name topics, and that every broker of Kafka 4 takes.
const PRODUCE: i16 = 9;
const FETCH: i16 = 11;

/// What a proxy in front of a broker costs: a produce and a fetch through it and past it.
///
/// Prints p50, p99 and the worst of each, and how the medians compare.
#[derive(Debug, Parser)]
#[command(name = "proxy", bin_name = "./run bench-proxy", after_help = EXAMPLES)]
struct Options {
    /// Calls of each kind on each way that count; a tenth as many before them do not
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    calls: u32,

    /// One JSON object a row instead of the table
    #[arg(long)]
    json: bool,

    /// Also write the table into this folder, as proxy.md
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  ./run bench-proxy
  ./run bench-proxy --calls 500 --json
  ./run bench-proxy --results benches/results     renew the committed table";

fn main() {
    let options = Options::parse();
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let kafka = Kafka::start_behind(&at.to_string());
    let upstream = kafka.inner().parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let proxy = runtime
        .block_on(Proxy::start(ProxyOptions::plain(at, upstream)))
        .expect("the port is free");
    make_topic(&kafka);
    let mut ways = [Way::to(upstream), Way::to(proxy.address())];
    let mut rows = Vec::new();
    for (name, bytes) in [("100 B", 100), ("100 KiB", 100 << 10)] {
        let request = produce(bytes);
        let mut offset = 0;
        rows.push(measure(
            &format!("produce, acks=all, {name}"),
            &mut ways,
            options.calls,
            &request,
            |answer| {
                offset = produced(answer);
            },
        ));
        let request = fetch(offset, i32::try_from(2 * bytes + 1000).expect("a short one"));
        rows.push(measure(
            &format!("fetch, {name}"),
            &mut ways,
            options.calls,
            &request,
            |answer| {
                assert!(answer.len() > bytes, "no record came: {} bytes", answer.len());
            },
        ));
    }
    let seen = *proxy.seen().borrow();
    assert!(
        seen.traffic > u64::from(options.calls),
        "the proxy saw nothing: {seen:?}"
    );
    if options.json {
        for row in &rows {
            println!("{}", row.json());
        }
    }
    let table = table(&rows, options.calls);
    if !options.json {
        print!("{table}");
    }
    if let Some(folder) = options.results {
        let path = folder.join("proxy.md");
        std::fs::write(&path, page(&table)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn make_topic(kafka: &Kafka) {
    let brokers = kafka.brokers();
    let arguments = [
        "--bootstrap-server",
        &brokers,
        "--create",
        "--topic",
        TOPIC,
        "--partitions",
        "1",
    ];
    let output = kafka.tool("org.apache.kafka.tools.TopicCommand", &arguments).output();
    let output = output.expect("java starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A connection, and how long its calls took.
struct Way {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Way {
    fn to(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).expect("it listens");
        stream.set_nodelay(true).expect("it can");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("it can");
        Self {
            stream,
            answer: Vec::new(),
        }
    }

    fn call(&mut self, request: &[u8]) -> Duration {
        let began = Instant::now();
        self.stream.write_all(request).expect("it is taken");
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("it is answered");
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
        self.answer.resize(length, 0);
        self.stream
            .read_exact(&mut self.answer)
            .expect("the answer comes whole");
        began.elapsed()
    }
}

struct Row {
    what: String,
    /// Past the proxy, and through it: sorted.
    times: [Vec<Duration>; 2],
}

fn measure(what: &str, ways: &mut [Way; 2], calls: u32, request: &[u8], mut check: impl FnMut(&[u8])) -> Row {
    let mut times = [Vec::new(), Vec::new()];
    let warm_up = calls / 10;
    for round in 0..calls + warm_up {
        let first = usize::from(round % 2 == 1);
        for way in [first, 1 - first] {
            let took = ways[way].call(request);
            check(&ways[way].answer);
            if round >= warm_up {
                times[way].push(took);
            }
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    Row {
        what: what.to_owned(),
        times,
    }
}

impl Row {
    /// µs: at the median, at p99, at worst.
    fn figures(&self, way: usize) -> [u128; 3] {
        let times = &self.times[way];
        [times.len() / 2, times.len() * 99 / 100, times.len() - 1].map(|at| times[at].as_micros())
    }

    #[allow(clippy::cast_precision_loss)] // a ratio
    fn ratio(&self) -> f64 {
        self.figures(1)[0] as f64 / self.figures(0)[0].max(1) as f64
    }

    fn json(&self) -> serde_json::Value {
        let way = |way| {
            let [p50, p99, worst] = self.figures(way).map(|us| u64::try_from(us).unwrap_or(u64::MAX));
            serde_json::json!({ "p50_us": p50, "p99_us": p99, "worst_us": worst })
        };
        serde_json::json!({
            "what": self.what,
            "past": way(0),
            "through": way(1),
            "ratio_of_medians": (self.ratio() * 1000.0).round() / 1000.0,
        })
    }
}

fn table(rows: &[Row], calls: u32) -> String {
    let mut table = format!(
        "{calls} calls a row and way; µs\n\n| call | past: p50 | p99 | worst | through: p50 | p99 | worst | added at p50 | ratio |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for row in rows {
        let ([a, b, c], [d, e, f]) = (row.figures(0), row.figures(1));
        let added = i128::try_from(d).unwrap_or(0) - i128::try_from(a).unwrap_or(0);
        table.push_str(&format!(
            "| {} | {a} | {b} | {c} | {d} | {e} | {f} | {added} | {:.2} |\n",
            row.what,
            row.ratio()
        ));
    }
    table
}

fn page(table: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "# What standing in front of a broker costs\n\n\
         Written by `./run bench-proxy --results benches/results`. {cores} cores, Linux {}, which broker, proxy and client share; load\n\
         average {load} at the end. One request under way at a time, both ways in turn: what a caller waits longer, not how much\n\
         passes in a second.\n\n{table}",
        kernel.split('-').next().unwrap_or_default().trim()
    )
}

fn framed(key: ApiKey, version: i16, header_version: i16, request: &impl Encodable) -> Vec<u8> {
    let mut content = bytes::BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("bench")))
        .encode(&mut content, header_version)
        .and_then(|()| request.encode(&mut content, version))
        .expect("it can be written");
    let length = i32::try_from(content.len()).expect("a short one");
    [&length.to_be_bytes()[..], &content].concat()
}

fn topic() -> TopicName {
    StrBytes::from_static_str(TOPIC).into()
}

fn produce(bytes: usize) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let record = Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: i64::try_from(now.as_millis()).expect("a time"),
        key: None,
        value: Some(vec![b'x'; bytes].into()),
        headers: Default::default(),
    };
    let mut batch = bytes::BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut batch, [&record], &options).expect("it can be written");
    let partition = PartitionProduceData::default().with_records(Some(batch.freeze()));
    let data = TopicProduceData::default()
        .with_name(topic())
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![data]);
    framed(
        ApiKey::Produce,
        PRODUCE,
        ProduceRequest::header_version(PRODUCE),
        &request,
    )
}

/// Where the record went. The answer: number, tags, one topic with its name, one partition with its number, error and offset.
fn produced(answer: &[u8]) -> i64 {
    let at = 4 + 1 + 1 + 1 + TOPIC.len() + 1 + 4;
    assert_eq!(answer[at..at + 2], [0, 0], "the record was refused");
    i64::from_be_bytes(answer[at + 2..at + 10].try_into().expect("eight bytes"))
}

fn fetch(offset: i64, bytes_max: i32) -> Vec<u8> {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes_max);
    let topic = FetchTopic::default()
        .with_topic(topic())
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(1000)
        .with_min_bytes(1)
        .with_max_bytes(bytes_max)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    framed(ApiKey::Fetch, FETCH, FetchRequest::header_version(FETCH), &request)
}
